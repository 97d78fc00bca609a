// Reductions. Adjacent axes that are reduced together count as one. Groups of axes are reduced one after another, the
// last one first, and results between them are f64. Each group is a reduction [A, R, B] -> [A, B], which is cut into
// pieces that are combined in order.
#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/stream.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kReduceGrain = 32768, kFew = 12;

struct Sum {
  static constexpr double kStart = 0;
  static double combine(double a, double b) { return a + b; }
  static Vec<double> combine(Vec<double> a, Vec<double> b) { return a + b; }
};
struct Max {
  static constexpr double kStart = -std::numeric_limits<double>::infinity();
  static double combine(double a, double b) { return b > a || b != b ? b : a; }  // a NaN stays
  static Vec<double> combine(Vec<double> a, Vec<double> b) { return ((b > a) | (b != b)) ? b : a; }
};
struct Min {
  static constexpr double kStart = std::numeric_limits<double>::infinity();
  static double combine(double a, double b) { return b < a || b != b ? b : a; }
  static Vec<double> combine(Vec<double> a, Vec<double> b) { return ((b < a) | (b != b)) ? b : a; }
};

// Reduces a contiguous run. It has four running results of a vector each, which are combined at the end.
template <class Op, class T>
double reduce_run(const T* x, std::int64_t count) {
  constexpr int kStep = kLanes<double>;
  double result = Op::kStart;
  std::int64_t i = 0;
  if (count >= kStep) {
    Vec<double> part[4];
    for (Vec<double>& p : part) p = splat(Op::kStart);
    for (; i + 4 * kStep <= count; i += 4 * kStep)
      for (int k = 0; k < 4; ++k) part[k] = Op::combine(part[k], load_wide(x + i + k * kStep));
    for (; i + kStep <= count; i += kStep) part[0] = Op::combine(part[0], load_wide(x + i));
    const Vec<double> all = Op::combine(Op::combine(part[0], part[1]), Op::combine(part[2], part[3]));
    for (int k = 0; k < kStep; ++k) result = Op::combine(result, all[k]);
  }
  for (; i < count; ++i) result = Op::combine(result, static_cast<double>(x[i]));
  return result;
}

// Reduces the rows of a strip of columns to result [width]. Row r starts at x + r * stride. Several rows are read at a
// time, so that the results stay in registers.
template <class Op, class T>
void reduce_rows(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t width, double* result) {
  constexpr std::int64_t kStep = kLanes<double>, kRows = 8;
  std::fill(result, result + width, Op::kStart);
  for (std::int64_t r = 0; r < rows; r += kRows, x += kRows * stride) {
    const std::int64_t some = std::min(kRows, rows - r);
    std::int64_t c = 0;
    for (; c + kStep <= width; c += kStep) {
      Vec<double> v = load(result + c);
      for (std::int64_t k = 0; k < some; ++k) v = Op::combine(v, load_wide(x + k * stride + c));
      store(result + c, v);
    }
    for (; c < width; ++c)
      for (std::int64_t k = 0; k < some; ++k)
        result[c] = Op::combine(result[c], static_cast<double>(x[k * stride + c]));
  }
}

// Does the same for all columns of a map that has few of them. They lie next to each other, so they are read as longer
// rows that hold several of the true ones.
template <class Op, class T>
void reduce_narrow(const T* x, std::int64_t rows, std::int64_t width, double* result) {
  const std::int64_t period = ChannelStream::period_of(width), fold = period / width;
  auto wide = zero_vector<double>(period);
  reduce_rows<Op>(x, rows / fold, period, period, wide.data());
  reduce_rows<Op>(x + rows / fold * period, rows % fold, width, width, result);
  for (std::int64_t j = 0; j < period; ++j) result[j % width] = Op::combine(result[j % width], nth(wide, j));
}

// How [A, R, B] is cut: into strips of columns and pieces of rows.
struct Pieces {
  static constexpr std::int64_t kNarrow = 256;
  std::int64_t strip, strips, rows, pieces;
  Pieces(std::int64_t r, std::int64_t b)
      : strip(std::min<std::int64_t>(b, 4096)),
        strips(block_count(b, std::max<std::int64_t>(strip, 1))),
        rows(std::max<std::int64_t>(32, kReduceGrain / std::max<std::int64_t>(strip, 1))),
        pieces(std::max<std::int64_t>(1, block_count(r, rows))) {}
};

template <class Op, class T>
void reduce_piece(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t width, double* result) {
  if (stride == 1)
    *result = reduce_run<Op>(x, rows);
  else if (width == stride && width < Pieces::kNarrow && rows * width >= 4 * Pieces::kNarrow)
    reduce_narrow<Op>(x, rows, width, result);
  else
    reduce_rows<Op>(x, rows, stride, width, result);
}

// The same for a run of a few elements, such as the channels of a voxel, where whole vectors do not pay.
template <class Op, class T>
inline double reduce_few(const T* x, std::int64_t count) {
  double result = Op::kStart;
  for (std::int64_t i = 0; i < count; ++i) result = Op::combine(result, static_cast<double>(x[i]));
  return result;
}

template <class Op, class T, class To>
void reduce_axis(const T* x, std::int64_t a, std::int64_t r, std::int64_t b, To* y) {
  if (a * b == 0) return;
  const Pieces cut(r, b);
  if (b == 1 && cut.pieces == 1)
    return parallel_for(
        a, std::max<std::int64_t>(1, kReduceGrain / std::max<std::int64_t>(r, 1)),
        [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i)
            y[i] = static_cast<To>(r <= kFew ? reduce_few<Op>(x + i * r, r) : reduce_run<Op>(x + i * r, r));
        });
  const std::int64_t work = std::max<std::int64_t>(1, std::min(r, cut.rows) * cut.strip);
  // The results of the pieces. They are stored only where there are several.
  auto partial = zero_vector<double>(cut.pieces > 1 ? a * cut.pieces * b : 0);
  parallel_for(a * cut.pieces * cut.strips, std::max<std::int64_t>(1, kReduceGrain / work),
               [&](std::int64_t begin, std::int64_t end) {
                 auto result = zero_vector<double>(cut.strip);
                 for (std::int64_t unit = begin; unit < end; ++unit) {
                   const std::int64_t piece = unit / cut.strips, column = unit % cut.strips * cut.strip;
                   const std::int64_t row = piece % cut.pieces * cut.rows, width = std::min(cut.strip, b - column);
                   reduce_piece<Op>(x + (piece / cut.pieces * r + row) * b + column, std::min(cut.rows, r - row), b,
                                    width, result.data());
                   for (std::int64_t c = 0; c < width; ++c)
                     if (cut.pieces > 1)
                       nth(partial, piece * b + column + c) = nth(result, c);
                     else
                       y[piece * b + column + c] = static_cast<To>(nth(result, c));
                 }
               });
  if (cut.pieces == 1) return;
  parallel_for(a * b, kReduceGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double* from = partial.data() + i / b * cut.pieces * b + i % b;
      double result = *from;
      for (std::int64_t k = 1; k < cut.pieces; ++k) result = Op::combine(result, from[k * b]);
      y[i] = static_cast<To>(result);
    }
  });
}

// The groups of adjacent axes of x that are all reduced or all kept.
struct AxisGroups {
  int count = 0;
  std::array<std::int64_t, Shape::kMaxDims> extent{};
  std::array<bool, Shape::kMaxDims> reduced{};

  AxisGroups(const Shape& x, const Shape& y) {
    for (int axis = 0; axis < x.dims(); ++axis) {
      if (x[axis] == 1) continue;
      const bool gone = y[axis] == 1;
      if (count == 0 || nth(reduced, count - 1) != gone) {
        nth(reduced, count) = gone;
        nth(extent, count++) = 1;
      }
      nth(extent, count - 1) *= x[axis];
    }
  }
  std::int64_t product(int begin, int end) const {
    std::int64_t n = 1;
    for (int i = begin; i < end; ++i) n *= nth(extent, i);
    return n;
  }
  // The last group that is reduced, or -1 if there is none.
  int last() const {
    int i = count - 1;
    while (i >= 0 && !nth(reduced, i)) --i;
    return i;
  }
};

template <class Op, class T, class To>
void reduce_groups(const T* x, AxisGroups groups, To* y) {
  const int last = groups.last();
  if (last < 0) {
    for (std::int64_t i = 0; i < groups.product(0, groups.count); ++i) y[i] = static_cast<To>(x[i]);
    return;
  }
  const std::int64_t a = groups.product(0, last), b = groups.product(last + 1, groups.count);
  const std::int64_t r = nth(groups.extent, last);
  nth(groups.extent, last) = 1;
  nth(groups.reduced, last) = false;
  if (groups.last() < 0) return reduce_axis<Op>(x, a, r, b, y);
  auto middle = zero_vector<double>(a * b);
  reduce_axis<Op>(x, a, r, b, middle.data());
  reduce_groups<Op, double, To>(middle.data(), groups, y);
}

}  // namespace

void CpuBackend::reduce(ReduceOp op, const Tensor& x, const Tensor& y) {
  const AxisGroups groups(x.shape(), y.shape());
  dispatch_float(x.dtype(), "reduce", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    switch (op) {
      case ReduceOp::sum: return reduce_groups<Sum>(from, groups, to);
      case ReduceOp::max: return reduce_groups<Max>(from, groups, to);
      case ReduceOp::min: return reduce_groups<Min>(from, groups, to);
    }
  });
}

void CpuBackend::bias_gradient(const Tensor& dy, const Tensor& dbias) {
  const std::int64_t channels = dy.extent(-1);
  dispatch_float(dy.dtype(), "bias_gradient", [&]<class T>(T) {
    reduce_axis<Sum>(dy.data<T>(), 1, channels == 0 ? 0 : dy.numel() / channels, channels, dbias.data<T>());
  });
}

double CpuBackend::sum_of_squares(const Tensor& x) {
  auto partial = zero_vector<double>(block_count(x.numel(), kReduceGrain));
  dispatch_float(x.dtype(), "sum_of_squares", [&]<class T>(T) {
    const T* from = x.data<T>();
    parallel_for(x.numel(), kReduceGrain, [&](std::int64_t begin, std::int64_t end) {
      constexpr int kStep = kLanes<double>;
      Vec<double> sum{};
      std::int64_t i = begin;
      for (; i + kStep <= end; i += kStep) {
        const Vec<double> v = load_wide(from + i);
        sum += v * v;
      }
      double total = 0;
      for (int k = 0; k < kStep; ++k) total += sum[k];
      for (; i < end; ++i) total += static_cast<double>(from[i]) * static_cast<double>(from[i]);
      nth(partial, begin / kReduceGrain) = total;
    });
  });
  double total = 0;
  for (const double part : partial) total += part;
  return total;
}

std::int64_t CpuBackend::largest_label(const Tensor& labels, int ignore) {
  const std::uint8_t* from = labels.data<std::uint8_t>();
  std::vector<int> partial(static_cast<std::size_t>(block_count(labels.numel(), kReduceGrain)), -1);
  parallel_for(labels.numel(), kReduceGrain, [&](std::int64_t begin, std::int64_t end) {
    int largest = -1;
    for (std::int64_t i = begin; i < end; ++i) largest = std::max(largest, from[i] == ignore ? -1 : int{from[i]});
    nth(partial, begin / kReduceGrain) = largest;
  });
  return partial.empty() ? -1 : *std::max_element(partial.begin(), partial.end());
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

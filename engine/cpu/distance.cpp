// The exact Euclidean distance transform, for both sides of a class at once. Squares add up over the axes, so one axis
// is done after the other (Saito and Toriwaki, Pattern Recognition 1994). The first pass measures along the rows. Every
// further pass starts from f, the squared distance along the axes that are done, and computes
//
//     d[i] = min over j of f[j] + (s (i - j))^2      with f[j] = 0 for a voxel j on the other side of i.
//
// As soon as d[i] <= (s k)^2, nothing k voxels away can make it smaller. Two things follow from that. What lies behind
// the first voxel of the other side needs no special case, because that voxel is nearer than all of it. And a search
// outwards from i ends early, so that the lines of kLanes neighbouring columns are searched together, with vectors.
// Where distances are so large that this takes too long, every line gets the lower envelope of parabolas instead
// (Felzenszwalb and Huttenlocher, Theory of Computing 2012), whose time is linear.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "engine/cpu/scratch.h"
#include "engine/distance_grid.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kDistanceGrain = 16384;  // voxels per task
// The steps of a search per row that take as long as the envelopes of all lanes do.
template <class T>
constexpr std::int64_t kFairSteps = 4 * kLanes<T>;

// Squares are integers, counted in squares of a unit of length, if the spacing allows it. Otherwise they have the type
// of the result. kFar is larger than any square, and a square can be added to it.
template <class T>
constexpr T kFar = std::numeric_limits<T>::infinity();
template <>
constexpr std::int32_t kFar<std::int32_t> = DistanceGrid::kFar;

template <class V>
inline V smaller(V a, V b) {
  return a < b ? a : b;
}
// The upper half of v against its lower half, and so on. Size: the lanes that still differ.
template <class T, int Size = kLanes<T>, std::size_t... lane>
inline Vec<T> folded(Vec<T> v, std::index_sequence<lane...>) {
  return __builtin_shufflevector(v, v, static_cast<int>(lane ^ (Size / 2))...);
}
template <class T, int Size = kLanes<T>>
inline T largest(Vec<T> v) {
  if constexpr (Size == 1) {
    return v[0];
  } else {
    const Vec<T> other = folded<T, Size>(v, std::make_index_sequence<kLanes<T>>());
    return largest<T, Size / 2>(v > other ? v : other);
  }
}

// Returns the index of the first voxel after `begin` that lies on another side, or n.
inline std::int32_t end_of_run(const std::uint8_t* side, std::int32_t begin, std::int32_t n) {
  const std::uint64_t eight = side[begin] * 0x0101010101010101u;
  std::int32_t end = begin + 1;
  for (std::uint64_t next; end + 8 <= n; end += 8) {
    std::memcpy(&next, side + end, sizeof next);
    if (next != eight) break;
  }
  while (end < n && side[end] == side[begin]) ++end;
  return end;
}

// Measures along a row, which lies dense in memory. From voxel i of a run [begin, end) it is i - begin + 1 steps to the
// voxel before the run and end - i steps to the one behind it, unless the row ends there.
template <class T>
void measure_row(const std::uint8_t* side, std::int32_t n, T weight, T* square) {
  for (std::int32_t begin = 0, end = 0; begin < n; begin = end) {
    end = end_of_run(side, begin, n);
    if (begin == 0 && end == n) {
      std::fill_n(square, n, kFar<T>);
      return;
    }
    const std::int32_t before = begin > 0 ? begin - 1 : -n, behind = end < n ? end : 2 * n;
    for (std::int32_t i = begin; i < end; ++i) {
      const T steps = static_cast<T>(std::min(i - before, behind - i));
      square[i] = weight * steps * steps;
    }
  }
}

// Solves the lines of neighbouring columns, kLanes at a time: up to kGroups groups of n rows of lanes each. There are
// several groups, because memory is read and written faster in longer pieces.
template <class T>
class DistanceLines {
 public:
  static constexpr int kWidth = kLanes<T>, kGroups = 4, kColumns = kGroups * kWidth;

  // For at most `columns` columns, a whole number of vectors.
  DistanceLines(std::int64_t n, double weight, std::int64_t columns)
      : n_(n),
        weight_(static_cast<T>(weight)),
        f_(n * columns),
        d_(n * columns),
        side_(n * kWidth),
        label_(n * columns),
        square_(n),
        at_(n),
        from_(n + 1) {
    for (std::int64_t k = 0; k < n; ++k) square_.data()[k] = static_cast<T>(weight * static_cast<double>(k * k));
  }

  // Solves `count` columns, whose rows are `stride` apart.
  void solve(const T* square, const std::uint8_t* side, std::int64_t stride, int count) {
    for (std::int64_t i = 0; i < n_; ++i)
      for (int first = 0; first < count; first += kWidth) {
        const std::int64_t from = i * stride + first, to = first * n_ + i * kWidth;
        store(f_.data() + to, load_part(square + from, count - first));
        if (first + kWidth <= count)
          std::memcpy(label_.data() + to, side + from, kWidth);
        else
          for (int lane = 0; lane < kWidth; ++lane)
            label_.data()[to + lane] = first + lane < count ? side[from + lane] : std::uint8_t{0};
      }
    for (int first = 0; first < count; first += kWidth) solve_group(first * n_);
  }
  std::int64_t rows() const { return n_; }
  // The squares of kWidth columns from column `first` on, [n, kWidth].
  const T* squares(int first) const { return d_.data() + first * n_; }

 private:
  void solve_group(std::int64_t offset) {
    T *f = f_.data() + offset, *d = d_.data() + offset, *side = side_.data();
    const std::uint8_t* label = label_.data() + offset;
    for (std::int64_t i = 0; i < n_ * kWidth; ++i) side[i] = static_cast<T>(label[i]);
    measure(f, side, d);
    if (search(f, d)) return;
    for (int lane = 0; lane < kWidth; ++lane) envelope(f + lane, d + lane);
  }

  // d = the smaller of f and the squared distance along the line alone.
  void measure(const T* f, const T* side, T* d) const {
    const Vec<T> none = splat(static_cast<T>(n_));  // this many steps mean that there is no other side
    Vec<T> steps = none;
    for (std::int64_t i = n_ - 1; i >= 0; --i) {
      if (i < n_ - 1) steps = next(steps, none, load(side + i * kWidth), load(side + (i + 1) * kWidth));
      store(d + i * kWidth, steps);
    }
    steps = none;
    for (std::int64_t i = 0; i < n_; ++i) {
      if (i > 0) steps = next(steps, none, load(side + i * kWidth), load(side + (i - 1) * kWidth));
      const Vec<T> least = smaller(steps, load(d + i * kWidth));
      const Vec<T> along = least < none ? weight_ * least * least : splat(kFar<T>);
      store(d + i * kWidth, smaller(load(f + i * kWidth), along));
    }
  }
  // The steps from a voxel to the other side, given those from the voxel before it.
  static Vec<T> next(Vec<T> steps, Vec<T> none, Vec<T> side, Vec<T> before) {
    return side == before ? smaller(steps + T(1), none) : splat(T(1));
  }

  // Returns false if it gives up. Nothing beyond `reach` steps is nearer. From one row to the next the distance, and
  // with it the reach, grows by one step at most.
  bool search(const T* f, T* d) const {
    const T* square = square_.data();
    std::int64_t reach = n_, budget = kFairSteps<T> * n_ / 4;
    for (std::int64_t i = 0; i < n_; ++i) {
      const std::int64_t before = i, behind = n_ - 1 - i;
      const std::int64_t both = std::min({reach + 1, before, behind});
      const std::int64_t either = std::min(reach + 1, std::max(before, behind));
      const std::int64_t outwards = before < behind ? kWidth : -kWidth;
      const T* here = f + i * kWidth;
      Vec<T> best = nearest(1, both, load(d + i * kWidth), [&](std::int64_t k) {
        return smaller(load(here - k * kWidth), load(here + k * kWidth)) + square[k];
      });
      best = nearest(both + 1, either, best, [&](std::int64_t k) { return load(here + k * outwards) + square[k]; });
      store(d + i * kWidth, best);
      const T furthest = largest<T>(best);
      reach = either;
      while (reach > 0 && square[reach - 1] >= furthest) --reach;
      budget += kFairSteps<T> - reach;
      if (budget < 0) return false;
    }
    return true;
  }
  // Returns the smallest of `best` and candidate(first .. last). Four candidates are compared at a time, because a
  // minimum has to wait for the one before it.
  template <class F>
  static Vec<T> nearest(std::int64_t first, std::int64_t last, Vec<T> best, const F& candidate) {
    std::int64_t k = first;
    for (; k + 3 <= last; k += 4)
      best =
          smaller(best, smaller(smaller(candidate(k), candidate(k + 1)), smaller(candidate(k + 2), candidate(k + 3))));
    for (; k <= last; ++k) best = smaller(best, candidate(k));
    return best;
  }

  // Solves one line: finds which parabola is the lowest from where on, then d along it.
  void envelope(const T* f, T* d) const {
    std::int64_t count = 0;
    std::int32_t* at = at_.data();
    double* from = from_.data();
    for (std::int64_t j = 0; j < n_; ++j) {
      const T height = f[j * kWidth];
      if (height >= kFar<T>) continue;
      double start = -std::numeric_limits<double>::infinity();
      for (; count > 0; --count) {
        const std::int64_t k = at[count - 1];
        const double rise = static_cast<double>(height - f[k * kWidth]) / static_cast<double>(weight_);
        const double meet = (rise + static_cast<double>(j * j - k * k)) / static_cast<double>(2 * (j - k));
        if (meet > from[count - 1]) {
          start = meet;
          break;
        }
      }
      at[count] = static_cast<std::int32_t>(j);
      from[count++] = start;
    }
    if (count == 0) return;
    from[count] = std::numeric_limits<double>::infinity();
    for (std::int64_t i = 0, k = 0; i < n_; ++i) {
      while (from[k + 1] < static_cast<double>(i)) ++k;
      d[i * kWidth] = smaller(d[i * kWidth], f[at[k] * kWidth] + square_.data()[std::abs(i - at[k])]);
    }
  }

  std::int64_t n_;
  T weight_;
  Scratch<T> f_, d_, side_;
  Scratch<std::uint8_t> label_;
  Scratch<T> square_;  // square_[k]: of k steps
  Scratch<std::int32_t> at_;
  Scratch<double> from_;
};

// Makes a pass along an axis of n voxels that are `inner` apart. keep(lines, first, count) takes the results of `count`
// columns; `first` is their first voxel.
template <class T, class Keep>
void pass(const T* square, const std::uint8_t* side, std::int64_t outer, std::int64_t n, std::int64_t inner,
          double weight, const Keep& keep) {
  constexpr std::int64_t kColumns = DistanceLines<T>::kColumns, kWidth = DistanceLines<T>::kWidth;
  const std::int64_t blocks = block_count(inner, kColumns);
  parallel_for(outer * blocks, std::max<std::int64_t>(1, kDistanceGrain / (n * std::min(kColumns, inner))),
               [&](std::int64_t begin, std::int64_t end) {
                 DistanceLines<T> lines(n, weight, std::min(kColumns, block_count(inner, kWidth) * kWidth));
                 for (std::int64_t block = begin; block < end; ++block) {
                   const std::int64_t column = block % blocks * kColumns, first = block / blocks * n * inner + column;
                   const int count = static_cast<int>(std::min(kColumns, inner - column));
                   lines.solve(square + first, side + first, inner, count);
                   keep(lines, first, count);
                 }
               });
}

template <class T>
void keep_squares(const DistanceLines<T>& lines, T* to, std::int64_t stride, int count) {
  for (std::int64_t i = 0; i < lines.rows(); ++i)
    for (int column = 0; column < count; column += kLanes<T>)
      store_part(to + i * stride + column, load(lines.squares(column) + i * kLanes<T>), count - column);
}

// Writes unit times the root to every `width`-th element of y, or 0 if no voxel lies on another side.
template <class T, class Y>
void keep_roots(const DistanceLines<T>& lines, Y unit, Y* y, std::int64_t stride, std::int64_t width, int count) {
  constexpr int kWidth = kLanes<T>;
  const Scratch<Y> memory(lines.rows() * kWidth);
  for (int column = 0; column < count; column += kWidth) {
    const T* square = lines.squares(column);
    Y* root = memory.data();
    if (square[0] < kFar<T>)
      for (std::int64_t i = 0; i < lines.rows() * kWidth; ++i) root[i] = unit * std::sqrt(static_cast<Y>(square[i]));
    else
      std::fill_n(root, lines.rows() * kWidth, Y(0));
    for (std::int64_t i = 0; i < lines.rows(); ++i, root += kWidth) {
      Y* to = y + i * stride + column * width;
      if (width == 1 && column + kWidth <= count)
        std::memcpy(to, root, kWidth * sizeof(Y));
      else
        for (int lane = 0; lane < std::min(kWidth, count - column); ++lane) to[lane * width] = root[lane];
    }
  }
}

// Writes the distances of side u8 [samples, *extent] to every `width`-th element of y.
template <class T, class Y>
void transform(const DistanceGrid& grid, const std::uint8_t* side, Y* y, std::int64_t width) {
  const std::int64_t depth = grid.extent[0], height = grid.extent[1], row = grid.extent[2];
  const std::int64_t rows = grid.samples * depth * height;
  const Scratch<T> memory(rows * row);
  T* square = memory.data();
  parallel_for(rows, std::max<std::int64_t>(1, kDistanceGrain / row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      measure_row(side + i * row, static_cast<std::int32_t>(row), static_cast<T>(grid.weight[2]), square + i * row);
  });
  if (height > 1)
    pass(square, side, grid.samples * depth, height, row, grid.weight[1],
         [=](const DistanceLines<T>& lines, std::int64_t first, int count) {
           keep_squares(lines, square + first, row, count);
         });
  pass(square, side, grid.samples, depth, height * row, grid.weight[0],
       [=, unit = static_cast<Y>(grid.unit)](const DistanceLines<T>& lines, std::int64_t first, int count) {
         keep_roots(lines, unit, y + first * width, height * row * width, width, count);
       });
}

void tell_sides(const std::uint8_t* label, std::int64_t voxels, int wanted, std::uint8_t* side) {
  parallel_for(voxels, kDistanceGrain, [=](std::int64_t begin, std::int64_t end) {
    const std::uint8_t* from = label;
    std::uint8_t* to = side;
    VOXGRAD_INDEPENDENT
    for (std::int64_t i = begin; i < end; ++i) to[i] = from[i] == wanted;
  });
}

}  // namespace

void CpuBackend::distance(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                          const Tensor& y) {
  if (labels.numel() == 0) return;
  const DistanceGrid grid(labels.shape(), spacing);
  const std::int64_t voxels = labels.numel(), width = y.extent(-1);
  const Scratch<std::uint8_t> sides(classes.empty() ? 0 : voxels);
  for (std::int64_t k = 0; k < width; ++k) {
    const std::uint8_t* side = labels.data<std::uint8_t>();
    if (!classes.empty()) {
      tell_sides(side, voxels, nth(classes, k), sides.data());
      side = sides.data();
    }
    dispatch_float(y.dtype(), "distance", [&]<class Y>(Y) {
      if (grid.whole)
        transform<std::int32_t>(grid, side, y.data<Y>() + k, width);
      else
        transform<Y>(grid, side, y.data<Y>() + k, width);
    });
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// Memory: copies, casts, boxes.
#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>

#include "engine/cpu/gemm.h"
#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kCopyGrain = 65536;

// The storage format of the GPU. On the CPU it is only converted.
struct Bf16 {
  std::uint16_t bits = 0;
  Bf16() = default;
  explicit Bf16(double value) {
    const float narrow = static_cast<float>(value);
    std::uint32_t word;
    std::memcpy(&word, &narrow, sizeof word);
    const std::uint32_t rounded = word + 0x7FFFu + (word >> 16 & 1u);  // to nearest even
    bits = static_cast<std::uint16_t>((narrow != narrow ? word | 0x400000u : rounded) >> 16);
  }
  explicit operator double() const {
    const std::uint32_t word = std::uint32_t{bits} << 16;
    float value;
    std::memcpy(&value, &word, sizeof value);
    return static_cast<double>(value);
  }
};

template <class F>
void dispatch_any(DType dtype, F&& f) {
  if (dtype == DType::bf16) return f(Bf16{});
  dispatch(dtype, f);
}

// Integers saturate and NaN becomes 0, because the plain conversion of a number that does not fit is undefined.
template <class To, class From>
inline To converted(From value) {
  if constexpr (std::is_same_v<To, From> || (std::is_floating_point_v<To> && !std::is_same_v<From, Bf16>)) {
    return static_cast<To>(value);
  } else if constexpr (std::is_integral_v<To>) {
    constexpr double kLow = std::numeric_limits<To>::lowest(), kHigh = std::numeric_limits<To>::max();
    double number = static_cast<double>(value);
    number = number == number ? number : 0.0;
    number = number > kLow ? number : kLow;
    number = number < kHigh ? number : kHigh;
    return static_cast<To>(static_cast<std::int32_t>(number));
  } else {
    return static_cast<To>(static_cast<double>(value));
  }
}

template <class To, class From>
void convert(const From* x, To* y, std::int64_t count) {
  parallel_for(count, kCopyGrain, [=](std::int64_t begin, std::int64_t end) {
    const From* from = x;  // local copies: a byte of y could be part of the closure
    To* to = y;
    for (std::int64_t i = begin; i < end; ++i) to[i] = converted<To>(from[i]);
  });
}

// A box as runs of contiguous elements. A run covers the trailing axes that are taken whole, and one more. The axis
// before that counts the runs of a row, and the other axes count the rows.
struct BoxRuns {
  std::int64_t length = 1, count = 1;
  Shape rows;

  BoxRuns(const Shape& x, const Shape& y, const Shape& extents) {
    int axis = extents.dims() - 1;
    while (axis >= 0 && extents[axis] == x[axis] && extents[axis] == y[axis]) length *= extents[axis--];
    if (axis >= 0) length *= extents[axis--];
    if (axis >= 0) count = extents[axis--];
    for (int i = 0; i <= axis; ++i) rows.push_back(extents[i]);
  }
};

// Where the rows of a box lie in a tensor, and how far apart the runs of a row are.
struct BoxRows {
  std::int64_t origin = 0, step = 0;
  Shape rows, strides;

  BoxRows(const Shape& shape, const Shape& begin, const Shape& outer) : rows(outer), strides(outer) {
    std::int64_t stride = 1;
    for (int axis = shape.dims() - 1; axis >= 0; stride *= shape[axis--]) {
      origin += begin[axis] * stride;
      if (axis == rows.dims()) step = stride;
      if (axis < rows.dims()) strides[axis] = stride;
    }
  }
  std::int64_t row(std::int64_t index) const {
    std::int64_t offset = origin;
    for (int axis = rows.dims() - 1; axis >= 0; index /= rows[axis--]) offset += index % rows[axis] * strides[axis];
    return offset;
  }
};

// Some runs of a row at equal distances, in elements.
struct Stretch {
  std::int64_t from, from_step, to, to_step, length, count;
};

// Calls move(stretch) for all runs of a box.
template <class Move>
void for_stretches(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin, const Shape& extents,
                   const Move& move) {
  const BoxRuns runs(x.shape(), y.shape(), extents);
  if (extents.numel() == 0) return;
  const BoxRows from(x.shape(), x_begin, runs.rows), to(y.shape(), y_begin, runs.rows);
  const std::int64_t grain = std::max<std::int64_t>(1, kCopyGrain / runs.length);
  parallel_for(runs.rows.numel() * runs.count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t row = i / runs.count, first = i % runs.count, last = std::min(runs.count, first + end - i);
      move(Stretch{from.row(row) + first * from.step, from.step, to.row(row) + first * to.step, to.step, runs.length,
                   last - first});
      i += last - first;
    }
  });
}

// Copies runs of as many bytes as an Element has, such as one channel of a map.
template <class Element>
inline void copy_elements(const char* from, std::int64_t from_step, char* to, std::int64_t to_step,
                          std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) {
    Element element;
    std::memcpy(&element, from + k * from_step, sizeof element);
    std::memcpy(to + k * to_step, &element, sizeof element);
  }
}

// A memcpy that makes no call for the few bytes that the channels of one voxel have.
inline void copy_bytes(const char* from, char* to, std::size_t bytes) {
  constexpr std::size_t kStep = 16;
  if (bytes < kStep || bytes > 32 * kStep) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (std::size_t i = 0; i + kStep <= bytes; i += kStep) std::memcpy(to + i, from + i, kStep);
  std::memcpy(to + bytes - kStep, from + bytes - kStep, kStep);  // the rest; it may write some bytes a second time
}

}  // namespace

std::unique_ptr<Backend> make_backend(std::unique_ptr<Pool> pool) {
  return std::make_unique<CpuBackend>(std::move(pool));
}

std::string CpuBackend::description() const {
  constexpr const char* kNames[] = {"baseline", "AVX2", "AVX-512"};
  return std::string("CPU, ") + kNames[VOXGRAD_ISA_LEVEL] + ", " + blas_description();
}

void CpuBackend::copy(void* to, Device, const void* from, Device, std::size_t bytes) {
  parallel_for(static_cast<std::int64_t>(bytes), kCopyGrain * 4, [=](std::int64_t begin, std::int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<std::size_t>(end - begin));
  });
}

void CpuBackend::fill(const Tensor& y, double value) {
  dispatch_any(y.dtype(), [&]<class T>(T) {
    T* to = static_cast<T*>(y.raw());
    const T number = converted<T>(value);
    parallel_for(y.numel(), kCopyGrain,
                 [=](std::int64_t begin, std::int64_t end) { std::fill(to + begin, to + end, number); });
  });
}

void CpuBackend::cast(const Tensor& x, const Tensor& y) {
  dispatch_any(x.dtype(), [&]<class From>(From) {
    dispatch_any(y.dtype(), [&]<class To>(To) {
      convert(static_cast<const From*>(x.raw()), static_cast<To*>(y.raw()), x.numel());
    });
  });
}

void CpuBackend::copy_box(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin,
                          const Shape& extents, bool add) {
  if (!add) {
    const auto size = static_cast<std::int64_t>(size_of(x.dtype()));
    const char* from = static_cast<const char*>(x.raw());
    char* to = static_cast<char*>(y.raw());
    return for_stretches(x, x_begin, y, y_begin, extents, [=](const Stretch& s) {
      const char* source = from + s.from * size;
      char* target = to + s.to * size;
      const std::int64_t from_step = s.from_step * size, to_step = s.to_step * size, bytes = s.length * size;
      if (bytes == 4) return copy_elements<std::uint32_t>(source, from_step, target, to_step, s.count);
      if (bytes == 8) return copy_elements<std::uint64_t>(source, from_step, target, to_step, s.count);
      for (std::int64_t k = 0; k < s.count; ++k)
        copy_bytes(source + k * from_step, target + k * to_step, static_cast<std::size_t>(bytes));
    });
  }
  dispatch_float(x.dtype(), "copy_box", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_stretches(x, x_begin, y, y_begin, extents, [=](const Stretch& s) {
      for (std::int64_t k = 0; k < s.count; ++k)
        for (std::int64_t i = 0; i < s.length; ++i) to[s.to + k * s.to_step + i] += from[s.from + k * s.from_step + i];
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// Memory: copies, casts, boxes.
#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kGrain = 65536;

// Storage format of the GPU; here it is only converted.
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

// Integers saturate and NaN becomes 0: the plain conversion of a number that does not fit is undefined.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, From> || (std::is_floating_point_v<To> && !std::is_same_v<From, Bf16>)) {
    return static_cast<To>(value);
  } else {
    const double number = static_cast<double>(value);
    if constexpr (std::is_integral_v<To>) {
      constexpr double kLow = std::numeric_limits<To>::lowest(), kHigh = std::numeric_limits<To>::max();
      return number >= kLow ? static_cast<To>(number <= kHigh ? number : kHigh)
                            : static_cast<To>(number < kLow ? kLow : 0);
    } else {
      return static_cast<To>(number);
    }
  }
}

template <class To, class From>
void convert(const From* x, To* y, std::int64_t count) {
  parallel_for(count, kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = converted<To>(x[i]);
  });
}

// A box as runs of contiguous elements: the trailing axes that are taken whole, and one more.
struct Runs {
  Shape outer;  // what counts the runs
  std::int64_t length = 1;

  Runs(const Shape& x, const Shape& y, const Shape& extents) {
    int axis = extents.dims() - 1;
    while (axis >= 0 && extents[axis] == x[axis] && extents[axis] == y[axis]) length *= extents[axis--];
    if (axis >= 0) length *= extents[axis--];
    for (int i = 0; i <= axis; ++i) outer.push_back(extents[i]);
  }
};

// Walks the start of each run in a tensor.
class Walk {
 public:
  Walk(const Shape& shape, const Shape& begin, const Shape& outer, std::int64_t run) : outer_(outer), index_(outer) {
    std::int64_t stride = 1;
    for (int axis = shape.dims() - 1; axis >= 0; --axis) {
      offset_ += begin[axis] * stride;
      if (axis < outer.dims()) strides_[static_cast<std::size_t>(axis)] = stride;
      stride *= shape[axis];
    }
    for (int axis = outer.dims() - 1; axis >= 0; --axis) {
      index_[axis] = run % outer[axis];
      run /= outer[axis];
      offset_ += index_[axis] * strides_[static_cast<std::size_t>(axis)];
    }
  }
  std::int64_t offset() const { return offset_; }
  void next() {
    for (int axis = outer_.dims() - 1; axis >= 0; --axis) {
      const std::int64_t stride = strides_[static_cast<std::size_t>(axis)];
      offset_ += stride;
      if (++index_[axis] < outer_[axis]) return;
      offset_ -= stride * outer_[axis];
      index_[axis] = 0;
    }
  }

 private:
  Shape outer_, index_;
  std::array<std::int64_t, Shape::kMaxDims> strides_{};
  std::int64_t offset_ = 0;
};

template <class Move>
void for_runs(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin, const Shape& extents,
              const Move& move) {
  const Runs runs(x.shape(), y.shape(), extents);
  if (runs.length == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / runs.length);
  parallel_for(runs.outer.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
    Walk from(x.shape(), x_begin, runs.outer, begin), to(y.shape(), y_begin, runs.outer, begin);
    for (std::int64_t i = begin; i < end; ++i, from.next(), to.next()) move(from.offset(), to.offset(), runs.length);
  });
}

}  // namespace

std::unique_ptr<Backend> make_backend(Pool& pool) { return std::make_unique<CpuBackend>(pool); }

std::string CpuBackend::description() const {
  constexpr const char* kNames[] = {"baseline", "AVX2", "AVX-512"};
  return std::string("CPU, ") + kNames[VOXGRAD_ISA_LEVEL];
}

void CpuBackend::copy(void* to, Device, const void* from, Device, std::size_t bytes) {
  parallel_for(static_cast<std::int64_t>(bytes), kGrain * 4, [=](std::int64_t begin, std::int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<std::size_t>(end - begin));
  });
}

void CpuBackend::fill(const Tensor& y, double value) {
  dispatch_any(y.dtype(), [&]<class T>(T) {
    T* to = static_cast<T*>(y.raw());
    const T number = converted<T>(value);
    parallel_for(y.numel(), kGrain,
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
    const std::size_t size = size_of(x.dtype());
    const char* from = static_cast<const char*>(x.raw());
    char* to = static_cast<char*>(y.raw());
    return for_runs(x, x_begin, y, y_begin, extents, [=](std::int64_t i, std::int64_t j, std::int64_t length) {
      std::memcpy(to + static_cast<std::size_t>(j) * size, from + static_cast<std::size_t>(i) * size,
                  static_cast<std::size_t>(length) * size);
    });
  }
  dispatch_float(x.dtype(), "copy_box", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_runs(x, x_begin, y, y_begin, extents, [=](std::int64_t i, std::int64_t j, std::int64_t length) {
      for (std::int64_t k = 0; k < length; ++k) to[j + k] += from[i + k];
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

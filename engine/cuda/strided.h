// Two arrays walked together in the order of a dense box: broadcasts, and boxes inside larger tensors.
#pragma once

#include <cstdint>

#include "engine/cuda/device.h"
#include "engine/shape.h"

namespace voxgrad::cuda {

// 32 bits where they suffice: a division of 64 bits costs several times as much.
struct Division {
  std::int64_t quotient, rest;
};
__device__ inline Division divide(std::int64_t a, std::int64_t b) {
  if ((a | b) >> 32 == 0) {
    const auto n = static_cast<std::uint32_t>(a), d = static_cast<std::uint32_t>(b), q = n / d;
    return {q, n - q * d};
  }
  const std::int64_t q = a / b;
  return {q, a - q * b};
}

// What many are divided by. Where 31 bits suffice, a product and a shift do it (Granlund and Montgomery, PLDI 1994): a
// division takes 20 instructions, and indices are what most kernels here compute.
struct Divisor {
  std::int64_t value = 1;
  std::uint32_t factor = 1, shift = 0;

  Divisor() = default;
  Divisor(std::int64_t divisor) : value(divisor) {  // NOLINT: implicit
    if (value < 1 || value >> 31 != 0) return;
    while (std::int64_t{1} << shift < value) ++shift;
    factor = static_cast<std::uint32_t>((((std::int64_t{1} << shift) - value) << 32) / value + 1);
  }
};
__device__ inline Division divide(std::int64_t a, const Divisor& b) {
  if ((a | b.value) >> 31 != 0) return divide(a, b.value);
  const auto n = static_cast<std::uint32_t>(a), q = (high_product(n, b.factor) + n) >> b.shift;
  return {q, n - q * static_cast<std::uint32_t>(b.value)};
}

struct Walk {
  int axes = 0;
  std::int64_t extent[Shape::kMaxDims]{}, p_stride[Shape::kMaxDims]{}, q_stride[Shape::kMaxDims]{};  // last axis first
  Divisor by[Shape::kMaxDims];                                                                       // the extents

  // The next axis outwards; one that continues the axis before it is merged into that.
  void push(std::int64_t n, std::int64_t p, std::int64_t q) {
    if (n == 1) return;
    if (axes > 0 && p == p_stride[axes - 1] * extent[axes - 1] && q == q_stride[axes - 1] * extent[axes - 1]) {
      extent[axes - 1] *= n;
      return;
    }
    extent[axes] = n;
    p_stride[axes] = p;
    q_stride[axes++] = q;
  }
  // One axis at least, so that a kernel always has an innermost one.
  void close() {
    if (axes == 0) {
      extent[0] = 1;
      p_stride[0] = q_stride[0] = 1;
      axes = 1;
    }
    for (int axis = 0; axis < axes; ++axis) by[axis] = extent[axis];
  }

  struct Place {
    std::int64_t p, q;
  };
  // Where element i of the box lies.
  __device__ Place at(std::int64_t i) const {
    Place place{0, 0};
    for (int axis = 0; axis < axes - 1; ++axis) {
      const Division d = divide(i, by[axis]);
      place.p += d.rest * p_stride[axis];
      place.q += d.rest * q_stride[axis];
      i = d.quotient;
    }
    place.p += i * p_stride[axes - 1];
    place.q += i * q_stride[axes - 1];
    return place;
  }
};

// The box y, with the strides of two operands that broadcast to it.
inline Walk broadcast_walk(const Shape& p, const Shape& q, const Shape& y) {
  Walk walk;
  std::int64_t p_step = 1, q_step = 1;
  for (int back = 1; back <= y.dims(); ++back) {
    const std::int64_t p_n = back <= p.dims() ? p[-back] : 1, q_n = back <= q.dims() ? q[-back] : 1;
    walk.push(y[-back], p_n == 1 ? 0 : p_step, q_n == 1 ? 0 : q_step);
    p_step *= p_n;
    q_step *= q_n;
  }
  walk.close();
  return walk;
}

// A box of x that is copied onto one of y, counted in units of some elements of the last axis.
struct Box {
  Walk walk;  // p: x, q: y, in units
  std::int64_t x_origin = 0, y_origin = 0, numel = 1;
};

inline Box box_of(const Shape& x, const Shape& x_begin, const Shape& y, const Shape& y_begin, const Shape& extents,
                  std::int64_t unit) {
  Box box;
  std::int64_t x_step = 1, y_step = 1;
  for (int axis = x.dims() - 1; axis >= 0; --axis) {
    const std::int64_t size = axis == x.dims() - 1 ? unit : 1;  // elements of one unit along the last axis
    box.walk.push(extents[axis] / size, x_step, y_step);
    box.x_origin += x_begin[axis] / size * x_step;
    box.y_origin += y_begin[axis] / size * y_step;
    box.numel *= extents[axis] / size;
    x_step *= x[axis] / size;
    y_step *= y[axis] / size;
  }
  box.walk.close();
  return box;
}

}  // namespace voxgrad::cuda

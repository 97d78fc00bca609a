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

struct Walk {
  int axes = 0;
  std::int64_t extent[Shape::kMaxDims]{}, p_stride[Shape::kMaxDims]{}, q_stride[Shape::kMaxDims]{};  // last axis first

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
  }

  struct Place {
    std::int64_t p, q;
  };
  // Where element i of the box lies.
  __device__ Place at(std::int64_t i) const {
    Place place{0, 0};
    for (int axis = 0; axis < axes - 1; ++axis) {
      const Division d = divide(i, extent[axis]);
      place.p += d.rest * p_stride[axis];
      place.q += d.rest * q_stride[axis];
      i = d.quotient;
    }
    place.p += i * p_stride[axes - 1];
    place.q += i * q_stride[axes - 1];
    return place;
  }
};

}  // namespace voxgrad::cuda

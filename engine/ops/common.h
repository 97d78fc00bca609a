// What every operation does before it computes: check that its tensors are there and fit together.
#pragma once

#include "engine/backend.h"
#include "engine/ops.h"

namespace voxgrad::detail {

inline void check_float(const Tensor& x, const char* op) {
  check(x.defined(), op, ": an undefined tensor was given");
  check(is_float(x.dtype()), op, ": takes floats, got ", x);
}

// Same dtype and device as `x`; `what` names the argument.
inline void check_like(const Tensor& x, const Tensor& other, const char* op, const char* what) {
  check(other.defined(), op, ": ", what, " is undefined");
  check(other.dtype() == x.dtype() && other.device() == x.device(), op, ": ", what, " is ", other, " on ",
        other.device(), ", x is ", x, " on ", x.device(), "; both need one dtype and device");
}

// [N, *S, C] with one to three spatial axes.
inline void check_feature_map(const Tensor& x, const char* op) {
  check_float(x, op);
  check(x.dims() >= 3 && x.dims() <= 5, op, ": takes [N, *S, C] with 1 to 3 spatial axes, got ", x.shape());
}

inline void check_label_map(const Tensor& labels, const char* op) {
  check(labels.defined() && labels.dtype() == DType::u8 && labels.dims() >= 2 && labels.dims() <= 4, op,
        ": takes u8 labels [N, *S] with 1 to 3 spatial axes, got ", labels);
}

// What statistics and parameters of a map are kept in.
inline DType wide_type(DType map) { return map == DType::bf16 ? DType::f32 : map; }

// [N, *S, channels]
inline Shape with_channels(const Tensor& labels, std::int64_t channels) {
  Shape shape = labels.shape();
  shape.push_back(channels);
  return shape;
}

// The value of `extents` per spatial axis of x, checked against the number of axes it was given for.
inline Extents per_axis(const Extents& extents, int spatial, std::int64_t least, const char* op, const char* what) {
  check(extents.dims == 0 || extents.dims == spatial, op, ": ", what, " has ", extents.dims, " values for ", spatial,
        " spatial axes");
  Extents result;
  for (int i = 0; i < 3; ++i) {
    result.value[static_cast<std::size_t>(i)] = i < spatial ? extents[i] : 1;
    check(i >= spatial || extents[i] >= least, op, ": ", what, " ", extents[i], " is below ", least);
  }
  result.dims = spatial;
  return result;
}

}  // namespace voxgrad::detail

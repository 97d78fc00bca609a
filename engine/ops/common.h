// The checks that operations share: that tensors are defined, have the right type and fit together.
#pragma once

#include "engine/backend.h"
#include "engine/ops.h"

namespace voxgrad::detail {

inline void check_float(const Tensor& x, const char* op) {
  check(x.defined(), op, ": an undefined tensor was given");
  check(is_float(x.dtype()), op, ": takes floats, got ", x);
}

// `other` must have the dtype and the device of `x`; `what` names the argument.
inline void check_like(const Tensor& x, const Tensor& other, const char* op, const char* what) {
  check(other.defined(), op, ": ", what, " is undefined");
  check(other.dtype() == x.dtype() && other.device() == x.device(), op, ": ", what, " is ", other, " on ",
        other.device(), ", x is ", x, " on ", x.device(), "; both need one dtype and device");
}

// x must be floats [N, *S, C] with one to three spatial axes.
inline void check_feature_map(const Tensor& x, const char* op) {
  check_float(x, op);
  check(x.dims() >= 3 && x.dims() <= 5, op, ": takes [N, *S, C] with 1 to 3 spatial axes, got ", x.shape());
}

inline void check_label_map(const Tensor& labels, const char* op) {
  check(labels.defined() && labels.dtype() == DType::u8 && labels.dims() >= 2 && labels.dims() <= 4, op,
        ": takes u8 labels [N, *S] with 1 to 3 spatial axes, got ", labels);
}

// The type of the statistics and parameters of a map, and of its result with f32_output.
inline DType parameter_type(DType map) { return map == DType::bf16 ? DType::f32 : map; }

// The shape [N, *S, channels] of a map that belongs to labels [N, *S].
inline Shape with_channels(const Tensor& labels, std::int64_t channels) { return labels.shape() + Shape{channels}; }

// The map, and its statistics and parameters if its normalisation is deferred, must fit together.
void check_feature_map(const FeatureMap& map, const char* op);

// One value per spatial axis, of which `extents` has that many or a single one for all; `what` names it in messages.
inline Extents per_axis(const Extents& extents, int spatial, std::int64_t least, const char* op, const char* what) {
  check(extents.dims == 0 || extents.dims == spatial, op, ": ", what, " has ", extents.dims, " values for ", spatial,
        " spatial axes");
  constexpr std::int64_t kMost = 1 << 30;  // so that no product of two of them overflows
  Extents result;
  for (int i = 0; i < 3; ++i) {
    result[i] = i < spatial ? extents[i] : 1;
    check(result[i] >= least, op, ": ", what, " ", result[i], " is below ", least);
    check(result[i] <= kMost, op, ": ", what, " ", result[i], " is above ", kMost);
  }
  result.dims = spatial;
  return result;
}

}  // namespace voxgrad::detail

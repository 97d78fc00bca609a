// Initial weights. Every function returns new weights in f64 (unset ones in f32) on the host, and the layer rounds them
// to f32. They depend on the shape and the key of `random` only, so a network starts the same on every device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::nn {

// `unset` leaves the weights uninitialised, because others will be loaded.
enum class Init { he, orthogonal, unset };
const std::vector<std::string>& init_names();  // in the order of Init

// sqrt(2 / (1 + slope^2)). With a standard deviation of gain / sqrt(fan_in), the variance of the signal does not change
// from layer to layer if a (leaky) ReLU with this `slope` below zero follows. A linear layer has slope 1, and thus
// gain 1. (He et al., ICCV 2015, eq. 15)
[[nodiscard]] double gain_of(double slope);

// Weights from N(0, (gain / sqrt(fan_in))^2). fan_in >= 1 is the number of inputs that one output is a sum of.
Tensor he_normal(const Shape& shape, std::int64_t fan_in, double gain, const Random& random);

// Weights that, as a matrix [shape[0], product of the other extents], have orthonormal rows times `gain`, or
// orthonormal columns if there are more rows than columns. They are the Q of a QR decomposition of a normal matrix,
// with the signs that make it uniformly distributed. (Saxe et al., ICLR 2014; Mezzadri, Notices of the AMS 54, 2007.)
Tensor orthogonal(const Shape& shape, double gain, const Random& random);

// The weights of the kind `init`.
Tensor initial(const Shape& shape, Init init, std::int64_t fan_in, double gain, const Random& random);

}  // namespace voxgrad::nn

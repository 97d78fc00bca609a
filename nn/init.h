// Initial weights. Every function returns new weights in f64 on the host, which the layer rounds to f32. They depend on
// the shape and the key of `random` alone, so a network starts with the same weights on every device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::nn {

enum class Init { he, orthogonal, unset };  // unset: left as the memory is, for weights that are loaded afterwards
const char* name_of(Init init) noexcept;
const std::vector<std::string>& init_names();  // in the order of Init

// Standard deviation times sqrt(fan_in) that keeps the variance of the signal through a (leaky) ReLU with `slope`
// below zero: sqrt(2 / (1 + slope^2)). slope 1 is a linear layer: 1. (He et al., ICCV 2015, eq. 15)
[[nodiscard]] double gain_of(double slope);

// Elements of N(0, (gain / sqrt(fan_in))^2); fan_in >= 1 is the number of inputs that one output is a sum of.
Tensor he_normal(const Shape& shape, std::int64_t fan_in, double gain, const Random& random);

// Seen as a matrix [shape[0], the rest], the weights have orthonormal rows (columns if there are more rows than
// columns), times gain: the Q of a QR decomposition of a normal matrix, with the signs that make it uniformly
// distributed. (Saxe et al., ICLR 2014; Mezzadri, Notices of the AMS 54, 2007.)
Tensor orthogonal(const Shape& shape, double gain, const Random& random);

// As `init` says.
Tensor initial(const Shape& shape, Init init, std::int64_t fan_in, double gain, const Random& random);

}  // namespace voxgrad::nn

// Initial weights. Every function fills a parameter in place and is a pure function of the key of `random`, computed on
// the host in f64: the same weights on every device and for every element type, up to rounding.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::nn {

enum class Init { he, orthogonal, unset };  // unset: left as the memory is, for weights that are loaded afterwards
const char* name_of(Init init);
const std::vector<std::string>& init_names();  // in the order of Init

// Standard deviation times sqrt(fan_in) that keeps the variance of the signal through a (leaky) ReLU with `slope`
// below zero: sqrt(2 / (1 + slope^2)). slope 1 is a linear layer: 1. (He et al., ICCV 2015, eq. 15)
double gain_of(double slope);

// weight ~ N(0, (gain / sqrt(fan_in))^2), fan_in >= 1: the inputs that one output is a sum of.
void he_normal(const Tensor& weight, std::int64_t fan_in, double gain, const Random& random);

// weight, seen as a matrix [extent(0), the rest], gets orthonormal rows (columns if it has more rows than columns),
// times gain: the Q of a QR decomposition of a normal matrix, with the signs that make it uniformly distributed.
// (Saxe et al., ICLR 2014; Mezzadri, Notices of the AMS 54, 2007.)
void orthogonal(const Tensor& weight, double gain, const Random& random);

// As `init` says.
void initialise(const Tensor& weight, Init init, std::int64_t fan_in, double gain, const Random& random);

}  // namespace voxgrad::nn

// Answers questions about the CPU backend: which kernel computes a convolution, and how fast a core can be. These
// answers are those of the instruction set in use (select.cpp). And how many cores a container leaves (parallel.cpp).
#pragma once

#include "engine/backend.h"

namespace voxgrad::cpu {

enum class ConvPass { forward, input_gradient, weight_gradient };

struct ConvChoice {
  const char* kernel;  // "winograd", "direct", "gemm"
  const char* reason;
};
// The choice for f32 and the convolution x [N, *S, Cin], weight [Cout, *K, Cin] -> y.
ConvChoice conv_choice(ConvPass pass, const Shape& x, const Shape& weight, const Shape& y, const ConvOptions& options);

// The f32 multiplications and additions per second of one core, in GFLOP/s. They are measured for some 10 ms with all
// operands in registers, so this is the ceiling of every kernel.
double peak_gflops();

// The cores of the quota in a file such as /sys/fs/cgroup/cpu.max, rounded up: "150000 100000" is 2. `cores` if the
// file is not there, says "max", or allows more.
int cores_of_quota(const char* path, int cores);

}  // namespace voxgrad::cpu

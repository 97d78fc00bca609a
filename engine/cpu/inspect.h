// Answers questions about the CPU backend: which kernel computes a convolution, and how fast a core can be. These
// answers are those of the instruction set in use (select.cpp). And how many cores quotas leave (parallel.cpp).
#pragma once

#include <string>

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

// What the quotas of control groups (version 2 or 1) leave of `cores`, rounded up: "150000 100000" in cpu.max is 2.
// `list` is a file such as /proc/self/cgroup, which names the groups of a process, and `root` a folder such as
// /sys/fs/cgroup. The quota of a group counts for all groups below it.
int cores_of_quotas(const std::string& list, const std::string& root, int cores);

}  // namespace voxgrad::cpu

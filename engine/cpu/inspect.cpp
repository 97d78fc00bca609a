#include "engine/cpu/inspect.h"

#include <chrono>

#include "engine/cpu/conv_plan.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

ConvChoice conv_choice(ConvPass pass, const Shape& x, const Shape& weight, const Shape& y, const ConvOptions& options) {
  const ConvPlan plan = plan_conv(pass, DType::f32, conv_shape(x, weight, y, options));
  switch (plan.kernel) {
    case ConvKernel::winograd: return {"winograd", plan.reason};
    case ConvKernel::direct: return {"direct", plan.reason};
    case ConvKernel::gemm: break;
  }
  return {"gemm", plan.reason};
}

// The loop has more independent sums than the latency of a multiplication needs. The best of several short runs counts,
// because others may use the core.
double peak_gflops() {
  using Clock = std::chrono::steady_clock;
  constexpr int kSums = VOXGRAD_ISA_LEVEL == 2 ? 24 : 12, kRuns = 10;
  constexpr std::int64_t kSteps = 200000;
  volatile float one = 1;  // nothing is known about it at compile time
  const Vec<float> factor = splat<float>(one);
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    Vec<float> sums[kSums];
    for (int i = 0; i < kSums; ++i)
      sums[i] = splat(static_cast<float>(i) * one);  // all different, or the compiler would compute only one
    const auto start = Clock::now();
    for (std::int64_t step = 0; step < kSteps; ++step)
      for (Vec<float>& sum : sums) sum = sum * factor + factor;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    Vec<float> total = sums[0];
    for (const Vec<float>& sum : sums) total += sum;
    one = total[0] > 0 ? 1 : 0;  // so that the result of the loop is used
    best = std::max(best, 2e-9 * kSteps * kSums * kLanes<float> / seconds);
  }
  return best;
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

#include "engine/cpu/conv_plan.h"

#include <cstdlib>
#include <optional>
#include <string>

#include "engine/cpu/direct.h"
#include "engine/cpu/winograd.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kFewChannels = 4;

std::optional<ConvKernel> wish() {
  const char* value = std::getenv("VOXGRAD_CONV");
  if (value == nullptr || *value == '\0') return std::nullopt;
  for (const auto& [name, kernel] :
       {std::pair{"direct", ConvKernel::direct}, {"winograd", ConvKernel::winograd}, {"gemm", ConvKernel::gemm}})
    if (std::string(value) == name) return kernel;
  throw Error(ErrorKind::usage, text("VOXGRAD_CONV=", value, " is not a kernel of the convolution"),
              "use direct, winograd or gemm, or unset it");
}

bool can(ConvKernel kernel, ConvPass pass, DType dtype, const ConvShape& s) {
  switch (kernel) {
    case ConvKernel::gemm: return true;
    case ConvKernel::winograd: return dtype == DType::f32 && winograd::fits(s);
    case ConvKernel::direct: return pass != ConvPass::input_gradient && direct::fits(s);
  }
  return false;
}

}  // namespace

ConvPlan plan_conv(ConvPass pass, DType dtype, const ConvShape& s) {
  if (const std::optional<ConvKernel> forced = wish())
    return can(*forced, pass, dtype, s) ? ConvPlan{*forced, "VOXGRAD_CONV asks for it"}
                                        : ConvPlan{ConvKernel::gemm, "VOXGRAD_CONV asks for another, which cannot"};
  if (dtype != DType::f32) return {ConvKernel::gemm, "f64 is the reference"};
  if (s.cin <= kFewChannels && volume(s.kernel) > 1 && can(ConvKernel::direct, pass, dtype, s))
    return {ConvKernel::direct, "few input channels"};
  if (can(ConvKernel::winograd, pass, dtype, s)) return {ConvKernel::winograd, "4 times fewer multiplications"};
  return {ConvKernel::gemm, "the general path"};
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

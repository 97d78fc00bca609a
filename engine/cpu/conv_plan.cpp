#include "engine/cpu/conv_plan.h"

#include <cstdlib>
#include <optional>
#include <string>

#include "engine/cpu/winograd.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

std::optional<ConvKernel> wish() {
  const char* value = std::getenv("VOXGRAD_CONV");
  if (value == nullptr || *value == '\0') return std::nullopt;
  if (std::string(value) == "gemm") return ConvKernel::gemm;
  if (std::string(value) == "winograd") return ConvKernel::winograd;
  throw Error(ErrorKind::usage, text("VOXGRAD_CONV=", value, " is not a kernel of the convolution"),
              "use gemm or winograd, or unset it");
}

}  // namespace

ConvPlan plan_conv(ConvPass, DType dtype, const ConvShape& s) {
  const std::optional<ConvKernel> forced = wish();
  if (dtype != DType::f32) return {ConvKernel::gemm, "f64 is the reference"};
  const bool winograd = winograd::fits(s);
  if (forced == ConvKernel::winograd && winograd) return {ConvKernel::winograd, "VOXGRAD_CONV"};
  if (forced) return {ConvKernel::gemm, "VOXGRAD_CONV"};
  if (!winograd) return {ConvKernel::gemm, "not a 3x3 kernel with stride and dilation 1"};
  return {ConvKernel::winograd, "4 times fewer multiplications"};
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

#include "engine/cpu/conv_plan.h"

#include <cstdlib>
#include <optional>
#include <string>

#include "engine/cpu/direct.h"
#include "engine/cpu/winograd.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

// README.md, decision 5, says where these thresholds come from.
constexpr std::int64_t kSmallPatch = 128;            // numbers that one output needs
constexpr std::int64_t kFewTiles = 4;                // of all samples and planes
constexpr std::int64_t kOutputsOfTile = 4;           // of 16 that a tile can have
constexpr std::int64_t kLongLine = 16;               // outputs
constexpr std::int64_t kDirectWeights = 512 << 10;   // bytes
constexpr std::int64_t kDirectGradient = 128 << 10;  // bytes

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
  const std::int64_t patch = volume(s.kernel) * s.cin;
  if (can(ConvKernel::direct, pass, dtype, s) && volume(s.kernel) > 1 && patch <= kSmallPatch)
    return {ConvKernel::direct, "few input channels"};
  if (can(ConvKernel::winograd, pass, dtype, s)) {
    const ConvShape w = pass == ConvPass::input_gradient ? input_gradient_shape(s) : s;
    const std::int64_t tiles = w.out[0] * winograd::tile_columns(w), outputs = w.batch * volume(w.out);
    if (tiles < kFewTiles) return {ConvKernel::gemm, "so few tiles that the transform of the weights does not pay"};
    if (outputs <= kOutputsOfTile * tiles) return {ConvKernel::gemm, "tiles that lie mostly outside of the image"};
    return {ConvKernel::winograd, "4 times fewer multiplications"};
  }
  const std::int64_t limit = pass == ConvPass::forward ? kDirectWeights : kDirectGradient;
  if (can(ConvKernel::direct, pass, dtype, s) && volume(s.kernel) > 1 && s.out[2] >= kLongLine &&
      patch * s.cout * static_cast<std::int64_t>(sizeof(float)) <= limit)
    return {ConvKernel::direct, "weights that stay in cache from line to line"};
  return {ConvKernel::gemm, "the general path"};
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

#include "losses/terms/distance.h"

namespace voxgrad::losses {

Function boundary_term(Parameters& with) {
  const Choice sdf = with.choice("sdf", {"kervadec", "plain", "zero_inner"},
                                 "signed distance inside: -(d - 1), -d, or -d with 0 at the innermost border voxels");
  with.unit();
  return [key = with.field("signed:" + sdf.word)](const LossInput& in) {
    const auto [S, M] = in.per_sample().integrals(row(Integrand::mass, in.field(key)), Integrand::voxels);
    return S / clamp(M, 1, kInfinity);
  };
}

std::function<Integral(const LossInput&)> hausdorff_term(Parameters& with) {
  with.unit();
  const std::string key = with.field("distance");
  const double alpha = with.number("alpha", 2, 0.1, 10, "exponent of the distances; the paper looks at 1 to 3");
  const bool one_sided = with.flag("one_sided", false, "1: the distance to the border of the prediction is left out");
  const bool foreground =
      with.choice("sides", {"both", "fg"}, "distances on both sides of a border, or inside of the masks only").is("fg");
  const bool threshold =
      with.choice("prediction", {"threshold", "argmax"}, "predicted mask: p > 0.5, or the likeliest class")
          .is("threshold");
  const auto powered = [=](const Tensor& d, const Tensor& mask) {
    const Tensor used = foreground ? d * mask : d;
    return alpha == 2 ? square(used) : clamp(pow(used, alpha), 0, 1e30);  // f32 ends at 3e38
  };
  return [=](const LossInput& in) {
    const NoGrad constant;
    Tensor weight = powered(in.field(key), in.truth());
    if (!one_sided) {
      const LossInput::Prediction s = in.prediction(threshold);
      weight = weight + powered(s.distance, s.mask);
    }
    return row(Integrand::error_square, weight);
  };
}

}  // namespace voxgrad::losses

// Dice plus the Hausdorff distance loss.
//
//   balance=auto:   r L_dice + L_HD,  r = L_HD / (L_dice + 1e-5), treated as a constant in the gradient
//   balance=fixed:  L_dice + lambda_hd L_HD
//
// Karimi and Salcudean, TMI 2020, section III, where r is computed again at every step. With balance=auto the value is
// twice L_HD, and the gradient is not the derivative of the value. The option background concerns the Dice term; the
// distance term always leaves the background out.
#include "losses/terms/distance.h"
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const bool automatic = with.choice("balance", {"auto", "fixed"}, "r of every step, or lambda_hd").is("auto");
  const double lambda_hd = with.number("lambda_hd", 1, 0, 1e6, "weight with balance=fixed");
  const auto hausdorff = hausdorff_term(with);
  const Smoothing s = smoothing(with);
  with.background(false);
  return [=](const LossInput& in) {
    const auto [I, P, G, S, M] =
        in.integrals(Integrand::overlap, Integrand::mass, Integrand::present, hausdorff(in), Integrand::voxels);
    const Tensor dice_loss = mean(1 - dice_coefficient(I, P, G, s));
    const Tensor hd_loss = mean(in.foreground(S / clamp(M, 1, kInfinity)));
    if (!automatic) return dice_loss + lambda_hd * hd_loss;
    return (hd_loss / (dice_loss + 1e-5)).detach() * dice_loss + hd_loss;
  };
}

}  // namespace

Spec spec_dice_hd() {
  return {.name = "dice_hd",
          .family = Family::compound,
          .summary = "Dice plus the Hausdorff distance loss, balanced at every step",
          .formula = "r L_dice + L_HD, r = L_HD / L_dice held constant; or L_dice + lambda_hd L_HD",
          .source = "Karimi and Salcudean, TMI 2020; Ma 2020, section 4.2",
          .helps = "the far outliers that Dice alone hardly sees",
          .fails = "a distance transform of the prediction at every step; the value jumps when the mask does",
          .build = build,
          .geometric = true,
          .exact_with = "balance=fixed"};
}

}  // namespace voxgrad::losses

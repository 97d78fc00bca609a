// Generalised Dice plus the boundary loss, whose share grows during the training.
//
//   schedule=increase:   L_GD + a L_B              a = min(1, alpha + growth * share of the training that is done)
//   schedule=rebalance:  max(least, 1 - a) L_GD + a L_B
//
// Kervadec et al., MIDL 2019, section 2.3 and its journal version (MedIA 2021). The authors add 0.01 per epoch, but the
// length of an epoch depends on the data set: growth=0.01*n gives their step in a training of n epochs. Their code
// keeps a tenth of the region term (least). The boundary term leaves the background out, and batch=1 concerns the
// generalised Dice alone, in which absent classes take the largest weight.
#include "losses/terms/distance.h"
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double alpha = with.number("alpha", 0.01, 0, 1, "share of the boundary loss at the beginning");
  const double growth = with.number("growth", 1, 0, 1e6, "added to the share in the course of the training");
  const bool rebalance =
      with.choice("schedule", {"increase", "rebalance"}, "whether the generalised Dice keeps its weight")
          .is("rebalance");
  const double least = with.number("least", 0.1, 0, 1, "of the weight of the generalised Dice with schedule=rebalance");
  const Function boundary = boundary_term(with), gd = generalized_dice(with);
  return [=](const LossInput& in) {
    const Tensor share = clamp(alpha + growth * in.progress(), 0, 1), region = mean(gd(in));
    return (rebalance ? clamp(1 - share, least, 1) * region : region) + share * mean(in.foreground(boundary(in)));
  };
}

}  // namespace

Spec spec_gd_boundary() {
  return {.name = "gd_boundary",
          .family = Family::compound,
          .summary = "Generalised Dice plus a growing boundary loss",
          .formula = "L_GD + a L_B or max(least, 1 - a) L_GD + a L_B, a = alpha + growth * progress",
          .source = "Kervadec et al., MIDL 2019; Ma 2020, section 4.1",
          .helps = "unbalanced objects: the region term finds them, the boundary term cleans up far from them",
          .fails = "the scale of the boundary term follows the size of the image; too large a share empties the mask",
          .build = build,
          .geometric = true};
}

}  // namespace voxgrad::losses

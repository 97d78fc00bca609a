// Generalised Dice plus the boundary loss, whose share grows with the epochs.
//
//   schedule=increase:   L_GD + a L_B              a = min(1, alpha + growth * epoch)
//   schedule=rebalance:  (1 - a) L_GD + a L_B
//
// Kervadec et al., MIDL 2019, section 2.3 and its journal version (MedIA 2021). The boundary term leaves the background
// out. In the generalised Dice absent classes take the largest weight.
#include <algorithm>

#include "losses/terms/distance.h"
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double alpha = with.number("alpha", 0.01, 0, 1, "share of the boundary loss in epoch 0");
  const double growth = with.number("growth", 0.01, 0, 1, "added to the share with every epoch");
  const bool rebalance =
      with.choice("schedule", {"increase", "rebalance"}, "whether the generalised Dice keeps its weight")
          .is("rebalance");
  const Function boundary = boundary_term(with), gd = generalized_dice(with);
  return [=](const LossInput& in) {
    const double share = std::min(1.0, alpha + growth * in.epoch());
    return (rebalance ? 1 - share : 1.0) * mean(gd(in)) + share * mean(in.foreground(boundary(in)));
  };
}

}  // namespace

Spec spec_gd_boundary() {
  return {.name = "gd_boundary",
          .family = Family::compound,
          .summary = "Generalised Dice plus a growing boundary loss",
          .formula = "L_GD + a L_B or (1 - a) L_GD + a L_B, a = alpha + growth * epoch",
          .source = "Kervadec et al., MIDL 2019; Ma 2020, section 4.1",
          .helps = "unbalanced objects: the region term finds them, the boundary term cleans up far from them",
          .fails = "the scale of the boundary term follows the size of the image; too large a share empties the mask",
          .build = build,
          .geometric = true};
}

}  // namespace voxgrad::losses

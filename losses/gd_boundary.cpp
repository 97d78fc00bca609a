// Generalised Dice plus the boundary loss, whose share grows with the epochs.
//
//   schedule=increase:   L_GD + a L_B              a = min(1, alpha + growth * epoch)
//   schedule=rebalance:  (1 - a) L_GD + a L_B
//
// Kervadec et al., MIDL 2019, section 2.3 and its journal version (MedIA 2021). The boundary term leaves the background
// out. Absent classes take the largest weight in the generalised Dice.
#include "losses/terms/boundary.h"
#include "losses/terms/generalized_dice.h"

namespace voxgrad::losses {
namespace {

Function build(const Parameters& with) {
  const double alpha = with.number("alpha"), growth = with.number("growth");
  const bool rebalance = with.is("schedule", "rebalance");
  return [=, gd = GeneralizedDice(with), boundary = BoundaryTerm(with)](const LossInput& in) {
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
          .parameters = std::vector<Parameter>{number("alpha", 0.01, 0, 1, "share of the boundary loss in epoch 0"),
                                               number("growth", 0.01, 0, 1, "added to the share with every epoch"),
                                               choice("schedule", {"increase", "rebalance"},
                                                      "whether the generalised Dice keeps its weight"),
                                               BoundaryTerm::parameter()} +
                        GeneralizedDice::parameters(),
          .helps = "unbalanced objects: the region term finds them, the boundary term cleans up far from them",
          .fails = "the scale of the boundary term follows the size of the image; too large a share empties the mask",
          .build = build,
          .geometric = true,
          .fields = BoundaryTerm::fields};
}

}  // namespace voxgrad::losses

// Penalised generalised Dice.
//
//   form=literal:      L / (1 + k (1 - L))          L the generalised Dice loss (losses/generalized_dice.cpp)
//   form=coefficient:  (1 + k) L / (1 + k L)
//
// Yang et al., MIDL 2019; Ma 2020, Eq. 14. The equation is meant to add weight to false positives and negatives. With L
// the loss of Eq. 11 the result is below L everywhere (literal). Read as the coefficient D = 1 - L, D / (1 + k (1 - D))
// is Dice with k (FP + FN) added to the denominator, and the loss is the second form.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const Function gd = generalized_dice(with);
  const double k = with.number("k", 2.5, 0, 1e6, "strength of the penalty; 0 is generalized_dice");
  const bool literal =
      with.choice("form", {"literal", "coefficient"}, "Eq. 14 as printed, or as its text describes it").is("literal");
  return [=](const LossInput& in) {
    const Tensor L = mean(gd(in));
    return literal ? L / (1 + k * (1 - L)) : (1 + k) * L / (1 + k * L);
  };
}

}  // namespace

Spec spec_penalty_gd() {
  return {
      .name = "penalty_gd",
      .family = Family::region,
      .summary = "Generalised Dice with a penalty on false positives and negatives",
      .formula = "L / (1 + k (1 - L)), L the generalised Dice loss",
      .source = "Yang et al., MIDL 2019; Ma 2020, Eq. 14",
      .helps = "form=coefficient: (1 + k) times steeper than generalized_dice near a good segmentation",
      .fails = "as generalized_dice; form=literal, as printed, is 1 + k times flatter there, contrary to its intention",
      .build = build};
}

}  // namespace voxgrad::losses

// Exponential logarithmic loss: powers of log-Dice and of the cross entropy.
//
//   L = w_dice mean_c (-ln D_c)^gamma_dice + w_ce mean_i w_y (-ln p_y)^gamma_ce      D_c = (2 I + e) / (P + G + e)
//   w_c = sqrt(sum_k f_k / f_c), f_c the number of voxels of class c; 0 for a class that does not occur
//
// Wong et al., MICCAI 2018; Ma 2020, Eq. 16. f is counted in the batch unless `weights` are given. For gamma < 1 the
// derivative at D = 1 is infinite and set to 0. That of the cross entropy part vanishes together with the softmax.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

// Voxels of each label in the batch: [C], or [2] for one sigmoid channel.
Tensor class_counts(const LossInput& in) {
  const auto [labelled, present] = in.integrals(Integrand::weight, Integrand::present);
  const Tensor counts = sum(labelled, {0});
  if (in.channels() > 1) return counts;
  const Tensor ones = sum(present, {0});
  return concat({counts - ones, ones}, 0);
}

Tensor batch_weights(const LossInput& in) {
  const Tensor f = class_counts(in);
  return clamp(f, 0, 1) * sqrt(sum(f) / clamp(f, 1, kInfinity));
}

Function build(Parameters& with) {
  const double w_dice = with.number("w_dice", 0.8, 0, 1e6, "weight of the Dice part");
  const double w_ce = with.number("w_ce", 0.2, 0, 1e6, "weight of the cross entropy part");
  const double gamma_dice =
      with.number("gamma_dice", 0.3, 0.01, 10, "power of -ln D; below 1 it flattens large losses");
  const double gamma_ce = with.number("gamma_ce", 0.3, 0.01, 10, "power of -ln p");
  const double e = with.number("smooth", 1, 1e-12, 1e12, "e, in numerator and denominator of D");
  with.batch();
  with.background();
  with.weights("weight of a voxel by its true class; none: sqrt(sum f / f_c) of the batch");
  return [=](const LossInput& in) {
    const Tensor w = in.class_weights().defined() ? in.class_weights() : batch_weights(in);
    const auto [I, P, G, L, M] = in.integrals(Integrand::overlap, Integrand::mass, Integrand::present,
                                              row(Integrand::nll_power, gamma_ce, w), Integrand::weight);
    const Tensor log_dice = -log(dice_coefficient(I, P, G, {e, e}));
    return w_dice * mean(safe_pow(log_dice, gamma_dice)) + w_ce * in.mean_of_voxels(L, M);
  };
}

}  // namespace

Spec spec_exp_log() {
  return {
      .name = "exp_log",
      .family = Family::compound,
      .summary = "Powers of log-Dice and of the weighted cross entropy",
      .formula = "w_dice mean_c (-ln D)^gamma_dice + w_ce mean_i w_y (-ln p_y)^gamma_ce",
      .source = "Wong et al., MICCAI 2018; Ma 2020, Eq. 16",
      .helps = "very unequal class sizes; bounded growth on gross errors",
      .fails =
          "the slope grows without bound near a perfect class; weights from the batch jump when a rare class is in it",
      .build = build};
}

}  // namespace voxgrad::losses

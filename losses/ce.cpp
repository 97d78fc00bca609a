// Cross entropy, optionally with class weights and smoothed labels.
//
//   L = 1/M sum_i w_y l_i        l_i = -log p of the true class y of voxel i
//
// M is the number of voxels (Ma 2020, Eq. 2 and, with weights, Eq. 3). With weight_norm=weights it is the sum of the
// w_y, as in PyTorch. Label smoothing e (Szegedy et al., CVPR 2016) replaces w_y l_i by
// (1 - e) w_y l_i + e/C sum_c w_c l_ic, where l_ic = -log p of class c.
#include <algorithm>

#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

// Sum over voxels and classes of -w_c log p_c. One sigmoid channel stands for two classes.
Tensor log_losses(const LossInput& in, const Tensor& w) {
  if (in.channels() > 1) return in.integrals(row(Integrand::log_loss, 0, w))[0];
  const Tensor swapped = w.defined() ? concat({slice(w, 0, 1, 2), slice(w, 0, 0, 1)}, 0) : w;
  const auto [yes, no] = in.integrals(row(Integrand::log_loss, 0, w), row(Integrand::rest_log, 0, swapped));
  return yes + no;
}

Function build(Parameters& with) {
  with.weights("weight of a voxel by its true class");
  const bool by_weights =
      with.choice("weight_norm", {"voxels", "weights"}, "divisor: number of voxels, or sum of weights").is("weights");
  const double e = with.number("smoothing", 0, 0, 0.999, "share of the label spread evenly over all classes");
  return [=](const LossInput& in) {
    const Tensor w = in.class_weights();
    const auto [L, M] = in.integrals(row(Integrand::nll, 0, w), row(Integrand::weight, 0, by_weights ? w : Tensor()));
    const Tensor hard = in.mean_of_voxels(L, M);
    if (e == 0) return hard;
    const double classes = std::max(in.channels(), 2);
    return (1 - e) * hard + e / classes * in.mean_of_voxels(log_losses(in, w), M);
  };
}

}  // namespace

Spec spec_ce() {
  return {.name = "ce",
          .family = Family::distribution,
          .summary = "Cross entropy, with class weights and label smoothing",
          .formula = "mean_i w_y (-log p_y)",
          .source = "Ma 2020, Eq. 2 and 3",
          .helps =
              "calibrated probabilities and stable gradients everywhere, for absent classes too; weights help when a "
              "rare class must be found",
          .fails =
              "a class of few voxels is lost in the mean; weights of 1/f trade that for false positives, sqrt and "
              "median are milder",
          .build = build};
}

}  // namespace voxgrad::losses

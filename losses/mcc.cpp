// Matthews correlation coefficient with soft counts.
//
//   L = mean over c of 1 - (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN))
//
// TP = sum p t, FP = sum p (1 - t), FN = sum (1 - p) t, TN = M - G - FP over the batch, each plus eps. Abhishek and
// Hamarneh, ISBI 2021.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double eps = with.number("eps", 1e-5, 1e-12, 1e12, "added to each cell");
  with.batch(true);
  with.background();
  with.absent();
  with.weights("factor of a class's loss");
  return [=](const LossInput& in) {
    const auto [I, misses, alarms, G, M] =
        in.integrals(Integrand::overlap, row(Integrand::miss_power, 1), row(Integrand::alarm_power, 1),
                     Integrand::present, Integrand::voxels);
    const Tensor TP = I + eps, FP = alarms + eps, FN = misses + eps, TN = M - G - alarms + eps;
    const Tensor scale = sqrt((TP + FP) * (TP + FN) * ((TN + FP) * (TN + FN)));
    return in.mean_of_classes(1 - (TP * TN - FP * FN) / scale, G);
  };
}

}  // namespace

Spec spec_mcc() {
  return {.name = "mcc",
          .family = Family::region,
          .summary = "Matthews correlation coefficient: all four cells of the confusion matrix",
          .formula = "mean_c 1 - (TP TN - FP FN) / sqrt((TP+FP) (TP+FN) (TN+FP) (TN+FN))",
          .source = "Abhishek and Hamarneh, ISBI 2021",
          .helps = "true negatives count too, where Dice ignores them; the same for a class and its complement",
          .fails = "the correlation of an absent class is near 0, so its loss stays near 1",
          .build = build};
}

}  // namespace voxgrad::losses

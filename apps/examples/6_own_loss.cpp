// Expect: "error of the gradient 1e-08" (below 1e-6), then "kulczynski:weight=0.5 fell from 0.639 to 0.016".
//
// A loss of your own is a formula over integrals. This one compares the overlap I of prediction and truth with the size
// P of the prediction (precision) and with the size G of the truth (recall), and takes one minus their weighted mean.
// It is registered under a name, so make_loss() and all that reads the registry know it, parameters included.
#include <cstdio>

#include "engine/gradcheck.h"
#include "losses/core/inputs.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"

using namespace voxgrad;

namespace {

losses::Function build(losses::Parameters& with) {
  const double weight = with.number("weight", 0.5, 0, 1, "share of the precision");
  with.background();  // an option that means the same in every loss
  return [weight](const losses::LossInput& in) {
    const auto [I, P, G] = in.integrals(Integrand::overlap, Integrand::mass, Integrand::present);  // each [N, C]
    const Tensor precision = (I + 1e-5) / (P + 1e-5), recall = (I + 1e-5) / (G + 1e-5);
    return in.mean_of_classes(1 - (weight * precision + (1 - weight) * recall), G);
  };
}

}  // namespace

int main() {
  losses::register_loss({.name = "kulczynski",
                         .family = losses::Family::region,
                         .summary = "Weighted mean of precision and recall",
                         .formula = "mean_nc 1 - (w (I + e) / (P + e) + (1 - w) (I + e) / (G + e)), e = 1e-5",
                         .source = "Kulczynski 1927",
                         .helps = "when precision and recall are to be traded by one number",
                         .fails = "as Dice: confidently wrong voxels have no gradient",
                         .build = build});
  const losses::Loss loss = losses::make_loss("kulczynski:weight=0.5");

  // Two pictures of 12 x 12 pixels: class 2 is a square in a square of class 1.
  Tensor labels = zeros({2, 12, 12}, DType::u8);
  for (int i = 2; i < 10; ++i)
    for (int j = 2; j < 10; ++j)
      for (int n = 0; n < 2; ++n) labels.set({n, i, j}, i >= 5 && i < 8 && j >= 5 && j < 8 ? 2 : 1);
  Tensor logits = random_normal({2, 12, 12, 3}, 1, 0, 1, DType::f64);

  const GradcheckResult check = gradcheck([&](const auto& inputs) { return loss(inputs[0], labels); }, {logits});
  std::printf("error of the gradient %.0e in %lld elements\n", check.worst, static_cast<long long>(check.checked));

  logits.set_requires_grad();  // there is no network: the descent moves the logits themselves
  const double first = loss(logits, labels).item();
  for (int step = 0; step < 200; ++step) {
    loss(logits, labels).backward();
    copy_into(logits, logits.detach() - 100.0 * logits.grad());
    logits.set_grad({});
  }
  std::printf("kulczynski:weight=0.5 fell from %.3f to %.3f\n", first, loss(logits, labels).item());
  return check.ok ? 0 : 1;
}

// The size terms alone: the distance between the true proportion p of each class and the predicted one, q.
//
//   p = (G + eps) / (M + eps)     q = (sum_i softmax(temperature z)_i + eps) / (M + eps)     per sample and class
//   kind=l1: mean_nc |q - p|      kl: mean_n sum_c p ln(p / q)      db: mean_nc ln(p + q + eps)
//
// Liu et al., "Do we really need dice?", Medical Image Analysis 2024 (arXiv 2104.08717). db is the size term hidden
// in log-Dice. It may be negative.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const Choice distance = with.choice("kind", {"l1", "kl", "db"}, "distance of the proportions");
  const SizeTerm kind = distance.is("l1") ? SizeTerm::l1 : distance.is("kl") ? SizeTerm::kl : SizeTerm::db;
  const SizeOptions size = size_options(with);
  return [=](const LossInput& in) {
    const auto [P, G, M] =
        in.at_temperature(size.temperature).integrals(Integrand::mass, Integrand::present, Integrand::voxels);
    return size_term(kind, P, G, M, size.eps);
  };
}

}  // namespace

Spec spec_region_size() {
  return {.name = "region_size",
          .family = Family::region,
          .summary = "Distance between true and predicted size of each class, to be added to another loss",
          .formula = "mean_nc |q - p|, or KL(p || q), or mean_nc ln(p + q)",
          .source = "Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717)",
          .helps = "with a second loss: predictions of the right size, no class grows at the expense of another",
          .fails =
              "alone it says nothing about where a region is; at temperature 1 a calibrated model already satisfies it",
          .build = build,
          .objective = false};
}

}  // namespace voxgrad::losses

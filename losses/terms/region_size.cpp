#include "losses/terms/region_size.h"

namespace voxgrad::losses {

Spec ce_with_size(const std::string& name, SizeTerm kind, const std::string& formula, const std::string& helps,
                  const std::string& fails) {
  const auto build = [kind](const Parameters& with) -> Function {
    const double lambda = with.number("lambda"), temperature = with.number("temperature"), eps = with.number("eps");
    return [=](const LossInput& in) {
      if (temperature == 1) {  // all in one pass
        const auto [L, M, P, G, voxels] =
            in.integrals(Integrand::nll, Integrand::weight, Integrand::mass, Integrand::present, Integrand::voxels);
        return in.mean_of_voxels(L, M) + lambda * size_term(kind, P, G, voxels, eps);
      }
      const auto [L, M] = in.integrals(Integrand::nll, Integrand::weight);
      const auto [P, G, voxels] =
          in.at_temperature(temperature).integrals(Integrand::mass, Integrand::present, Integrand::voxels);
      return in.mean_of_voxels(L, M) + lambda * size_term(kind, P, G, voxels, eps);
    };
  };
  return {.name = name,
          .family = Family::compound,
          .summary = "Cross entropy plus a term for the size of each region",
          .formula = formula,
          .source = "Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717)",
          .parameters = {number("lambda", 1, 0, 1e6, "weight of the size term"), temperature_parameter(),
                         size_eps_parameter()},
          .helps = helps,
          .fails = fails,
          .build = build};
}

}  // namespace voxgrad::losses

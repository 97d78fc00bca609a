// Cross entropy plus the Kullback-Leibler divergence of the region sizes (losses/region_size.cpp):
//
//   L = L_ce + lambda mean_n sum_c p ln(p / q)
//
// Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717).
#include "losses/terms/region.h"

namespace voxgrad::losses {

Spec spec_ce_kl() {
  return {.name = "ce_kl",
          .family = Family::compound,
          .summary = "Cross entropy plus a term for the size of each region",
          .formula = "L_ce + lambda mean_n sum_c p ln(p / q)",
          .source = "Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717)",
          .helps = "as ce_l1, and harder on a class that is missed altogether, up to ln(M/eps) for M voxels",
          .fails = "an absent class that is predicted costs nothing by itself",
          .build = [](Parameters& with) { return ce_with_size(SizeTerm::kl, with); }};
}

}  // namespace voxgrad::losses

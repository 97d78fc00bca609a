// Cross entropy plus the Kullback-Leibler divergence of the region sizes (losses/region_size.cpp):
//
//   L = L_ce + lambda mean_n sum_c p ln(p / q)
//
// Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717).
#include "losses/terms/region_size.h"

namespace voxgrad::losses {

Spec spec_ce_kl() {
  return ce_with_size("ce_kl", SizeTerm::kl, "L_ce + lambda mean_n sum_c p ln(p / q)",
                      "as ce_l1, and harder on a class that is missed altogether, up to ln(1/eps)",
                      "an absent class that is predicted costs nothing by itself");
}

}  // namespace voxgrad::losses

// Cross entropy plus the size bias of log-Dice (losses/region_size.cpp), to show that bias alone:
//
//   L = L_ce + lambda mean_nc ln(p + q + eps)
//
// Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717), the ablation "CE + DB". May be negative.
#include "losses/terms/region_size.h"

namespace voxgrad::losses {

Spec spec_ce_db() {
  return ce_with_size(
      "ce_db", SizeTerm::db, "L_ce + lambda mean_nc ln(p + q + eps)",
      "as an experiment: it shows what the size term inside log-Dice does",
      "shrinks small classes, as the term is least where everything is the largest class; may be negative");
}

}  // namespace voxgrad::losses

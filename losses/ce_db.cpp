// Cross entropy plus the size bias of log-Dice (losses/region_size.cpp), which shows the effect of that bias alone:
//
//   L = L_ce + lambda mean_nc ln(p + q + eps)
//
// Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717), the ablation "CE + DB". The value may be negative.
#include "losses/terms/region.h"

namespace voxgrad::losses {

Spec spec_ce_db() {
  return {.name = "ce_db",
          .family = Family::compound,
          .summary = "Cross entropy plus a term for the size of each region",
          .formula = "L_ce + lambda mean_nc ln(p + q + eps)",
          .source = "Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717)",
          .helps = "as an experiment: it shows what the size term inside log-Dice does",
          .fails =
              "shrinks small classes, as the term is least where everything is the largest class (of one sigmoid "
              "channel: where the mask is empty); may be negative",
          .build = [](Parameters& with) { return ce_with_size(SizeTerm::db, with); }};
}

}  // namespace voxgrad::losses

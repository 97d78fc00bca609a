// Cross entropy plus the L1 distance of the region sizes (losses/region_size.cpp):
//
//   L = L_ce + lambda mean_nc |q - p|
//
// Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717).
#include "losses/terms/region.h"

namespace voxgrad::losses {

Spec spec_ce_l1() {
  return {
      .name = "ce_l1",
      .family = Family::compound,
      .summary = "Cross entropy plus a term for the size of each region",
      .formula = "L_ce + lambda mean_nc |q - p|",
      .source = "Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717)",
      .helps = "regions that come out too small after thresholding, with temperature=10 (at 1 the term is nearly idle)",
      .fails = "large lambda: sizes are right, places are not",
      .build = [](Parameters& with) { return ce_with_size(SizeTerm::l1, with); }};
}

}  // namespace voxgrad::losses

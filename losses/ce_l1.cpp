// Cross entropy plus the L1 distance of the region sizes (losses/region_size.cpp):
//
//   L = L_ce + lambda mean_nc |q - p|
//
// Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717).
#include "losses/terms/region_size.h"

namespace voxgrad::losses {

Spec spec_ce_l1() {
  return ce_with_size(
      "ce_l1", SizeTerm::l1, "L_ce + lambda mean_nc |q - p|",
      "regions that come out too small after thresholding, with temperature=10 (at 1 the term is nearly idle)",
      "large lambda: sizes are right, places are not");
}

}  // namespace voxgrad::losses

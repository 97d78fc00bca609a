// Boundary loss: the probability, weighted by the signed distance to the border of the truth.
//
//   L = mean over samples, classes and voxels of phi_c(i) p_ic
//
// Kervadec et al., MIDL 2019, Eq. 5; Ma 2020, section 4.1. phi is negative inside and positive outside. The parameter
// sdf chooses one of three versions in use. kervadec, the authors' code, takes -(d - 1) inside, so that the voxels on
// the border have the value 0. plain takes -d inside, as the survey writes. zero_inner is plain with 0 on those voxels.
// The 1 of kervadec is one voxel: the smallest spacing s, in the unit of d. Every d is at least s, so that phi is never
// positive inside; one voxel along the nearest direction would make all border voxels 0, but zero_inner does that.
// A class that is absent or fills the image has 0 everywhere. Distances count voxels, as in the authors' code; unit=mm
// is the other reading of the paper. In training they are those of the whole case, or of a warped patch and what is
// around it (losses/README.md, decision 14).
#include "losses/terms/distance.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const Function term = boundary_term(with);
  with.background(false);
  return [=](const LossInput& in) { return mean(term(in)); };
}

}  // namespace

Spec spec_boundary() {
  return {.name = "boundary",
          .family = Family::boundary,
          .summary = "Probability times signed distance to the true border",
          .formula = "mean_(n,c,i) phi p, phi the signed distance, negative inside",
          .source = "Kervadec et al., MIDL 2019, Eq. 5; Ma 2020, section 4.1",
          .helps = "with a region loss, where false positives far away hurt most",
          .fails =
              "alone: an empty prediction is nearly stationary, and small objects are given up; can be negative, and "
              "its scale is that of the distances",
          .build = build,
          .geometric = true,
          .objective = false};
}

}  // namespace voxgrad::losses

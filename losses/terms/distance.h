// Terms that weight voxels by distances to borders. Both declare the field that they need.
#pragma once

#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {

// The boundary loss (losses/boundary.cpp), per sample and class, [N, C']. Declares sdf and unit.
Function boundary_term(Parameters& with);

// The integral of (p - t)^2 (d_G^alpha + d_S^alpha), to be divided by the number of voxels: the Hausdorff distance loss
// by distance transforms (losses/hausdorff_dt.cpp). Declares unit, alpha, one_sided, sides and
// prediction.
std::function<Integral(const LossInput&)> hausdorff_term(Parameters& with);

}  // namespace voxgrad::losses

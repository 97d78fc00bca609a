// Rules that derive the shape of a training from the shapes of the cases: patch, levels of the network, poolings.
#pragma once

#include <vector>

#include "engine/shape.h"

namespace voxgrad::apps {

struct Geometry {
  Shape patch;
  int depth = 1;                 // levels of the network
  std::vector<Extents> strides;  // depth - 1 poolings
  Shape divisor() const;         // what the extents of the patch must be multiples of
};

struct GeometryWish {
  Shape patch;                        // no extents mean that the patch follows from the cases
  int depth = 0;                      // 0 means that the depth follows from the patch
  std::vector<Extents> strides = {};  // of depth - 1 poolings; none mean that they follow from the patch
};

// The rules:
//  1. The patch is the largest case if that has at most 256^2 pixels or 64^3 voxels; else the median case, its longest
//     axis cut until it has. It is rounded up (cut axes: down) to what the poolings divide.
//  2. An axis is pooled by 2 while 4 voxels are left of it and its spacing is less than twice that of the finest axis
//     still pooled, so that voxels become cubes first (Isensee et al. 2021). At most 5 levels in 2-D, 4 in 3-D.
// Shapes and spacings are per case and spatial axis. Error(usage) if a wished patch does not fit the poolings.
Geometry plan_geometry(const std::vector<Shape>& shapes, const std::vector<std::vector<double>>& spacings,
                       const GeometryWish& wish = {});

// Returns the spacing in units of its smallest value, so that losses measure distances in voxels along the finest axis.
// The same pictures then learn the same in any unit of length, and the published weights of such losses apply, which
// are meant for distances in voxels. What an anisotropic spacing says about the axes is kept.
std::vector<double> in_voxels(std::vector<double> spacing);

}  // namespace voxgrad::apps

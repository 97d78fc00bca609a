// Rules that derive the shape of a training from the shapes of the cases: patch, levels of the network, poolings and
// kernels.
#pragma once

#include <vector>

#include "engine/shape.h"

namespace voxgrad::apps {

struct Geometry {
  Shape patch;
  int depth = 1;                 // levels of the network
  std::vector<Extents> strides;  // depth - 1 poolings
  std::vector<Extents> kernels;  // of the convolutions of each level
  Shape divisor() const;         // what the extents of the patch must be multiples of
};

struct GeometryWish {
  Shape patch = {};     // no extents mean that the patch follows from the cases
  int depth = 0;        // 0 means that the depth follows from the patch
  bool slices = false;  // volumes are segmented slice by slice: the patch has one, and no kernel looks at others
  std::int64_t most_voxels = 0;  // of a patch that follows from the cases; 0: as in rule 1
  bool full_kernels = false;     // every kernel is 3 along every axis, whatever the spacing
  // Of another network, for each pooling and for each level; none mean that they follow from patch and spacing.
  std::vector<Extents> strides = {}, kernels = {};
};

// Whether volumes are stacks of a few slices, which a network had better segment one by one: the median case has fewer
// than eight along the first axis, and they are at least three times as thick as their pixels. Then neighbours have
// little in common.
bool thin_stacks(const std::vector<Shape>& shapes, const std::vector<std::vector<double>>& spacings);

// The rules:
//  1. The patch is the largest case if that has at most 256^2 pixels or 64^3 voxels, and at most twice as many as the
//     median case, because a smaller case is padded; else the median case, its longest axis cut until it has. It is
//     rounded up (cut axes: down) to what the poolings divide.
//  2. An axis is pooled by 2 while 8 voxels are left of it and its spacing is less than twice that of the finest axis
//     still pooled, so that voxels become cubes first (Isensee et al. 2021). At most 5 levels in 2-D, 4 in 3-D.
//     If a depth is asked for, axes with fewer voxels follow where no other is left.
//  3. A kernel is 1 along an axis while its spacing is at least twice that of the finest axis still pooled, and along
//  an
//     axis with one voxel; else it is 3. Once it is 3, it stays so at the coarser levels.
// Shapes and spacings are per case and spatial axis. Error(usage) if a wished patch does not fit the poolings.
Geometry plan_geometry(const std::vector<Shape>& shapes, const std::vector<std::vector<double>>& spacings,
                       const GeometryWish& wish = {});

}  // namespace voxgrad::apps

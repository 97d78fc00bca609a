// A head in millimetres, from the skin to the ventricles, for images (one slice) and volumes. x: left to right, y:
// front (negative) to back, z: up.
#pragma once

#include <array>

#include "data/phantoms/shapes.h"

namespace voxgrad::data::phantom {

enum class Tissue { air, scalp, skull, fluid, grey, white, deep_grey };
inline constexpr std::size_t kTissues = 7;

struct Brain {
  std::array<Grid, kTissues> share;  // of every voxel; they add up to 1
  Grid depth;                        // millimetres below the surface of the brain, negative outside
  Grid ventricle;                    // signed distance to the lateral ventricles

  // The picture of a sequence that gives these values to the tissues.
  Grid picture(const std::array<double, kTissues>& values) const;
  double of(Tissue tissue, std::int64_t voxel) const { return share[static_cast<std::size_t>(tissue)][voxel]; }
};

// `group` draws the size of the head and of the ventricles, `own` the folds. Voxels lie `centre` away from the middle
// of the head.
Brain make_brain(const View& view, Point centre, Draw group, Draw own);

}  // namespace voxgrad::data::phantom

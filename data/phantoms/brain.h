// A head in millimetres, from the skin to the ventricles, for images (one slice) and volumes. x goes from left to
// right, y from front (negative) to back, z upwards.
#pragma once

#include <array>

#include "data/phantoms/shapes.h"

namespace voxgrad::data::phantom {

enum class Tissue { air, scalp, skull, fluid, grey, white, deep_grey };
inline constexpr std::size_t kTissues = 7;

struct Brain {
  std::array<Grid, kTissues> share;  // the share of each tissue in every voxel; they add up to 1
  Grid depth;                        // millimetres below the surface of the brain, negative outside
  Grid ventricle;                    // signed distance to the lateral ventricles

  // Returns the picture of an MR sequence in which the tissues have these values.
  Grid picture(const std::array<double, kTissues>& values) const;
  double of(Tissue tissue, std::int64_t voxel) const { return share[static_cast<std::size_t>(tissue)][voxel]; }
};

// Makes a head. `group` draws the size of the head and of the ventricles, `own` the folds. `centre` is the place in the
// head that the middle of the picture shows.
Brain make_brain(const View& view, Point centre, Draw group, Draw own);

}  // namespace voxgrad::data::phantom

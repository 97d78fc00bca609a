// Rotation, scaling and elastic deformation of a patch. A warp says for each voxel of the patch where in the case it
// comes from. It samples the whole case, so what lies just outside a patch comes into view where a rotation needs it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::data {

class Warp {
 public:
  // Leaves everything where it is. `spacing` has one value per spatial axis, 2 or 3 of them.
  explicit Warp(const std::vector<double>& spacing);
  // Rotates what is seen about the centre of the patch from axis b to axis a, as Orientation::rotate(a, b, 1) does for
  // 90 degrees. Lengths are kept, whatever the spacing of the axes.
  void rotate(int a, int b, double radians);
  // Makes what is seen larger along an axis by a factor.
  void scale(int axis, double factor);
  // Moves what is seen along `axes` by a smooth random field: cubic B-splines through random shifts at nodes that are
  // `cell` apart (a length, as the spacing is). A shift is at most `amount` of that; from 0 to 0.4, so that the field
  // folds nowhere (Choi and Lee 2000).
  void bend(const std::vector<int>& axes, double cell, double amount, const Random& random);
  bool identity() const;

  // Fills `patch` from a case. `corner` is the first voxel of the box that an identical warp would cut; `patch` has the
  // extents of the box and `margin` voxels more on either side. Images f32 [*S, C] are interpolated linearly. A label
  // u8 [*S] gets the value with the largest weight of the same interpolation, of equal ones that of the nearest voxel.
  // Where the box leaves the case it is 0. What a warp needs from beyond both is the mirror image of what is there.
  void sample(const Tensor& from, const Extents& corner, const Tensor& patch, const Extents& margin = 0) const;

 private:
  struct Points;
  int lead_;  // 1 for images, which are treated as volumes of one slice
  std::array<double, 3> spacing_{1, 1, 1};
  std::array<std::array<double, 3>, 3> matrix_;  // lengths from the centre of the patch to lengths in the case
  std::array<bool, 3> bent_{};
  double cell_ = 1, shift_ = 0;  // of the elastic field, as lengths
  std::uint64_t key_ = 0;
};

}  // namespace voxgrad::data

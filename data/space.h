// Where the voxels of a volume lie in the body. Scanners store volumes in many orders and directions. A network has
// seen one of them, so here every volume whose file says how it lies is turned to the same one when it is read, and
// what is predicted for it is turned back when it is written.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::data {

// Maps voxel indices to a position in millimetres. Row r belongs to the world axis right, anterior, superior: a
// position grows towards the right, the front and the head of the patient ("RAS+", the world of NIfTI). Column k of the
// first three is the step to the next voxel along x, y or z, where x is the LAST axis of an array [Z, Y, X]; column 3
// is the position of the voxel [0, 0, 0].
using Affine = std::array<std::array<double, 4>, 3>;

// The directions in which x, y and z grow, each by a world axis of its own, the nearest ones: "RAS", "LPI". Error(data)
// if a column is zero or not finite, or no three axes are left for the three columns.
std::string orientation_of(const Affine& affine);
// The lengths of the steps along z, y, x in millimetres.
std::vector<double> spacing_of(const Affine& affine);

// How far two volumes with these extents [Z, Y, X] lie apart, as a share of the size of the first one: at most this
// share at any corner. 0 if they are in the same place.
double distance_between(const Affine& a, const Affine& b, const Shape& extents);

// A new order of the three axes of a volume, some of them backwards. Voxels are moved whole, so labels stay exact.
struct Turn {
  std::array<int, 3> axis{0, 1, 2};  // axis[k] is the axis of the source, in the order z, y, x, that becomes axis k
  std::array<bool, 3> backwards{};   // whether axis k of the result runs against that of the source

  bool operator==(const Turn&) const = default;
  bool is_identity() const { return *this == Turn{}; }
  Turn inverse() const;
  Shape operator()(const Shape& extents) const;                              // of [Z, Y, X]
  std::vector<double> operator()(const std::vector<double>& spacing) const;  // z, y, x
  // Returns x [Z, Y, X] or [Z, Y, X, C], f32 or u8 on the host, in the new order; x itself if nothing changes.
  Tensor operator()(const Tensor& x) const;
  // The affine of the turned volume; `extents` are those of the source.
  Affine operator()(const Affine& affine, const Shape& extents) const;
};

// The turn after which the axes of a volume of this orientation ("LPI", see orientation_of) are "RAS": x, y and z grow
// to the right, the front and the head. Error(data) for another text.
Turn turn_to_ras(const std::string& orientation);

}  // namespace voxgrad::data

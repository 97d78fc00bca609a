// Shapes given by their signed distance (negative inside), so that partial volume, labels and rims all follow from one
// function of the place.
#pragma once

#include <functional>
#include <vector>

#include "data/phantoms/grid.h"

namespace voxgrad::data::phantom {

// Orthonormal axes: the rows of a rotation.
struct Axes {
  Point z{1, 0, 0}, y{0, 1, 0}, x{0, 0, 1};
};
Axes in_plane_rotation(double turns);  // about z
Axes random_rotation(Draw& draw);      // uniform over all rotations

struct Ellipsoid {
  Point centre;
  Point radii;  // along its own axes; in images z counts for nothing if the centre is at z = 0
  Axes axes = {};
  // First-order distance: exact on the surface, with the right sign and slope.
  double distance(Point p) const;
};

// Smooth union: like min(a, b), with the edge between them rounded over `width`.
double smooth_min(double a, double b, double width);

// A tube along a polyline whose radius changes linearly between its points.
struct TubePoint {
  Point centre;
  double radius;
};
using Tube = std::vector<TubePoint>;

// Calls f(pixel, distance, radius) for every pixel of an image and every piece of a tube that passes within `reach` of
// it, measured from the tube's wall: `distance` is that to the axis, `radius` that of the tube there.
void visit_tubes(const std::vector<Tube>& tubes, const View& view, double reach,
                 const std::function<void(std::int64_t pixel, double distance, double radius)>& f);

}  // namespace voxgrad::data::phantom

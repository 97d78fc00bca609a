// Shapes, each given by its signed distance (negative inside). Partial volume, labels and rims all follow from this one
// function of the place.
#pragma once

#include <functional>
#include <vector>

#include "data/phantoms/grid.h"

namespace voxgrad::data::phantom {

// Three orthonormal axes, which are the rows of a rotation.
struct Axes {
  Point z{1, 0, 0}, y{0, 1, 0}, x{0, 0, 1};
};
Axes in_plane_rotation(double turns);  // turns about z
Axes random_rotation(Draw& draw);      // draws uniformly from all rotations

struct Ellipsoid {
  Point centre;
  Point radii;  // along its own axes; in images with the centre at z = 0, radii.z has no effect
  Axes axes = {};
  // Returns the distance to first order: it is exact on the surface and has the right sign and slope there.
  double distance(Point p) const;
};

// Returns the distance to the smooth union of two shapes: min(a, b), but with the edge rounded over `width`.
double smooth_min(double a, double b, double width);

// A point of the axis of a tube. Between two points the axis is straight and the radius changes linearly.
struct TubePoint {
  Point centre;
  double radius;
};
using Tube = std::vector<TubePoint>;

// Calls f(pixel, distance, radius) for every pixel and every piece of a tube whose wall is at most `reach` away from
// it. `distance` is that between pixel and axis, `radius` the one of the tube at this place. For images only.
void visit_tubes(const std::vector<Tube>& tubes, const View& view, double reach,
                 const std::function<void(std::int64_t pixel, double distance, double radius)>& f);

}  // namespace voxgrad::data::phantom

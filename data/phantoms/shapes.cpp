#include "data/phantoms/shapes.h"

#include <algorithm>

namespace voxgrad::data::phantom {
namespace {

Point divide(Point a, Point b) { return {a.z / b.z, a.y / b.y, a.x / b.x}; }

}  // namespace

Axes in_plane_rotation(double turns) {
  const auto [s, c] = exact_sin_cos(turns);
  return {{1, 0, 0}, {0, c, s}, {0, -s, c}};
}

Axes random_rotation(Draw& draw) {
  double w = draw.normal(), i = draw.normal(), j = draw.normal(), k = draw.normal();  // a quaternion
  const double norm = std::sqrt(w * w + i * i + j * j + k * k);
  w /= norm, i /= norm, j /= norm, k /= norm;
  return {{1 - 2 * (j * j + k * k), 2 * (i * j - k * w), 2 * (i * k + j * w)},
          {2 * (i * j + k * w), 1 - 2 * (i * i + k * k), 2 * (j * k - i * w)},
          {2 * (i * k - j * w), 2 * (j * k + i * w), 1 - 2 * (i * i + j * j)}};
}

double Ellipsoid::distance(Point p) const {
  const Point d = p - centre;
  const double largest = std::max({radii.z, radii.y, radii.x});
  if (dot(d, d) > 4.0 * largest * largest + 900.0) return length(d) - largest;  // a rough value is enough far away
  const Point own{dot(d, axes.z), dot(d, axes.y), dot(d, axes.x)};
  const Point scaled = divide(own, radii);
  const double level = length(scaled);
  const double slope = length(divide(scaled, radii));
  if (slope < 1e-12) return -std::min({radii.z, radii.y, radii.x});
  return level * (level - 1.0) / slope;
}

double smooth_min(double a, double b, double width) {
  const double h = std::max(width - std::abs(a - b), 0.0) / width;
  return std::min(a, b) - h * h * width / 4.0;
}

void visit_tubes(const std::vector<Tube>& tubes, const View& view, double reach,
                 const std::function<void(std::int64_t, double, double)>& f) {
  const Point corner = view.half();
  const auto pixel = [](double place, double edge, double step) {
    return static_cast<std::int64_t>(std::floor((place + edge) / step));
  };
  for (const Tube& tube : tubes)
    for (std::size_t i = 0; i + 1 < tube.size(); ++i) {
      const TubePoint &a = tube[i], &b = tube[i + 1];
      const Point along = b.centre - a.centre;
      const double margin = std::max(a.radius, b.radius) + reach;
      const auto [top, bottom] = std::minmax({a.centre.y, b.centre.y});
      const auto [left, right] = std::minmax({a.centre.x, b.centre.x});
      const std::int64_t y0 = std::max<std::int64_t>(pixel(top - margin, corner.y, view.spacing.y), 0);
      const std::int64_t x0 = std::max<std::int64_t>(pixel(left - margin, corner.x, view.spacing.x), 0);
      const std::int64_t y1 = std::min(pixel(bottom + margin, corner.y, view.spacing.y), view.extent.height - 1);
      const std::int64_t x1 = std::min(pixel(right + margin, corner.x, view.spacing.x), view.extent.width - 1);
      for (std::int64_t y = y0; y <= y1; ++y)
        for (std::int64_t x = x0; x <= x1; ++x) {
          const Point p = view.at(0, y, x) - a.centre;
          const double t = std::clamp(dot(p, along) / std::max(dot(along, along), 1e-12), 0.0, 1.0);
          f(y * view.extent.width + x, length(p - t * along), mix(a.radius, b.radius, t));
        }
    }
}

}  // namespace voxgrad::data::phantom

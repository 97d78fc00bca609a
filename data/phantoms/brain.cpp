#include "data/phantoms/brain.h"

#include <algorithm>

namespace voxgrad::data::phantom {
namespace {

struct Anatomy {
  Ellipsoid head;
  double scalp, skull, gap, cortex;  // their thicknesses
  std::vector<Ellipsoid> ventricles, deep_grey;
  Ellipsoid third_ventricle;
};

Anatomy draw_anatomy(Draw draw) {
  Anatomy a;
  a.head.radii = Point{draw.uniform(78, 86), draw.uniform(84, 91), draw.uniform(68, 76)};
  a.head.axes = in_plane_rotation(draw.uniform(-0.02, 0.02));
  a.scalp = draw.uniform(4, 7);
  a.skull = draw.uniform(5, 8);
  a.gap = draw.uniform(1, 3.5);
  a.cortex = draw.uniform(3.0, 4.2);
  const double size = draw.log_uniform(0.7, 1.5), tilt = draw.uniform(0.01, 0.05);
  for (const double side : {-1.0, 1.0}) {
    const Axes axes = in_plane_rotation(-side * tilt);
    a.ventricles.push_back({{12, -6, side * 9}, size * Point{8, 26, 5}, axes});
    a.ventricles.push_back({{9, -30, side * 11}, size * Point{9, 12, 5}, in_plane_rotation(side * 0.06)});
    a.ventricles.push_back({{6, 28, side * 17}, size * Point{8, 16, 6}, in_plane_rotation(-side * 0.08)});
    a.deep_grey.push_back({{6, 4, side * 12}, {13, 15, 8}, axes});
    a.deep_grey.push_back({{5, -12, side * 25}, {13, 20, 6}, in_plane_rotation(-side * 0.05)});
    a.deep_grey.push_back({{10, -22, side * 15}, {9, 9, 5}, axes});
  }
  a.third_ventricle = {{0, 0, 0}, size * Point{12, 14, 1.8}};
  return a;
}

double distance_to_all(const std::vector<Ellipsoid>& shapes, Point p, double rounding) {
  double nearest = 1e3;
  for (const Ellipsoid& shape : shapes) nearest = smooth_min(nearest, shape.distance(p), rounding);
  return nearest;
}

}  // namespace

Grid Brain::picture(const std::array<double, kTissues>& values) const {
  Grid result(depth.extent());
  for (std::size_t t = 0; t < kTissues; ++t)
    for (std::int64_t i = 0; i < result.count(); ++i) result[i] += values[t] * share[t][i];
  return result;
}

Brain make_brain(const View& view, Point centre, Draw group, Draw own) {
  const Anatomy a = draw_anatomy(group);
  const Grid empty(view.extent);
  Brain brain{{empty, empty, empty, empty, empty, empty, empty}, empty, empty};
  const Grid bend_x = smooth_noise(own.fork(1), view, 50), bend_y = smooth_noise(own.fork(2), view, 50);
  const Grid folds = smooth_noise(own.fork(3), view, 10), fine = smooth_noise(own.fork(4), view, 9);
  const double voxel = view.spacing.x;
  for_each_voxel(view, [&](std::int64_t i, Point place) {
    const Point p = place + centre + Point{0, 1.8 * bend_y[i], 1.8 * bend_x[i]};
    std::array<double, kTissues> share{1, 0, 0, 0, 0, 0, 0};
    const auto fill = [&](Tissue tissue, double distance) {  // the tissue covers those that were filled in before
      const double inside = coverage(distance, voxel);
      for (double& s : share) s *= 1.0 - inside;
      share[static_cast<std::size_t>(tissue)] += inside;
    };
    const double skin = a.head.distance(p) + 0.5 * fine[i];
    const double surface = skin + a.scalp + a.skull + a.gap;
    // Sulci lie where the field of folds is zero; the grey matter lines them and the surface.
    const double wall = 6.5 * std::abs(folds[i]) + 0.8 * fine[i];
    const double sulcus = std::max(wall - 0.9, -surface - 17.0);
    const double lined = std::min(wall - 0.9, -surface) - a.cortex;
    const double ribbon = std::min(std::max(lined, -surface - 20.0), -surface - a.cortex);
    const double fissure = std::max(std::abs(p.x) - 1.1 - 0.3 * std::abs(fine[i]), -surface - 26.0);
    const double ventricle = distance_to_all(a.ventricles, p, 3) + 0.4 * fine[i];
    fill(Tissue::scalp, skin);
    fill(Tissue::skull, skin + a.scalp);
    fill(Tissue::fluid, skin + a.scalp + a.skull);
    fill(Tissue::white, surface);
    fill(Tissue::grey, std::max(ribbon, surface));
    fill(Tissue::fluid, std::max(std::min(sulcus, fissure), surface));
    fill(Tissue::deep_grey, distance_to_all(a.deep_grey, p, 2) + 0.6 * fine[i]);
    fill(Tissue::fluid, std::min(ventricle, a.third_ventricle.distance(p)));
    for (std::size_t t = 0; t < kTissues; ++t) brain.share[t][i] = share[t];
    brain.depth[i] = -surface;
    brain.ventricle[i] = ventricle;
  });
  return brain;
}

}  // namespace voxgrad::data::phantom

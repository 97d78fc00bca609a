// Cell nuclei in fluorescence microscopy: bright on dark, in clumps, some out of focus. Lengths are in micrometres.
#include <algorithm>

#include "data/phantoms/canvas.h"
#include "data/phantoms/shapes.h"

namespace voxgrad::data::phantom {
namespace {

// An ellipse with two or three shallow lobes.
struct Nucleus {
  Ellipsoid shape;
  double brightness, lobe;
  SinCos phase;
  bool three;

  double radius() const { return std::sqrt(shape.radii.y * shape.radii.x); }
  bool far_from(Point p) const {
    const Point d = p - shape.centre;
    const double reach = 2.0 * std::max(shape.radii.y, shape.radii.x);
    return dot(d, d) > reach * reach;
  }
  double distance(Point p) const {
    const Point d = p - shape.centre;
    const double r = std::max(length(d), 1e-9), c = d.x / r, s = d.y / r;  // cosine and sine of the angle
    const double c2 = c * c - s * s, s2 = 2.0 * c * s;
    const double cosine = three ? c2 * c - s2 * s : c2, sine = three ? s2 * c + c2 * s : s2;
    return shape.distance(p) + lobe * std::min(r, radius()) * (cosine * phase.cos + sine * phase.sin);
  }
};

Nucleus draw_nucleus(Draw& draw, Point place, double size) {
  const double radius = size * draw.uniform(0.78, 1.25), stretch = std::sqrt(draw.uniform(1.0, 1.55));
  const Ellipsoid shape{place, {1, radius * stretch, radius / stretch}, in_plane_rotation(draw.uniform())};
  const double brightness = draw.log_uniform(0.16, 1.0), lobe = draw.uniform(0.0, 0.13);
  return {shape, brightness, lobe, exact_sin_cos(draw.uniform()), draw.chance(0.5)};
}

// Draws single nuclei, and clumps whose members touch, until they cover the share `target` of the picture.
std::vector<Nucleus> draw_nuclei(Draw draw, const View& view, double size, double target) {
  const Point half = view.half();
  const double area = 4.0 * half.y * half.x;
  std::vector<Nucleus> nuclei;
  double covered = 0.0;
  for (int attempt = 0; attempt < 3000 && covered < target * area; ++attempt) {
    Point place{0, draw.uniform(-1.05, 1.05) * half.y, draw.uniform(-1.05, 1.05) * half.x};
    const bool clumped = !nuclei.empty() && draw.chance(0.7);
    if (clumped) {
      const Nucleus& neighbour = nth(nuclei, draw.below(std::ssize(nuclei)));
      const auto [s, c] = exact_sin_cos(draw.uniform());
      place = neighbour.shape.centre + draw.uniform(1.6, 2.2) * size * Point{0, s, c};
    }
    const Nucleus next = draw_nucleus(draw, place, size);
    const bool room = std::all_of(nuclei.begin(), nuclei.end(), [&](const Nucleus& other) {
      return length(other.shape.centre - place) > 0.88 * (next.radius() + other.radius());
    });
    const bool visible = std::abs(place.y) < 1.05 * half.y && std::abs(place.x) < 1.05 * half.x;
    if (!room || !visible) continue;
    nuclei.push_back(next);
    covered += 3.14 * next.radius() * next.radius();
  }
  return nuclei;
}

Picture make(const View& view, Draw group, Draw own) {
  Draw look = group.fork(1), draw = own.fork(1);
  const double size = look.uniform(4.2, 6.8);
  const double target = draw.uniform(0.2, 0.48);
  const Grid chromatin = smooth_noise(own.fork(2), view, 2.2), coarse = smooth_noise(own.fork(3), view, 5);
  Canvas<1> canvas(view, 2, {0.0});
  for (const Nucleus& nucleus : draw_nuclei(own.fork(4), view, size, target))
    for_each_voxel(view, [&](std::int64_t i, Point p) {
      if (nucleus.far_from(p)) return;
      const double distance = nucleus.distance(p);
      if (distance > view.spacing.x) return;
      // A nucleus is a flattened ball. It is thinner at its rim and therefore darker there.
      const double depth = std::min(-distance / (0.55 * size), 1.0);
      const double thickness = depth <= 0.0 ? 0.55 : 0.55 + 0.45 * std::sqrt(depth * (2.0 - depth));
      const double value = nucleus.brightness * thickness * (1.0 + 0.13 * chromatin[i] + 0.1 * coarse[i]);
      canvas.paint(i, coverage(distance, view.spacing.x), {value}, 1);
    });
  Picture picture = std::move(canvas).picture();
  Grid& image = picture.channels[0];

  // Light also comes from above and below the plane of focus: from nuclei there, which are no foreground, and as a haze
  // from those in focus.
  Grid blurred(view.extent), haze = image;
  for (const Nucleus& nucleus : draw_nuclei(own.fork(5), view, 1.2 * size, draw.uniform(0.08, 0.3)))
    for_each_voxel(view, [&](std::int64_t i, Point p) {
      if (!nucleus.far_from(p)) blurred[i] += nucleus.brightness * coverage(nucleus.distance(p), view.spacing.x);
    });
  const double focus = 1.0 / view.spacing.x;
  blur(blurred, {0, 2.6 * focus, 2.6 * focus});
  blur(haze, {0, 7.0 * focus, 7.0 * focus});
  const double glare = look.uniform(0.2, 0.6), dark = look.uniform(0.02, 0.06), lamp = look.uniform(0.35, 0.9);
  for (std::int64_t i = 0; i < image.count(); ++i) image[i] += 0.6 * blurred[i] + glare * haze[i];
  blur(image, {0, 0.75, 0.75});
  apply_bias(image, own.fork(6), view, 0.3, 70);
  for (std::int64_t i = 0; i < image.count(); ++i) image[i] = dark + lamp * image[i];
  add_counting_noise(image, own.fork(7), look.uniform(0.002, 0.01), 0.015);
  return picture;
}

}  // namespace

Recipe nuclei2d() {
  return {.info = {.name = "nuclei2d",
                   .summary =
                       "cell nuclei in fluorescence: touching, from dim to bright, above haze and nuclei out of focus",
                   .dims = 2,
                   .class_names = {"background", "nucleus"},
                   .size = {96, 96},
                   .cases = 64},
          .modality = "fluorescence microscopy",
          .field_of_view = {0, 96, 96},
          .cases_per_group = 2,
          .make = make};
}

}  // namespace voxgrad::data::phantom

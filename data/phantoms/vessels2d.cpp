// Angiograms with X-rays: a branching tree of vessels with contrast agent, above ribs, soft tissue and a catheter.
#include <algorithm>

#include "data/phantoms/phantom.h"
#include "data/phantoms/shapes.h"

namespace voxgrad::data::phantom {
namespace {

constexpr double kStep = 2.5;            // millimetres between two points of a vessel
constexpr double kSmallestRadius = 0.6;  // a vessel ends where it would become thinner, and so does its label
constexpr double kMargin = 4.0;          // vessels begin this far outside of the picture
constexpr int kMostBranches = 70;

struct Sprout {
  Point place, direction;
  double radius;
};

Point turned(Point direction, double turns) {
  const auto [s, c] = exact_sin_cos(turns);
  return {0, c * direction.y + s * direction.x, c * direction.x - s * direction.y};
}

// Grows one vessel until it ends or leaves the picture, and adds its side branches to `sprouts`. Where a vessel
// divides, the cross-sections of the two add up to that before, and the thinner one turns away more.
Tube grow(Sprout tip, Draw& draw, Point limit, std::vector<Sprout>& sprouts) {
  Tube tube{{tip.place, tip.radius}};
  double bend = 0.0;  // turns per step: a random walk that tends back to 0
  double since_branch = 0.0;
  while (tip.radius >= kSmallestRadius && std::abs(tip.place.y) < limit.y + 2.0 * kMargin &&
         std::abs(tip.place.x) < limit.x + 2.0 * kMargin) {
    bend = 0.75 * bend + 0.011 * draw.normal();
    tip.direction = turned(tip.direction, bend);
    tip.place = tip.place + kStep * tip.direction;
    tip.radius *= 0.993;
    since_branch += kStep;
    tube.push_back({tip.place, tip.radius});
    if (since_branch < 5.0 * tip.radius + 3.0 || !draw.chance(0.22)) continue;
    const double share = draw.uniform(0.12, 0.5), side = draw.sign();
    const double thin = tip.radius * std::sqrt(share), thick = tip.radius * std::sqrt(1.0 - share);
    sprouts.push_back({tip.place, turned(tip.direction, side * (0.17 - 0.1 * share)), thin});
    tip.direction = turned(tip.direction, -side * 0.1 * share);
    tip.radius = thick;
    since_branch = 0.0;
  }
  return tube;
}

std::vector<Tube> grow_tree(Draw draw, Point limit) {
  const bool upright = draw.chance(0.5);  // the tree enters through the upper or lower edge, else from a side
  const double side = draw.sign(), along = draw.uniform(-0.6, 0.6), away = draw.uniform(-0.08, 0.08);
  const Point place = upright ? Point{0, side * (limit.y + kMargin), along * limit.x}
                              : Point{0, along * limit.y, side * (limit.x + kMargin)};
  const Point inwards = upright ? Point{0, -side, 0} : Point{0, 0, -side};
  std::vector<Sprout> sprouts{{place, turned(inwards, away), draw.uniform(2.2, 4.2)}};
  std::vector<Tube> tubes;
  for (std::size_t next = 0; next < sprouts.size() && tubes.size() < kMostBranches; ++next)
    tubes.push_back(grow(sprouts[next], draw, limit, sprouts));
  return tubes;
}

// Adds ribs: broad parallel bands of bone with stronger edges.
void add_ribs(Grid& attenuation, Draw draw, const View& view) {
  const Grid bend = smooth_noise(draw.fork(1), view, 120);
  const SinCos slope = exact_sin_cos(draw.uniform(-0.08, 0.08));
  const double period = draw.uniform(38, 60), width = draw.uniform(6, 10), phase = draw.uniform(0, 60);
  const double strength = draw.uniform(0.04, 0.13);
  for_each_voxel(view, [&](std::int64_t i, Point p) {
    const double across = slope.cos * p.y + slope.sin * p.x + 8.0 * bend[i] + phase + 10.0 * period;
    const double distance = std::abs(across - period * (std::floor(across / period) + 0.5)) - width;
    const double body = coverage(distance, 3.0), edge = coverage(std::abs(distance + 1.5) - 1.0, 2.0);
    attenuation[i] += strength * (body + 0.7 * edge);
  });
}

// Returns the length of each pixel's ray inside the tubes, as the mean over 3 x 3 parts of the pixel. Hollow tubes are
// empty up to 0.6 of their radius.
Grid chords(const std::vector<Tube>& tubes, const View& view, bool hollow) {
  constexpr std::int64_t kParts = 3;
  View fine{{1, view.extent.height * kParts, view.extent.width * kParts}, (1.0 / kParts) * view.spacing};
  const auto chord = [](double radius, double distance) {
    return 2.0 * std::sqrt(std::max(radius * radius - distance * distance, 0.0));
  };
  Grid length(fine.extent);
  visit_tubes(tubes, fine, 0.0, [&](std::int64_t i, double distance, double radius) {
    const double inner = hollow ? chord(0.6 * radius, distance) : 0.0;
    length[i] = std::max(length[i], chord(radius, distance) - inner);
  });
  Grid mean(view.extent);
  for (std::int64_t y = 0; y < fine.extent.height; ++y)
    for (std::int64_t x = 0; x < fine.extent.width; ++x)
      mean[y / kParts * view.extent.width + x / kParts] += length[y * fine.extent.width + x] / (kParts * kParts);
  return mean;
}

// Draws a hollow tube of constant width and bend that begins at the upper edge. It is as dark as a vessel, but none.
Tube draw_catheter(Draw draw, const View& view) {
  Point direction = turned({0, 1, 0}, draw.uniform(-0.08, 0.08));
  Point place{0, -view.half().y, draw.uniform(-0.7, 0.7) * view.half().x};
  const double bend = draw.uniform(-0.006, 0.006), radius = draw.uniform(1.4, 2.0);
  Tube tube{{place, radius}};
  for (std::int64_t i = draw.between(14, 50); i > 0; --i) {
    place = place + kStep * direction;
    direction = turned(direction, bend);
    tube.push_back({place, radius});
  }
  return tube;
}

Picture make(const View& view, Draw group, Draw own) {
  Draw look = group.fork(1), draw = own.fork(1);
  const Grid body = smooth_noise(own.fork(2), view, 70), lumps = smooth_noise(own.fork(3), view, 15);
  Grid attenuation(view.extent);
  for (std::int64_t i = 0; i < attenuation.count(); ++i) attenuation[i] = 0.3 + 0.13 * body[i] + 0.035 * lumps[i];
  add_ribs(attenuation, own.fork(4), view);
  const auto add = [&](const std::vector<Tube>& tubes, double per_millimetre, bool hollow) {
    const Grid length = chords(tubes, view, hollow);
    for (std::int64_t i = 0; i < attenuation.count(); ++i) attenuation[i] += per_millimetre * length[i];
  };
  if (draw.chance(0.6)) add({draw_catheter(own.fork(5), view)}, draw.uniform(0.08, 0.14), true);

  Picture picture{{}, std::vector<std::uint8_t>(static_cast<std::size_t>(attenuation.count()))};
  const double contrast = look.uniform(0.07, 0.13);
  const std::int64_t trees = draw.between(1, 3);
  for (std::int64_t tree = 0; tree < trees; ++tree) {
    const std::vector<Tube> tubes = grow_tree(own.fork(10 + static_cast<std::uint64_t>(tree)), view.half());
    add(tubes, contrast, false);
    // Labels stay connected where a vessel is thinner than a pixel.
    visit_tubes(tubes, view, 0.55 * view.spacing.x, [&](std::int64_t i, double distance, double radius) {
      if (distance < std::max(radius, 0.55 * view.spacing.x)) nth(picture.labels, i) = 1;
    });
  }
  Grid image(view.extent);
  for (std::int64_t i = 0; i < image.count(); ++i) image[i] = 0.06 + 0.92 * exact_exp(-attenuation[i]);
  blur(image, {0, 0.5, 0.5});
  apply_bias(image, own.fork(6), view, 0.08, 120);
  add_counting_noise(image, own.fork(7), look.uniform(0.0006, 0.0018), 0.006);
  picture.channels.push_back(image);
  return picture;
}

}  // namespace

Recipe vessels2d() {
  return {.info = {.name = "vessels2d",
                   .summary = "contrast-filled vessel trees in X-ray angiograms: thin, branching, fading; a catheter "
                              "and ribs are none",
                   .dims = 2,
                   .class_names = {"background", "vessel"},
                   .size = {96, 96},
                   .cases = 72},
          .modality = "X-ray angiography",
          .field_of_view = {0, 144, 144},
          .cases_per_group = 3,
          .make = make};
}

}  // namespace voxgrad::data::phantom

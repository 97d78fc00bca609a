// Prostate in T2-weighted MR, after the PROMISE12 challenge: thick slices, an organ without a clear edge, and readers
// who see its edge at different places. x goes from right to left, y from front (negative) to back, z upwards; lengths
// are in millimetres.
#include <algorithm>

#include "data/phantoms/canvas.h"
#include "data/phantoms/shapes.h"

namespace voxgrad::data::phantom {
namespace {

struct Look {
  double fat, muscle, rim_zone, central_zone, bladder, rectum;  // grey values
};

Look draw_look(Draw draw) {
  Look look{};
  look.fat = draw.uniform(0.5, 0.72);
  look.muscle = draw.uniform(0.16, 0.25);
  look.rim_zone = draw.uniform(0.5, 0.75);
  look.central_zone = draw.uniform(0.3, 0.42);
  look.bladder = draw.uniform(0.8, 1.0);
  look.rectum = draw.uniform(0.03, 0.7);  // gas, stool or gel
  return look;
}

class Pelvis {
 public:
  Pelvis(const View& view, Draw group, Draw own)
      : view_(view),
        group_(group),
        own_(own),
        look_(draw_look(group.fork(1))),
        bend_x_(smooth_noise(own.fork(1), view, 32)),
        bend_y_(smooth_noise(own.fork(2), view, 32)),
        nodules_(smooth_noise(own.fork(3), view, 7)),
        fibres_(smooth_noise(own.fork(4), view, 4)),
        canvas_(view, 1, {0.0}) {
    Draw draw = own.fork(5);
    const double size = draw.log_uniform(0.8, 1.12);
    organ_ = {{draw.normal(0, 4), draw.normal(-1, 1.5), draw.normal(0, 1)},
              size * Point{draw.uniform(18, 24), draw.uniform(13, 17), draw.uniform(18, 22)},
              {}};
    // The back of the organ is flat.
    back_ = organ_.centre.y + 0.72 * organ_.radii.y;
  }

  Picture run() && {
    paint_surroundings();
    paint_organ();
    Picture picture = std::move(canvas_).picture();
    picture.labels = read();
    Grid& image = picture.channels[0];
    Draw draw = group_.fork(2);
    blur(image, {0.35, 0.7, 0.7});
    apply_bias(image, own_.fork(6), view_, 0.16, 45);
    add_rician_noise(image, own_.fork(7), draw.uniform(0.025, 0.05));
    return picture;
  }

 private:
  Point bent(std::int64_t i, Point p) const { return p + Point{0, 1.3 * bend_y_[i], 1.3 * bend_x_[i]}; }
  double surface(Point p) const { return -smooth_min(-organ_.distance(p), back_ - p.y, 5.0); }
  template <class F>
  void paint(double value, double softness, F&& distance) {
    for_each_voxel(view_, [&](std::int64_t i, Point p) {
      canvas_.paint(i, coverage(distance(i, bent(i, p)), softness), {value}, 0);
    });
  }

  void paint_surroundings() {
    Draw draw = own_.fork(10);
    paint(look_.fat, 1.0, [](std::int64_t, Point) { return -9.0; });
    for (std::int64_t i = 0; i < fibres_.count(); ++i) canvas_.channel(0)[i] *= 1.0 + 0.1 * fibres_[i];
    for (const double side : {-1.0, 1.0}) {  // muscles beside the organ, closer together towards its apex
      const Ellipsoid wall{{0, 2, side * 34}, {60, 30, 11}, {}};
      const Ellipsoid levator{{-22, 4, side * 15}, {22, 18, 5}, {}};
      paint(look_.muscle, 2.0, [&](std::int64_t, Point p) { return std::min(wall.distance(p), levator.distance(p)); });
    }
    const Ellipsoid pubis{{-16, -28, 0}, {24, 11, 16}, {}};
    const Ellipsoid plexus{{-4, organ_.centre.y - organ_.radii.y - 2, 0}, {20, 4, 13}, {}};
    paint(look_.muscle + 0.1, 2.0, [&](std::int64_t, Point p) { return pubis.distance(p); });
    paint(look_.fat + 0.12, 3.0, [&](std::int64_t i, Point p) { return plexus.distance(p) + 1.5 * nodules_[i]; });
    const Ellipsoid bladder{{organ_.centre.z + organ_.radii.z + draw.uniform(10, 15), -7, 0}, {17, 16, 21}, {}};
    paint(look_.muscle + 0.06, 2.0, [&](std::int64_t, Point p) { return bladder.distance(p) - 2.5; });
    paint(look_.bladder, 2.0, [&](std::int64_t, Point p) { return bladder.distance(p); });
    const double width = draw.uniform(7, 12);
    const Ellipsoid rectum{
        {0, back_ + 3.0 + width, draw.normal(0, 2)}, {90, width, width * draw.uniform(1.0, 1.4)}, {}};
    paint(look_.muscle + 0.12, 2.0, [&](std::int64_t, Point p) { return rectum.distance(p); });
    paint(look_.rectum, 2.0, [&](std::int64_t, Point p) { return rectum.distance(p) + 2.5; });
    for (const double side : {-1.0, 1.0}) {  // seminal vesicles: as bright as the rim zone, but no part of the organ
      const Ellipsoid vesicle{{organ_.centre.z + 0.85 * organ_.radii.z, back_ - 2, side * 10}, {7, 4, 10}, {}};
      paint(look_.rim_zone + 0.08, 2.0,
            [&](std::int64_t i, Point p) { return vesicle.distance(p) + 1.2 * nodules_[i]; });
    }
    // The sphincter below the apex looks like the organ.
    const Ellipsoid sphincter{{organ_.centre.z - organ_.radii.z - 5, organ_.centre.y + 2, 0}, {14, 7, 8}, {}};
    paint(0.5 * (look_.muscle + look_.central_zone) + 0.06, 4.0,
          [&](std::int64_t, Point p) { return sphincter.distance(p); });
  }

  void paint_organ() {
    Draw draw = own_.fork(11);
    const double softness = draw.uniform(2.5, 6.0);  // the width over which the organ fades into its surroundings
    const Ellipsoid central{organ_.centre + Point{2, -2.5, 0}, draw.uniform(0.62, 0.84) * organ_.radii, {}};
    const Ellipsoid tumour{
        organ_.centre + Point{draw.normal(0, 7), 0.55 * organ_.radii.y, draw.sign() * 0.5 * organ_.radii.x},
        {7, 4, 6},
        {}};
    const double capsule = draw.uniform(0.0, 0.45), darkness = draw.uniform(0.0, 0.8), tube = draw.uniform(1.5, 2.5);
    for_each_voxel(view_, [&](std::int64_t i, Point p) {
      const Point place = bent(i, p);
      const double edge = surface(place);
      const auto inside = [&](double distance, double width) { return coverage(std::max(distance, edge), width); };
      canvas_.paint(i, coverage(edge, softness), {look_.rim_zone + 0.05 * nodules_[i]}, 0);
      canvas_.paint(i, capsule * coverage(std::abs(edge) - 0.6, 2.0), {look_.muscle}, 0);
      canvas_.paint(i, inside(central.distance(place), 3.0), {look_.central_zone + 0.09 * nodules_[i]}, 0);
      canvas_.paint(i, darkness * inside(tumour.distance(place), 3.0), {look_.central_zone - 0.06}, 0);
      const double urethra =
          std::sqrt(place.x * place.x + (place.y - central.centre.y) * (place.y - central.centre.y)) - tube;
      canvas_.paint(i, 0.5 * inside(urethra, 2.0), {look_.bladder}, 0);
    });
  }

  // Returns the labels that a reader drew. A reader sees the edge a little too far inside or outside, draws with an
  // unsteady hand, and is unsure about the first and last slices.
  std::vector<std::uint8_t> read() {
    Draw draw = own_.fork(12);
    const double bias = draw.normal(0, 0.8);
    const double apex = organ_.centre.z - organ_.radii.z + draw.uniform(0, 6);
    const double base = organ_.centre.z + organ_.radii.z - draw.uniform(0, 6);
    const Grid wander = smooth_noise(own_.fork(13), view_, 14);
    std::vector<std::uint8_t> labels;
    for_each_voxel(view_, [&](std::int64_t i, Point p) {
      const bool in = surface(bent(i, p)) + bias + 0.9 * wander[i] < 0.0 && p.z > apex && p.z < base;
      labels.push_back(in);
    });
    return labels;
  }

  View view_;
  Draw group_, own_;
  Look look_;
  Grid bend_x_, bend_y_, nodules_, fibres_;
  Canvas<1> canvas_;
  Ellipsoid organ_;
  double back_ = 0;
};

Picture make(const View& view, Draw group, Draw own) { return Pelvis(view, group, own).run(); }

}  // namespace

Recipe organ3d() {
  return {
      .info = {.name = "organ3d",
               .summary =
                   "prostate in thick MR slices: an edge that fades, bright and dark neighbours, readers who disagree",
               .dims = 3,
               .class_names = {"background", "prostate"},
               .size = {24, 48, 48},
               .cases = 24},
      .modality = "MR T2",
      .field_of_view = {72, 60, 60},
      .cases_per_group = 1,
      .make = make};
}

}  // namespace voxgrad::data::phantom

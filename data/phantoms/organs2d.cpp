// Axial CT slices of the abdomen. x goes from the patient's right (negative) to the left, y from front (negative) to
// back; lengths are in millimetres.
#include <algorithm>

#include "data/phantoms/canvas.h"
#include "data/phantoms/shapes.h"

namespace voxgrad::data::phantom {
namespace {

enum Label { background, liver, spleen, kidney, pancreas };

// Grey values: 0 stands for -160 HU, 1 for 240 HU.
struct Look {
  double fat, muscle, bone, vessel, gut, liver, spleen, kidney, pancreas;
};

Look draw_look(Draw draw) {
  Look look{};
  look.fat = draw.uniform(0.12, 0.19);
  look.muscle = draw.uniform(0.5, 0.56);
  look.bone = draw.uniform(0.85, 1.0);
  look.vessel = draw.uniform(0.66, 0.86);
  look.gut = draw.uniform(0.5, 0.58);
  look.liver = draw.uniform(0.55, 0.68);
  look.spleen = look.liver + draw.uniform(0.06, 0.15);
  look.kidney = look.liver + draw.uniform(0.12, 0.26);
  look.pancreas = look.liver - draw.uniform(0.06, 0.14);
  return look;
}

// A slice that is being painted. Its height is 0 at the dome of the liver and 1 below the kidneys.
class Abdomen {
 public:
  Abdomen(const View& view, Draw group, Draw own)
      : view_(view),
        group_(group),
        own_(own),
        look_(draw_look(group.fork(1))),
        height_(own.fork(1).uniform()),
        bend_x_(smooth_noise(own.fork(2), view, 80)),
        bend_y_(smooth_noise(own.fork(3), view, 80)),
        ripple_(smooth_noise(own.fork(4), view, 22)),
        skin_(view.extent),
        canvas_(view, 5, {0.0}) {
    Draw draw = group.fork(2);
    body_ = {{}, {1, draw.uniform(90, 112), draw.uniform(120, 142)}, in_plane_rotation(draw.uniform(-0.01, 0.01))};
    fat_ = draw.uniform(5, 22);
    wall_ = draw.uniform(8, 13);
    squeeze_ = (body_.radii.x - fat_) / 140.0;
  }

  Picture run() && {
    paint_body();
    paint_spine();
    paint_guts();
    if (height_ > 0.15 && height_ < 0.85) paint_pancreas();
    paint_great_vessels();
    if (height_ < 0.9) paint_liver();
    if (height_ < 0.72) paint_spleen();
    if (height_ > 0.25) paint_kidneys();
    return finish();
  }

 private:
  // Calls f(voxel, place) for every voxel. Places are bent, so that no organ is a plain ellipse, and scaled to the size
  // of the patient.
  template <class F>
  void for_each_place(F&& f) const {
    for_each_voxel(view_, [&](std::int64_t i, Point p) {
      f(i, (1.0 / squeeze_) * (p + Point{0, 5.0 * bend_y_[i], 5.0 * bend_x_[i]}));
    });
  }
  void cover(std::int64_t voxel, double distance, double value, Label label) {
    canvas_.paint(voxel, coverage(squeeze_ * distance, view_.spacing.x), {value}, label);
  }
  // Paints the places p where distance(p) < 0.
  template <class F>
  void paint(double value, F&& distance) {
    for_each_place([&](std::int64_t i, Point p) { cover(i, distance(p), value, background); });
  }
  // Paints an organ: inside the abdominal cavity, with an uneven surface and a seam of fat around it.
  template <class F>
  void paint_organ(double value, Label label, double seam, F&& distance) {
    for_each_place([&](std::int64_t i, Point p) {
      const double inside = std::max(distance(p) + 1.2 * ripple_[i], skin_[i] + fat_ + wall_ + 3.5);
      cover(i, inside - seam, look_.fat, background);
      cover(i, inside, value, label);
    });
  }
  static Point around(Draw& draw, Point centre, double jitter) {
    return centre + Point{0, jitter * draw.normal(), jitter * draw.normal()};
  }

  void paint_body() {
    for_each_place([&](std::int64_t i, Point p) {
      skin_[i] = body_.distance(squeeze_ * p) / squeeze_;
      cover(i, skin_[i], look_.fat, background);
      cover(i, skin_[i] + fat_, look_.muscle, background);
      cover(i, skin_[i] + fat_ + wall_ + 2.0, look_.fat, background);
    });
    Draw draw = own_.fork(10);
    if (height_ > 0.7) return;  // ribs lie in the wall
    const double phase = draw.uniform();
    for (int rib = 0; rib < 9; ++rib) {
      const auto [s, c] = exact_sin_cos((rib + phase) / 9.0);
      const double ring = fat_ + 0.5 * wall_;
      const Ellipsoid shape{(1.0 / squeeze_) * Point{0, (body_.radii.y - ring) * s, (body_.radii.x - ring) * c},
                            {1, 4, 6},
                            in_plane_rotation(draw.uniform())};
      if (s > -0.75) paint(look_.bone, [&](Point p) { return shape.distance(p); });
    }
  }

  void paint_spine() {
    const Point spine{0, 52, 0};
    for (const double side : {-1.0, 1.0}) {
      const Ellipsoid back{spine + Point{0, 30, side * 30}, {1, 17, 24}},
          psoas{spine + Point{0, -2, side * 31}, {1, 15, 11}};
      paint(look_.muscle,
            [&](Point p) { return std::min(back.distance(p), height_ > 0.45 ? psoas.distance(p) : 1e3); });
      const Ellipsoid process{spine + Point{0, 20, side * 20}, {1, 4, 20}, in_plane_rotation(side * 0.06)};
      paint(look_.bone, [&](Point p) { return process.distance(p); });
    }
    const Ellipsoid body{spine, {1, 17, 22}}, canal{spine + Point{0, 23, 0}, {1, 8, 10}};
    const Ellipsoid arch{spine + Point{0, 34, 0}, {1, 16, 5}};
    paint(look_.bone, [&](Point p) { return std::min({body.distance(p), canal.distance(p) - 4.0, arch.distance(p)}); });
    paint(0.82 * look_.bone, [&](Point p) { return body.distance(p) + 3.5; });
    paint(look_.muscle, [&](Point p) { return canal.distance(p); });
  }

  // Paints loops of bowel and the stomach, some with air or contrast agent in them.
  void paint_guts() {
    Draw draw = own_.fork(11);
    const auto loop = [&](const Ellipsoid& shape, double content, bool air) {
      paint_organ(look_.gut, background, 2.0, [&](Point p) { return shape.distance(p); });
      paint(content, [&](Point p) { return shape.distance(p) + 3.5; });
      if (!air) return;
      const double level =
          shape.centre.y -
          draw.uniform(0.0, 0.6) * shape.radii.y;  // air rises to the front, because the patient lies on the back
      paint(0.0, [&](Point p) { return std::max(shape.distance(p) + 3.5, p.y - level); });
    };
    const std::int64_t loops = draw.between(5, 9) + (height_ > 0.5 ? 8 : 0);
    for (std::int64_t i = 0; i < loops; ++i) {
      const Point place{0, draw.uniform(-75, height_ > 0.5 ? 25 : -10), draw.uniform(-100, 110)};
      const double radius = draw.uniform(9, 17);
      const Ellipsoid shape{place, {1, radius, radius * draw.uniform(1.0, 1.8)}, in_plane_rotation(draw.uniform())};
      const bool contrast = draw.chance(0.3), air = draw.chance(0.35);  // the patient drank contrast agent
      loop(shape, contrast ? draw.uniform(0.6, 0.8) : draw.uniform(0.38, 0.56), air);
    }
    if (height_ < 0.75) {
      const Point place = around(draw, {0, -42, 52}, 6);
      const Ellipsoid stomach{
          place, {1, draw.uniform(18, 34), draw.uniform(34, 52)}, in_plane_rotation(draw.uniform(-0.09, 0.02))};
      const bool air = draw.chance(0.8);
      loop(stomach, draw.uniform(0.4, 0.55), air);
    }
  }

  // Paints an arch in front of the spine that is thick on the right, at its head, and thinner towards the spleen.
  void paint_pancreas() {
    Draw draw = own_.fork(12);
    const Point head = around(draw, {0, 5, -32}, 4), tail = around(draw, {0, 12, 62}, 6);
    const Point arch{0, draw.uniform(-44, -26), draw.uniform(5, 20)};
    const double thickness = draw.uniform(9, 13), taper = draw.uniform(0.1, 0.35);
    const double cut = draw.uniform(0.45, 1.4);  // slices often show only a part
    paint_organ(look_.pancreas, pancreas, 1.5, [&](Point p) {
      double nearest = 1e3;
      for (int i = 0; i <= 16; ++i) {
        const double t = i / 16.0;
        if (t > cut) break;
        const Point centre = (1 - t) * (1 - t) * head + 2 * t * (1 - t) * arch + t * t * tail;
        nearest = smooth_min(nearest, length(p - centre) - thickness * (1.0 - taper * t), 2.0);
      }
      return nearest;
    });
  }

  void paint_great_vessels() {
    Draw draw = own_.fork(13);
    const double radius = draw.uniform(8.5, 11.5), flat = draw.uniform(0.6, 1.0);
    const Ellipsoid aorta{around(draw, {0, 24, 10}, 2), {1, radius, radius}};
    const Ellipsoid cava{around(draw, {0, 22, -18}, 2), {1, 11 * flat, 12}};
    paint_organ(look_.vessel, background, 1.0, [&](Point p) { return aorta.distance(p); });
    paint_organ(0.94 * look_.vessel, background, 1.0, [&](Point p) { return cava.distance(p); });
  }

  void paint_kidneys() {
    Draw draw = own_.fork(14);
    const double size = std::min(1.0, 0.45 + 1.4 * (height_ - 0.25)) * draw.uniform(0.85, 1.1);
    for (const double side : {-1.0, 1.0}) {
      if (draw.chance(0.1)) continue;  // removed, or above the slice
      const Axes axes = in_plane_rotation(-side * draw.uniform(0.03, 0.12));
      const Ellipsoid outer{around(draw, {0, 45, side * 66}, 5), size * Point{1, 30, 23}, axes};
      const Ellipsoid sinus{outer.centre + size * Point{0, -4, -side * 14}, size * Point{1, 10, 12}, axes};
      paint_organ(look_.fat, background, 0.0, [&](Point p) { return outer.distance(p) - 4.0; });
      paint_organ(look_.kidney, kidney, 0.0, [&](Point p) { return std::max(outer.distance(p), -sinus.distance(p)); });
    }
  }

  void paint_spleen() {
    Draw draw = own_.fork(15);
    if (draw.chance(0.08)) return;
    const double size = (height_ < 0.4 ? 1.0 : 1.0 - 1.8 * (height_ - 0.4)) * draw.uniform(0.8, 1.2);
    const Ellipsoid outer{around(draw, {0, 22, 104}, 4), size * Point{1, 50, 28},
                          in_plane_rotation(draw.uniform(0.0, 0.07))};
    const Ellipsoid hilum{outer.centre + size * Point{0, -8, -34}, size * Point{1, 26, 18}};
    paint_organ(look_.spleen, spleen, 1.5, [&](Point p) { return std::max(outer.distance(p), -hilum.distance(p)); });
  }

  void paint_liver() {
    Draw draw = own_.fork(16);
    const double size = (height_ < 0.4 ? 1.0 : 1.0 - 0.9 * (height_ - 0.4)) * draw.uniform(0.9, 1.1);
    const Ellipsoid right{{0, draw.uniform(-14, 2), -80}, size * Point{1, 74, 64}};
    const Ellipsoid left{
        {0, -48, -20}, size * Point{1, 30, draw.uniform(35, 85)}, in_plane_rotation(draw.uniform(-0.04, 0.03))};
    const bool lobe = height_ < 0.6;
    paint_organ(look_.liver, liver, 1.5, [&](Point p) {
      return lobe ? smooth_min(right.distance(p), left.distance(p), 12.0) : right.distance(p);
    });
    const Grid& inside = canvas_.share(liver);  // its vessels belong to it
    const Grid branches = smooth_noise(own_.fork(17), view_, 26);
    const double brightness = look_.vessel - look_.liver;
    for (std::int64_t i = 0; i < inside.count(); ++i)
      canvas_.channel(0)[i] +=
          0.6 * brightness * inside[i] * coverage(14.0 * std::abs(branches[i]) - 1.2, view_.spacing.x);
  }

  Picture finish() {
    Draw draw = group_.fork(3);
    Picture picture = std::move(canvas_).picture();
    Grid& image = picture.channels[0];
    for (std::int64_t i = 0; i < image.count(); ++i) image[i] += image[i] > 0.3 ? 0.012 * ripple_[i] : 0.0;
    blur(image, {0, 0.6, 0.6});
    add_correlated_noise(image, own_.fork(18), draw.uniform(0.03, 0.055), {0, 0.6, 0.6});
    return picture;
  }

  View view_;
  Draw group_, own_;
  Look look_;
  double height_;
  Grid bend_x_, bend_y_, ripple_, skin_;
  Canvas<1> canvas_;
  Ellipsoid body_;
  double fat_ = 0, wall_ = 0, squeeze_ = 1;
};

Picture make(const View& view, Draw group, Draw own) { return Abdomen(view, group, own).run(); }

}  // namespace

Recipe organs2d() {
  return {.info = {.name = "organs2d",
                   .summary =
                       "four organs in CT slices, 0.9 to 9 % of the picture and alike in brightness; some are absent",
                   .dims = 2,
                   .class_names = {"background", "liver", "spleen", "kidney", "pancreas"},
                   .size = {96, 96},
                   .cases = 80},
          .modality = "CT",
          .field_of_view = {0, 288, 288},
          .cases_per_group = 2,
          .make = make};
}

}  // namespace voxgrad::data::phantom

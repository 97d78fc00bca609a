// Glioma in two MR sequences, T1 with contrast agent (channel 0) and FLAIR (channel 1), after the BraTS challenges.
#include <algorithm>

#include "data/phantoms/brain.h"
#include "data/phantoms/canvas.h"

namespace voxgrad::data::phantom {
namespace {

enum Label { background, oedema, rim, necrosis };  // nested: each class lies within the one before
enum Sequence { t1, flair };

struct Look {
  double grey, white;  // in FLAIR; in T1 white is brighter than grey
  double oedema, rim_t1, rim_flair, necrosis_t1, necrosis_flair;
};

Look draw_look(Draw draw) {
  Look look{};
  look.white = draw.uniform(0.34, 0.42);
  look.grey = look.white + draw.uniform(0.05, 0.1);
  look.oedema = look.white + draw.uniform(0.18, 0.36);
  look.rim_t1 = draw.uniform(0.62, 0.95);
  look.rim_flair = draw.uniform(0.5, 0.66);
  look.necrosis_t1 = draw.uniform(0.2, 0.36);
  look.necrosis_flair = draw.uniform(0.25, 0.6);
  return look;
}

struct Tumour {
  Ellipsoid core, surround;
  double thickness;  // that of the rim
};

Tumour draw_tumour(Draw& draw, const Brain& brain, const View& view) {
  const auto suits = [&](std::int64_t i) {
    return brain.of(Tissue::white, i) > 0.6 && brain.depth[i] > 14.0 && brain.ventricle[i] > 4.0;
  };
  std::int64_t voxel = draw.below(view.extent.count());
  for (int attempt = 0; attempt < 20000 && !suits(voxel); ++attempt) voxel = draw.below(view.extent.count());
  const std::int64_t row = voxel / view.extent.width;
  const Point place = view.at(row / view.extent.height, row % view.extent.height, voxel % view.extent.width);
  const double radius = draw.log_uniform(14, 26);
  const auto radii = [&](double size) {
    return size * Point{draw.uniform(0.8, 1.2), draw.uniform(0.8, 1.25), draw.uniform(0.8, 1.2)};
  };
  const Point shift{draw.normal(0, 3), draw.normal(0, 4), draw.normal(0, 3)};
  return {{place, radii(radius), random_rotation(draw)},
          {place + shift, radii(radius * draw.uniform(1.3, 1.9)), random_rotation(draw)},
          std::min(draw.uniform(3.2, 7.5), 0.55 * radius)};
}

void paint_tumour(Canvas<2>& canvas, const Brain& brain, const View& view, Draw own, const Look& look) {
  Draw draw = own.fork(1);
  const Tumour tumour = draw_tumour(draw, brain, view);
  const Grid bumps = smooth_noise(own.fork(2), view, 14), fingers = smooth_noise(own.fork(3), view, 11),
             lumps = smooth_noise(own.fork(4), view, 9);
  const double voxel = view.spacing.x, edge = draw.uniform(1.0, 2.6);
  for_each_voxel(view, [&](std::int64_t i, Point p) {
    const double tissue = brain.depth[i] <= -2.0 ? 0.0 : coverage(-brain.depth[i], voxel);
    const double fluid = brain.of(Tissue::fluid, i);
    const double core = tumour.core.distance(p) + edge * bumps[i];
    // Oedema follows the white matter and becomes thinner outwards. Its label ends where the last of it can be seen.
    const double spread = std::min(tumour.surround.distance(p) + 3.5 * fingers[i], core - 2.0);
    const double wet = tissue * (1.0 - fluid) * (0.35 + 0.65 * brain.of(Tissue::white, i));
    const double fading = std::min(1.0, 0.65 - 0.05 * spread);
    canvas.paint(i, wet * coverage(spread, 1.5 * voxel),
                 {mix(0.47, 0.4, fading), mix(look.white, look.oedema + 0.03 * lumps[i], fading)}, oedema);
    const double solid = tissue * (1.0 - 0.7 * fluid);
    canvas.paint(i, solid * coverage(core, voxel), {look.rim_t1 + 0.06 * lumps[i], look.rim_flair + 0.04 * lumps[i]},
                 rim);
    const double dead = core + tumour.thickness + 1.2 * lumps[i];
    canvas.paint(i, solid * coverage(dead, voxel), {look.necrosis_t1, look.necrosis_flair + 0.04 * lumps[i]}, necrosis);
  });
}

// Paints what is bright but no tumour: in T1 the sagittal sinus and the plexus, in FLAIR small old lesions and the rim
// of the ventricles.
void paint_mimics(Canvas<2>& canvas, const Brain& brain, const View& view, Draw own) {
  Draw draw = own.fork(1);
  const Grid spots = smooth_noise(own.fork(2), view, 9);
  const double threshold = draw.uniform(1.5, 2.4), rim_of_ventricle = draw.uniform(0.0, 0.25);
  for_each_voxel(view, [&](std::int64_t i, Point p) {
    const double sinus = std::max(std::abs(p.x) - 3.0, std::abs(brain.depth[i] - 1.0) - 3.0);
    const double plexus = std::max(brain.ventricle[i] + 2.5, 1.2 - spots[i]);
    canvas.channel(t1)[i] += 0.55 * std::max(coverage(sinus, view.spacing.x), coverage(3.0 * plexus, view.spacing.x));
    const double white = brain.of(Tissue::white, i);
    const double cap = coverage(std::abs(brain.ventricle[i] - 1.5) - 1.5, view.spacing.x);
    canvas.channel(flair)[i] += white * (rim_of_ventricle * cap + 0.25 * coverage(3.0 * (threshold - spots[i]), 3.0));
  });
}

Picture make(const View& view, Draw group, Draw own) {
  const Brain brain = make_brain(view, {8, 0, 0}, group.fork(1), own.fork(1));
  Draw draw = group.fork(2);
  const Look look = draw_look(group.fork(3));
  Canvas<2> canvas(view, 4, {0.0, 0.0});
  canvas.channel(t1) = brain.picture({0, 0, 0, 0.14, 0.4, 0.5, 0.44});
  canvas.channel(flair) = brain.picture({0, 0, 0, 0.1, look.grey, look.white, look.grey});
  paint_mimics(canvas, brain, view, own.fork(2));
  paint_tumour(canvas, brain, view, own.fork(3), look);
  Picture picture = std::move(canvas).picture();
  std::uint64_t id = 10;
  for (Grid& channel : picture.channels) {
    blur(channel, {0.45, 0.45, 0.45});
    apply_bias(channel, own.fork(id++), view, 0.14, 110);
    const double gain = draw.uniform(0.8, 1.1);
    for (std::int64_t i = 0; i < channel.count(); ++i) channel[i] *= gain;
    add_rician_noise(channel, own.fork(id++), draw.uniform(0.02, 0.04));
    for (std::int64_t i = 0; i < channel.count(); ++i)  // such images come without the skull
      if (brain.depth[i] < 0.0) channel[i] = 0.0;
  }
  return picture;
}

}  // namespace

Recipe tumour3d() {
  return {.info = {.name = "tumour3d",
                   .summary = "glioma in T1 with contrast and FLAIR: oedema, rim and necrosis nested in each other, "
                              "with blurred edges",
                   .dims = 3,
                   .class_names = {"background", "oedema", "rim", "necrosis"},
                   .size = {32, 48, 48},
                   .cases = 24},
          .modality = "MR T1 with contrast agent, FLAIR",
          .field_of_view = {102.4, 153.6, 153.6},
          .cases_per_group = 1,
          .make = make};
}

}  // namespace voxgrad::data::phantom

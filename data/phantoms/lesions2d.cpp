// Axial FLAIR slices with white matter lesions, after multiple sclerosis and small vessel disease.
#include <algorithm>

#include "data/phantoms/brain.h"
#include "data/phantoms/phantom.h"

namespace voxgrad::data::phantom {
namespace {

constexpr double kSmallestShare = 0.0035, kLargestShare = 0.0155;  // of the picture, between which a case draws its own

struct Lesion {
  Ellipsoid shape;
  double contrast;
  double edge;  // the irregularity of the edge in millimetres
};

// Returns whether a lesion may lie here: in white matter, and near the ventricles if it is a periventricular one.
bool suits(const Brain& brain, std::int64_t voxel, bool periventricular) {
  const double ventricle = brain.ventricle[voxel];
  return brain.of(Tissue::white, voxel) > 0.7 && brain.depth[voxel] > 6.0 && ventricle > 0.5 &&
         (!periventricular || ventricle < 7.0);
}

Lesion draw_lesion(Draw& draw, const Brain& brain, const View& view) {
  const bool periventricular = draw.chance(0.6);
  std::int64_t voxel = draw.below(view.extent.count());
  for (int attempt = 0; attempt < 20000 && !suits(brain, voxel, periventricular); ++attempt)
    voxel = draw.below(view.extent.count());
  const Point place = view.at(0, voxel / view.extent.width, voxel % view.extent.width);
  const double radius = draw.log_uniform(1.7, 6.5), stretch = draw.log_uniform(1.0, 1.8);
  Lesion lesion{{place, {1, radius * stretch, radius}, in_plane_rotation(draw.uniform())},
                draw.log_uniform(0.12, 0.42),
                0.22 * radius};
  if (periventricular) lesion.shape.axes = in_plane_rotation(draw.uniform(-0.1, 0.1));
  return lesion;
}

// Adds lesions to the image until they cover the share of the picture that is drawn for it. Returns their share of
// every voxel.
Grid paint_lesions(Grid& image, const Brain& brain, const View& view, Draw own, double white) {
  Draw draw = own.fork(1);
  const Grid edge = smooth_noise(own.fork(2), view, 6);
  const double target = draw.uniform(kSmallestShare, kLargestShare) * static_cast<double>(view.extent.count());
  Grid inside(view.extent);
  double area = 0.0;
  for (int count = 0; count < 60 && area < target; ++count) {
    const Lesion lesion = draw_lesion(draw, brain, view);
    area = 0.0;
    for_each_voxel(view, [&](std::int64_t i, Point p) {
      const double tissue = brain.of(Tissue::white, i) + brain.of(Tissue::deep_grey, i) + brain.of(Tissue::grey, i);
      const double share = tissue * coverage(lesion.shape.distance(p) + lesion.edge * edge[i], view.spacing.x);
      image[i] += share * std::max(white + lesion.contrast - image[i], 0.0);
      inside[i] = std::max(inside[i], share);
      area += inside[i] >= 0.5 ? 1.0 : 0.0;
    });
  }
  return inside;
}

Picture make(const View& view, Draw group, Draw own) {
  Draw look = group.fork(2), draw = own.fork(2);
  const double slice = draw.uniform(0, 26);  // height above the middle of the head
  const Brain brain = make_brain(view, {slice, 0, 0}, group.fork(1), own.fork(1));
  const double scalp = look.uniform(0.5, 0.95), fluid = look.uniform(0.08, 0.16);
  const double white = look.uniform(0.36, 0.46), grey = white + look.uniform(0.08, 0.15);
  Grid image = brain.picture({0.015, scalp, 0.07, fluid, grey, white, grey - 0.02});
  const Grid inside = paint_lesions(image, brain, view, own.fork(3), white);

  // The ventricles have a bright rim, which is normal and no lesion. The brain is not uniform.
  const double rim = draw.uniform(0.0, 0.16);
  const Grid texture = smooth_noise(own.fork(4), view, 8);
  for (std::int64_t i = 0; i < image.count(); ++i) {
    const double at_rim = coverage(std::abs(brain.ventricle[i] - 1.0) - 0.8, view.spacing.x);
    image[i] = (image[i] + rim * at_rim * brain.of(Tissue::white, i)) * (1.0 + 0.03 * texture[i]);
  }
  blur(image, {0, 0.6, 0.6});
  apply_bias(image, own.fork(5), view, 0.13, 110);
  add_rician_noise(image, own.fork(6), look.uniform(0.022, 0.04));

  Picture picture{{image}, {}};
  for (std::int64_t i = 0; i < inside.count(); ++i) picture.labels.push_back(inside[i] >= 0.5);
  return picture;
}

}  // namespace

Recipe lesions2d() {
  return {
      .info = {.name = "lesions2d",
               .summary =
                   "white matter lesions in FLAIR slices: few, small, of low contrast, as bright as scalp and cortex",
               .dims = 2,
               .class_names = {"background", "lesion"},
               .size = {96, 96},
               .cases = 72},
      .modality = "MR FLAIR",
      .field_of_view = {0, 192, 192},
      .cases_per_group = 3,
      .make = make};
}

}  // namespace voxgrad::data::phantom

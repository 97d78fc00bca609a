#include <algorithm>
#include <cmath>

#include "apps/report/plots/lines.h"
#include "apps/study/claims.h"
#include "engine/ops.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

using enum StudyCheck::Relation;

constexpr std::int64_t kSide = 24;
const std::vector<double> kSpacing{2, 1};  // millimetres

// Three discs, u8 [1, 24, 24].
Tensor random_mask(Random& random) {
  const Tensor mask = zeros({1, kSide, kSide}, DType::u8);
  for (int disc = 0; disc < 3; ++disc) {
    const double y = random.uniform(4, 20), x = random.uniform(4, 20), radius = random.uniform(1.5, 5);
    for (std::int64_t i = 0; i < kSide * kSide; ++i)
      if (std::hypot(static_cast<double>(i / kSide) - y, static_cast<double>(i % kSide) - x) < radius)
        mask.data<std::uint8_t>()[i] = 1;
  }
  return mask;
}

// The logits of a prediction that is sure of its mask.
Tensor sure_logits(const Tensor& mask) {
  const Tensor logits = empty({1, kSide, kSide, 1}, DType::f64);
  for (std::int64_t i = 0; i < mask.numel(); ++i)
    logits.data<double>()[i] = mask.data<std::uint8_t>()[i] != 0 ? 60 : -60;
  return logits;
}

double value_of(const std::string& loss, const Tensor& logits, const Tensor& labels) {
  const NoGrad guard;
  losses::Context context;
  context.spacing = kSpacing;
  return losses::make_loss(loss)(logits, labels, context).item();
}

double relative_gap(double a, double b) { return std::fabs(a - b) / std::max({std::fabs(a), std::fabs(b), 1e-12}); }

// |dL/dz| of a voxel outside of the object by its distance to it, as a share of the largest. All p are 0.4 outside and
// 0.6 inside.
Line pull(const std::string& name, const std::string& loss, const std::string& style) {
  constexpr std::int64_t kLong = 64, kObject = 20;
  std::vector<std::uint8_t> labels(kLong);
  std::vector<double> p(kLong, 0.4);
  for (std::size_t i = 0; i < kObject; ++i) labels[i] = 1, p[i] = 0.6;
  Tensor logits = logits_of(p).set_requires_grad();
  losses::make_loss(loss)(logits, labels_of(labels)).backward();
  const std::vector<double> gradient = logits.grad().to_vector<double>();
  Line line{name, {}, style, {}};
  constexpr std::size_t kFurthest = 12;
  for (std::size_t d = 1; d <= kFurthest; ++d)
    line.points.emplace_back(d, std::fabs(gradient[kObject + d - 1] / gradient[kObject + kFurthest - 1]));
  return line;
}

Evidence examine_mismatch() {
  Random random(7);
  double of_dice = 0, of_boundary = 0, of_hausdorff = 0, negative = 0;
  for (int draw = 0; draw < 30; ++draw) {
    const Tensor truth = random_mask(random), predicted = random_mask(random), logits = sure_logits(predicted);
    const std::vector<double> from_truth = distance_transform(truth, {1}, kSpacing, DType::f64).to_vector<double>();
    const std::vector<double> from_predicted =
        distance_transform(predicted, {1}, kSpacing, DType::f64).to_vector<double>();
    const std::vector<double> g = truth.to_vector<double>(), s = predicted.to_vector<double>();
    double wrong = 0, sizes = 0, distance = 0, squares = 0, without_square = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double both = from_truth[i] * from_truth[i] + from_predicted[i] * from_predicted[i];
      sizes += g[i] + s[i];
      without_square += (s[i] - g[i]) * both;
      if (g[i] == s[i]) continue;
      wrong += 1;
      distance += from_truth[i];
      squares += both;
    }
    const double voxels = static_cast<double>(truth.numel());
    const std::string boundary = "boundary:sdf=plain,unit=mm";
    of_dice =
        std::max(of_dice, relative_gap(value_of("dice:smooth_nr=0,smooth_dr=1e-12", logits, truth), wrong / sizes));
    of_boundary = std::max(
        of_boundary, relative_gap(value_of(boundary, logits, truth) - value_of(boundary, sure_logits(truth), truth),
                                  distance / voxels));
    of_hausdorff =
        std::max(of_hausdorff, relative_gap(value_of("hausdorff_dt:unit=mm", logits, truth), squares / voxels));
    negative += without_square < 0;
  }
  return {
      {{"Dice loss: deviation from wrong voxels / (true + predicted size), largest", of_dice, at_most, 1e-6},
       {"boundary loss above that of the truth: deviation from the mean of d_G over the wrong voxels", of_boundary,
        at_most, 1e-5},
       {"Hausdorff loss: deviation from the mean of d_G^2 + d_S^2 over the wrong voxels", of_hausdorff, at_most, 1e-5},
       {"of 30 pairs of masks, those whose Hausdorff loss is negative if the error is not squared", negative, at_least,
        1}},
      line_plot({.title = "The pull on a voxel that is wrongly predicted, over its distance to the object",
                 .vertical = "|dL/dz|, as a share of that at 12",
                 .low = 0,
                 .high = 1,
                 .lines = {pull("Dice", "dice", "of-region"), pull("boundary", "boundary:sdf=plain", "of-boundary"),
                           pull("Hausdorff", "hausdorff_dt", "of-compound")},
                 .horizontal = "distance in voxels"}),
      "A row of 64 voxels, the first 20 in the object."};
}

}  // namespace

Claim mismatch() {
  return {"mismatch",
          "Dice, the boundary loss and the Hausdorff loss all weigh the wrong voxels: by a constant, by their distance "
          "to the true border, and by the squares of their distances to both borders.",
          "Ma, Segmentation Loss Odyssey, 2020, section 4.3; the square after Karimi and Salcudean, TMI 2020",
          "30 pairs of masks of three discs, 24 x 24 voxels of 2 x 1 mm", examine_mismatch};
}

}  // namespace voxgrad::apps

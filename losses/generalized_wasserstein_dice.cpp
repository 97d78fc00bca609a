// Dice with a cost for each confusion of two classes.
//
//   W_i = sum_c D[y_i, c] p_ic                    D: distances of the classes, 0 .. 1
//   L = 1 - (2 sum_fg (1 - W) + nr) / (2 sum_fg (1 - W) + sum W + dr)
//
// Fidon et al., BrainLes 2017, Eq. 5 and 6; fg are the voxels whose label is not 0. The ratio is taken per sample, then
// the mean; a public implementation mixes the samples of a batch. With two classes it is a Dice loss; of more, a voxel
// of one foreground class that is taken for another counts once, and in a pooled Dice loss twice.
#include <algorithm>

#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

// [C, C], largest element 1.
std::vector<double> matrix(const std::vector<double>& given, std::int64_t classes) {
  std::vector<double> D(static_cast<std::size_t>(classes * classes), 1.0);
  if (!given.empty()) {
    if (given.size() != D.size())
      throw Error(ErrorKind::usage,
                  text("generalized_wasserstein_dice: distances has ", given.size(), " values, ", classes,
                       " classes need ", D.size()),
                  "write the matrix row by row: distances=0/1/1/0 for two classes");
    D = given;
  }
  for (std::int64_t c = 0; c < classes; ++c) D[static_cast<std::size_t>(c * (classes + 1))] = 0;
  const double most = *std::max_element(D.begin(), D.end());
  check(most > 0, "generalized_wasserstein_dice: all distances are 0");
  for (double& distance : D) distance /= most;
  return D;
}

Function build(Parameters& with) {
  const List distances = with.list("distances", {"equal"}, 0, 1e12,
                                   "distance of label y (row) to class c (column), row by row, scaled to a largest of "
                                   "1; the diagonal is 0; equal: 1");
  const Smoothing s = smoothing(with);
  with.batch();
  return [s, given = distances.numbers](const LossInput& in) {
    const std::int64_t channels = in.channels(), classes = std::max<std::int64_t>(channels, 2);
    std::vector<double> D = matrix(given, classes);
    if (channels == 1) D = {0, D[1], 0, D[2]};  // of the probability of the wrong label, see `kind`
    std::vector<double> D_fg = D;               // without the row of the background
    std::fill_n(D_fg.begin(), classes, 0.0);
    const auto by_label = [&](const std::vector<double>& weights) {
      return reshape(in.constant(weights), {classes, classes});
    };
    // A voxel adds D[y, c] p_c to W.
    const Integrand kind = channels == 1 ? Integrand::error : Integrand::mass;
    const auto [all, foreground, G] =
        in.integrals(row(kind, 0, by_label(D)), row(kind, 0, by_label(D_fg)), Integrand::present);
    const Tensor W = sum(all, {1}), W_fg = sum(foreground, {1});
    const Tensor size = sum(channels == 1 ? G : slice(G, 1, 1, channels), {1});
    const Tensor right = 2 * (size - W_fg);
    return mean(1 - (right + s.nr) / (right + W + s.dr));
  };
}

}  // namespace

Spec spec_generalized_wasserstein_dice() {
  return {
      .name = "generalized_wasserstein_dice",
      .family = Family::region,
      .summary = "Dice that weighs a confusion by the distance of the two classes",
      .formula = "1 - (2 sum_fg (1 - W) + nr) / (2 sum_fg (1 - W) + sum W + dr), W_i = sum_c D[y, c] p_c",
      .source = "Fidon et al., BrainLes 2017, Eq. 5 and 6",
      .helps =
          "nested or related classes, where some confusions are harmless: oedema for core rather than for background",
      .fails = "one ratio for all foreground classes: small ones are lost as in pooled Dice",
      .build = build};
}

}  // namespace voxgrad::losses

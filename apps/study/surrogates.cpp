#include <algorithm>
#include <cmath>

#include "apps/report/plots/lines.h"
#include "apps/study/claims.h"

namespace voxgrad::apps {
namespace {

using enum StudyCheck::Relation;

constexpr int kVoxels = 8;
using EightLabels = std::vector<std::uint8_t>;

// The mean Jaccard loss of masks in which each voxel is drawn by its probability.
double of_sampled_masks(const std::vector<double>& p, const EightLabels& truth) {
  double mean = 0;
  for (unsigned mask = 0; mask < 1u << kVoxels; ++mask) {
    double chance = 1;
    int both = 0, either = 0;
    for (std::size_t i = 0; i < kVoxels; ++i) {
      const bool predicted = mask >> i & 1;
      chance *= predicted ? p[i] : 1 - p[i];
      both += predicted && truth[i] != 0;
      either += predicted || truth[i] != 0;
    }
    mean += chance * (1 - both / static_cast<double>(either));
  }
  return mean;
}

struct SurrogateValues {
  double lovasz, sampled, soft;
};

SurrogateValues surrogate_values(const std::vector<double>& p, const EightLabels& truth) {
  const Tensor logits = logits_of(p), labels = labels_of(truth);
  return {loss_value("lovasz_softmax", logits, labels), of_sampled_masks(p, truth),
          loss_value("jaccard:smooth_nr=0,smooth_dr=1e-12", logits, labels)};
}

Evidence examine_surrogates() {
  Random random(3);
  double below = -1e300, above = -1e300, apart = 0, bulge = -1e300;
  for (int draw = 0; draw < 200; ++draw) {
    const EightLabels truth = random_labels(kVoxels, random);
    const std::vector<double> p = random_probabilities(kVoxels, random), q = random_probabilities(kVoxels, random);
    const SurrogateValues v = surrogate_values(p, truth);
    below = std::max(below, v.lovasz - v.sampled);
    above = std::max(above, v.sampled - v.soft);
    std::vector<double> middle(kVoxels), hard(kVoxels);
    for (std::size_t i = 0; i < kVoxels; ++i) middle[i] = (p[i] + q[i]) / 2, hard[i] = p[i] > 0.5 ? 1 - 1e-12 : 1e-12;
    bulge =
        std::max(bulge, surrogate_values(middle, truth).lovasz - (v.lovasz + surrogate_values(q, truth).lovasz) / 2);
    const SurrogateValues sure = surrogate_values(hard, truth);
    apart = std::max({apart, std::fabs(sure.lovasz - sure.soft), std::fabs(sure.sampled - sure.soft)});
  }
  Line lovasz{"Lovasz", {}, "of-region", {}}, sampled{"mean of sampled masks", {}, "thick-1", {}},
      soft{"soft Jaccard", {}, "thick-0", {}};
  const EightLabels half{1, 1, 1, 1, 0, 0, 0, 0};
  for (int i = 0; i <= 40; ++i) {
    const double error = std::clamp(i / 40.0, 1e-9, 1 - 1e-9);
    std::vector<double> p;
    for (const std::uint8_t label : half) p.push_back(label ? 1 - error : error);
    const SurrogateValues v = surrogate_values(p, half);
    lovasz.points.emplace_back(i / 40.0, v.lovasz);
    sampled.points.emplace_back(i / 40.0, v.sampled);
    soft.points.emplace_back(i / 40.0, v.soft);
  }
  return {{{"Lovasz minus the mean of sampled masks, largest", below, at_most, 1e-7},
           {"mean of sampled masks minus soft Jaccard, largest", above, at_most, 1e-7},
           {"predictions of 0 and 1: largest difference of the three", apart, at_most, 1e-7},
           {"Lovasz half-way between two predictions minus the mean of both, largest", bulge, at_most, 1e-7}},
          line_plot({.title = "Three surrogates of the Jaccard loss over the error of every voxel",
                     .vertical = "loss",
                     .low = 0,
                     .high = 1,
                     .lines = {soft, sampled, lovasz},
                     .horizontal = "error of each voxel"}),
          "Eight voxels, four of them in the object, all equally wrong."};
}

}  // namespace

Claim surrogates() {
  return {
      "surrogates",
      "The surrogates of the Jaccard loss are one family: Lovasz is at most the mean loss of sampled masks, that is "
      "at most soft Jaccard, and all are equal where the predictions are 0 or 1. Lovasz is convex.",
      "Berman et al., CVPR 2018; Eelbode et al., TMI 2020, section II",
      "200 draws of eight voxels, with all 256 masks each", examine_surrogates};
}

}  // namespace voxgrad::apps

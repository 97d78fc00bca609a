#include <algorithm>
#include <cmath>
#include <numbers>

#include "apps/report/plots/lines.h"
#include "apps/study/claims.h"

namespace voxgrad::apps {
namespace {

using enum StudyCheck::Relation;

// The largest |Dice - H| over all masks of so many voxels, where H = 1 - gamma FN / G - (1 - gamma) FP / (M - G).
double largest_error(int voxels, double gamma) {
  double largest = 0;
  for (int G = 1; G < voxels; ++G)
    for (int right = 0; right <= G; ++right)
      for (int alarms = 0; alarms <= voxels - G; ++alarms) {
        const double dice = 2.0 * right / (G + right + alarms);
        const double hamming = 1 - gamma * (G - right) / G - (1 - gamma) * alarms / (voxels - G);
        largest = std::max(largest, std::fabs(dice - hamming));
      }
  return largest;
}

// The same with the best gamma. The error is convex in gamma, so that thirds of the range can be left out.
double error_of_best_weight(int voxels) {
  double low = 0, high = 1;
  for (int step = 0; step < 20; ++step) {
    const double a = low + (high - low) / 3, b = high - (high - low) / 3;
    if (largest_error(voxels, a) < largest_error(voxels, b))
      high = b;
    else
      low = a;
  }
  return largest_error(voxels, (low + high) / 2);
}

// One true voxel, and k others predicted with it: Dice is 2 / (2 + k), and H at least 1 - k / (M - 1) for every gamma.
double least_error(double voxels) {
  const double k = std::sqrt(2 * (voxels - 1)) - 2;
  return 1 - k / (voxels - 1) - 2 / (2 + k);
}

struct Cut {
  double best, half_dice;  // the posterior probability at which Dice is cut best, and half of that Dice
};

// A value is normal around 0 off the object and around `separation` on it, which has the share `share` of the image.
Cut best_cut(double share, double separation) {
  constexpr int kPoints = 20001;
  constexpr double kFrom = -7, kTo = 12, kStep = (kTo - kFrom) / (kPoints - 1);
  const auto density = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); };
  double positives = 0, hits = 0;
  Cut result{0, 0};
  for (int i = kPoints - 1; i >= 0; --i) {  // all above x is predicted
    const double x = kFrom + i * kStep;
    const double object = share * density(x - separation), all = object + (1 - share) * density(x);
    positives += all * kStep;
    hits += object * kStep;
    if (const double half = hits / (share + positives); half > result.half_dice) result = {object / all, half};
  }
  return result;
}

Evidence examine_weighting() {
  Line best{"the best weight", {}, "of-distribution", {}}, of_jaccard{"Jaccard, for comparison", {}, "thick-1", {}};
  for (const int voxels : {4, 9, 16, 25, 36, 49, 64, 81, 100}) {
    best.points.emplace_back(voxels, error_of_best_weight(voxels));
    of_jaccard.points.emplace_back(voxels, 3 - 2 * std::sqrt(2.0));
  }
  double off_by = 0, least = 1e300, most = 0;
  for (const double share : {0.5, 0.1, 0.05, 0.01, 0.002})
    for (const double separation : {0.7, 1.5, 3.0}) {
      const Cut found = best_cut(share, separation);
      off_by = std::max(off_by, std::fabs(found.best - found.half_dice));
      const double weight = (1 - found.best) / found.best;  // CE with this weight on the object is cut there
      least = std::min(least, weight);
      most = std::max(most, weight);
    }
  return {
      {{"largest error under the best weight, 16 voxels", best.points[2].second, at_least, 0.53},
       {"64 voxels", best.points[6].second, at_least, 0.7},
       {"a million voxels, every weight", least_error(1e6), at_least, 0.99},
       {"15 images: the best cut of the probabilities, distance from half of the Dice there", off_by, at_most, 0.005},
       {"15 images: largest weight on the object that CE would need", most, at_least, 100},
       {"15 images: smallest", least, at_most, 1.5}},
      line_plot({.title = "The error of the best weighted Hamming similarity over the number of voxels",
                 .vertical = "largest error",
                 .low = 0,
                 .high = 0.8,
                 .lines = {best, of_jaccard},
                 .horizontal = "voxels of an image"}),
      "The largest error over all masks. The larger the image, the less any weight helps."};
}

}  // namespace

Claim weighting() {
  return {"weighting",
          "No weighting of cross entropy stands in for Dice: its measure, the weighted Hamming similarity, is far from "
          "Dice under every weight, and the weight that Dice needs depends on the image.",
          "Bertels et al., MICCAI 2019, Prop. 2; Eelbode et al., TMI 2020, section II",
          "All masks of 4 to 100 voxels under the best weight; 15 images with normal values of known shares",
          examine_weighting};
}

}  // namespace voxgrad::apps

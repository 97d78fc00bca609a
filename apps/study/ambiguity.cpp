#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "apps/report/plots/lines.h"
#include "apps/study/claims.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

using enum StudyCheck::Relation;

// `sure` voxels are in the object, and each of `unsure` others is by this chance. A network that cannot tell the unsure
// ones apart gives all of them one probability.
struct Rim {
  int sure, unsure;
  double chance;
  double expected_size() const { return sure + unsure * chance; }
};

// The chance that k of the unsure voxels are in the object.
double chance_of(const Rim& rim, int k) {
  const int n = rim.unsure;
  return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log(rim.chance) +
                  (n - k) * std::log(1 - rim.chance));
}

double expected_dice(const Rim& rim, double p) {
  double mean = 0;
  for (int k = 0; k <= rim.unsure; ++k)
    if (rim.sure + k > 0) mean += chance_of(rim, k) * 2 * (rim.sure + p * k) / (2 * rim.sure + p * rim.unsure + k);
  return mean;
}

double expected_ce(const Rim& rim, double p) { return -rim.chance * std::log(p) - (1 - rim.chance) * std::log(1 - p); }

// The probability, in steps of 1/100, at which `gain` is largest.
template <class Gain>
double best_probability(Gain&& gain) {
  double best = 0.01;
  for (int i = 0; i <= 100; ++i)
    if (gain(i / 100.0) > gain(best)) best = i / 100.0;
  return best;
}

double size_by_dice(const Rim& rim) {
  const double p = best_probability([&](double t) { return expected_dice(rim, t); });
  return (rim.sure + p * rim.unsure) / rim.expected_size();
}

Evidence examine_ambiguity() {
  Evidence evidence;
  struct Known {
    Rim rim;
    double size;
  };
  for (const auto& [rim, size] :
       {Known{{100, 100, 0.2}, 100 / 120.0}, Known{{100, 100, 0.4}, 100 / 140.0}, Known{{100, 100, 0.6}, 200 / 160.0},
        Known{{20, 200, 0.2}, 20 / 60.0}, Known{{20, 200, 0.3}, 220 / 80.0}, Known{{0, 100, 0.1}, 10.0}})
    evidence.checks.push_back({text("best size by Dice / expected size: ", rim.sure, " sure voxels, ", rim.unsure,
                                    " with a chance of ", rim.chance),
                               size_by_dice(rim), equal, size, 1e-9});
  double undecided = 0, off_by = 0, disagreements = 0;
  Line dice{"Dice", {}, "of-region", {}}, ce{"cross entropy", {}, "of-distribution", {}};
  for (int i = 1; i < 50; ++i) {
    const Rim rim{100, 100, i / 50.0};
    const double p = best_probability([&](double t) { return expected_dice(rim, t); });
    undecided = std::max(undecided, std::min(p, 1 - p));
    const double half = expected_dice(rim, p) / 2;
    disagreements += std::fabs(rim.chance - half) > 0.01 && (rim.chance > half) != (p > 0.5);
    const double by_ce = best_probability([&](double t) { return -expected_ce(rim, std::clamp(t, 1e-9, 1 - 1e-9)); });
    off_by = std::max(off_by, std::fabs(by_ce - rim.chance));
    dice.points.emplace_back(rim.chance, (rim.sure + p * rim.unsure) / rim.expected_size());
    ce.points.emplace_back(rim.chance, (rim.sure + by_ce * rim.unsure) / rim.expected_size());
  }
  evidence.checks.push_back({"Dice: distance of the best probability from 0 or 1, largest", undecided, at_most, 0});
  evidence.checks.push_back(
      {"Dice: chances whose best answer is not whether they exceed half of the Dice", disagreements, at_most, 0});
  evidence.checks.push_back({"CE: distance of the best probability from the chance, largest", off_by, at_most, 0.006});
  evidence.picture = line_plot({.title = "Best predicted size over the chance of the unsure voxels",
                                .vertical = "predicted / expected size",
                                .low = 0.5,
                                .high = 1.5,
                                .lines = {dice, ce},
                                .horizontal = "chance that an unsure voxel is in the object"});
  evidence.caption = "100 sure and 100 unsure voxels. Dice leaves out the unsure ones, or takes them all.";
  return evidence;
}

}  // namespace

Claim ambiguity() {
  return {"ambiguity",
          "Where the border is uncertain, soft Dice predicts wrong volumes: its best answer is all or nothing, by "
          "whether the chance of a voxel exceeds half of the Dice. Cross entropy predicts the expected volume.",
          "Bertels et al., Medical Image Analysis 2021 (volumetric bias of soft Dice)",
          "Expected values over all masks of an object with an uncertain rim", examine_ambiguity};
}

}  // namespace voxgrad::apps

#include <algorithm>
#include <cmath>

#include "apps/report/plots/lines.h"
#include "apps/study/claims.h"

namespace voxgrad::apps {
namespace {

using enum StudyCheck::Relation;

double dice_of(double jaccard) { return 2 * jaccard / (1 + jaccard); }
double jaccard_of(double dice) { return dice / (2 - dice); }

// The largest difference from L_J = 2 L_D / (1 + L_D), the relation of the two measures, of soft predictions.
double deviation_from_relation() {
  Random random(1);
  double largest = 0;
  for (int draw = 0; draw < 200; ++draw) {
    const Tensor logits = logits_of(random_probabilities(30, random)), labels = labels_of(random_labels(30, random));
    const double of_dice = loss_value("dice:smooth_nr=0,smooth_dr=1e-12", logits, labels);
    const double of_jaccard = loss_value("jaccard:smooth_nr=0,smooth_dr=1e-12", logits, labels);
    largest = std::max(largest, std::fabs(of_jaccard - 2 * of_dice / (1 + of_dice)));
  }
  return largest;
}

Evidence examine_dice_jaccard() {
  double difference = 0, ratio = 0;
  for (int right = 1; right <= 400; ++right)
    for (int wrong = 0; wrong <= 400; ++wrong) {
      const double j = right / static_cast<double>(right + wrong), d = 2.0 * right / (2 * right + wrong);
      difference = std::max(difference, d - j);
      ratio = std::max(ratio, d / j);
    }
  // Two images. One method has Dice 0.9 and 0.48, the other twice 0.7.
  const double uneven = (jaccard_of(0.9) + jaccard_of(0.48)) / 2, even = jaccard_of(0.7);
  Line of_dice{"Dice", {}, "of-region", {}}, of_jaccard{"Jaccard", {}, "thick-0", {}},
      gap{"difference", {}, "thick-1", {}};
  for (int i = 0; i <= 50; ++i) {
    const double j = i / 50.0;
    of_dice.points.emplace_back(j, dice_of(j));
    of_jaccard.points.emplace_back(j, j);
    gap.points.emplace_back(j, dice_of(j) - j);
  }
  return {{{"largest difference of Dice and Jaccard", difference, equal, 3 - 2 * std::sqrt(2.0), 1e-6},
           {"largest Dice / Jaccard", ratio, at_most, 2},
           {"the same: a bound that is reached", ratio, at_least, 1.99},
           {"soft losses: largest deviation from L_J = 2 L_D / (1 + L_D)", deviation_from_relation(), at_most, 1e-9},
           {"two images with Dice 0.9 and 0.48, minus 0.7 and 0.7: mean Dice", (0.9 + 0.48) / 2 - 0.7, at_most, -0.005},
           {"the same: mean Jaccard", uneven - even, at_least, 0.02}},
          line_plot({.title = "Dice over the Jaccard index, and their difference",
                     .vertical = "Dice",
                     .low = 0,
                     .high = 1,
                     .lines = {of_dice, of_jaccard, gap},
                     .horizontal = "Jaccard index"}),
          "The difference is largest at a Jaccard index of 0.41 and a Dice of 0.59."};
}

}  // namespace

Claim dice_jaccard() {
  return {"dice_jaccard",
          "Dice and Jaccard approximate each other: they differ by at most 0.172 and by a factor of 2, and rank the "
          "predictions of one image alike. Means over images they may rank differently.",
          "Bertels et al., MICCAI 2019, Prop. 1; Eelbode et al., TMI 2020, section II",
          "All masks with at most 400 true positives and 400 errors, and 200 soft predictions", examine_dice_jaccard};
}

}  // namespace voxgrad::apps

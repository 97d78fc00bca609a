#include <algorithm>
#include <cmath>

#include "apps/report/plots/lines.h"
#include "apps/study/claims.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

using enum StudyCheck::Relation;

struct TverskyErrors {
  double absolute = 0, relative = 0;
};

// The errors of Tversky's index as an approximation of Dice, by search. a and b are FP / TP and FN / TP.
TverskyErrors errors_by_search(double alpha, double beta) {
  TverskyErrors errors;
  const auto at = [](int i) { return i < 0 ? 0 : std::pow(10, i / 25.0 - 8); };  // 0, and 1e-8 to 1e8
  for (int i = -1; i <= 400; ++i)
    for (int j = -1; j <= 400; ++j) {
      const double a = at(i), b = at(j), dice = 1 / (1 + (a + b) / 2), index = 1 / (1 + alpha * a + beta * b);
      errors.absolute = std::max(errors.absolute, std::fabs(dice - index));
      errors.relative = std::max(errors.relative, std::max(dice / index, index / dice) - 1);
    }
  return errors;
}

TverskyErrors errors_by_formula(double alpha, double beta) {
  TverskyErrors errors;
  for (const double c : {2 * alpha, 2 * beta}) {
    errors.absolute = std::max(errors.absolute, std::fabs(std::sqrt(c) - 1) / (std::sqrt(c) + 1));
    errors.relative = std::max({errors.relative, c - 1, 1 / c - 1});
  }
  return errors;
}

double deviation_from_dice() {
  Random random(2);
  double largest = 0;
  for (int draw = 0; draw < 100; ++draw) {
    const Tensor logits = logits_of(random_probabilities(30, random)), labels = labels_of(random_labels(30, random));
    largest = std::max(largest,
                       std::fabs(loss_value("tversky:alpha=0.5,beta=0.5,smooth_nr=0,smooth_dr=1e-12", logits, labels) -
                                 loss_value("dice:smooth_nr=0,smooth_dr=1e-12", logits, labels)));
  }
  return largest;
}

Evidence examine_tversky() {
  double absolute = 0, relative = 0, rise = 1e300, before = -1;
  Line line{"", {}, "of-region", {}};
  for (const double shift : {0.0, 0.1, 0.2, 0.3, 0.4, 0.49}) {
    const TverskyErrors found = errors_by_search(0.5 - shift, 0.5 + shift),
                        expected = errors_by_formula(0.5 - shift, 0.5 + shift);
    absolute = std::max(absolute, std::fabs(found.absolute - expected.absolute));
    relative = std::max(relative, std::fabs(found.relative - expected.relative) / (1 + expected.relative));
    rise = std::min(rise, found.absolute - before);
    before = found.absolute;
  }
  for (int i = 1; i < 100; ++i)
    line.points.emplace_back(i / 100.0, errors_by_formula(i / 100.0, 1 - i / 100.0).absolute);
  return {{{"absolute error, by search: distance from its formula", absolute, at_most, 1e-3},
           {"relative error, by search: distance from its formula", relative, at_most, 1e-3},
           {"least rise of the absolute error with each step away from (0.5, 0.5)", rise, at_least, 0.05},
           {"soft losses: deviation of tversky (0.5, 0.5) from dice", deviation_from_dice(), at_most, 1e-9}},
          line_plot({.title = "The largest difference of Dice and Tversky's index over alpha",
                     .vertical = "largest difference",
                     .low = 0,
                     .high = 0.8,
                     .lines = {line},
                     .horizontal = "alpha, the weight of false positives; beta = 1 - alpha"}),
          text("With alpha = 0.3 and beta = 0.7, as is usual, Tversky's index differs from Dice by up to ",
               std::round(1000 * errors_by_formula(0.3, 0.7).absolute) / 1000, ".")};
}

}  // namespace

Claim tversky() {
  return {
      "tversky",
      "Tversky's index with alpha + beta = 1 approximates Dice the worse, the further its weights are from (0.5, 0.5).",
      "Eelbode et al., TMI 2020, Prop. II.3",
      "A search over the shares of false positives and false negatives, for six pairs of weights that add up to 1",
      examine_tversky};
}

}  // namespace voxgrad::apps

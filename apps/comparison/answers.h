// What the numbers say about the questions of the field: kinds of losses by amount of foreground, size of objects and
// number of classes (Eelbode et al. 2020), bias of predicted sizes (Liu et al. 2024), and a summary in plain words that
// claims nothing that the intervals do not support.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/analysis.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {

// Returns the family that the registry names; a sum of losses is compound.
losses::Family family_of(const std::string& loss);

// A kind of losses on some cases. The score of a kind is, case by case, the median of its losses: what a typical loss
// of the kind does, whatever its best and its broken ones do. The mean of several datasets is that of their means; in
// the other questions every unit counts the same.
struct KindScore {
  losses::Family family;
  std::size_t losses = 0;
  double mean = 0;
  Interval interval{0, 0};  // 95 %
  double difference = 0;    // to the distribution losses; 0 for themselves, NaN if there are none
  Interval difference_interval{0, 0};
};
struct CaseGroup {
  std::string name;  // "foreground below 2.1 %"
  std::int64_t cases = 0;
  std::vector<KindScore> kinds;  // those that were compared, in the order of Family
};
struct Question {
  std::string name;  // "foreground"
  std::vector<CaseGroup> groups;
};

// How large predictions are: quantiles of (predicted - true) / true volume over cases and classes.
struct SizeBias {
  std::string loss;
  double low_quartile = 0, median = 0, high_quartile = 0;
};

struct Answers {
  std::vector<Question> questions;
  std::vector<std::string> words;  // paragraphs
};
Answers answer(const Comparison& comparison, const std::vector<Analysis>& analyses);
// Returns the biases on one dataset, in the order of its ranking. Losses without a prediction to compare are left out.
std::vector<SizeBias> size_bias(const Comparison& comparison, const Analysis& analysis);

struct Findings {
  std::vector<Analysis> analyses;
  Answers answers;
};
Findings findings_of(const Comparison& comparison);

Json to_json(const Answers& answers);
// "0.71 [0.68, 0.74]"; without an interval the value alone.
std::string with_interval(double value, const Interval& interval, int digits = 3);
// Returns the mean Dice of a loss, with its interval if there is one to show.
std::string mean_words(const Analysis& analysis, const LossStatistics& loss);

}  // namespace voxgrad::apps

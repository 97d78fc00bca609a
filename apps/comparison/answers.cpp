#include "apps/comparison/answers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "apps/comparison/answers_words.h"
#include "apps/program/console.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

using losses::Family;
using losses::summarise;

constexpr Family kFamilies[]{Family::distribution, Family::region, Family::boundary, Family::compound};

// A case: what is known of it, and its place in the scores.
struct Known {
  std::size_t dataset, index;
  double foreground, object_size;
  std::size_t classes;
};

std::vector<Known> known_cases(const Comparison& comparison, const std::vector<Scores>& scores) {
  std::vector<Known> known;
  for (std::size_t d = 0; d < scores.size(); ++d)
    for (const TestCase& one : comparison.datasets[d].cases) {
      const auto found = std::find(scores[d].cases.begin(), scores[d].cases.end(), one.id);
      if (found == scores[d].cases.end()) continue;
      known.push_back({d, static_cast<std::size_t>(found - scores[d].cases.begin()), one.foreground, one.object_size,
                       comparison.datasets[d].class_names.size() - 1});
    }
  return known;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

// Every dataset counts as much as another one, if `by_dataset`; else every unit does.
CaseGroup score_group(const std::string& name, const std::vector<Scores>& scores, const std::vector<Known>& cases,
                      bool by_dataset = false) {
  CaseGroup group{name, std::ssize(cases), {}};
  if (cases.empty()) return group;
  const std::vector<std::string>& names = scores.front().losses;
  std::map<std::size_t, Stratum> strata;  // [kind][unit]
  for (const Family family : kFamilies) {
    std::vector<std::size_t> members;
    for (std::size_t k = 0; k < names.size(); ++k)
      if (family_of(names[k]) == family) members.push_back(k);
    if (members.empty()) continue;
    group.kinds.push_back({family, members.size(), 0, {0, 0}, 0, {0, 0}});
    // By stratum, dataset and unit.
    std::map<std::size_t, std::map<std::pair<std::size_t, std::size_t>, std::vector<double>>> datasets;
    for (const Known& one : cases) {
      std::vector<double> dice;
      for (const std::size_t k : members) dice.push_back(scores[one.dataset].of_cases[k][one.index]);
      datasets[by_dataset ? one.dataset : 0][{one.dataset, scores[one.dataset].unit_of[one.index]}].push_back(
          median_of(dice));
    }
    for (const auto& [dataset, units] : datasets) {
      std::vector<double>& row = strata[dataset].emplace_back();
      for (const auto& [unit, all] : units) row.push_back(summarise(all).mean);
    }
  }
  std::vector<Stratum> values;
  for (const auto& [dataset, stratum] : strata) values.push_back(stratum);
  const bool enough =
      std::all_of(values.begin(), values.end(), [](const Stratum& one) { return one.front().size() >= kFewestCases; });
  const auto resampled = enough ? bootstrap_means(values) : Stratum(group.kinds.size());  // of nothing: no interval
  for (std::size_t k = 0; k < group.kinds.size(); ++k) {
    KindScore& kind = group.kinds[k];
    for (const Stratum& one : values) kind.mean += summarise(one[k]).mean / static_cast<double>(values.size());
    kind.interval = percentile_interval(resampled[k], 0.95);
    if (group.kinds[0].family != Family::distribution) kind.difference = std::nan("");
    if (k == 0 || std::isnan(kind.difference)) continue;
    kind.difference = kind.mean - group.kinds[0].mean;
    kind.difference_interval = percentile_interval(resampled[k], resampled[0], 0.95);
  }
  return group;
}

// Divides the cases by one of their properties into three groups of about equal size.
template <class Property>
Question thirds(const std::string& name, const std::vector<Scores>& scores, std::vector<Known> cases,
                Property&& property, const std::string& unit, double scale) {
  cases.erase(std::remove_if(cases.begin(), cases.end(), [&](const Known& one) { return std::isnan(property(one)); }),
              cases.end());
  std::vector<double> values;
  for (const Known& one : cases) values.push_back(property(one));
  std::sort(values.begin(), values.end());
  const double low = quantile(values, 1.0 / 3), high = quantile(values, 2.0 / 3);
  const auto number = [&](double value) { return significant(value * scale, 3) + unit; };
  std::vector<Known> parts[3];
  for (const Known& one : cases) parts[property(one) < low ? 0 : property(one) < high ? 1 : 2].push_back(one);
  Question question{name, {}};
  question.groups.push_back(score_group("below " + number(low), scores, parts[0]));
  question.groups.push_back(score_group(number(low) + " to " + number(high), scores, parts[1]));
  question.groups.push_back(score_group("from " + number(high), scores, parts[2]));
  return question;
}

std::vector<Question> ask(const Comparison& comparison, const std::vector<Scores>& scores) {
  const std::vector<Known> cases = known_cases(comparison, scores);
  const auto those = [&](auto&& belongs) {
    std::vector<Known> some;
    std::copy_if(cases.begin(), cases.end(), std::back_inserter(some), belongs);
    return some;
  };
  std::vector<Question> questions{{"dataset", {}}};
  if (scores.size() > 1)
    questions[0].groups.push_back(score_group(text("mean of ", scores.size(), " datasets"), scores, cases, true));
  for (std::size_t d = 0; d < scores.size(); ++d)
    questions[0].groups.push_back(
        score_group(scores[d].dataset, scores, those([d](const Known& one) { return one.dataset == d; })));
  if (cases.size() >= 9) {
    questions.push_back(thirds(
        "share of foreground", scores, cases, [](const Known& one) { return one.foreground; }, " %", 100));
    const std::string unit = comparison.datasets.front().unit;
    const bool same_unit = std::all_of(comparison.datasets.begin(), comparison.datasets.end(),
                                       [&](const ComparedDataset& dataset) { return dataset.unit == unit; });
    if (same_unit)
      questions.push_back(thirds(
          "diameter of objects", scores, cases, [](const Known& one) { return one.object_size; }, " " + unit, 1));
  }
  std::set<std::size_t> counts;
  for (const Known& one : cases) counts.insert(one.classes);
  if (counts.size() > 1) {
    Question& question = questions.emplace_back();
    question.name = "number of foreground classes";
    for (const std::size_t count : counts)
      question.groups.push_back(score_group(std::to_string(count), scores,
                                            those([count](const Known& one) { return one.classes == count; })));
  }
  return questions;
}

}  // namespace

Family family_of(const std::string& loss) {
  if (loss.find('+') != std::string::npos) return Family::compound;
  std::string name = loss.substr(0, loss.find(':'));
  name = name.substr(name.find('*') == std::string::npos ? 0 : name.find('*') + 1);
  for (const losses::Spec& spec : losses::registry())
    if (spec.name == name) return spec.family;
  return Family::compound;  // of another version of the program
}

std::string with_interval(double value, const Interval& interval, int digits) {
  const auto words = [digits](double v) {
    const std::string number = fixed(v, digits);
    return number.find_first_not_of("-0.") == std::string::npos && number != "-" ? fixed(0, digits) : number;  // no -0
  };
  if (std::isnan(interval.low)) return words(value);
  return words(value) + " [" + words(interval.low) + ", " + words(interval.high) + "]";
}

std::string mean_words(const Analysis& analysis, const LossStatistics& loss) {
  return shows_intervals(analysis) ? with_interval(loss.mean, loss.interval) : fixed(loss.mean, 3);
}

std::vector<SizeBias> size_bias(const Comparison& comparison, const Analysis& analysis) {
  std::vector<SizeBias> biases;
  for (const LossStatistics& loss : analysis.losses) {
    std::vector<double> values;
    for (const ComparedRun& run : comparison.runs)
      if (run.loss == loss.loss && (analysis.several || run.dataset == analysis.name))
        for (const CaseNumbers& one : run.cases)
          for (const double value : number_of(comparison, one, "relative_volume_difference"))
            if (!std::isnan(value)) values.push_back(value);
    if (values.empty()) continue;
    std::sort(values.begin(), values.end());
    biases.push_back({loss.loss, quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)});
  }
  return biases;
}

Answers answer(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  Answers answers;
  if (analyses.empty()) return answers;
  answers.questions = ask(comparison, scores_of(comparison));
  answers.words = in_words(comparison, analyses, answers.questions);
  return answers;
}

Findings findings_of(const Comparison& comparison) {
  Findings findings{analyse(comparison), {}};
  findings.answers = answer(comparison, findings.analyses);
  return findings;
}

Json to_json(const Answers& answers) {
  Json questions = Json::array();
  for (const Question& question : answers.questions) {
    Json groups = Json::array();
    for (const CaseGroup& group : question.groups) {
      Json kinds = Json::array();
      for (const KindScore& kind : group.kinds)
        kinds.push_back({{"kind", losses::name_of(kind.family)},
                         {"losses", kind.losses},
                         {"dice_mean", number(kind.mean)},
                         {"interval_95", {number(kind.interval.low), number(kind.interval.high)}},
                         {"to_distribution", number(kind.difference)},
                         {"to_distribution_interval_95",
                          {number(kind.difference_interval.low), number(kind.difference_interval.high)}}});
      groups.push_back({{"name", group.name}, {"cases", group.cases}, {"kinds", kinds}});
    }
    questions.push_back({{"question", question.name}, {"groups", groups}});
  }
  return {{"words", answers.words}, {"questions", questions}};
}

}  // namespace voxgrad::apps

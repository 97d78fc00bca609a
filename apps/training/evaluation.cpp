#include "apps/training/evaluation.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/training/preparation.h"
#include "apps/training/suitability.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace voxgrad::apps {

using losses::kUndefined, losses::summarise;

CaseResult compare_labels(const std::string& id, const Tensor& prediction, const Tensor& truth,
                          const losses::Scoring& scoring) {
  return {id, losses::score(prediction, truth, scoring), losses::image_diagonal(truth.shape(), scoring.spacing),
          scoring.tolerance(),
          scoring.probabilities != nullptr ? scoring.probabilities->calibration_error() : kUndefined};
}

namespace {

Tensor segment(const nn::Model& model, const data::Case& sample, const data::DatasetInfo& info,
               const EvaluateOptions& options, const nn::SlabSink& also) {
  const std::string name = text(info.path, ": case \"", sample.id, '"');
  const Tensor image = fit_channels(sample.image, model.spec, name);
  try {
    return nn::predict(model, image,
                       {.spacing = comparable_spacing(model.spec, sample.spacing, info.physical),
                        .mirror = options.mirror,
                        .clean_up = options.clean_up,
                        .progress = options.progress},
                       also);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::model && error.kind() != ErrorKind::data) throw;
    throw Error(error.kind(), name + ": " + error.message(), error.hint());
  }
}

}  // namespace

std::vector<CaseResult> evaluate_cases(const nn::Model& model, const data::Dataset& dataset,
                                       const std::vector<std::int64_t>& cases, const EvaluateOptions& options,
                                       const std::function<void(std::size_t)>& progress) {
  const data::DatasetInfo& info = dataset.info();
  if (dataset.classes() != model.spec.net.classes)
    throw Error(ErrorKind::data,
                text(info.path, " has ", dataset.classes(), " classes, the model ", model.spec.net.classes));
  std::vector<CaseResult> results;
  for (const std::int64_t index : cases) {
    const data::Case sample = dataset.read(index);
    if (options.look_at) options.look_at(sample);
    losses::ProbabilityTally tally(dataset.classes(), info.ignore_label);
    const bool soft = options.needs >= losses::Needs::probabilities;
    const nn::SlabSink add = [&](std::int64_t row, const Tensor& probabilities) {
      tally.add(probabilities, slice(sample.label, 0, row, row + probabilities.extent(0)));
    };
    const Tensor labels = segment(model, sample, info, options, soft ? add : nn::SlabSink());
    results.push_back(compare_labels(sample.id, labels, sample.label,
                                     {.classes = dataset.classes(),
                                      .ignore = info.ignore_label,
                                      .spacing = sample.spacing,
                                      .tau = options.tau,
                                      .needs = options.needs,
                                      .probabilities = soft ? &tally : nullptr}));
    results.back().group = sample.group;
    if (options.found) options.found(sample, labels, results.back());
    if (progress) progress(results.size());
  }
  return results;
}

std::vector<double> over_cases(const std::vector<CaseResult>& cases, std::size_t label, const std::string& metric) {
  const std::size_t index = losses::metric_index(metric);
  std::vector<double> values;
  for (const CaseResult& result : cases) values.push_back(result.classes[label][index]);
  return values;
}

namespace {

losses::Observation observe(const CaseResult& result, std::size_t label, std::size_t metric) {
  return {result.classes[label][metric], result.diagonal, result.classes[label].both_empty()};
}

// Returns foreground_mean() of the cases with these indices.
double mean_of_choice(const std::vector<CaseResult>& cases, const std::vector<std::size_t>& choice,
                      std::size_t metric) {
  std::vector<double> means;
  for (std::size_t label = 1; !cases.empty() && label < cases.front().classes.size(); ++label) {
    std::vector<double> values;
    for (const std::size_t i : choice) values.push_back(observe(cases[i], label, metric).finite());
    means.push_back(summarise(values).mean);
  }
  return summarise(means).mean;
}

std::vector<std::size_t> all_of(const std::vector<CaseResult>& cases) {
  std::vector<std::size_t> choice(cases.size());
  for (std::size_t i = 0; i < choice.size(); ++i) choice[i] = i;
  return choice;
}

}  // namespace

losses::Aggregate class_aggregate(const std::vector<CaseResult>& cases, std::size_t label, const std::string& metric) {
  const std::size_t index = losses::metric_index(metric);
  std::vector<losses::Observation> observations;
  for (const CaseResult& result : cases) observations.push_back(observe(result, label, index));
  return losses::aggregate(observations, losses::metrics()[index].perfect);
}

double foreground_mean(const std::vector<CaseResult>& cases, const std::string& metric) {
  return mean_of_choice(cases, all_of(cases), losses::metric_index(metric));
}

double validation_dice(const std::vector<CaseResult>& cases) {
  std::vector<double> means;
  for (std::size_t label = 1; !cases.empty() && label < cases.front().classes.size(); ++label)
    if (detection(cases, label).there > 0) means.push_back(summarise(over_cases(cases, label)).mean);
  return means.empty() ? foreground_mean(cases) : summarise(means).mean;
}

bool finds_nothing(double val_dice, double test_dice) {
  return !(val_dice > 0) && !(test_dice > 0) && (val_dice == 0 || test_dice == 0);
}

std::vector<double> case_means(const std::vector<CaseResult>& cases, const std::string& metric) {
  std::vector<double> means;
  for (std::size_t i = 0; i < cases.size(); ++i)
    means.push_back(mean_of_choice(cases, {i}, losses::metric_index(metric)));
  return means;
}

double Detection::false_positive_rate() const {
  return not_there == 0 ? kUndefined : static_cast<double>(false_positives) / static_cast<double>(not_there);
}

Detection detection(const std::vector<CaseResult>& cases, std::size_t label) {
  Detection result;
  for (const CaseResult& one : cases) {
    const losses::Overlap& o = one.classes[label].counts;
    const bool there = o.tp + o.fn > 0, found = o.tp + o.fp > 0;
    ++(there ? result.there : result.not_there);
    result.missed += there && !found ? 1 : 0;
    result.false_positives += !there && found ? 1 : 0;
  }
  return result;
}

std::vector<losses::TrueObject> objects_of(const std::vector<CaseResult>& cases, std::size_t label) {
  std::vector<losses::TrueObject> all;
  for (const CaseResult& one : cases)
    all.insert(all.end(), one.classes[label].objects.begin(), one.classes[label].objects.end());
  return all;
}

std::vector<std::vector<std::size_t>> units_of(const std::vector<CaseResult>& cases) {
  std::vector<std::vector<std::size_t>> units;
  std::map<std::string, std::size_t> groups;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const bool alone = cases[i].group.empty();
    const std::size_t unit = alone ? units.size() : groups.emplace(cases[i].group, units.size()).first->second;
    units.resize(std::max(units.size(), unit + 1));
    units[unit].push_back(i);
  }
  return units;
}

Interval bootstrap_interval(const std::vector<CaseResult>& cases, const std::string& metric) {
  const std::size_t index = losses::metric_index(metric);
  const std::vector<std::vector<std::size_t>> units = units_of(cases);
  return bootstrap_interval(units.size(), [&](const std::vector<std::size_t>& choice) {
    std::vector<std::size_t> chosen;
    for (const std::size_t unit : choice) chosen.insert(chosen.end(), units[unit].begin(), units[unit].end());
    return mean_of_choice(cases, chosen, index);
  });
}

}  // namespace voxgrad::apps

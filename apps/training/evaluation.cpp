#include "apps/training/evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/training/console.h"
#include "engine/error.h"
#include "engine/random.h"

namespace voxgrad::apps {

using losses::OverlapMetric;
using losses::summarise;
using Metric = double (*)(const losses::Overlap&);

std::vector<CaseResult> evaluate_cases(const Model& model, const data::Dataset& dataset,
                                       const std::vector<std::int64_t>& cases,
                                       const std::function<void(std::size_t)>& progress) {
  const data::DatasetInfo& info = dataset.info();
  if (dataset.classes() != model.spec.net.classes)
    throw Error(ErrorKind::data,
                text(info.path, " has ", dataset.classes(), " classes, the model ", model.spec.net.classes));
  std::vector<CaseResult> results;
  for (const std::int64_t index : cases) {
    const data::Case sample = dataset.read(index);
    const Tensor labels = predict_labels(model, sample.image);
    results.push_back({sample.id, losses::count_overlap(labels, sample.label, dataset.classes(), info.ignore_label)});
    if (progress) progress(results.size());
  }
  return results;
}

std::vector<double> over_cases(const std::vector<CaseResult>& cases, std::size_t label, Metric metric) {
  std::vector<double> values;
  for (const CaseResult& result : cases) values.push_back(metric(result.classes[label]));
  return values;
}

double foreground_mean(const std::vector<CaseResult>& cases, Metric metric) {
  std::vector<double> means;
  for (std::size_t label = 1; !cases.empty() && label < cases.front().classes.size(); ++label)
    means.push_back(summarise(over_cases(cases, label, metric)).mean);
  return summarise(means).mean;
}

std::vector<double> case_means(const std::vector<CaseResult>& cases, Metric metric) {
  std::vector<double> means;
  for (const CaseResult& result : cases) {
    std::vector<double> values;
    for (std::size_t label = 1; label < result.classes.size(); ++label) values.push_back(metric(result.classes[label]));
    means.push_back(summarise(values).mean);
  }
  return means;
}

Json to_json(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names) {
  Json list = Json::array();
  for (const CaseResult& result : cases) {
    Json classes = Json::object();
    for (std::size_t label = 1; label < result.classes.size(); ++label) {
      const losses::Overlap& o = result.classes[label];
      Json& entry = classes[std::to_string(label)];
      for (const OverlapMetric& metric : losses::overlap_metrics()) entry[metric.name] = number(metric.value(o));
      entry.update({{"tp", o.tp}, {"fp", o.fp}, {"fn", o.fn}, {"tn", o.tn}});
    }
    list.push_back({{"id", result.id}, {"classes", classes}});
  }
  Json mean = Json::object(), classes = Json::object();
  for (const OverlapMetric& metric : losses::overlap_metrics())
    mean[metric.name] = number(foreground_mean(cases, metric.value));
  for (std::size_t label = 1; label < class_names.size(); ++label) {
    Json& entry = classes[std::to_string(label)];
    entry["name"] = class_names[label];
    entry["cases"] = summarise(over_cases(cases, label)).count;
    for (const OverlapMetric& metric : losses::overlap_metrics())
      entry[metric.name] = number(summarise(over_cases(cases, label, metric.value)).mean);
  }
  mean["classes"] = classes;
  return {{"cases", list}, {"mean", mean}};
}

std::vector<CaseResult> cases_from_json(const Json& list) {
  std::vector<CaseResult> cases;
  for (const Json& entry : list) {
    CaseResult result{entry.at("id"), {{}}};  // nothing is known of the background, and nothing is asked of it
    const Json& classes = entry.at("classes");
    for (std::size_t label = 1; label <= classes.size(); ++label) {
      const Json& o = classes.at(std::to_string(label));
      result.classes.push_back({o.at("tp"), o.at("fp"), o.at("fn"), o.at("tn")});
    }
    cases.push_back(std::move(result));
  }
  return cases;
}

std::string table(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names) {
  const auto& metrics = losses::overlap_metrics();
  Table result({"class", "cases", "Dice", "SD", "Jaccard", "sensitivity", "precision"}, 1);
  const auto add = [&](const std::string& name, std::int64_t count, const std::vector<double>& dice, auto&& value_of) {
    std::vector<std::string> row{name, std::to_string(count), fixed(value_of(metrics[0]), 4),
                                 fixed(summarise(dice).deviation, 4)};
    for (std::size_t m = 1; m < 4; ++m) row.push_back(fixed(value_of(metrics[m]), 4));
    result.row(row);
  };
  for (std::size_t label = 1; label < class_names.size(); ++label) {
    const std::vector<double> dice = over_cases(cases, label);
    add(class_names[label], summarise(dice).count, dice,
        [&](const OverlapMetric& metric) { return summarise(over_cases(cases, label, metric.value)).mean; });
  }
  if (class_names.size() > 2) {
    const std::vector<double> dice = case_means(cases);
    add("mean", summarise(dice).count, dice,
        [&](const OverlapMetric& metric) { return foreground_mean(cases, metric.value); });
  }
  return result.str();
}

Interval bootstrap_interval(const std::vector<double>& values, int samples) {
  std::vector<double> known;
  std::copy_if(values.begin(), values.end(), std::back_inserter(known), [](double v) { return !std::isnan(v); });
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  if (known.empty()) return {kUndefined, kUndefined};
  Random random(0);
  std::vector<double> means;
  for (int i = 0; i < samples; ++i) {
    double total = 0;
    for (std::size_t k = 0; k < known.size(); ++k)
      total += known[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(known.size())))];
    means.push_back(total / static_cast<double>(known.size()));
  }
  std::sort(means.begin(), means.end());
  const auto at = [&](double share) {
    return means[static_cast<std::size_t>(share * static_cast<double>(samples - 1))];
  };
  return {at(0.025), at(0.975)};
}

}  // namespace voxgrad::apps

#include "apps/training/evaluation_text.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

using losses::Aggregate;
using losses::Metric;
using losses::summarise;

// Returns the metrics that were computed.
std::vector<Metric> known_metrics(const std::vector<CaseResult>& cases) {
  std::size_t count = 0;
  for (const CaseResult& result : cases)
    for (const losses::ClassScores& scores : result.classes) count = std::max(count, scores.values.size());
  const std::vector<Metric>& all = losses::metrics();
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
}

double mean_calibration_error(const std::vector<CaseResult>& cases) {
  std::vector<double> errors;
  for (const CaseResult& result : cases) errors.push_back(result.calibration_error);
  return summarise(errors).mean;
}

Json to_json(const CaseResult& result) {
  Json classes = Json::object();
  for (std::size_t label = 1; label < result.classes.size(); ++label) {
    const losses::ClassScores& scores = result.classes[label];
    const losses::Overlap& o = scores.counts;
    Json& entry = classes[std::to_string(label)];
    for (std::size_t i = 0; i < scores.values.size(); ++i) entry[losses::metrics()[i].name] = number(scores.values[i]);
    entry.update({{"tp", o.tp}, {"fp", o.fp}, {"fn", o.fn}, {"tn", o.tn}});
  }
  Json json{{"id", result.id}, {"diagonal_mm", result.diagonal}, {"tau_mm", result.tau}};
  if (!std::isnan(result.calibration_error)) json["calibration_error"] = result.calibration_error;
  json["classes"] = classes;
  return json;
}

Json to_json(const Aggregate& a) {
  return {{"mean", number(a.mean)},
          {"sd", number(a.deviation)},
          {"lower_quartile", number(a.lower_quartile)},
          {"median", number(a.median)},
          {"upper_quartile", number(a.upper_quartile)},
          {"empty_is_perfect", number(a.empty_is_perfect)},
          {"count", a.count},
          {"undefined", a.undefined},
          {"infinite", a.infinite}};
}

Json to_json(const Detection& d) {
  return {{"there", d.there},
          {"missed", d.missed},
          {"not_there", d.not_there},
          {"false_positives", d.false_positives},
          {"false_positive_rate", number(d.false_positive_rate())}};
}

// The columns of the table; the SD follows Dice. Ratios have 4 decimals. A distance may be far below a millimetre.
const std::vector<std::string> kShown{"dice", "jaccard", "sensitivity", "precision",
                                      "hd95", "assd",    "nsd",         "relative_volume_difference"};
std::string cell(const Metric& metric, double value) {
  const bool distance = metric.needs == losses::Needs::surfaces && metric.perfect == 0;
  return distance ? significant(value) : fixed(value, 4);
}

std::vector<Metric> shown_metrics(const std::vector<CaseResult>& cases) {
  std::vector<Metric> shown;
  const std::vector<Metric> known = known_metrics(cases);
  for (const std::string& name : kShown)
    for (const Metric& metric : known)
      if (metric.name == name) shown.push_back(metric);
  return shown;
}

// Says the tolerance of NSD: one number for all cases, or the rule.
std::string tolerance_text(const std::vector<CaseResult>& cases, const std::string& unit) {
  const double first = cases.front().tau;
  const bool one = std::all_of(cases.begin(), cases.end(), [&](const CaseResult& c) { return c.tau == first; });
  return one ? text(first, " ", unit) : "the largest voxel spacing";
}

void add_empty_masks(MetricTables& tables, const std::vector<CaseResult>& cases,
                     const std::vector<std::string>& class_names) {
  Rows rows{{"class", "not there", "found then", "there", "missed", "Dice*", "HD95*", "NSD*"}};
  bool any = false, surfaces = false;
  for (std::size_t label = 1; label < class_names.size(); ++label) {
    const Detection d = detection(cases, label);
    any = any || d.not_there + d.missed > 0;
    std::vector<std::string> row{class_names[label]};
    for (const std::int64_t count : {d.not_there, d.false_positives, d.there, d.missed})
      row.push_back(std::to_string(count));
    for (const char* name : {"dice", "hd95", "nsd"}) {
      const Aggregate a = class_aggregate(cases, label, name);
      row.push_back(cell(losses::metrics()[losses::metric_index(name)], a.empty_is_perfect));
      surfaces = surfaces || a.infinite > 0;
    }
    rows.push_back(std::move(row));
  }
  if (!any) return;
  tables.empty_masks = std::move(rows);
  tables.empty_notes = "* Neither there nor found counts as perfect; above, such cases are left out of the mean.\n";
  if (surfaces)
    tables.empty_notes += "A distance to an empty mask is infinite; in means it is the diagonal of the image.\n";
}

std::string aligned(const Rows& rows) {
  Table result(rows.front(), 1);
  for (std::size_t i = 1; i < rows.size(); ++i) result.row(rows[i]);
  return result.str();
}

std::string notes(const std::vector<CaseResult>& cases, const std::vector<Metric>& known, const std::string& unit) {
  std::string result;
  if (known.back().needs >= losses::Needs::surfaces)
    result += "HD95, ASSD: " + unit + ". NSD: within " + tolerance_text(cases, unit) +
              ". RVD: (predicted - true volume) / true.\n";
  if (known.back().needs < losses::Needs::probabilities) return result;
  return result + text("Error of the predicted share of the image: ",
                       fixed(foreground_mean(cases, "region_proportion_error"), 5), " by labels, ",
                       fixed(foreground_mean(cases, "soft_region_proportion_error"), 5),
                       " by probabilities. Calibration error: ", fixed(mean_calibration_error(cases), 4), ".\n");
}

}  // namespace

Json to_json(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names) {
  const std::vector<Metric> known = known_metrics(cases);
  Json list = Json::array(), mean = Json::object(), means = Json::object(), classes = Json::object();
  for (const CaseResult& result : cases) list.push_back(to_json(result));
  for (const Metric& metric : known) mean[metric.name] = number(foreground_mean(cases, metric.name));
  const double calibration_error = mean_calibration_error(cases);
  if (!std::isnan(calibration_error)) mean["calibration_error"] = calibration_error;
  for (std::size_t label = 1; label < class_names.size(); ++label) {
    const std::string key = std::to_string(label);
    Json aggregates = Json::object();
    means[key] = {{"name", class_names[label]}, {"cases", class_aggregate(cases, label, "dice").count}};
    for (const Metric& metric : known) {
      const Aggregate a = class_aggregate(cases, label, metric.name);
      means[key][metric.name] = number(a.mean);
      aggregates[metric.name] = to_json(a);
    }
    classes[key] = {
        {"name", class_names[label]}, {"detection", to_json(detection(cases, label))}, {"metrics", aggregates}};
  }
  mean["classes"] = means;
  return {{"cases", list}, {"mean", mean}, {"classes", classes}};
}

std::vector<CaseResult> cases_from_json(const Json& list) {
  std::vector<CaseResult> cases;
  for (const Json& entry : list) {
    CaseResult result{entry.at("id"), {{}}, entry.at("diagonal_mm"), entry.at("tau_mm")};  // no background
    if (entry.contains("calibration_error")) result.calibration_error = entry.at("calibration_error");
    const Json& classes = entry.at("classes");
    for (std::size_t label = 1; label <= classes.size(); ++label) {
      const Json& o = classes.at(std::to_string(label));
      result.classes.push_back({{o.at("tp"), o.at("fp"), o.at("fn"), o.at("tn")}, {}});
      for (const Metric& metric : losses::metrics()) {
        if (!o.contains(metric.name)) break;
        result.classes.back().values.push_back(to_number(o.at(metric.name)));
      }
    }
    cases.push_back(std::move(result));
  }
  return cases;
}

MetricTables metric_tables(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names,
                           const std::string& unit) {
  const std::vector<Metric> shown = shown_metrics(cases);
  MetricTables tables;
  std::vector<std::string> header{"class", "cases"};
  for (const Metric& metric : shown) header.push_back(metric.title);
  header.insert(header.begin() + 3, "SD");
  tables.metrics.push_back(std::move(header));
  const auto add = [&](const std::string& name, const losses::Summary& dice, auto&& value_of) {
    std::vector<std::string> row{name, std::to_string(dice.count)};
    for (const Metric& metric : shown) row.push_back(cell(metric, value_of(metric.name)));
    row.insert(row.begin() + 3, fixed(dice.deviation, 4));
    tables.metrics.push_back(std::move(row));
  };
  for (std::size_t label = 1; label < class_names.size(); ++label)
    add(class_names[label], summarise(over_cases(cases, label)),
        [&](const char* name) { return class_aggregate(cases, label, name).mean; });
  if (class_names.size() > 2)
    add("mean", summarise(case_means(cases)), [&](const char* name) { return foreground_mean(cases, name); });
  tables.notes = notes(cases, known_metrics(cases), unit);
  add_empty_masks(tables, cases, class_names);
  return tables;
}

std::string table(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names,
                  const std::string& unit) {
  if (cases.empty()) return "no cases\n";
  const MetricTables tables = metric_tables(cases, class_names, unit);
  std::string result = aligned(tables.metrics);
  if (!tables.notes.empty()) result += "\n" + tables.notes;
  if (!tables.empty_masks.empty())
    result +=
        "\nCases without a class, or without any prediction of it\n" + aligned(tables.empty_masks) + tables.empty_notes;
  return result;
}

}  // namespace voxgrad::apps

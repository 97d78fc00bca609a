#include "apps/training/evaluation_text.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/fields.h"
#include "apps/program/words.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

using losses::Aggregate;
using losses::Metric;
using losses::summarise;

constexpr double kMostShare = 1 + 1e-9;  // a ratio may be rounded

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

bool knows(const losses::ClassScores& scores, const char* metric) {
  return losses::metric_index(metric) < scores.values.size();
}

Json to_json(const CaseResult& result) {
  Json classes = Json::object(), objects = Json::object();
  for (std::size_t label = 1; label < result.classes.size(); ++label) {
    const losses::ClassScores& scores = result.classes[label];
    const losses::Overlap& o = scores.counts;
    Json& entry = classes[std::to_string(label)];
    for (std::size_t i = 0; i < scores.values.size(); ++i) entry[losses::metrics()[i].name] = number(scores.values[i]);
    entry.update({{"tp", o.tp}, {"fp", o.fp}, {"fn", o.fn}, {"tn", o.tn}});
    if (!knows(scores, "object_recall")) continue;
    Json& list = objects[std::to_string(label)] = Json::array();
    for (const losses::TrueObject& one : scores.objects) list.push_back({one.size, one.dice});
  }
  Json json{{"id", result.id}, {"diagonal_mm", result.diagonal}, {"tau_mm", result.tau}};
  if (!result.group.empty()) json["group"] = result.group;
  if (!std::isnan(result.calibration_error)) json["calibration_error"] = result.calibration_error;
  json["classes"] = classes;
  if (!objects.empty()) json["objects"] = objects;
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

Json to_json(const std::vector<losses::TrueObject>& objects) {
  Json groups = Json::array();
  for (const losses::SizeGroup& group : losses::by_size(objects))
    groups.push_back({{"smallest", number(group.smallest)},
                      {"largest", number(group.largest)},
                      {"objects", group.objects},
                      {"recall", number(group.recall)},
                      {"dice", number(group.dice)}});
  return {{"count", objects.size()}, {"by_size", groups}};
}

// The columns of the table; the SD follows Dice. Ratios have 4 decimals. A distance may be far below a millimetre.
const std::vector<std::string> kShown{"dice", "jaccard", "sensitivity", "precision",
                                      "hd95", "assd",    "nsd",         "relative_volume_difference"};
std::string cell(const Metric& metric, double value) {
  const bool distance = metric.needs == losses::Needs::surfaces && metric.perfect == 0;
  return distance ? significant(value) : fixed(value, 4);
}

const std::vector<std::string> kShownOfObjects{
    "object_recall",    "detection_f1", "false_positive_objects", "lesion_dice",  "cc_dice",
    "panoptic_quality", "betti0_error", "betti1_error",           "betti2_error", "boundary_iou"};

std::vector<Metric> shown_metrics(const std::vector<CaseResult>& cases, const std::vector<std::string>& names) {
  std::vector<Metric> shown;
  const std::vector<Metric> known = known_metrics(cases);
  for (const std::string& name : names)
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
  bool any = false, surfaces = false, missed = false, alarms = false;
  for (std::size_t label = 1; label < class_names.size(); ++label) {
    const Detection d = detection(cases, label);
    any = any || d.not_there + d.missed > 0;
    missed = missed || d.missed > 0;
    alarms = alarms || d.false_positives > 0;
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
  if (missed)
    tables.empty_notes +=
        "Precision and calibration error of a missed class are undefined and left out of their means.\n";
  if (alarms)
    tables.empty_notes +=
        "Sensitivity, RVD and object recall of a class that is not there are undefined and left out, too.\n";
  if (surfaces)
    tables.empty_notes += "A distance to an empty mask is infinite; in means it is the diagonal of the image.\n";
}

// A class has rows by size if it has enough objects for quarters, and usually several in a case.
bool worth_quarters(const std::vector<CaseResult>& cases, std::size_t label) {
  const std::int64_t objects = std::ssize(objects_of(cases, label));
  return objects >= 8 && objects >= 2 * detection(cases, label).there;
}

void add_objects(MetricTables& tables, const std::vector<CaseResult>& cases,
                 const std::vector<std::string>& class_names, const std::string& unit) {
  std::vector<Metric> shown = shown_metrics(cases, kShownOfObjects);
  if (shown.empty()) return;
  std::vector<std::string> header{"class"};
  for (const Metric& metric : shown) header.push_back(metric.title);
  tables.objects.push_back(header);
  tables.sizes.push_back({"class", "size from", "to", "objects", "recall", "Dice"});
  for (std::size_t label = 1; label < class_names.size(); ++label) {
    std::vector<std::string> row{class_names[label]};
    for (const Metric& metric : shown) {
      const double mean = class_aggregate(cases, label, metric.name).mean;
      row.push_back(metric.perfect == 1 ? fixed(mean, 3) : significant(mean, 3));  // a ratio, or a count
    }
    tables.objects.push_back(std::move(row));
    if (!worth_quarters(cases, label)) continue;
    for (const losses::SizeGroup& group : losses::by_size(objects_of(cases, label)))
      if (group.objects > 0)
        tables.sizes.push_back({class_names[label], significant(group.smallest), significant(group.largest),
                                std::to_string(group.objects), fixed(group.recall, 3), fixed(group.dice, 3)});
  }
  tables.object_notes =
      "An object is a connected component (8 neighbours, 26 in volumes), and is found if a voxel of it is.\n"
      "FP/case: predicted objects that touch no true one. PQ: panoptic quality.\n"
      "b0, b1, b2: errors of the numbers of objects, holes or tunnels, and cavities.\n";
  if (tables.sizes.size() == 1)
    tables.sizes.clear();
  else
    tables.object_notes += "Sizes are in " + unit + "^2, of volumes in " + unit + "^3.\n";
}

// Metrics that count objects or holes.
bool is_count(const std::string& metric) { return metric == "false_positive_objects" || metric.starts_with("betti"); }

std::string aligned(const Rows& rows) {
  Table result(rows.front(), 1);
  for (std::size_t i = 1; i < rows.size(); ++i) result.row(rows[i]);
  return result.str();
}

bool grouped(const std::vector<CaseResult>& cases) {
  return std::any_of(cases.begin(), cases.end(), [](const CaseResult& one) { return !one.group.empty(); });
}

std::string notes(const std::vector<CaseResult>& cases, const std::vector<Metric>& known, const std::string& unit) {
  std::string result;
  if (known.back().needs >= losses::Needs::surfaces)
    result += "HD95, ASSD: " + unit + ". NSD: within " + tolerance_text(cases, unit) +
              ". RVD: (predicted - true volume) / true.\n";
  if (known.back().needs < losses::Needs::probabilities) return result;
  return result + text("Error of the predicted share of the image: ",
                       significant(foreground_mean(cases, "region_proportion_error")), " by labels, ",
                       significant(foreground_mean(cases, "soft_region_proportion_error")),
                       " by probabilities.\nCalibration error: ", fixed(mean_calibration_error(cases), 4),
                       ", of the voxels predicted as a class ",
                       fixed(foreground_mean(cases, "class_calibration_error"), 4), ".\n");
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
    if (aggregates.contains("object_recall")) classes[key]["objects"] = to_json(objects_of(cases, label));
  }
  mean["classes"] = means;
  return {{"cases", list}, {"mean", mean}, {"classes", classes}};
}

double metric_number(const Json& object, const std::string& name) {
  const auto known = std::find_if(losses::metrics().begin(), losses::metrics().end(),
                                  [&](const Metric& metric) { return metric.name == name; });
  if (known == losses::metrics().end() || is_count(name)) {  // others are tp, fp, fn and tn
    const double count = real_or_nan(object, name, 0, static_cast<double>(kMostOfImage));
    if (count > std::floor(count)) refuse(name, member(object, name), "a whole number");
    return count;
  }
  const double low = name == "mcc" || name == "relative_volume_difference" ? -kMostShare : 0;
  const bool infinite = member(object, name) == "Infinity";
  return real_or_nan(object, name, low, known->perfect == 1 ? kMostShare : infinite ? HUGE_VAL : kMostMemory);
}

std::vector<CaseResult> cases_from_json(const Json& list) {
  std::vector<CaseResult> cases;
  for (const Json& entry : list) {
    CaseResult result{
        text_at(entry, "id"), {{}}, real_number(entry, "diagonal_mm", 0), real_number(entry, "tau_mm", 0)};
    if (entry.contains("calibration_error")) result.calibration_error = real_number(entry, "calibration_error", 0, 1);
    result.group = text_or(entry, "group", "");
    const Json& classes = member(entry, "classes");
    for (std::size_t label = 1; label <= classes.size(); ++label) {  // without the background
      const Json& o = member(classes, std::to_string(label));
      const auto count = [&](const char* key) { return whole_number(o, key, 0, kMostOfImage); };
      result.classes.push_back({{count("tp"), count("fp"), count("fn"), count("tn")}, {}});
      losses::ClassScores& scores = result.classes.back();
      for (const Metric& metric : losses::metrics()) {
        const bool there = o.contains(metric.name);
        if (!there && metric.needs < losses::Needs::objects) break;
        if (!there) continue;  // files of older versions lack some of these
        scores.values.resize(losses::metric_index(metric.name), losses::kUndefined);
        scores.values.push_back(metric_number(o, metric.name));
      }
      if (!entry.contains("objects")) continue;
      for (const Json& object : list_at(member(entry, "objects"), std::to_string(label))) {
        if (!object.is_array() || object.size() != 2) refuse("objects", object, "the size and the Dice of an object");
        const Json sizes{{"size", object[0]}, {"dice", object[1]}};
        scores.objects.push_back({real_number(sizes, "size", 0), real_number(sizes, "dice", 0, 1)});
      }
    }
    cases.push_back(std::move(result));
  }
  return cases;
}

std::string cases_words(const std::vector<CaseResult>& cases) {
  const std::size_t units = units_of(cases).size();
  return count_text(cases.size(), "case") + (grouped(cases) ? " of " + count_text(units, "group") : "");
}

std::string too_few_words(const std::vector<CaseResult>& cases) {
  return units_of(cases).size() >= kFewestCases
             ? ""
             : text("fewer than ", kFewestCases, grouped(cases) ? " groups" : " cases");
}

std::string interval_words(const std::vector<CaseResult>& cases, const std::string& metric) {
  if (const std::string why = too_few_words(cases); !why.empty()) return "- (" + why + ")";
  const Metric& row = losses::metrics()[losses::metric_index(metric)];
  const Interval interval = bootstrap_interval(cases, metric);
  return cell(row, interval.low) + " .. " + cell(row, interval.high);
}

MetricTables metric_tables(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names,
                           const std::string& unit) {
  const std::vector<Metric> shown = shown_metrics(cases, kShown);
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
  add_objects(tables, cases, class_names, unit);
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
  if (!tables.objects.empty()) result += "\nObjects\n" + aligned(tables.objects) + tables.object_notes;
  if (!tables.sizes.empty()) result += "\nTrue objects by size, in quarters\n" + aligned(tables.sizes);
  return result;
}

}  // namespace voxgrad::apps

// Results of an evaluation as JSON and as tables.
#pragma once

#include <string>
#include <vector>

#include "apps/training/evaluation.h"

namespace voxgrad::apps {

// {"cases": [{id, group, diagonal_mm, tau_mm, calibration_error, classes: {"1": {dice, .., tp, fp, fn, tn}},
//             objects: {"1": [[size, dice], ..]}}],
//  "mean": {dice, .., calibration_error, "classes": {"1": {name, cases, dice, ..}}},
//  "classes": {"1": {name, detection: {there, missed, not_there, false_positives, false_positive_rate},
//                    objects: {count, by_size: [{smallest, largest, objects, recall, dice}, ..]},
//                    metrics: {dice: {mean, sd, lower_quartile, median, upper_quartile, empty_is_perfect,
//                                     count, undefined, infinite}}}}}
// with the metrics that were computed; `cases` of a class: how many have a Dice that is defined. `objects` are the true
// objects (losses/metrics/objects.h), with sizes in mm^2 or mm^3: of a case all of them, of a class the quarters by
// size.
Json to_json(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names);
// From the "cases" above, without the background. Throws Error(data) if a number is absent or outside its range.
std::vector<CaseResult> cases_from_json(const Json& list);
// Reads a number of a class: a metric, or a count of voxels.
double metric_number(const Json& object, const std::string& name);

// The tables of an evaluation; the first row of each is its header, the first cell of a row names a class.
using Rows = std::vector<std::vector<std::string>>;
struct MetricTables {
  Rows metrics;       // a row per class, and one for the mean of the foreground if there are several
  std::string notes;  // what the columns mean, as lines of text
  // How classes were found that are not in every case; no rows if all classes are in all cases.
  Rows empty_masks;
  std::string empty_notes;
  // How whole objects were found: a row per class, and four rows for a class that has several objects in a case. No
  // rows if that was not computed.
  Rows objects, sizes;
  std::string object_notes;
};
// "448 cases of 20 groups".
std::string cases_words(const std::vector<CaseResult>& cases);
// Why there is no interval, "fewer than 6 groups"; empty if there is one.
std::string too_few_words(const std::vector<CaseResult>& cases);
// The 95 % interval of a foreground mean, "0.8123 .. 0.9012", with the digits of the table; "- (fewer than 6 groups)"
// if there is none.
std::string interval_words(const std::vector<CaseResult>& cases, const std::string& metric);
// There has to be a case. `unit` is that of distances.
MetricTables metric_tables(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names,
                           const std::string& unit);
// Returns these tables and notes as text. A line has at most 100 columns if class names have at most 16 letters.
std::string table(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names,
                  const std::string& unit = "mm");

}  // namespace voxgrad::apps

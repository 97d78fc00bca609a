// How well labels fit: counts per case and class, their means, and how these are written.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/training/inference.h"
#include "apps/training/json.h"
#include "data/dataset.h"
#include "losses/core/metrics.h"

namespace voxgrad::apps {

struct CaseResult {
  std::string id;
  std::vector<losses::Overlap> classes;  // [0] is the background
};

// Segments the cases and counts. `progress` is called after each case with its number, 1 ..
std::vector<CaseResult> evaluate_cases(const Model& model, const data::Dataset& dataset,
                                       const std::vector<std::int64_t>& cases,
                                       const std::function<void(std::size_t)>& progress = {});

// A metric of one class over the cases, NaN where it is undefined.
std::vector<double> over_cases(const std::vector<CaseResult>& cases, std::size_t label,
                               double (*metric)(const losses::Overlap&) = losses::dice);
// Mean over the foreground classes of the class means over the cases; classes without any value are left out.
double foreground_mean(const std::vector<CaseResult>& cases, double (*metric)(const losses::Overlap&) = losses::dice);
// Mean over the foreground classes, per case.
std::vector<double> case_means(const std::vector<CaseResult>& cases,
                               double (*metric)(const losses::Overlap&) = losses::dice);

// {"cases": [{id, classes: {"1": {dice, .., tp, fp, fn, tn}}}],
//  "mean": {dice, .., "classes": {"1": {name, cases, dice, ..}}}}; `cases` there: how many have a Dice that is defined.
Json to_json(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names);
// From the "cases" above, without the background.
std::vector<CaseResult> cases_from_json(const Json& list);
// The same as a table: a row per class, and the foreground mean.
std::string table(const std::vector<CaseResult>& cases, const std::vector<std::string>& class_names);

// Percentile bootstrap of a mean over cases: 95 % interval from `samples` resamplings with a fixed seed.
struct Interval {
  double low, high;
};
Interval bootstrap_interval(const std::vector<double>& values, int samples = 2000);

}  // namespace voxgrad::apps

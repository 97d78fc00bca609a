// How well predicted labels fit the truth: every metric (losses/metrics/metrics.h) per case and class, and means over
// the cases. Metrics are named as in the table there: "dice", "hd95".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "apps/training/interval.h"
#include "data/dataset.h"
#include "losses/metrics/metrics.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {

struct CaseResult {
  std::string id;
  std::vector<losses::ClassScores> classes;  // [0] is the background
  double diagonal = 0;                       // of the image, mm
  double tau = 0;                            // mm, tolerance of NSD
  // The calibration error of all classes together; NaN if it was not asked for.
  double calibration_error = losses::kUndefined;
  std::string group = {};  // such as the patient; empty if the dataset names none
};

// Compares the labels of a case with the truth.
CaseResult compare_labels(const std::string& id, const Tensor& prediction, const Tensor& truth,
                          const losses::Scoring& scoring);

struct EvaluateOptions {
  losses::Needs needs = losses::Needs::counts;          // what a validation during training can afford
  double tau = 0;                                       // mm; 0: the largest voxel spacing of each case
  std::function<void(const data::Case&)> look_at = {};  // is called with each case before it is segmented
  // Is called with each case, the labels that were found and how well they fit.
  std::function<void(const data::Case&, const Tensor& labels, const CaseResult&)> found = {};
  std::optional<bool> mirror = {};  // as in nn::PredictOptions
  nn::Progress progress = {};       // of each case, as in nn::PredictOptions
  bool clean_up = true;
};
// Segments the cases and compares the results with their labels. `progress` is called after each case with the number
// of cases that are done.
std::vector<CaseResult> evaluate_cases(const nn::Model& model, const data::Dataset& dataset,
                                       const std::vector<std::int64_t>& cases, const EvaluateOptions& options = {},
                                       const std::function<void(std::size_t)>& progress = {});

// Returns a metric of one class for every case: NaN where it is undefined or was not asked for. It may be infinite.
std::vector<double> over_cases(const std::vector<CaseResult>& cases, std::size_t label,
                               const std::string& metric = "dice");
// Summarises a metric of one class by the rules of losses/metrics/aggregate.h.
losses::Aggregate class_aggregate(const std::vector<CaseResult>& cases, std::size_t label, const std::string& metric);
// Returns the mean over the foreground classes of their means over the cases. Classes without a value are left out.
double foreground_mean(const std::vector<CaseResult>& cases, const std::string& metric = "dice");
// Returns the same mean of Dice over those classes that the truth of some case has. A training goes by it: of another
// class the cases show false positives alone, and a single voxel of it would count as much as all that is found of the
// others. If the truth has no foreground at all, it is the foreground mean.
double validation_dice(const std::vector<CaseResult>& cases);
// Whether no voxel of any class was found, as far as there are cases; the arguments are foreground means of Dice.
bool finds_nothing(double val_dice, double test_dice);
// Returns the mean over the foreground classes for every case. An infinite value counts as the diagonal of the image.
std::vector<double> case_means(const std::vector<CaseResult>& cases, const std::string& metric = "dice");

// The number of cases in which a class is there or is not, and in how many of them it was found.
struct Detection {
  std::int64_t there = 0, missed = 0, not_there = 0, false_positives = 0;
  double false_positive_rate() const;  // of the cases in which it is not there; NaN if it is everywhere
};
Detection detection(const std::vector<CaseResult>& cases, std::size_t label);

// All true objects of a class.
std::vector<losses::TrueObject> objects_of(const std::vector<CaseResult>& cases, std::size_t label);

// Returns the indices of the cases that were drawn together: those of each group, or of the case itself without one.
std::vector<std::vector<std::size_t>> units_of(const std::vector<CaseResult>& cases);
// The 95 % interval of the foreground mean over resampled units.
Interval bootstrap_interval(const std::vector<CaseResult>& cases, const std::string& metric = "dice");

}  // namespace voxgrad::apps

// How well labels fit: every metric (losses/metrics/metrics.h) per case and class, what they come to over the cases,
// and how these are written. Metrics are named as in the table: "dice", "hd95".
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "data/dataset.h"
#include "losses/metrics/metrics.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {

struct CaseResult {
  std::string id;
  std::vector<losses::ClassScores> classes;  // [0] is the background
  double diagonal = 0;                       // of the image, mm
  double tau = 0;                            // mm, tolerance of NSD
  // Over all classes; NaN if it was not asked for.
  double calibration_error = losses::kUndefined;
};

// Compares labels of a case with the truth.
CaseResult compare_labels(const std::string& id, const Tensor& prediction, const Tensor& truth,
                          const losses::Scoring& scoring);

struct EvaluateOptions {
  losses::Needs needs = losses::Needs::counts;  // what a validation during training can afford
  double tau = 0;                               // mm; 0: the largest voxel spacing of each case
};
// Segments the cases and compares. `progress` is called after each case with its number, 1 ..
std::vector<CaseResult> evaluate_cases(const nn::Model& model, const data::Dataset& dataset,
                                       const std::vector<std::int64_t>& cases, const EvaluateOptions& options = {},
                                       const std::function<void(std::size_t)>& progress = {});

// A metric of one class over the cases: NaN where it is undefined or was not asked for, infinite where it is.
std::vector<double> over_cases(const std::vector<CaseResult>& cases, std::size_t label,
                               const std::string& metric = "dice");
// By the rules of losses/metrics/aggregate.h.
losses::Aggregate class_aggregate(const std::vector<CaseResult>& cases, std::size_t label, const std::string& metric);
// Mean over the foreground classes of the class means over the cases; classes without any value are left out.
double foreground_mean(const std::vector<CaseResult>& cases, const std::string& metric = "dice");
// Mean over the foreground classes, per case; the diagonal for an infinite value.
std::vector<double> case_means(const std::vector<CaseResult>& cases, const std::string& metric = "dice");

// Cases in which a class is or is not there, and what was found.
struct Detection {
  std::int64_t there = 0, missed = 0, not_there = 0, false_positives = 0;
  double false_positive_rate() const;  // of the cases in which it is not there; NaN if it is everywhere
};
Detection detection(const std::vector<CaseResult>& cases, std::size_t label);

// Percentile bootstrap over cases with a fixed seed: 95 % interval of a number that `statistic` computes from a choice
// of cases, indices 0 .. count - 1 drawn with repetition.
struct Interval {
  double low, high;
};
Interval bootstrap_interval(std::size_t count, const std::function<double(const std::vector<std::size_t>&)>& statistic,
                            int samples = 2000);
// Of the foreground mean.
Interval bootstrap_interval(const std::vector<CaseResult>& cases, const std::string& metric = "dice");

}  // namespace voxgrad::apps

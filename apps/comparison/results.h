// What a comparison found: every tested run with every number per case and class, and how that is written and read.
// results.json and results.csv are functions of the runs: whatever order or process made them, the bytes are the same
// but for times, memory and the description of the machine.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "apps/training/history.h"

namespace voxgrad::apps {

// The numbers of one case: [foreground class - 1][number], in the order of Comparison::numbers.
struct CaseNumbers {
  std::string id;
  std::vector<std::vector<double>> classes;
  double diagonal = std::numeric_limits<double>::quiet_NaN();  // of the image, mm
};

struct ComparedRun {
  std::string dataset, loss;  // the loss as it was asked for
  std::uint64_t seed = 1;
  int fold = -1;                                                       // -1: the split of the file
  bool diverged = false;                                               // no test results then
  std::vector<CaseNumbers> cases;                                      // of the test split or the fold
  double val_dice = 0, lr = 0, seconds = 0, memory = 0;                // memory: largest sum of all tensors, bytes
  double patches_per_case = std::numeric_limits<double>::quiet_NaN();  // that the training saw of each training case
  std::vector<EpochRecord> history;
  std::string path;  // of the run directory, below that of the comparison
};

// What is known of a tested case without any prediction.
struct TestCase {
  std::string id;
  double foreground = 0;   // share of the voxels that are any class but the background
  double object_size = 0;  // median equivalent diameter of its connected objects; NaN without foreground
  std::string group{};     // such as the patient; empty if the dataset names none
};

struct ComparedDataset {
  std::string name, path;
  int dims = 2;
  std::vector<std::string> class_names;  // [0] is the background
  std::vector<TestCase> cases;           // tested, over all folds
  std::vector<std::string> warnings{};   // warnings_of (apps/training/plan.h)
  std::string unit = "mm";               // of all lengths; "px" if the images have no physical size
  // How its trainings were done: settings (those that all losses share, without what is left to the data), cases (how
  // many train, validate and test), images_crc32 and labels_crc32, and class_colours, license, source and citation if
  // the file has them. Where folds differ, a setting names all values. Empty in results of earlier versions.
  Json used = Json::object();
};

struct Comparison {
  Json protocol = Json::object();
  Json versions = Json::object();    // manifest() of the program that compared
  std::vector<std::string> numbers;  // names of the metrics per case and class, and counts: dice, .., tp, fp, fn, tn
  std::vector<ComparedDataset> datasets;
  std::vector<ComparedRun> runs;
  std::vector<std::string> losses() const;  // of the runs, in the order of their first appearance
};

// Reads the cases of run.json, each with the foreground classes of `class_count`, and the names of their numbers from
// the first case. Throws Error(data) if a class is absent, or a number outside its range.
std::vector<CaseNumbers> cases_from(const Json& list, std::size_t class_count, std::vector<std::string>& numbers);
// Whether the runs have this number; results of an earlier version may lack one.
bool has_number(const Comparison& comparison, const std::string& name);
// Returns one number for all foreground classes of a case; NaN where it is undefined.
std::vector<double> number_of(const Comparison& comparison, const CaseNumbers& numbers, const std::string& name);
// Returns the same numbers as a mean can take them. An infinite distance, where one of the two masks is empty, becomes
// the diagonal of the image, so that a loss gains nothing by failing completely. An infinite ratio becomes NaN.
std::vector<double> finite_number_of(const Comparison& comparison, const CaseNumbers& numbers, const std::string& name);

Json to_json(const Comparison& comparison);
// The inverse of to_json(). Throws Error(data) if something is missing or of another type.
Comparison comparison_from_json(const Json& json);
std::string to_csv(const Comparison& comparison);  // one line per dataset, loss, fold, seed, case and class

}  // namespace voxgrad::apps

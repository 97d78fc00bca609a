// The protocol of a comparison: what will be trained, with which settings and on which cases, and where it is kept. It
// is complete before the first training begins, so that errors in the options are found first.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apps/comparison/compare.h"
#include "apps/training/checkpoint.h"
#include "apps/training/plan.h"

namespace voxgrad::apps {

// One training.
struct Task {
  std::size_t dataset;  // index into the datasets of the comparison
  std::string loss;
  int fold;  // -1: the split of the file
  std::uint64_t seed;
  double lr;  // 0: as the settings say
};

class Protocol {
 public:
  // Opens and checks the datasets and the losses. Throws Error(usage) for losses or datasets that are unknown or cannot
  // be told apart, and Error(data) for a dataset without cases to train on or to test.
  explicit Protocol(const CompareOptions& options);

  // Returns the tasks of this shard, in the order of the results. With --tune one shard has all tasks of a loss on a
  // dataset, because those of a fold need the learning rate that the first one finds.
  const std::vector<Task>& tasks() const { return tasks_; }
  // Returns the task on which the learning rate of the same loss, dataset and fold is chosen: that with the first seed.
  // Folds do not share it, because the validation cases of one are the test cases of another.
  Task trial(const Task& task) const;
  // Returns the settings of a task. Reads the training cases if the loss or the intensities need it.
  Plan plan(const Task& task) const;
  // Returns how many voxels the network sees in the training, to compare the time that tasks take.
  double work(const Task& task) const;
  // Returns the directory of a task below that of the comparison: <dataset>/<loss>/[lr_<rate>_][fold_<k>_]seed_<s>.
  std::string path(const Task& task) const;
  const data::Dataset& dataset(const Task& task) const { return opened_[task.dataset]; }
  const DatasetChecksums& checksums(const Task& task) const { return checksums_[task.dataset]; }
  const std::string& dataset_name(const Task& task) const { return question_.datasets[task.dataset].name; }
  // Returns the comparison before any run: what was asked, and what is known of the datasets without a prediction.
  const Comparison& question() const { return question_; }

 private:
  void check_losses() const;
  void open_datasets();
  Json record() const;
  std::int64_t short_steps(const data::Dataset& dataset, const TrainConfig& config) const;
  std::vector<int> folds() const;
  std::vector<Task> own_tasks() const;

  CompareOptions options_;
  std::vector<data::Dataset> opened_;
  // What the rules chose for each dataset and fold. All losses have the same, so cases are read for the first one only.
  struct Planned {
    TrainConfig config;
    std::vector<Reason> reasons;
  };
  std::map<std::pair<std::size_t, int>, Planned> planned_;
  std::vector<DatasetChecksums> checksums_;
  Comparison question_;
  std::vector<Task> tasks_;
};

}  // namespace voxgrad::apps

// A training from the first step to the tested model, with everything that it leaves behind: validation after each
// epoch, the best and the last checkpoint, logs, the answer to Ctrl-C, to a full disk and to numbers that overflow.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "apps/training/evaluation.h"
#include "apps/training/history.h"
#include "apps/training/run_directory.h"
#include "apps/training/trainer.h"

namespace voxgrad::apps {

// What someone who watches is told; every function may be left as it is.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_step(const StepReport&, const Plan&) {}
  virtual void on_epoch(const EpochRecord&, const Plan&) {}
  virtual void on_message(const std::string&) {}
  virtual void on_warning(const std::string&) {}
};

struct TrainResult {
  std::string run;
  std::int64_t epochs, best_epoch, parameters;
  double val_dice;               // of the best epoch
  std::vector<CaseResult> test;  // by the best epoch's weights; empty without a test split
  std::vector<std::string> class_names;
  double seconds;
  std::int64_t peak_memory;
};
// {run, epochs, best_epoch, val: {dice_mean}, test: {dice_mean, dice: {"1": ..}}, seconds, peak_memory_bytes,
// parameters}
Json to_json(const TrainResult& result);

class Session {
 public:
  // `command` is how the program was called, for the manifest.
  Session(const data::Dataset& dataset, const Plan& plan, RunDirectory& directory, Observer& observer, Device device,
          const std::string& command);
  // Goes on from last.safetensors.
  void resume();
  // Trains to the end, tests, writes run.json. Interrupted after a signal, when a checkpoint has been written;
  // Error(diverged) as --on-nan says.
  TrainResult run();
  // After run(): what a full disk kept from being written gets a last chance. Error(io) if it is not there now, because
  // the run is not whole.
  void save_missing();

 private:
  using Clock = std::chrono::steady_clock;
  void prepare_fields();
  void train();
  void survive(const Error& error);
  void end_epoch(double lr);
  void restore(const TensorFile& file);
  TrainResult finish();
  void save_last();
  void write_manifest(const std::string& exit_reason, const Json& results);
  void event(Json line);
  template <class F>
  bool attempt(F&& write);  // false, and a warning, for Error(io)
  TensorFile checkpoint() const;
  TensorFile best_model() const;
  void describe(TensorFile& file, const EpochRecord* record) const;
  std::vector<CaseResult> test();
  double seconds() const;

  const data::Dataset& dataset_;
  Plan plan_;
  RunDirectory& directory_;
  Observer& observer_;
  Device device_;
  std::string command_;
  Trainer trainer_;
  Clock::time_point start_ = Clock::now();
  double seconds_before_ = 0;  // of earlier processes on this run

  // What a checkpoint keeps beside the trainer.
  std::vector<EpochRecord> history_;
  double loss_sum_ = 0;
  std::int64_t loss_count_ = 0, skipped_ = 0;
  std::int64_t best_ = 0;  // number of records up to the best one
  std::vector<NamedTensor> best_weights_;
  bool best_saved_ = true, last_saved_ = true;
  int rollbacks_ = 0, skipped_in_a_row_ = 0;
};

}  // namespace voxgrad::apps

// A session is a training from the first step to the tested model. It validates after each epoch, keeps the best and
// the last checkpoint and the logs, and it handles Ctrl-C, a full disk and numbers that overflow.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/training/checkpoint.h"
#include "apps/training/clean_up_choice.h"
#include "apps/training/evaluation.h"
#include "apps/training/history.h"
#include "apps/training/run_directory.h"
#include "apps/training/trainer.h"

namespace voxgrad::apps {

// Base class for everyone who wants to be told how a training goes. By default every function does nothing.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_step(const StepReport&, const Plan&) {}
  // A case of a validation, with the labels that were found; on_epoch() follows when all cases are done.
  virtual void on_case(const data::Case&, const Tensor& /*labels*/, const CaseResult&, const Plan&) {}
  virtual void on_epoch(const EpochRecord&, const Plan&) {}
  virtual void on_message(const std::string&) {}
  virtual void on_warning(const std::string&) {}
};

struct TrainResult {
  std::string run;
  std::int64_t epochs, best_epoch, parameters;
  double val_dice;                        // of the best epoch
  double rise;                            // late_rise()
  std::optional<CleanUpChoice> clean_up;  // of the best model, if the validation cases decided about it
  std::vector<CaseResult> test;           // by the best epoch's weights; empty without a test split
  std::vector<std::string> class_names;
  double seconds;
  std::int64_t peak_memory;
  std::vector<std::string> warnings;
};
// {run, epochs, best_epoch, val: {dice_mean, rise}, clean_up, test: {dice_mean, dice: {"1": ..}}, seconds,
// peak_memory_bytes, parameters, warnings}
Json to_json(const TrainResult& result);

class Session {
 public:
  // `command` is how the program was called, for the manifest. `known` are the checksums of the dataset, which are
  // computed if they are not given.
  Session(const data::Dataset& dataset, const Plan& plan, RunDirectory& directory, Observer& observer, Device device,
          const std::string& command, const std::optional<DatasetChecksums>& known = {});
  // Goes on from last.safetensors.
  void resume();
  // Tells the observer, and remembers the warning for the results and the manifest.
  void warn(const std::string& warning);
  // Trains to the end, tests the best model and writes run.json. Throws Interrupted after a signal, when a checkpoint
  // has been written (with --on-nan rollback at the end of an epoch only), and Error(diverged) as --on-nan says.
  TrainResult run();
  // To be called after run(): tries once more to write what a full disk has refused. Throws Error(io) if that fails
  // again, because the run is then not complete.
  void save_missing();
  std::int64_t steps_done() const { return trainer_.steps_done(); }

 private:
  using Clock = std::chrono::steady_clock;
  void prepare_fields();
  void train();
  bool out_of_patience() const;
  void survive(const Error& error);
  void end_epoch(double lr);
  void take_over(const std::string& manifest);
  void restore(const TensorFile& file);
  void take_state(const TensorFile& file);
  void require_manifest(const TensorFile& file);
  void write_course();
  void save_course();
  TrainResult finish();
  void save_best();
  void save_last();
  Json device_json() const;  // what is no setting, but changes bits
  void write_manifest(const std::string& exit_reason, const Json& results);
  void event(Json line);
  void remember(const std::string& warning);
  bool attempt(const std::function<void()>& write);  // false, and a warning, for Error(io)
  TensorFile checkpoint() const;
  TensorFile best_model() const;
  void describe(TensorFile& file, const EpochRecord* record) const;
  std::vector<CaseResult> validate();
  double seconds() const;

  const data::Dataset& dataset_;
  Plan plan_;
  RunDirectory& directory_;
  Observer& observer_;
  Device device_;
  Json reasons_;                         // of the settings, from the process that began the run
  std::string command_, first_command_;  // of this process, and of the one that began the run
  Json transfer_;                        // what was taken from the model that the training began with; null without one
  DatasetChecksums checksums_;
  std::uint32_t description_;
  Trainer trainer_;
  Clock::time_point start_ = Clock::now();
  double seconds_before_ = 0;  // of earlier processes on this run

  // A checkpoint keeps this beside the state of the trainer.
  std::vector<EpochRecord> history_;
  double loss_sum_ = 0;
  std::int64_t loss_count_ = 0, skipped_ = 0;
  std::int64_t best_ = 0;  // number of records up to the best one
  std::vector<NamedTensor> best_weights_;
  nn::CleanUp clean_up_;  // of the best model; chosen at the end, so last.safetensors never has it
  double saved_at_ = 0;   // seconds() of the last checkpoint
  bool best_saved_ = true, last_saved_ = true;
  bool course_saved_ = false, manifest_saved_ = true;  // a run that goes on writes its course anew
  std::string manifest_;                               // the last text of run.json
  Json results_;                                       // in it, of a training that has come to its end
  static constexpr int kMostRollbacks = 10;            // beyond that it is no accident
  int rollbacks_ = 0, skipped_in_a_row_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace voxgrad::apps

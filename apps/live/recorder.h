// An observer that keeps what the live page shows in the run directory: RUN/live/state.json and RUN/live/*.png. The
// page is served from these files, so the training never waits for anybody who looks at it. They are no part of the
// results: if they cannot be written, the observer says so once and keeps nothing more.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apps/program/json.h"
#include "apps/report/slices.h"
#include "apps/training/session.h"
#include "apps/training/speed.h"

namespace voxgrad::apps {

// The losses of the steps, thinned: as many points as a curve needs, each the mean of as many steps as all others.
class LossCurve {
 public:
  void add(std::int64_t step, double loss);
  Json json() const;  // [[steps done, mean loss], ..]

 private:
  std::vector<std::pair<std::int64_t, double>> points_;
  std::int64_t width_ = 1, count_ = 0, next_ = 0;  // steps of a point, of the one that is not complete; the next step
  double sum_ = 0;
};

class LiveRecorder final : public Observer {
 public:
  // Tells `next` everything as well. `directory` is that of the run.
  LiveRecorder(Observer& next, const std::string& directory, const Plan& plan, int ignore_label);
  void on_step(const StepReport& report, const Plan& plan) override;
  void on_case(const data::Case& one, const Tensor& labels, const CaseResult& result, const Plan& plan) override;
  void on_epoch(const EpochRecord& record, const Plan& plan) override;
  void on_message(const std::string& message) override;
  void on_warning(const std::string& warning) override;

 private:
  using Clock = std::chrono::steady_clock;
  // The pictures of a case: image, truth, prediction, mistakes.
  struct Shown {
    std::string kind, id, caption;
    double dice;
    std::vector<Picture> pictures;
  };
  void choose();
  void write_pictures(std::int64_t step);
  void write();
  template <class F>
  void attempt(F&& write);

  Observer& next_;
  std::string folder_;
  int ignore_;
  std::vector<Colour> colours_;  // of the classes
  bool broken_ = false;
  Json state_;
  LossCurve loss_;
  Speed speed_;
  Clock::time_point start_ = Clock::now(), written_{}, drawn_{};
  std::vector<Shown> seen_;         // in this validation
  std::vector<std::string> shown_;  // cases that were chosen at the first validation
};

}  // namespace voxgrad::apps

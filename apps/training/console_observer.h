// An observer that shows a training on the console: a bar on a terminal, else one line an epoch.
#pragma once

#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "apps/program/console.h"
#include "apps/training/session.h"
#include "apps/training/speed.h"

namespace voxgrad::apps {

class ConsoleObserver final : public Observer {
 public:
  // Every line begins with `prefix`. Without `lines`, an epoch is reported if nothing was said for half a minute, or to
  // people who asked for more messages.
  explicit ConsoleObserver(Console& console, std::string prefix = "", bool lines = true)
      : console_(console), prefix_(std::move(prefix)), lines_(lines && !console.live()) {}
  void on_step(const StepReport& report, const Plan& plan) override;
  void on_epoch(const EpochRecord& record, const Plan& plan) override;
  void on_message(const std::string& message) override { console_.say(prefix_ + message); }
  void on_warning(const std::string& message) override { console_.warn(prefix_ + message); }

 private:
  Console& console_;
  std::string prefix_;
  bool lines_;
  Speed speed_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();  // when something was said
  double val_dice_ = std::nan("");
};

}  // namespace voxgrad::apps

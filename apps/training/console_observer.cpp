#include "apps/training/console_observer.h"

namespace voxgrad::apps {

void ConsoleObserver::on_step(const StepReport& report, const Plan& plan) {
  const std::int64_t done = report.step + 1;
  speed_.see(report.step);
  if (!console_.live()) return;
  const double speed = speed_(done), left = static_cast<double>(plan.steps - done) / speed;
  console_.bar(
      static_cast<double>(done) / static_cast<double>(plan.steps),
      text(prefix_, "step ", done, "/", plan.steps, "  loss ", fixed(report.loss, 4), "  val Dice ",
           fixed(val_dice_, 4), "  ", per_second(speed), " steps/s  ETA ", std::isnan(left) ? "-" : duration(left)));
}

void ConsoleObserver::on_epoch(const EpochRecord& record, const Plan& plan) {
  if (!std::isnan(record.val_dice)) val_dice_ = record.val_dice;
  const std::string line =
      text(prefix_, "epoch ", record.epoch, "/", plan.epoch_of(plan.steps), "  loss ", fixed(record.loss, 4),
           "  val Dice ", fixed(record.val_dice, 4), "  ", per_second(speed_(record.step)), " steps/s");
  const auto now = std::chrono::steady_clock::now();
  if (!lines_ && (console_.live() || now - last_ < std::chrono::seconds(30))) return console_.detail(line);
  console_.say(line);
  last_ = now;
}

}  // namespace voxgrad::apps

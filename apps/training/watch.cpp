#include "apps/training/watch.h"

namespace voxgrad::apps {

double Watch::rate(std::int64_t done) {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  return static_cast<double>(done - first_ - 1) / elapsed.count();
}

void Watch::on_step(const StepReport& report, const Plan& plan) {
  const std::int64_t done = report.step + 1;
  if (first_ < 0) {
    first_ = report.step;
    start_ = std::chrono::steady_clock::now();
  }
  if (!console_.live()) return;
  const double speed = rate(done), left = static_cast<double>(plan.steps - done) / speed;
  console_.bar(static_cast<double>(done) / static_cast<double>(plan.steps),
               text(prefix_, "step ", done, "/", plan.steps, "  loss ", fixed(report.loss, 4), "  val Dice ",
                    fixed(val_dice_, 4), "  ", done > first_ + 1 ? fixed(speed, 1) : "-", " steps/s  ETA ",
                    done > first_ + 1 ? duration(left) : "-"));
}

void Watch::on_epoch(const EpochRecord& record, const Plan& plan) {
  if (!std::isnan(record.val_dice)) val_dice_ = record.val_dice;
  const std::string line = text(prefix_, "epoch ", record.epoch, "/", plan.epoch_of(plan.steps), "  loss ",
                                fixed(record.loss, 4), "  val Dice ", fixed(record.val_dice, 4), "  ",
                                record.step > first_ + 1 ? fixed(rate(record.step), 1) : "-", " steps/s");
  if (lines_)
    console_.say(line);
  else
    console_.detail(line);
}

}  // namespace voxgrad::apps

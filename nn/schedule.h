// Learning-rate schedules. rate(step) is a pure function of the step, so a resumed run needs no state; only `plateau`
// remembers what was reported to it, as three numbers.
//
// With s = step - warmup, T = total - warmup, x = min(s / T, 1), the rate after the warm-up is lr times
//   constant  1
//   step      factor^floor(s / period)
//   poly      (1 - x)^power                              (Liu et al. 2015, "ParseNet"; nnU-Net: power 0.9)
//   cosine    (1 + cos(pi x)) / 2, scaled to end at lowest / lr   (Loshchilov and Hutter, ICLR 2017, eq. 5)
//   plateau   factor^k, k = how often `patience` epochs in a row brought nothing better (torch ReduceLROnPlateau)
// and before it linear: (step + 1) / warmup. `step`, `poly` and `plateau` do not fall below `lowest` after the warm-up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace voxgrad::nn {

struct ScheduleOptions {
  double lr = 0.01;            // > 0
  std::int64_t total = 1;      // steps of the whole run, > warmup
  std::int64_t warmup = 0;     // steps
  double lowest = 0;           // 0 .. lr
  double power = 0.9;          // poly, > 0
  double factor = 0.1;         // step, plateau: in (0, 1)
  std::int64_t period = 0;     // step: steps between two drops; 0: a third of T
  std::int64_t patience = 10;  // plateau: so many epochs without an improvement change nothing
  double threshold = 1e-4;     // plateau: an improvement is larger than this fraction of the best metric
  bool maximise = true;        // plateau: a larger metric is better, as with the Dice coefficient
};

class Schedule {
 public:
  enum class Decay { constant, step, poly, cosine, plateau };
  // Error(usage) with the range if an option is outside it.
  Schedule(Decay decay, const ScheduleOptions& options);

  // The rate of step 0, 1, ..; steps beyond the total have the rate of the end.
  [[nodiscard]] double rate(std::int64_t step) const;
  // Takes the validation metric of an epoch. Only plateau uses it; NaN counts as no improvement.
  void report(double metric);

  // {best, epochs without improvement, drops} of plateau; empty for the others.
  [[nodiscard]] std::vector<double> state() const;
  void load_state(const std::vector<double>& state);  // Error(model) if it is not what state() gives

 private:
  Decay decay_;
  ScheduleOptions options_;
  double best_;
  double waited_ = 0;
  double drops_ = 0;
};

// "constant", "step", "poly", "cosine", "plateau"; Error(usage) with a did-you-mean for another name.
Schedule make_schedule(const std::string& name, const ScheduleOptions& options);
const std::vector<std::string>& schedule_names();

}  // namespace voxgrad::nn

// Learning-rate schedules. rate(step) is a pure function of the step, so a resumed run needs no state. Only `plateau`
// has a state, of three numbers, because it depends on the metrics that were reported to it.
//
// With s = step - warmup, T = total - warmup, x = min(s / T, 1), the rate after the warm-up is lr times
//   constant  1
//   step      factor^floor(s / period)
//   poly      (1 - x)^power                              (Liu et al. 2015, "ParseNet"; nnU-Net: power 0.9)
//   cosine    (1 + cos(pi x)) / 2, scaled to end at lowest / lr   (Loshchilov and Hutter, ICLR 2017, eq. 5)
//   plateau   factor^k, k = how often more than `patience` epochs in a row brought no improvement
//             (ReduceLROnPlateau of PyTorch)
// and during the warm-up (step + 1) / warmup. After the warm-up no rate falls below `lowest`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace voxgrad::nn {

struct ScheduleOptions {
  double lr = 0.01;            // the rate after the warm-up, above 0
  std::int64_t total = 1;      // number of steps of the whole run, more than warmup
  std::int64_t warmup = 0;     // number of steps
  double lowest = 0;           // the lowest rate after the warm-up, 0 .. lr
  double power = 0.9;          // for poly, above 0
  double factor = 0.1;         // for step and plateau, in (0, 1)
  std::int64_t period = 0;     // for step: the number of steps between two drops; 0 means a third of T
  std::int64_t patience = 10;  // for plateau: the rate drops after more than so many epochs without an improvement
  double threshold = 1e-4;     // for plateau: an improvement is larger than this fraction of the best metric
  bool maximise = true;        // for plateau: a larger metric is better, as with the Dice coefficient
};

class Schedule {
 public:
  enum class Decay { constant, step, poly, cosine, plateau };
  // Error(usage) with the range if an option is outside it.
  Schedule(Decay decay, const ScheduleOptions& options);

  // The rate of step 0, 1, ..; from the total on it is that at the end of the decay.
  [[nodiscard]] double rate(std::int64_t step) const;
  // Reports the validation metric of an epoch, which only plateau uses. NaN does not count as an improvement.
  void report(double metric);

  // For plateau the best metric, the number of epochs without an improvement, and the number of drops; else empty.
  [[nodiscard]] std::vector<double> state() const;
  void load_state(const std::vector<double>& state);  // Error(model) if state() cannot have returned it

 private:
  Decay decay_;
  ScheduleOptions options_;
  double best_;
  double waited_ = 0;
  double drops_ = 0;
};

// The schedule called "constant", "step", "poly", "cosine" or "plateau". Error(usage) with the known names for another
// one.
Schedule make_schedule(const std::string& name, const ScheduleOptions& options);
const std::vector<std::string>& schedule_names();

}  // namespace voxgrad::nn

// Whether the trainings of a loss were long enough to say something about it. Losses begin at different speeds, so a
// ranking after few steps may be the opposite of the one after many.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/results.h"

namespace voxgrad::apps {

// Of the trainings of one loss on one dataset; NaN where nothing is known.
struct Convergence {
  double rise = kUnknown;     // late_rise() (training/history.h), the mean over the trainings
  double patches = kUnknown;  // of each training case that a training has seen, the least of the trainings
  // Sum over the tested cases and the foreground classes of |sum p - true voxels|, by the true voxels. A converged
  // cross entropy has probabilities with the sum of the true sizes, because the derivative by the bias of the last
  // layer is the difference of both.
  double size_error = kUnknown;

  // Why the trainings are too short to rank this loss, in words; empty if nothing speaks against them.
  std::string too_short(const std::string& loss) const;

 private:
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
};

Convergence convergence_of(const Comparison& comparison, const std::vector<const ComparedRun*>& runs);

}  // namespace voxgrad::apps

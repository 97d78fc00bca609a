// What a comparison will take, and what it could find, before it begins: `compare --dry-run`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/comparison/protocol.h"
#include "apps/comparison/scores.h"

namespace voxgrad::apps {

// How much a difference of two losses varies: between units (cases or groups), and between the trainings of each loss.
struct Spread {
  double units, trainings;
  bool measured;  // by an earlier comparison in the directory of this one; else typical values
};

struct Forecast {
  struct Dataset {
    std::string name;
    std::int64_t train = 0, val = 0, test = 0, units = 0, steps = 0, batch = 0, trainings = 0;
    bool grouped = false;
    double seconds_each = 0, patches_per_case = 0;
    Spread spread{};
    // The smallest difference of mean Dice that is found in four of five comparisons; infinite if nothing can be found.
    double detectable = 0;
  };
  std::vector<Dataset> datasets;
  std::int64_t losses = 0, seeds = 0, folds = 0, memory_each = 0, memory = 0;  // bytes of a process, and of all
  double seconds = 0;                                                          // of all trainings
};

// Trains a few steps with the first loss on every dataset. `progress` is called meanwhile.
Forecast forecast(const CompareOptions& options, Device device, const std::function<void()>& progress);

// Returns how many of options.jobs fit `limit` bytes together, by the forecast of a process of its own; it must be
// called before this one has threads. Throws Error(usage) with the bytes of a training if not one fits, what the
// protocol throws, and Error(memory) if a few steps cannot be trained.
int jobs_within(const CompareOptions& options, Device device, std::int64_t limit);

// What the scores of a dataset say, in the median over the pairs of losses and over the losses; nothing for a single
// loss or a single seed.
std::optional<Spread> measured_spread(const Scores& scores);

// The difference of means that a two-sided test of all pairs of `losses` finds with a probability of 0.8:
// SE (t(alpha / 2) + t(0.2)), with the standard error and the degrees of freedom of statistics/estimate.h for n units
// and S trainings of each loss. Infinite for less than two trainings or kLeastUnits units.
double detectable_difference(const Spread& spread, std::int64_t units, std::int64_t trainings, std::int64_t losses);

Json to_json(const Forecast& forecast);
std::string forecast_text(const Forecast& forecast);

}  // namespace voxgrad::apps

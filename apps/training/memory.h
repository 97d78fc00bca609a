// A training that fits a limit of memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/training/budget.h"
#include "apps/training/plan.h"

namespace voxgrad::apps {

// Reads "2GiB" or "800MiB" as bytes. Throws Error(usage) that names --max-memory for anything else.
std::int64_t parse_memory(const std::string& text);

struct FittedPlan {
  Plan plan;
  Costs costs;                  // by a few steps of it
  std::vector<Reason> smaller;  // the settings that were made smaller, and why
};

// Returns the first plan that takes at most `limit` bytes. The batch is halved down to 1, then the patch down to 32^2
// or 16^3 voxels, but what was asked for is touched last. `config` then has the batch and the patch that were made
// smaller. `plan_of` makes the plan of settings, whose patch, if nobody asked for one, has at most so many voxels (0:
// as ever). `measure` takes a few steps; a plan with which it throws Error(memory) does not fit. Throws Error(usage) if
// what was asked for does not fit, with its bytes; the hint names the batch and patch that do, or what else helps if
// none does.
FittedPlan fit_memory(TrainConfig& config, std::int64_t limit,
                      const std::function<Plan(const TrainConfig& config, std::int64_t most_voxels)>& plan_of,
                      const std::function<Costs(const Plan&)>& measure);

}  // namespace voxgrad::apps

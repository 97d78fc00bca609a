#include "apps/training/memory.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "apps/program/console.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kMore =
    "give more, or take a smaller --base or --depth; a part of it is the program, and the cases that are tested";
constexpr std::int64_t kLeastPixels = 32 * 32, kLeastVoxels3d = 16 * 16 * 16;

// What a plan takes; no bytes mean that the memory did not suffice.
std::string takes(const Plan& plan, const std::optional<std::int64_t>& bytes) {
  return text("a batch of ", plan.config.batch, " and a patch of ", plan.config.patch,
              bytes ? " take " + size_text(*bytes) : std::string(" take more than there is"));
}

std::optional<Costs> costs_within(const Plan& plan, const std::function<Costs(const Plan&)>& measure) try {
  return measure(plan);
} catch (const Error& error) {
  if (error.kind() != ErrorKind::memory) throw;
  return std::nullopt;
}

}  // namespace

std::int64_t parse_memory(const std::string& text) {
  double value = 0;
  const auto [unit, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view rest(unit, static_cast<std::size_t>(text.data() + text.size() - unit));
  const double bytes = value * (rest == "GiB" ? 1 << 30 : rest == "MiB" ? 1 << 20 : 0);
  if (code != std::errc{} || !(bytes >= 1) || bytes > std::ldexp(1, 50))
    throw Error(ErrorKind::usage, "--max-memory " + text + ": no amount of memory", "write 2GiB or 800MiB");
  return std::llround(bytes);
}

FittedPlan fit_memory(TrainConfig& config, std::int64_t limit,
                      const std::function<Plan(const TrainConfig& config, std::int64_t most_voxels)>& plan_of,
                      const std::function<Costs(const Plan&)>& measure) {
  const TrainConfig asked = config;
  const bool own_batch = asked.batch > 0, own_patch = !asked.patch.empty();
  const std::string flag = "--max-memory " + size_text(limit);
  TrainConfig wish = asked;
  std::int64_t most_voxels = 0;
  std::string first;  // what the plan without a limit takes
  bool less_batch = false, less_patch = false;
  for (;;) {
    Plan plan = [&] {
      try {
        return plan_of(wish, most_voxels);
      } catch (const Error& error) {
        if (!less_patch || error.kind() != ErrorKind::usage) throw;
        throw Error(ErrorKind::usage,
                    text(flag, ": ", first, ", and with a smaller patch nothing can be trained: ", error.message()),
                    kMore);
      }
    }();
    const std::optional<Costs> costs = costs_within(plan, measure);
    const std::optional<std::int64_t> bytes = costs ? std::optional(costs->memory) : std::nullopt;
    if (first.empty()) first = takes(plan, bytes);
    if (bytes && *bytes <= limit) {
      if ((less_batch && own_batch) || (less_patch && own_patch))
        throw Error(ErrorKind::usage, text(flag, ": ", first),
                    text("--batch ", plan.config.batch, " --patch ", plan.config.patch, " takes ", size_text(*bytes)));
      std::vector<Reason> smaller;
      const std::string why = text("smaller for ", flag, ": ", first);
      if (less_batch) smaller.push_back({"batch", text(config.batch = plan.config.batch), why});
      if (less_patch) smaller.push_back({"patch", config.patch = plan.config.patch, why});
      for (const Reason& reason : smaller) explain(plan, reason.setting, reason.value, reason.why);
      return {std::move(plan), *costs, std::move(smaller)};
    }
    // A patch has what the poolings divide, so a lower limit does not make every patch smaller.
    const std::int64_t voxels = plan.model.window.numel(),
                       half = (less_patch ? std::min(voxels, most_voxels) : voxels) / 2,
                       least = plan.model.net.dims == 3 && plan.config.dims == 3 ? kLeastVoxels3d : kLeastPixels;
    const bool batch_left = plan.config.batch > 1, patch_left = half >= least;
    if (batch_left && !(own_batch && !own_patch && patch_left)) {
      less_batch = true;
      wish.batch = plan.config.batch / 2;
    } else if (patch_left) {
      less_patch = true;
      most_voxels = half;
      wish.patch.clear();
    } else {
      throw Error(ErrorKind::usage, text(flag, ": ", first, ", and even ", takes(plan, bytes)), kMore);
    }
  }
}

}  // namespace voxgrad::apps

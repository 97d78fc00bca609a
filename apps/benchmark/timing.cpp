#include "apps/benchmark/timing.h"

#include <algorithm>
#include <chrono>

#include "engine/backend.h"

namespace voxgrad::apps {
namespace {

constexpr int kFewest = 5, kMost = 100;
constexpr double kBudgetMs = 1000;

Timing summary(std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  const std::size_t middle = ms.size() / 2;
  const double median = ms.size() % 2 == 1 ? ms[middle] : (ms[middle - 1] + ms[middle]) / 2;
  return {median, ms.front(), static_cast<int>(ms.size())};
}

}  // namespace

std::vector<Timing> measure_stages(Device device, int repeats,
                                   const std::function<void(const std::function<void()>& stage_done)>& work) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> stages;
  double spent = 0;
  const auto once = [&](bool counted) {
    std::size_t stage = 0;
    backend_of(device).synchronise();
    auto start = Clock::now();
    work([&] {
      backend_of(device).synchronise();
      const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
      if (stages.size() <= stage) stages.emplace_back();
      if (counted) stages[stage].push_back(ms);
      spent += counted ? ms : 0;
      ++stage;
      start = Clock::now();
    });
  };
  once(false);
  const auto go_on = [&](int done) {
    return repeats > 0 ? done < repeats : done < kFewest || (done < kMost && spent < kBudgetMs);
  };
  for (int done = 0; go_on(done); ++done) once(true);
  std::vector<Timing> result;
  for (std::vector<double>& stage : stages) result.push_back(summary(std::move(stage)));
  return result;
}

Timing measure(Device device, int repeats, const std::function<void()>& work) {
  return measure_stages(device, repeats, [&](const std::function<void()>& stage_done) {
    work();
    stage_done();
  })[0];
}

Json to_json(const Timing& timing) {
  return {{"median_ms", timing.median_ms}, {"min_ms", timing.min_ms}, {"repeats", timing.repeats}};
}

}  // namespace voxgrad::apps

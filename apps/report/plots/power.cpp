#include "apps/report/plots/power.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr int kSteps = 32;  // of a curve
constexpr std::int64_t kSeeds[]{2, 3, 5, 10, 20};
constexpr double kTicks[]{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1};
constexpr std::int64_t kUnits[]{10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};

struct LogAxis {
  double low, high, from, to;
  double operator()(double value) const { return from + (to - from) * std::log(value / low) / std::log(high / low); }
};

}  // namespace

Svg power_plot(const std::string& name, const Spread& spread, std::int64_t units, std::int64_t seeds,
               std::int64_t losses, double width) {
  constexpr double kLeft = 44, kTop = 22, kHeight = 190, kFoot = 36, kNames = 66, kRoom = 12.5;
  const auto found = [&](std::int64_t cases, std::int64_t trainings) {
    return detectable_difference(spread, cases, trainings, losses);
  };
  // The scales end at round numbers: at ten times the units, and around the differences of all lines.
  const std::int64_t most =
      *std::lower_bound(std::begin(kUnits), std::end(kUnits) - 1, std::max<std::int64_t>(100, 5 * units));
  const double largest = found(kLeastUnits, kSeeds[0]), smallest = found(most, std::end(kSeeds)[-1]);
  const double* high = std::lower_bound(std::begin(kTicks), std::end(kTicks) - 1, largest);
  const double* low = std::upper_bound(std::begin(kTicks), high, smallest);
  if (low > std::begin(kTicks)) --low;
  if (high == low) ++high;
  const double bottom = kTop + kHeight, right = width - kNames;
  Svg svg(width, bottom + kFoot, "difference of mean Dice that is found on " + name + " by test cases and seeds");
  const LogAxis x{static_cast<double>(kLeastUnits), static_cast<double>(most), kLeft, right},
      y{*low, *high, bottom, kTop};
  for (const double* tick = low; tick <= high; ++tick) {
    svg.line(kLeft, y(*tick), right, y(*tick), "grid");
    svg.text(kLeft - 6, y(*tick) + 3.5, "end", text(*tick), "soft");
  }
  for (const std::int64_t tick : kUnits) {
    if (tick > most) break;
    const double at = x(static_cast<double>(tick));
    svg.line(at, kTop, at, bottom, "grid");
    svg.text(at, bottom + 14, "middle", text(tick), "soft");
  }
  svg.text((kLeft + right) / 2, bottom + 30, "middle", "independent test cases", "soft");
  svg.text(4, kTop - 10, "start", "difference of mean Dice", "soft");
  std::vector<double> places;  // of the names: more seeds are lower
  for (const std::int64_t trainings : kSeeds) {
    std::vector<std::pair<double, double>> pixels;
    for (int step = 0; step <= kSteps; ++step) {
      const double cases = x.low * std::pow(x.high / x.low, static_cast<double>(step) / kSteps);
      pixels.emplace_back(x(cases), std::clamp(y(found(std::llround(cases), trainings)), kTop, bottom));
    }
    svg.curve(pixels, trainings == seeds ? "thick-0" : "of-distribution");
    places.push_back(pixels.back().second);
  }
  move_apart(places, kRoom, kTop, bottom);
  for (std::size_t i = 0; i < places.size(); ++i)
    svg.text(right + 6, places[i] + 3.5, "start", text(kSeeds[i], " seeds"), "");
  if (const double own = found(units, seeds); std::isfinite(own))
    svg.dot(x(static_cast<double>(units)), std::clamp(y(own), kTop, bottom), 4, "region");
  return svg;
}

}  // namespace voxgrad::apps

#include "apps/training/history.h"

#include <cmath>

#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

std::vector<apps::EpochRecord> history_of(const std::vector<double>& dice) {
  std::vector<apps::EpochRecord> history;
  for (const double value : dice) {
    const auto epoch = std::ssize(history) + 1;
    history.push_back({epoch, 10 * epoch, 1, 1e-3, value, {value}});
  }
  return history;
}

}  // namespace

TEST_CASE("the best epoch is that of the highest smoothed Dice, not that of one lucky validation") {
  const auto best = [](const std::vector<double>& dice) { return apps::best_record(history_of(dice)); };
  const double none = std::nan("");
  CHECK(best({}) == 0);
  CHECK(best({none, none}) == 0);
  CHECK(best({0, 0, 0}) == 1);
  CHECK(best({0.5, 0.8, 0.79, 0.8}) == 4);                // the second was lucky
  CHECK(best({0.5, 0.8, 0.8, 0.8, 0.6, 0.5, 0.4}) == 4);  // a training that gets worse is left in time
  CHECK(best({0.5, none, 0.8, none, none}) == 3);         // epochs without a validation do not count
  CHECK(best({0.9, 0.8, 0.7}) == 1);
}

TEST_CASE("the end of a training says whether more time would bring more") {
  const auto rise = [](const std::vector<double>& dice) { return apps::late_rise(history_of(dice)); };
  CHECK(rise({0.1, 0.5, 0.6, 0.7, 0.65, 0.75}) == doctest::Approx(0.05));
  CHECK(rise({0.1, 0.8, 0.6, 0.7, 0.65, 0.75}) == doctest::Approx(-0.05));
  CHECK(std::isnan(rise({})));
  CHECK(std::isnan(rise({0.1, 0.2, 0.3})));  // one validation is in the last third
  CHECK(rise({0.1, std::nan(""), 0.2, 0.2, 0.3, 0.3}) == doctest::Approx(0.1));
  CHECK(apps::outlook(std::nan("")).empty());
  CHECK(contains(apps::outlook(0.05), "rose by 0.0500 in the last third: a longer training is likely"));
  CHECK(contains(apps::outlook(-0.05), "did not rise in the last third"));
}

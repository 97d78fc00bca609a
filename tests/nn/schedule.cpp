#include "nn/schedule.h"

#include <cmath>
#include <limits>

#include "tests/test.h"

using namespace voxgrad;
using test::contains;
using test::error_of;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool equal_rates(double a, double b) { return std::fabs(a - b) <= 1e-14; }

}  // namespace

TEST_CASE("constant, with and without warm-up") {
  const nn::Schedule plain = nn::make_schedule("constant", {.lr = 0.5, .total = 10});
  CHECK(plain.rate(0) == 0.5);
  CHECK(plain.rate(9) == 0.5);
  const nn::Schedule warm = nn::make_schedule("constant", {.lr = 0.8, .total = 10, .warmup = 4});
  CHECK(equal_rates(warm.rate(0), 0.2));
  CHECK(equal_rates(warm.rate(1), 0.4));
  CHECK(equal_rates(warm.rate(3), 0.8));
  CHECK(equal_rates(warm.rate(4), 0.8));
}

TEST_CASE("step: a third each by default, or every `period` steps") {
  const nn::Schedule thirds = nn::make_schedule("step", {.lr = 1, .total = 9});
  CHECK(equal_rates(thirds.rate(2), 1));
  CHECK(equal_rates(thirds.rate(3), 0.1));
  CHECK(equal_rates(thirds.rate(8), 0.01));
  const nn::Schedule endless = nn::make_schedule("step", {.lr = 1, .total = INT64_MAX});
  CHECK(equal_rates(endless.rate(1'000'000'000), 1));
  const nn::Schedule period =
      nn::make_schedule("step", {.lr = 1, .total = 20, .warmup = 2, .lowest = 0.2, .factor = 0.5, .period = 5});
  CHECK(equal_rates(period.rate(6), 1));
  CHECK(equal_rates(period.rate(7), 0.5));
  CHECK(equal_rates(period.rate(12), 0.25));
  CHECK(equal_rates(period.rate(17), 0.2));  // the lowest rate, not 0.125
}

TEST_CASE("poly: (1 - x)^0.9") {
  const nn::Schedule schedule = nn::make_schedule("poly", {.lr = 0.01, .total = 1000});
  CHECK(equal_rates(schedule.rate(0), 0.01));
  CHECK(equal_rates(schedule.rate(500), 0.01 * 0.53588673126814657));  // 0.5^0.9
  CHECK(equal_rates(schedule.rate(999), 0.01 * std::pow(0.001, 0.9)));
  CHECK(schedule.rate(1000) == 0);
  CHECK(schedule.rate(5000) == 0);
  // The warm-up ends where the decay begins, at the full rate.
  const nn::Schedule warm = nn::make_schedule("poly", {.lr = 1, .total = 110, .warmup = 10, .power = 2});
  CHECK(equal_rates(warm.rate(9), 1));
  CHECK(equal_rates(warm.rate(10), 1));
  CHECK(equal_rates(warm.rate(60), 0.25));
}

TEST_CASE("cosine: half a wave from lr to lowest") {
  const nn::Schedule schedule = nn::make_schedule("cosine", {.lr = 1, .total = 100, .lowest = 0.2});
  CHECK(equal_rates(schedule.rate(0), 1));
  CHECK(equal_rates(schedule.rate(50), 0.6));
  CHECK(equal_rates(schedule.rate(25), 0.6 + 0.4 * std::sqrt(0.5)));
  CHECK(equal_rates(schedule.rate(100), 0.2));
}

TEST_CASE("plateau: drops after more than `patience` reports that are not better") {
  nn::Schedule schedule = nn::make_schedule("plateau", {.lr = 1, .total = 100, .lowest = 0.05, .patience = 1});
  const auto after = [&](double metric) {
    schedule.report(metric);
    return schedule.rate(50);
  };
  CHECK(equal_rates(after(0.5), 1));
  CHECK(equal_rates(after(0.6), 1));
  CHECK(equal_rates(after(0.60001), 1));  // within the threshold, so this is the first without an improvement
  CHECK(equal_rates(after(0.6), 0.1));
  CHECK(equal_rates(after(0.7), 0.1));
  CHECK(equal_rates(after(kNaN), 0.1));
  CHECK(equal_rates(after(kNaN), 0.05));  // the lowest rate, not 0.01
}

TEST_CASE("plateau on a loss, which may be negative") {
  nn::Schedule schedule = nn::make_schedule("plateau", {.lr = 1, .total = 100, .patience = 0, .maximise = false});
  for (const double loss : {3.0, 1.0, -1.0, -2.0}) schedule.report(loss);
  CHECK(equal_rates(schedule.rate(0), 1));
  schedule.report(-2.0);
  CHECK(equal_rates(schedule.rate(0), 0.1));
  nn::Schedule begun = nn::make_schedule("plateau", {.lr = 1, .total = 100, .patience = 0, .maximise = false});
  for (const double loss : {HUGE_VAL, 3.0, 2.0}) begun.report(loss);
  CHECK(equal_rates(begun.rate(0), 1));
}

TEST_CASE("plateau goes on from its state; the others have none") {
  const nn::ScheduleOptions options{.lr = 1, .total = 100, .patience = 2};
  nn::Schedule whole = nn::make_schedule("plateau", options), resumed = nn::make_schedule("plateau", options);
  for (const double metric : {0.5, 0.4, 0.4}) whole.report(metric);
  resumed.load_state(whole.state());
  CHECK(equal_rates(resumed.rate(0), 1));
  whole.report(0.45);
  resumed.report(0.45);
  CHECK(equal_rates(whole.rate(0), 0.1));
  CHECK(resumed.rate(0) == whole.rate(0));
  CHECK(resumed.state() == whole.state());
  CHECK(nn::make_schedule("poly", options).state().empty());
  CHECK(contains(error_of([&] {
                   nn::make_schedule("poly", options).load_state({1, 2, 3});
                 }),
                 "a state of 3 numbers, expected 0"));
  CHECK(contains(error_of([&] { resumed.load_state({1}); }), "a state of 1 numbers, expected 3"));
  CHECK(contains(error_of([&] { resumed.load_state({1, -2, 0}); }), "the counts -2 and 0, both must be 0 or above"));
}

TEST_CASE("plateau: after a drop it waits anew") {
  nn::Schedule schedule = nn::make_schedule("plateau", {.lr = 1, .total = 100, .patience = 1});
  for (const double expected : {1.0, 1.0, 0.1, 0.1, 0.01, 0.01}) {  // of six reports the first is the best
    schedule.report(0.5);
    CHECK(equal_rates(schedule.rate(0), expected));
  }
}

TEST_CASE("every schedule stays within 0 .. lr over the whole run") {
  for (const char* name : {"constant", "step", "poly", "cosine", "plateau"}) {
    const nn::Schedule schedule = nn::make_schedule(name, {.lr = 0.3, .total = 57, .warmup = 5});
    bool inside = true;
    for (std::int64_t step = 0; step < 60; ++step) inside &= schedule.rate(step) >= 0 && schedule.rate(step) <= 0.3;
    CHECK_MESSAGE(inside, name);
    CHECK(equal_rates(schedule.rate(5), 0.3));
  }
}

TEST_CASE("an unknown name or an impossible value is named") {
  CHECK(contains(error_of([] { nn::make_schedule("cosin", {}); }),
                 "schedule: unknown name \"cosin\" (known: constant, step, poly, cosine, plateau)\n"
                 "hint: did you mean \"cosine\"?"));
  CHECK(!contains(error_of([] { nn::make_schedule("xyzzy", {}); }), "hint"));
  const auto message = [](const nn::ScheduleOptions& options) {
    return error_of([&] { nn::make_schedule("poly", options); });
  };
  CHECK(contains(message({.lr = 0}), "lr is 0"));
  CHECK(contains(message({.lr = kNaN}), "lr is nan"));
  CHECK(contains(message({.total = 5, .warmup = 5}), "total is 5, must be more steps than the warm-up"));
  CHECK(contains(message({.lr = 1, .lowest = 2}), "lowest is 2"));
  CHECK(contains(message({.factor = 1}), "factor is 1, must be in (0, 1)"));
  CHECK(contains(error_of([] { nn::make_schedule("poly", {}).rate(-1); }), "step -1"));
}

// From values over cases to one number: undefined and infinite values, empty masks.
#include "losses/metrics/aggregate.h"

#include <cmath>
#include <limits>

#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::losses;

namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kFar = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("a mean leaves undefined values out and counts the rest") {
  const Summary some = summarise({1.0, kNan, 2.0, 3.0});
  CHECK(some.mean == 2.0);
  CHECK(some.deviation == 1.0);
  CHECK(some.count == 3);
  const Summary none = summarise({kNan});
  CHECK(std::isnan(none.mean));
  CHECK(none.count == 0);
  CHECK(std::isnan(summarise({4.0}).deviation));
}

TEST_CASE("an infinite distance is the diagonal in the mean and stays infinite in the quartiles") {
  const Aggregate a = aggregate({{1, 100, false}, {kFar, 100, false}, {3, 100, false}, {kNan, 100, true}}, 0);
  CHECK(std::fabs(a.mean - 104.0 / 3) < 1e-12);
  CHECK(a.median == 3);
  CHECK(std::isinf(a.upper_quartile));
  CHECK(a.lower_quartile == 2);
  CHECK(a.count == 3);
  CHECK(a.undefined == 1);
  CHECK(a.infinite == 1);
  CHECK(a.empty_is_perfect == 26);  // the fourth case has distance 0
}

TEST_CASE("empty and found empty is perfect in the secondary mean only, by the measure's own idea of perfect") {
  const Aggregate dice = aggregate({{0.5, 10, false}, {kNan, 10, true}, {0, 10, false}}, 1);
  CHECK(dice.mean == 0.25);
  CHECK(dice.empty_is_perfect == 0.5);
  // Undefined for another reason (sensitivity of a class that is not there) stays undefined.
  const Aggregate sensitivity = aggregate({{0.5, 10, false}, {kNan, 10, false}}, 1);
  CHECK(sensitivity.empty_is_perfect == 0.5);
  CHECK(sensitivity.undefined == 1);
  const Aggregate nothing = aggregate({}, 1);
  CHECK(std::isnan(nothing.mean));
  CHECK(std::isnan(nothing.median));
}

TEST_CASE("quantiles are interpolated between ranks") {
  CHECK(quantile({1, 2, 4}, 0.5) == 2);
  CHECK(quantile({1, 2, 4}, 0.75) == 3);
  CHECK(quantile({1, 2, 4}, 0) == 1);
  CHECK(quantile({1, 2, 4}, 1) == 4);
  CHECK(quantile({7}, 0.3) == 7);
  CHECK(std::isinf(quantile({1, kFar}, 0.5)));
  CHECK(std::isinf(quantile({kFar, kFar}, 0.5)));
}

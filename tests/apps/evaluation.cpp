// Means over cases and classes with undefined values, the JSON of results, the bootstrap.
#include "apps/training/evaluation.h"

#include <cmath>

#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;

namespace {

// Three cases, two foreground classes; class 2 is absent from truth and prediction of the first.
std::vector<CaseResult> three_cases() {
  return {{"a", {{}, {10, 0, 0, 90}, {0, 0, 0, 100}}},    // 1, undefined
          {"b", {{}, {5, 5, 5, 85}, {10, 10, 0, 80}}},    // 1/2, 2/3
          {"c", {{}, {0, 0, 10, 90}, {10, 0, 10, 80}}}};  // 0, 2/3
}

}  // namespace

TEST_CASE("class means over the cases where the value is defined, then the mean over the classes") {
  const auto cases = three_cases();
  CHECK(std::fabs(foreground_mean(cases) - (0.5 + 2.0 / 3) / 2) < 1e-15);
  const std::vector<double> means = case_means(cases);
  CHECK(means[0] == 1);
  CHECK(std::fabs(means[1] - (0.5 + 2.0 / 3) / 2) < 1e-15);
  CHECK(std::isnan(foreground_mean({})));
  CHECK(std::isnan(over_cases(cases, 2)[0]));
}

TEST_CASE("results survive JSON; what is undefined is the text NaN") {
  const auto cases = three_cases();
  const Json json = Json::parse(to_json(cases, {"background", "one", "two"}).dump());
  CHECK(json["cases"][0]["classes"]["2"]["dice"] == "NaN");
  CHECK(json["cases"][0]["classes"]["1"]["dice"] == 1.0);
  CHECK(json["mean"]["classes"]["2"]["cases"] == 2);
  CHECK(json["mean"]["classes"]["1"]["name"] == "one");
  const auto back = cases_from_json(json["cases"]);
  REQUIRE(back.size() == 3);
  CHECK(back[2].id == "c");
  CHECK(foreground_mean(back) == foreground_mean(cases));
  CHECK(foreground_mean(back, losses::overlap_metrics()[4].value) ==
        foreground_mean(cases, losses::overlap_metrics()[4].value));
}

TEST_CASE("the bootstrap interval holds the mean, narrows with cases, and is the same every time") {
  std::vector<double> few{0.5, 0.7, 0.9, std::nan("")}, many;
  for (int i = 0; i < 300; ++i) many.push_back(few[static_cast<std::size_t>(i % 3)]);
  const Interval wide = bootstrap_interval(few), narrow = bootstrap_interval(many);
  CHECK(wide.low >= 0.5);
  CHECK(wide.low < 0.7);
  CHECK(wide.high > 0.7);
  CHECK(wide.high <= 0.9);
  // The normal approximation for 300 values: 0.7 -+ 1.96 * 0.1633 / sqrt(300).
  CHECK(std::fabs(narrow.low - 0.6815) < 2e-3);
  CHECK(std::fabs(narrow.high - 0.7185) < 2e-3);
  CHECK(bootstrap_interval(few).low == wide.low);
  CHECK(std::isnan(bootstrap_interval({}).low));
}

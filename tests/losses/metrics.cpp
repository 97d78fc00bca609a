// Overlap metrics against an independent implementation (tests/golden/overlap.txt), and the rules for empty masks,
// ignored voxels and means.
#include "tests/test.h"
//
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "losses/core/metrics.h"

using namespace voxgrad;
using namespace voxgrad::losses;

namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

Tensor mask(const std::string& digits) {
  std::vector<std::uint8_t> values;
  for (const char digit : digits) values.push_back(static_cast<std::uint8_t>(digit - '0'));
  return from_vector<std::uint8_t>({static_cast<std::int64_t>(values.size())}, values);
}

bool same(double a, double b) { return std::isnan(b) ? std::isnan(a) : std::fabs(a - b) <= 1e-12; }

}  // namespace

TEST_CASE("overlap metrics equal the reference for every pair of masks, empty ones included") {
  std::ifstream file(std::string(VOXGRAD_SOURCE_DIR) + "/tests/golden/overlap.txt");
  REQUIRE(file.good());
  std::string id, truth, prediction, counts, values;
  int compared = 0;
  while (std::getline(file, id)) {
    if (id.starts_with("#")) continue;
    std::getline(file, truth);
    std::getline(file, prediction);
    std::getline(file, counts);
    std::getline(file, values);
    INFO("pair ", id);
    const Overlap o = count_overlap(mask(prediction), mask(truth), 2)[1];
    std::istringstream count_words(counts), value_words(values);
    Overlap expected;
    count_words >> expected.tp >> expected.fp >> expected.fn >> expected.tn;
    CHECK(o.tp == expected.tp);
    CHECK(o.fp == expected.fp);
    CHECK(o.fn == expected.fn);
    CHECK(o.tn == expected.tn);
    for (const OverlapMetric& metric : overlap_metrics()) {
      std::string word;
      REQUIRE(static_cast<bool>(value_words >> word));
      const double want = word == "nan" ? kNan : std::stod(word);
      CHECK_MESSAGE(same(metric.value(o), want), metric.name, " ", metric.value(o), " instead of ", word);
      ++compared;
    }
  }
  CHECK(compared == 14 * static_cast<int>(overlap_metrics().size()));
}

TEST_CASE("ignored voxels count nowhere, classes are counted one against the rest") {
  const auto counts = count_overlap(mask("0121200"), mask("0112290"), 3, 9);
  REQUIRE(counts.size() == 3);
  CHECK(counts[0].tp == 2);  // the voxel with truth 9 is left out
  CHECK(counts[0].fp == 0);
  CHECK(counts[1].tp == 1);
  CHECK(counts[1].fp == 1);
  CHECK(counts[1].fn == 1);
  CHECK(counts[2].tp == 1);
  CHECK(counts[2].tn == 3);
}

TEST_CASE("a label beyond the classes is refused and named") {
  const std::string message = test::error_of([] { count_overlap(mask("01"), mask("03"), 2); });
  CHECK_MESSAGE(test::contains(message, "truth: label 3 outside 0..1"), message);
  CHECK(test::contains(test::error_of([] { count_overlap(mask("05"), mask("01"), 2); }), "prediction: label 5"));
  CHECK(test::contains(test::error_of([] { count_overlap(mask("010"), mask("01"), 2); }), "one shape"));
}

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

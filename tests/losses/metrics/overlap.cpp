// Counting the voxels in which two masks agree and differ.
#include "losses/metrics/overlap.h"

#include "tests/test.h"

using namespace voxgrad;
using losses::count_overlap;

namespace {

Tensor labels_of(const std::string& digits) {
  std::vector<std::uint8_t> values;
  for (const char digit : digits) values.push_back(static_cast<std::uint8_t>(digit - '0'));
  return from_vector({std::ssize(values)}, values);
}

}  // namespace

TEST_CASE("ignored voxels count nowhere, classes are counted one against the rest") {
  const auto counts = count_overlap(labels_of("0121200"), labels_of("0112290"), 3, 9);
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
  const std::string message = test::error_of([] { return count_overlap(labels_of("01"), labels_of("03"), 2); });
  CHECK_MESSAGE(test::contains(message, "truth: label 3 outside 0..1"), message);
  CHECK(test::contains(test::error_of([] { return count_overlap(labels_of("05"), labels_of("01"), 2); }),
                       "prediction: label 5"));
  CHECK(
      test::contains(test::error_of([] { return count_overlap(labels_of("010"), labels_of("01"), 2); }), "one shape"));
}

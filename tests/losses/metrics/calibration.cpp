// Soft volumes and the expected calibration error against their definitions.
#include "losses/metrics/calibration.h"

#include <cmath>
#include <vector>

#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "losses/metrics/metrics.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::losses;

namespace {

// [voxels, 2] with the probability p of class 1.
Tensor two_classes(const std::vector<float>& p) {
  std::vector<float> rows;
  for (const float x : p) {
    rows.push_back(1 - x);
    rows.push_back(x);
  }
  return from_vector<float>({static_cast<std::int64_t>(p.size()), 2}, rows);
}

Tensor labels(const std::vector<std::uint8_t>& values) {
  return from_vector<std::uint8_t>({static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace

TEST_CASE("the calibration error of a few voxels by hand") {
  ProbabilityTally tally(2);
  // Confidence 0.8 in class 1, right in 3 of 4 voxels; confidence 1 in class 0, always right.
  tally.add(two_classes({0.8F, 0.8F, 0.8F, 0.8F, 0, 0}), labels({1, 1, 1, 0, 0, 0}));
  CHECK(std::fabs(tally.calibration_error() - 4.0 / 6 * 0.05) < 1e-7);
  CHECK(std::fabs(tally.calibration_error(1) - 0.05) < 1e-7);  // the easy background does not hide it
  CHECK(tally.calibration_error(0) == 0);
  CHECK(tally.voxels() == 6);
  CHECK(std::fabs(tally.volume(1) - 3.2) < 1e-6);
  CHECK(std::fabs(tally.volume(0) - 2.8) < 1e-6);
}

TEST_CASE("certain and wrong is an error of 1, certain and right of 0, nothing undefined") {
  ProbabilityTally wrong(2), right(2), nothing(2, 9);
  wrong.add(two_classes({1, 1, 0}), labels({0, 0, 1}));
  right.add(two_classes({1, 1, 0}), labels({1, 1, 0}));
  nothing.add(two_classes({1, 1, 0}), labels({9, 9, 9}));
  CHECK(wrong.calibration_error() == 1);
  CHECK(right.calibration_error() == 0);
  CHECK(std::isnan(nothing.calibration_error()));
  CHECK(std::isnan(nothing.calibration_error(1)));
  CHECK(wrong.calibration_error(0) == 1);
}

TEST_CASE("labels drawn with the probabilities that are predicted are calibrated, sharper ones are not") {
  Random random(11);
  const std::int64_t n = 200000;
  const Tensor p = softmax(random_normal({n, 3}, 5, 0, 1.5));
  std::vector<std::uint8_t> drawn;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = p.data<float>() + i * 3;
    const double u = random.uniform();
    drawn.push_back(u < static_cast<double>(row[0]) ? 0 : u < static_cast<double>(row[0] + row[1]) ? 1 : 2);
  }
  ProbabilityTally honest(3), sharp(3);
  honest.add(p, labels(drawn));
  sharp.add(softmax(3 * log(p)), labels(drawn));
  CHECK(honest.calibration_error() < 0.005);
  for (std::size_t label = 0; label < 3; ++label) CHECK(honest.calibration_error(label) < 0.01);
  CHECK(sharp.calibration_error() > 0.1);
}

TEST_CASE("the calibration errors of all voxels and of each predicted class are those of torchmetrics") {
  std::vector<float> p;
  std::vector<std::uint8_t> truth;
  for (int i = 0; i < 300; ++i) {
    const double a = (i * 37 % 101 + 1) / 102.0, b = (1 - a) * (i * 53 % 97 + 1) / 98.0;
    for (const double x : {1 - a - b, b, a}) p.push_back(static_cast<float>(x));
    truth.push_back(static_cast<std::uint8_t>(i * 29 % 13 % 3));
  }
  ProbabilityTally tally(3);
  tally.add(from_vector<float>({300, 3}, p), labels(truth));
  CHECK(std::fabs(tally.calibration_error() - 0.3284657) < 1e-6);
  CHECK(std::fabs(tally.calibration_error(0) - 0.2542901) < 1e-6);
  CHECK(std::fabs(tally.calibration_error(1) - 0.3051800) < 1e-6);
  CHECK(std::fabs(tally.calibration_error(2) - 0.3862407) < 1e-6);
}

TEST_CASE("slab by slab, in any number of threads, is as good as at once; ignored voxels are left out") {
  Random random(12);
  const Tensor p = softmax(random_normal({40, 1000, 4}, 6));
  std::vector<std::uint8_t> truth;
  for (int i = 0; i < 40000; ++i)
    truth.push_back(static_cast<std::uint8_t>(random.chance(0.1) ? 255 : random.below(4)));
  const Tensor y = from_vector<std::uint8_t>({40, 1000}, truth);
  const auto tally_of = [&](std::int64_t rows, int thread_count) {
    const int before = threads();
    set_threads(thread_count);
    ProbabilityTally tally(4, 255);
    for (std::int64_t row = 0; row < 40; row += rows)
      tally.add(slice(p, 0, row, row + rows), slice(y, 0, row, row + rows));
    set_threads(before);
    return tally;
  };
  const ProbabilityTally whole = tally_of(40, 1), threaded = tally_of(40, 3), slabs = tally_of(8, 1);
  CHECK(whole.calibration_error() == threaded.calibration_error());
  CHECK(whole.volume(2) == threaded.volume(2));
  CHECK(std::fabs(whole.calibration_error() - slabs.calibration_error()) < 1e-12);
  std::int64_t valid = 0;
  for (const std::uint8_t label : truth) valid += label != 255;
  CHECK(slabs.voxels() == valid);
  CHECK(std::fabs(slabs.volume(0) + slabs.volume(1) + slabs.volume(2) + slabs.volume(3) - static_cast<double>(valid)) <
        1e-2);
}

TEST_CASE("the soft proportion error sees what argmax hides") {
  const std::vector<float> p{0.4F, 0.4F, 0.4F, 0.6F};
  const Tensor truth = labels({0, 0, 0, 1}), prediction = labels({0, 0, 0, 1});
  ProbabilityTally tally(2);
  tally.add(two_classes(p), truth);
  const ClassScores scores =
      score(prediction, truth, {.classes = 2, .needs = Needs::probabilities, .probabilities = &tally})[1];
  CHECK(scores[metric_index("region_proportion_error")] == 0);
  CHECK(std::fabs(scores[metric_index("soft_region_proportion_error")] - 0.2) < 1e-7);
}

TEST_CASE("probabilities of another shape are refused") {
  ProbabilityTally tally(2);
  CHECK(test::contains(test::error_of([&] { tally.add(two_classes({1, 0}), labels({1, 1, 1})); }), "must be [*S, 2]"));
  CHECK(test::contains(test::error_of([] { ProbabilityTally(1); }), "classes 1"));
}

TEST_CASE("the soft proportion error counts the voxels that the mask misses") {
  const std::vector<float> p{0.4F, 0.4F, 0.4F, 0.4F};
  const Tensor truth = labels({0, 0, 0, 1}), prediction = labels({0, 0, 0, 0});
  ProbabilityTally tally(2);
  tally.add(two_classes(p), truth);
  const ClassScores scores =
      score(prediction, truth, {.classes = 2, .needs = Needs::probabilities, .probabilities = &tally})[1];
  CHECK(std::fabs(scores[metric_index("soft_region_proportion_error")] - 0.15) < 1e-7);
}

TEST_CASE("the lowest confidences of many classes have bins of their own") {
  std::vector<float> p(40, 0.05F);
  p[0] = 0.0525F;  // of 20 classes the likeliest, right
  p[20] = 0.06F;   // wrong: both lie in the first of 15 bins
  ProbabilityTally both(20);
  both.add(from_vector<float>({2, 20}, p), labels({0, 1}));
  CHECK(std::fabs(both.calibration_error() - (0.5 - (0.0525 + 0.06) / 2)) < 1e-6);
  p[20] = 0.1F;  // in the second one
  ProbabilityTally apart(20);
  apart.add(from_vector<float>({2, 20}, p), labels({0, 1}));
  CHECK(std::fabs(apart.calibration_error() - ((1 - 0.0525) + 0.1) / 2) < 1e-6);
}

// Selection and the slope of the Lovasz extension, against sorting.
#include "tests/test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/random.h"

using namespace voxgrad;

namespace {

std::vector<std::size_t> by_falling(const std::vector<double>& x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return x[i] > x[j]; });
  return order;
}

double jaccard_loss(double truth, double found, double k) {
  return truth + k - found == 0 ? 0 : 1 - (truth - found) / (truth + k - found);
}

}  // namespace

TEST_CASE("select_largest takes the largest, and of equal ones the first") {
  Random random(81);
  for (DType dtype : {DType::f32, DType::f64})
    for (std::int64_t n : {1, 2, 63, 1000, 70000})
      for (bool ties : {false, true}) {
        Tensor x = random_normal({n}, random.bits64(), 0, 2, DType::f64);
        if (ties)
          for (double& value : std::span(x.data<double>(), static_cast<std::size_t>(n))) value = std::floor(value);
        x = x.to(dtype);
        const std::vector<std::size_t> order = by_falling(x.to_vector<double>());
        for (std::int64_t count : {std::int64_t{0}, std::int64_t{1}, n / 3, n - 1, n}) {
          std::vector<double> expected(static_cast<std::size_t>(n), 0);
          for (std::int64_t i = 0; i < count; ++i) expected[nth(order, i)] = 1;
          CHECK_MESSAGE(select_largest(x, count).to_vector<double>() == expected,
                        dtype << " " << count << " of " << n << (ties ? ", with ties" : ""));
        }
      }
}

TEST_CASE("select_largest ranks infinities, zeros of both signs and NaN") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = from_vector<double>({6}, {-inf, 0.0, -0.0, inf, nan, -1});
  CHECK(select_largest(x, 1).to_vector<int>() == std::vector<int>{0, 0, 0, 0, 1, 0});
  CHECK(select_largest(x, 2).to_vector<int>() == std::vector<int>{0, 0, 0, 1, 1, 0});
  CHECK(select_largest(x, 3).to_vector<int>() == std::vector<int>{0, 1, 0, 1, 1, 0});
  CHECK(select_largest(x, 5).to_vector<int>() == std::vector<int>{0, 1, 1, 1, 1, 1});
  CHECK_THROWS_AS(select_largest(x, 7), Error);
}

TEST_CASE("lovasz_slope is the difference of the Jaccard loss in the order of the errors") {
  Random random(82);
  for (DType dtype : {DType::f32, DType::f64})
    for (const Shape& shape : {Shape{2, 7, 1}, Shape{2, 5, 6, 2}, Shape{1, 40, 50, 3}})
      for (bool per_image : {false, true}) {
        const Tensor errors = random_uniform(shape, random.bits64(), 0, 1, DType::f64).to(dtype);
        const std::int64_t channels = shape[-1], voxels = shape.numel() / channels;
        std::vector<std::uint8_t> labels(static_cast<std::size_t>(voxels));
        for (std::uint8_t& y : labels)
          y = random.chance(0.1) ? std::uint8_t{9} : static_cast<std::uint8_t>(random.below(channels == 1 ? 2 : 3));
        Shape space;
        for (int i = 0; i + 1 < shape.dims(); ++i) space.push_back(shape[i]);
        const std::vector<double> slope =
            lovasz_slope(errors, from_vector(space, labels), per_image, 9).to_vector<double>();
        const std::vector<double> e = errors.to_vector<double>();
        const std::int64_t images = per_image ? shape[0] : 1, size = voxels / images;
        double worst = 0;
        for (std::int64_t image = 0; image < images; ++image)
          for (std::int64_t c = 0; c < channels; ++c) {
            std::vector<double> own;
            std::vector<std::size_t> where;
            double truth = 0;
            for (std::int64_t v = image * size; v < (image + 1) * size; ++v) {
              const auto i = static_cast<std::size_t>(v * channels + c);
              const std::uint8_t y = nth(labels, v);
              if (y == 9) {
                CHECK(slope[i] == 0);
                continue;
              }
              own.push_back(e[i]);
              where.push_back(i);
              truth += y == (channels == 1 ? 1 : c);
            }
            double found = 0, k = 0, before = 0;
            for (std::size_t rank : by_falling(own)) {
              const std::uint8_t y = labels[where[rank] / static_cast<std::size_t>(channels)];
              found += y == (channels == 1 ? 1 : c);
              k += 1;
              const double now = jaccard_loss(truth, found, k);
              worst = std::max(worst, std::fabs(slope[where[rank]] - (now - before)));
              before = now;
            }
          }
        CHECK_MESSAGE(worst <= (dtype == DType::f32 ? 1e-7 : 1e-14), shape << " " << worst);
      }
}

TEST_CASE("a batch without samples has no slopes") {
  CHECK(lovasz_slope(zeros({0, 4, 4, 2}), zeros({0, 4, 4}, DType::u8), true, -1).numel() == 0);
}

TEST_CASE("many voxels have the same slopes with any number of threads, equal errors in their order") {
  Random random(83);
  constexpr std::int64_t kVoxels = 70000;
  Tensor errors = empty({1, kVoxels, 2}), labels = empty({1, kVoxels}, DType::u8);
  for (std::int64_t i = 0; i < kVoxels; ++i) {
    // Some cases have few different values, others many, and some have zeros.
    const double x = random.uniform(-1, 1);
    errors.data<float>()[2 * i] = static_cast<float>(std::floor(8 * std::fabs(x)) / 8);
    errors.data<float>()[2 * i + 1] = static_cast<float>(x > 0 ? std::pow(x, 9) : 0.0);
    labels.data<std::uint8_t>()[i] = random.chance(0.1) ? std::uint8_t{9} : random.chance(0.3);
  }
  const int before = threads();
  set_threads(1);
  const std::vector<double> one = lovasz_slope(errors, labels, false, 9).to_vector<double>();
  set_threads(3);
  CHECK(lovasz_slope(errors, labels, false, 9).to_vector<double>() == one);
  set_threads(before);
  for (std::size_t c : {0, 1}) {
    std::vector<double> e;
    std::vector<std::size_t> where;
    double truth = 0, found = 0, last = 0, worst = 0;
    for (std::size_t i = 0; i < kVoxels; ++i) {
      if (labels.data<std::uint8_t>()[i] == 9) continue;
      truth += labels.data<std::uint8_t>()[i] == c;
      e.push_back(static_cast<double>(errors.data<float>()[2 * i + c]));
      where.push_back(i);
    }
    const std::vector<std::size_t> order = by_falling(e);
    for (std::size_t k = 0; k < order.size(); ++k) {
      found += labels.data<std::uint8_t>()[where[order[k]]] == c;
      const double now = jaccard_loss(truth, found, static_cast<double>(k + 1));
      worst = std::max(worst, std::fabs(one[2 * where[order[k]] + c] - (now - last)));
      last = now;
    }
    CHECK_MESSAGE(worst <= 1e-11, worst);  // slopes are about 1e-5
  }
}

TEST_CASE("a class without truth: only its largest error has a slope") {
  const Tensor errors = from_vector<double>({1, 4, 1}, {0.2, 0.9, 0.4, 0.1});
  CHECK(lovasz_slope(errors, zeros({1, 4}, DType::u8)).to_vector<int>() == std::vector<int>{0, 1, 0, 0});
}

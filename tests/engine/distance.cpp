// The distance transform is compared with the distances to all voxels of the other side.
#include "tests/test.h"

#include <cmath>

#include "engine/ops.h"
#include "engine/parallel.h"
#include "tests/engine/kernel_cases.h"

using namespace voxgrad;

namespace {

using Spacing = std::vector<double>;

bool same_side(int a, int b, int wanted) { return wanted < 0 ? a == b : (a == wanted) == (b == wanted); }

// A negative `wanted` means the distance to any other label. The order is that of distance_transform with one class.
std::vector<double> brute_force(const Tensor& labels, int wanted, const Spacing& spacing) {
  const std::vector<int> label = labels.to_vector<int>();
  const std::int64_t voxels = labels.numel() / labels.extent(0);
  std::vector<std::vector<double>> place;  // the position of each voxel in its sample
  for (std::int64_t v = 0; v < voxels; ++v) {
    const std::vector<std::int64_t> index = test::index_of(labels.shape(), v);
    std::vector<double>& at = place.emplace_back();
    for (std::size_t axis = 1; axis < index.size(); ++axis)
      at.push_back(static_cast<double>(index[axis]) * (spacing.empty() ? 1 : spacing[axis - 1]));
  }
  std::vector<double> result(label.size(), 0.0);
  for (std::size_t i = 0; i < label.size(); ++i) {
    const std::size_t here = i % place.size(), first = i - here;
    double nearest = INFINITY;
    for (std::size_t j = 0; j < place.size(); ++j) {
      if (same_side(label[i], label[first + j], wanted)) continue;
      double square = 0;
      for (std::size_t axis = 0; axis < place[j].size(); ++axis) {
        const double step = place[here][axis] - place[j][axis];
        square += step * step;
      }
      nearest = std::min(nearest, square);
    }
    result[i] = std::isinf(nearest) ? 0 : std::sqrt(nearest);
  }
  return result;
}

// Labels 0 .. classes - 1. From single voxels everywhere to one region with a few others in it: distances of every
// size.
Tensor draw_labels(const Shape& shape, Random& random) {
  const std::int64_t classes = 2 + random.below(3);
  const double other = std::pow(10.0, random.uniform(-3, 0));
  const int most = static_cast<int>(random.below(classes));
  Tensor labels = empty(shape, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    labels.data<std::uint8_t>()[i] =
        static_cast<std::uint8_t>(random.chance(other) ? random.below(classes) : static_cast<std::int64_t>(most));
  return labels;
}

Shape draw_shape(Random& random, int dims) {
  Shape shape{1 + random.below(2)};
  const std::int64_t most = dims == 1 ? 400 : dims == 2 ? 40 : 14;
  for (int axis = 0; axis < dims; ++axis) shape.push_back(random.chance(0.1) ? 1 : 1 + random.below(most));
  return shape;
}

double worst_relative(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == expected[i]) continue;
    const double error = std::fabs(found[i] - expected[i]) / expected[i];
    if (!(error <= worst) && !std::isnan(worst)) worst = error;  // a NaN remains
  }
  return worst;
}

Tensor line(const std::vector<std::uint8_t>& labels) { return from_vector({1, std::ssize(labels)}, labels); }

std::vector<double> distances(const Tensor& labels, const std::vector<int>& classes, const Spacing& spacing = {},
                              DType dtype = DType::f64) {
  return distance_transform(labels, classes, spacing, dtype).to_vector<double>();
}

}  // namespace

TEST_CASE("whole spacings: exactly the distance to the nearest voxel of the other side, in 1 to 3 dimensions") {
  Random random(11);
  for (int round = 0; round < 150; ++round) {
    const int dims = 1 + round % 3;
    const Tensor labels = draw_labels(draw_shape(random, dims), random);
    Spacing spacing;
    if (round % 2 == 1)
      for (int axis = 0; axis < dims; ++axis) spacing.push_back(static_cast<double>(1 + random.below(4)));
    for (int wanted : {-1, 0, 1}) {
      const std::vector<int> classes = wanted < 0 ? std::vector<int>{} : std::vector<int>{wanted};
      const std::vector<double> expected = brute_force(labels, wanted, spacing);
      CHECK_MESSAGE(distances(labels, classes, spacing) == expected, labels << " class " << wanted);
      const std::vector<float> narrow = distance_transform(labels, classes, spacing).to_vector<float>();
      CHECK_MESSAGE(narrow == std::vector<float>(expected.begin(), expected.end()), labels << " class " << wanted);
    }
  }
}

TEST_CASE("other spacings: to 1e-12 relative") {
  Random random(12);
  for (int round = 0; round < 90; ++round) {
    const int dims = 1 + round % 3;
    const Tensor labels = draw_labels(draw_shape(random, dims), random);
    Spacing spacing;
    for (int axis = 0; axis < dims; ++axis) spacing.push_back(std::exp(random.uniform(-3, 3)));
    if (round % 5 == 0) spacing.assign(static_cast<std::size_t>(dims), 0.7);  // whole numbers of a unit
    if (round % 7 == 0) spacing.back() = 1e-4 * spacing.front();              // far from equal
    for (int wanted : {-1, 1}) {
      const std::vector<int> classes = wanted < 0 ? std::vector<int>{} : std::vector<int>{wanted};
      const std::vector<double> expected = brute_force(labels, wanted, spacing);
      CHECK_MESSAGE(worst_relative(distances(labels, classes, spacing), expected) <= 1e-12, labels);
      CHECK_MESSAGE(worst_relative(distances(labels, classes, spacing, DType::f32), expected) <= 2.5e-7, labels);
    }
  }
}

// The kernel stops its search where distances are large. The largest ones are those to a corner.
TEST_CASE("distances far beyond the reach of a search") {
  for (const Spacing& spacing : {Spacing{1, 1}, Spacing{1, 0.3}}) {
    Tensor labels = zeros({1, 700, 37}, DType::u8);
    for (std::int64_t voxel : {std::int64_t{0}, std::int64_t{350 * 37 + 20}, std::int64_t{350 * 37 + 22}})
      labels.data<std::uint8_t>()[voxel] = 1;
    const double worst = worst_relative(distances(labels, {1}, spacing), brute_force(labels, 1, spacing));
    CHECK(worst <= (spacing[1] == 1 ? 0 : 1e-12));
  }
  // No 32-bit integer holds these squares.
  Tensor longest = zeros({1, 100000}, DType::u8);
  longest.data<std::uint8_t>()[0] = 1;
  CHECK(distances(longest, {1}).back() == 99999);
  CHECK(distances(longest, {1}, {0.25}).back() == 99999 * 0.25);
}

TEST_CASE("several classes: each as if it were alone, in the order that was asked for") {
  Random random(13);
  for (int round = 0; round < 20; ++round) {
    const Tensor labels = draw_labels(draw_shape(random, 2 + round % 2), random);
    const std::vector<int> classes = {2, 0, 1, 2};
    const std::vector<double> together = distances(labels, classes);
    for (std::size_t k = 0; k < classes.size(); ++k) {
      const std::vector<double> alone = distances(labels, {classes[k]});
      bool equal = true;
      for (std::size_t i = 0; i < alone.size(); ++i) equal = equal && together[i * classes.size() + k] == alone[i];
      CHECK(equal);
    }
  }
}

TEST_CASE("without another side the distance is 0 everywhere, in the sample that has none") {
  Tensor labels = zeros({2, 3, 4}, DType::u8);
  for (const std::vector<int>& classes : {std::vector<int>{}, {0}, {1}})
    CHECK(distances(labels, classes) == std::vector<double>(24, 0.0));
  labels.data<std::uint8_t>()[12] = 1;  // the first voxel of the second sample
  const std::vector<double> found = distances(labels, {1});
  CHECK(std::vector<double>(found.begin(), found.begin() + 12) == std::vector<double>(12, 0.0));
  CHECK(found[12] == 1);
  CHECK(found[23] == std::sqrt(13.0));
}

TEST_CASE("samples may differ in spacing") {
  Random random(15);
  const Tensor labels = draw_labels({3, 5, 7}, random);
  std::vector<double> each;
  for (const Spacing& spacing : {Spacing{1, 1}, Spacing{0.5, 3}, Spacing{0.7, 0.1}}) {
    const std::int64_t n = std::ssize(each) / 70;
    const std::vector<double> one = distances(slice(labels, 0, n, n + 1), {0, 1}, spacing);
    each.insert(each.end(), one.begin(), one.end());
  }
  CHECK(distances(labels, {0, 1}, {1, 1, 0.5, 3, 0.7, 0.1}) == each);
  CHECK(distances(labels, {0, 1}, {2, 3, 2, 3, 2, 3}) == distances(labels, {0, 1}, {2, 3}));
  CHECK_THROWS_AS(distances(labels, {0, 1}, {2, 3, 2, 3}), Error);
}

TEST_CASE("a single voxel, and axes of one voxel") {
  for (const Shape& shape : {Shape{1, 1}, Shape{1, 1, 1}, Shape{2, 1, 1, 1}})
    for (double value : distances(zeros(shape, DType::u8), {})) CHECK(value == 0);
  for (const Shape& shape : {Shape{1, 1, 4}, Shape{1, 4, 1}, Shape{1, 4, 1, 1}, Shape{1, 1, 4, 1}, Shape{1, 1, 1, 4}}) {
    const Tensor labels = from_vector<std::uint8_t>(shape, {0, 0, 1, 1});
    CHECK(distances(labels, {1}) == std::vector<double>{2, 1, 1, 2});
    // The spacing of an axis of one voxel does not matter.
    Spacing spacing(static_cast<std::size_t>(shape.dims() - 1), 0.3);
    for (int axis = 1; axis < shape.dims(); ++axis)
      if (shape[axis] == 4) nth(spacing, axis - 1) = 2;
    CHECK(distances(labels, {1}, spacing) == std::vector<double>{4, 2, 2, 4});
  }
  CHECK(distance_transform(zeros({0, 3}, DType::u8), {1}).shape() == Shape{0, 3, 1});
}

TEST_CASE("a long line across the rows takes some times its memory") {
  const Tensor line = zeros({1, 100'000}, DType::u8);
  line.data<std::uint8_t>()[40'000] = 1;
  const Tensor column = reshape(line, {1, 100'000, 1});
  Pool& pool = cpu_backend().pool();
  pool.reset_peak();
  const std::size_t before = pool.statistics().in_use;
  const Tensor found = distance_transform(column, {1});
  CHECK(pool.statistics().peak - before < 400 * column.bytes());
  CHECK(found.to_vector<double>() == distance_transform(line, {1}).to_vector<double>());
}

TEST_CASE("any label: the border between two other classes counts too; 255 is a label like any other") {
  CHECK(distances(line({0, 0, 1, 1, 2, 2, 2}), {}) == std::vector<double>{2, 1, 1, 1, 1, 2, 3});
  CHECK(distances(line({0, 0, 1, 1, 2, 2, 2}), {0}) == std::vector<double>{2, 1, 1, 2, 3, 4, 5});
  CHECK(distances(line({255, 255, 0, 0, 0}), {}) == std::vector<double>{2, 1, 1, 2, 3});
  CHECK(distances(line({255, 255, 0, 0, 0}), {255}) == std::vector<double>{2, 1, 1, 2, 3});
}

TEST_CASE("the same bits for any number of threads") {
  Random random(14);
  for (const Shape& shape : {Shape{3, 70, 90}, Shape{1, 40, 33, 50}, Shape{1, 50000}}) {
    const Tensor labels = draw_labels(shape, random);
    for (double step : {1.0, 0.37}) {
      Spacing spacing(static_cast<std::size_t>(shape.dims() - 1), 1.0);
      spacing[0] = step;
      CHECK(test::same_for_threads([&] {
        return std::vector<Tensor>{distance_transform(labels, {0, 1}, spacing),
                                   distance_transform(labels, {}, spacing)};
      }));
    }
  }
}

TEST_CASE("arguments that do not fit are refused") {
  const Tensor labels = zeros({1, 3, 4}, DType::u8);
  CHECK_THROWS_AS(distance_transform(zeros({1, 3, 4}), {1}), Error);
  CHECK_THROWS_AS(distance_transform(zeros({3}, DType::u8), {1}), Error);
  CHECK_THROWS_AS(distance_transform(zeros({1, 2, 2, 2, 2}, DType::u8), {1}), Error);
  CHECK_THROWS_AS(distance_transform(labels, {256}), Error);
  CHECK_THROWS_AS(distance_transform(labels, {-1}), Error);
  CHECK_THROWS_AS(distance_transform(labels, {1}, {1}), Error);
  CHECK_THROWS_AS(distance_transform(labels, {1}, {1, 0}), Error);
  CHECK_THROWS_AS(distance_transform(labels, {1}, {1, -1}), Error);
  CHECK_THROWS_AS(distance_transform(labels, {1}, {1, INFINITY}), Error);
  CHECK_THROWS_AS(distance_transform(labels, {1}, {}, DType::i32), Error);
}

// Components, nearest components, skeletons and sums over segments, against plain loops and against scikit-image.
#include "tests/test.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <fstream>
#include <set>
#include <sstream>

#include "engine/backend.h"
#include "engine/gradcheck.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/random.h"

using namespace voxgrad;

namespace {

Tensor draw_mask(const Shape& shape, Random& random, std::uint64_t classes) {
  const Tensor labels = empty(shape, DType::u8);
  const double filled = random.uniform(0.1, 0.9);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    labels.data<std::uint8_t>()[i] =
        random.chance(filled) ? static_cast<std::uint8_t>(1 + random.below(classes - 1)) : std::uint8_t{0};
  return labels;
}

// The place of voxel i of one sample of [N, *S].
std::vector<std::int64_t> place_of(std::int64_t i, const Shape& shape) {
  std::vector<std::int64_t> at;
  for (int axis = shape.dims() - 1; axis >= 1; --axis) {
    at.insert(at.begin(), i % shape[axis]);
    i /= shape[axis];
  }
  return at;
}

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {{2, 1}, {3, 17}, {2, 9, 11}, {1, 1, 7}, {2, 5, 4, 6}, {1, 3, 1, 8}};
  return all;
}

// Floods one component after the other.
std::vector<int> flooded(const Tensor& labels, int wanted, int connectivity) {
  const std::int64_t voxels = labels.numel() / labels.extent(0);
  std::vector<int> numbers(static_cast<std::size_t>(labels.numel()), 0);
  for (std::int64_t n = 0; n < labels.extent(0); ++n) {
    const std::uint8_t* label = labels.data<std::uint8_t>() + n * voxels;
    int* number = numbers.data() + n * voxels;
    int count = 0;
    for (std::int64_t seed = 0; seed < voxels; ++seed) {
      if (label[seed] != wanted || number[seed] != 0) continue;
      std::deque<std::int64_t> queue = {seed};
      number[seed] = ++count;
      for (; !queue.empty(); queue.pop_front())
        for (std::int64_t j = 0; j < voxels; ++j) {
          const auto a = place_of(queue.front(), labels.shape()), b = place_of(j, labels.shape());
          std::int64_t axes = 0, furthest = 0;
          for (std::size_t k = 0; k < a.size(); ++k) {
            axes += a[k] != b[k];
            furthest = std::max(furthest, std::abs(a[k] - b[k]));
          }
          if (furthest > 1 || axes > connectivity || label[j] != wanted || number[j] != 0) continue;
          number[j] = count;
          queue.push_back(j);
        }
    }
  }
  return numbers;
}

}  // namespace

TEST_CASE("components are those of a flood, with every connectivity, in the order of their first voxels") {
  Random random(3);
  for (int round = 0; round < 8; ++round)
    for (const Shape& shape : shapes())
      for (int connectivity = 1; connectivity < shape.dims(); ++connectivity) {
        const Tensor labels = draw_mask(shape, random, 3);
        const Tensor found = connected_components(labels, {1, 2}, connectivity);
        for (const int c : {1, 2})
          CHECK_MESSAGE(slice(found.to(DType::f64), found.dims() - 1, c - 1, c).to_vector<int>() ==
                            flooded(labels, c, connectivity),
                        shape << " class " << c << " connectivity " << connectivity);
        if (connectivity == shape.dims() - 1)
          CHECK(connected_components(labels, {1, 2}).to_vector<int>() == found.to_vector<int>());
      }
}

TEST_CASE("the nearest component is that of a search over all voxels, with the smaller number at a tie") {
  Random random(4);
  int ties = 0;
  for (int round = 0; round < 6; ++round)
    for (const Shape& shape : shapes())
      for (const bool whole : {true, false}) {
        std::vector<double> spacing;
        for (int axis = 1; axis < shape.dims(); ++axis)
          spacing.push_back(whole ? static_cast<double>(1 + random.below(3)) : random.uniform(0.3, 3));
        const Tensor ids = connected_components(draw_mask(shape, random, 4), {2, 3}, 1);
        const std::vector<int> id = ids.to_vector<int>(), cell = nearest_component(ids, spacing).to_vector<int>();
        const std::int64_t voxels = ids.numel() / 2 / shape[0];
        for (std::int64_t i = 0; i < ids.numel(); ++i) {
          const std::int64_t k = i % 2, n = i / 2 / voxels;
          const auto a = place_of(i / 2 % voxels, shape);
          double least = INFINITY;
          std::set<int> at_least;
          for (std::int64_t j = 0; j < voxels; ++j) {
            const int other = nth(id, (n * voxels + j) * 2 + k);
            if (other == 0) continue;
            const auto b = place_of(j, shape);
            double square = 0;
            for (std::size_t axis = 0; axis < a.size(); ++axis) {
              const double along = spacing[axis] * static_cast<double>(a[axis] - b[axis]);
              square += along * along;
            }
            if (square < least * (1 - 1e-12)) at_least.clear();
            if (square <= least * (1 + 1e-12)) at_least.insert(other);
            least = std::min(least, square);
          }
          ties += at_least.size() > 1;
          if (whole)
            CHECK(nth(cell, i) == (at_least.empty() ? 0 : *at_least.begin()));
          else
            CHECK((at_least.empty() ? nth(cell, i) == 0 : at_least.count(nth(cell, i)) == 1));
        }
      }
  CHECK(ties > 50);
}

TEST_CASE("skeletons are those of scikit-image, voxel for voxel") {
  std::ifstream file(VOXGRAD_SOURCE_DIR "/tests/golden/skeletons.txt");
  if (!file) file.open("tests/golden/skeletons.txt");  // a build that was moved, in the tree
  std::string extents, mask, skeleton;
  int compared = 0;
  while (file >> extents >> mask >> skeleton) {
    std::replace(extents.begin(), extents.end(), 'x', ' ');
    std::istringstream numbers(extents);
    Shape shape;
    shape.push_back(1);
    for (std::int64_t extent = 0; numbers >> extent;) shape.push_back(extent);
    std::vector<std::uint8_t> set;
    for (char digit : mask) set.push_back(digit == '1');
    std::string found;
    for (int voxel : voxgrad::skeleton(from_vector(shape, set)).to_vector<int>()) found += voxel != 0 ? '1' : '0';
    CHECK_MESSAGE(found == skeleton, "mask " << compared << " " << shape);
    ++compared;
  }
  CHECK(compared == 80);
}

TEST_CASE("the skeleton of an image has the components of its mask, and every sample has its own") {
  Random random(6);
  for (const Shape& shape : {Shape{3, 20}, Shape{2, 12, 15}, Shape{2, 7, 8, 6}}) {
    const Tensor mask = draw_mask(shape, random, 2), line = skeleton(mask);
    const std::vector<int> before = connected_components(mask, {1}).to_vector<int>();
    const std::vector<int> after = connected_components(line, {1}).to_vector<int>();
    const int of_mask = *std::max_element(before.begin(), before.end());
    const int of_line = *std::max_element(after.begin(), after.end());
    CHECK((shape.dims() < 4 ? of_line == of_mask : of_line >= 1 && of_line <= of_mask));
    const std::vector<int> all = line.to_vector<int>();
    const std::int64_t voxels = mask.numel() / shape[0];
    for (std::int64_t n = 0; n < shape[0]; ++n) {
      const std::vector<int> alone = skeleton(slice(mask, 0, n, n + 1)).to_vector<int>();
      CHECK(std::equal(alone.begin(), alone.end(), all.begin() + n * voxels));
    }
  }
}

TEST_CASE("sums over segments are those of a loop, leave other ids out, and have the gradient of differences") {
  Random random(7);
  for (const Shape& shape : {Shape{2, 5, 3}, Shape{1, 4, 6, 2}, Shape{2, 300, 300, 1}})
    for (const bool one_channel : {true, false}) {
      const Tensor x = random_normal(one_channel ? shape.with(-1, 1) : shape, random.bits64(), 0, 1, DType::f64);
      std::vector<std::int32_t> id;
      for (std::int64_t i = 0; i < shape.numel(); ++i) id.push_back(static_cast<std::int32_t>(random.below(6)) - 1);
      const Tensor ids = from_vector(shape, id);
      const std::int64_t width = shape[-1], segments = 4, voxels = shape.numel() / width / shape[0];
      std::vector<double> expected(static_cast<std::size_t>(shape[0] * segments * width), 0.0);
      const std::vector<double> value = x.to_vector<double>();
      for (std::int64_t i = 0; i < shape.numel(); ++i) {
        const std::int64_t segment = nth(id, i), n = i / width / voxels;
        if (segment < 0 || segment >= segments) continue;
        nth(expected, (n * segments + segment) * width + i % width) += nth(value, one_channel ? i / width : i);
      }
      const Tensor sums = segment_sum(x, ids, segments);
      CHECK(sums.shape() == Shape{shape[0], segments, width});
      const std::vector<double> found = sums.to_vector<double>();
      for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::fabs(found[i] - expected[i]) < 1e-9);
      if (shape.numel() > 1000) {
        set_threads(1);
        CHECK(segment_sum(x, ids, segments).to_vector<double>() == found);
        set_threads(2);
        continue;
      }
      const Tensor weights = random_normal(sums.shape(), 9, 0, 1, DType::f64);
      const GradcheckResult result = gradcheck(
          [&](const std::vector<Tensor>& in) { return sum(weights * segment_sum(in[0], ids, segments)); }, {x});
      CHECK_MESSAGE(result.ok, result.worst << " " << result.where);
    }
}

TEST_CASE("sums over many segments take memory in proportion to the voxels and the segments") {
  constexpr std::int64_t kSegments = 200'000;
  const Tensor x = full({1, 1024, 1024, 1}, 1), ids = empty({1, 1024, 1024, 1}, DType::i32);
  for (std::int64_t i = 0; i < ids.numel(); ++i) ids.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % kSegments);
  Pool& pool = cpu_backend().pool();
  pool.reset_peak();
  const std::size_t before = pool.statistics().in_use;
  const Tensor y = segment_sum(x, ids, kSegments);
  CHECK(pool.statistics().peak - before < 4 * (x.bytes() + y.bytes()));
  CHECK(sum(y).item() == static_cast<double>(x.numel()));
  CHECK(y.to_vector<double>()[0] == 6);
  CHECK(y.to_vector<double>()[kSegments - 1] == 5);
}

TEST_CASE("no columns of ids: every sum is empty, and the gradient is 0") {
  const Tensor ids = empty({1, 4, 4, 0}, DType::i32), dx = full({1, 4, 4, 1}, 7);
  CHECK(segment_sum(dx, ids, 2).numel() == 0);
  cpu_backend().segment_sum_gradient(ids, empty({1, 2, 0}, DType::f64), dx);
  CHECK(dx.to_vector<double>() == std::vector<double>(16, 0.0));
}

TEST_CASE("the operations on objects say what they take") {
  const Tensor labels = zeros({1, 4, 4}, DType::u8), ids = zeros({1, 4, 4, 2}, DType::i32);
  CHECK(test::contains(test::error_of([&] { connected_components(labels, {1}, 3); }), "connectivity 3 of 2"));
  CHECK(test::contains(test::error_of([&] { connected_components(labels, {256}); }), "class 256"));
  CHECK(test::contains(test::error_of([&] { nearest_component(labels); }), "i32 ids"));
  CHECK(test::contains(test::error_of([&] { nearest_component(ids, {1}); }), "1 spacings for 2"));
  CHECK(test::contains(test::error_of([&] { skeleton(ids); }), "u8 labels"));
  CHECK(test::contains(test::error_of([&] { segment_sum(zeros({1, 4, 4, 3}), ids, 2); }), "do not fit"));
}

// Distances between surfaces against their definition, taken literally, on random masks; masks at the edge of the
// image, thin ones, empty ones, ignored voxels.
#include "losses/metrics/surface.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/losses/samples.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::losses;

namespace {

using Labels = std::vector<std::uint8_t>;
using Position = std::vector<std::int64_t>;

Position position_of(std::int64_t index, const Shape& shape) {
  Position position(static_cast<std::size_t>(shape.dims()));
  for (int axis = shape.dims() - 1; axis >= 0; --axis) {
    position[static_cast<std::size_t>(axis)] = index % shape[axis];
    index /= shape[axis];
  }
  return position;
}

// Border voxels by definition.
std::vector<Position> border(const Labels& labels, const Shape& shape, std::uint8_t label) {
  std::vector<Position> result;
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    if (labels[static_cast<std::size_t>(i)] != label) continue;
    const Position at = position_of(i, shape);
    bool outer = false;
    std::int64_t stride = 1;
    for (int axis = shape.dims() - 1; axis >= 0; stride *= shape[axis--]) {
      const std::int64_t x = at[static_cast<std::size_t>(axis)];
      outer |= x == 0 || labels[static_cast<std::size_t>(i - stride)] != label;
      outer |= x + 1 == shape[axis] || labels[static_cast<std::size_t>(i + stride)] != label;
    }
    if (outer) result.push_back(at);
  }
  return result;
}

// d(a -> b) by definition, ascending.
std::vector<double> distances(const std::vector<Position>& a, const std::vector<Position>& b,
                              const std::vector<double>& spacing) {
  std::vector<double> result;
  for (const Position& from : a) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const Position& to : b) {
      double squared = 0;
      for (std::size_t k = 0; k < from.size(); ++k)
        squared += std::pow(static_cast<double>(from[k] - to[k]) * spacing[k], 2);
      nearest = std::min(nearest, std::sqrt(squared));
    }
    result.push_back(nearest);
  }
  std::sort(result.begin(), result.end());
  return result;
}

Labels random_labels(Random& random, std::int64_t count, double share) {
  Labels labels;
  for (std::int64_t i = 0; i < count; ++i)
    labels.push_back(static_cast<std::uint8_t>(random.chance(share) ? 1 + random.below(2) : 0));
  return labels;
}

}  // namespace

TEST_CASE("distances between borders equal the definition on random masks in one, two and three dimensions") {
  struct Setting {
    Shape shape;
    std::vector<double> spacing;
  };
  const std::vector<Setting> settings = {{{31}, {0.5}},     {{9, 11}, {1, 1}},        {{8, 10}, {2.5, 0.7}},
                                         {{1, 12}, {1, 3}}, {{5, 6, 7}, {3, 1, 0.5}}, {{4, 4, 4}, {1, 1, 1}}};
  Random random(17);
  int compared = 0;
  for (const Setting& setting : settings)
    for (const double share : {0.08, 0.5, 0.97}) {
      const Labels s = random_labels(random, setting.shape.numel(), share),
                   g = random_labels(random, setting.shape.numel(), share);
      const auto found =
          surface_distances(from_vector(setting.shape, s), from_vector(setting.shape, g), 3, setting.spacing);
      REQUIRE(found.size() == 3);
      for (std::uint8_t label = 1; label < 3; ++label) {
        const auto in_s = border(s, setting.shape, label), in_g = border(g, setting.shape, label);
        CHECK(found[label].no_prediction == in_s.empty());
        CHECK(found[label].no_truth == in_g.empty());
        if (in_s.empty() || in_g.empty()) continue;
        CHECK(test::largest_difference(found[label].to_truth, distances(in_s, in_g, setting.spacing)) < 1e-12);
        CHECK(test::largest_difference(found[label].to_prediction, distances(in_g, in_s, setting.spacing)) < 1e-12);
        ++compared;
      }
    }
  CHECK(compared > 25);
}

TEST_CASE("the edge of the image is a border, whether the mask is cut off by it or fills the image") {
  const Shape shape{4, 5};
  const Tensor full_image = full(shape, 1, DType::u8);
  Labels corner(20, 0);
  corner[0] = 1;
  const auto d = surface_distances(full_image, from_vector(shape, corner), 2)[1];
  CHECK(d.to_truth.size() == 14);  // all but the 2 x 3 voxels inside
  CHECK(hausdorff(d) == 5);        // from the opposite corner: 3-4-5
  CHECK(d.to_prediction == std::vector<double>{0});
}

TEST_CASE("a single far voxel moves HD and, in a short list, HD95; means and shares hardly notice") {
  Labels g(400, 0), s;
  for (std::size_t y = 4; y < 10; ++y)
    for (std::size_t x = 4; x < 10; ++x) g[y * 20 + x] = 1;
  s = g;
  s[19 * 20 + 9] = 1;
  const auto d =
      surface_distances(from_vector<std::uint8_t>({20, 20}, s), from_vector<std::uint8_t>({20, 20}, g), 2)[1];
  CHECK(hausdorff(d) == 10);
  CHECK(hausdorff95_pooled(d) == 0);
  CHECK(std::fabs(assd(d) - 10.0 / 41) < 1e-15);
  CHECK(std::fabs(masd(d) - 10.0 / 42) < 1e-15);
  CHECK(std::fabs(nsd(d, 1) - 40.0 / 41) < 1e-15);
}

TEST_CASE("empty masks: undefined if both are, else as far as can be") {
  const Tensor nothing = zeros({5, 5}, DType::u8), something = full({5, 5}, 1, DType::u8);
  const auto both = surface_distances(nothing, nothing, 2)[1];
  for (const auto measure : {hausdorff, hausdorff95, hausdorff95_pooled, assd, masd}) {
    CHECK(std::isnan(measure(both)));
    CHECK(std::isinf(measure(surface_distances(nothing, something, 2)[1])));
    CHECK(std::isinf(measure(surface_distances(something, nothing, 2)[1])));
  }
  CHECK(std::isnan(nsd(both, 1)));
  CHECK(nsd(surface_distances(nothing, something, 2)[1], 1) == 0);
  CHECK(nsd(surface_distances(something, nothing, 2)[1], 1) == 0);
}

TEST_CASE("a distance that equals the tolerance but for rounding is within it") {
  const Labels s{0, 1, 0, 0, 0}, g{0, 0, 0, 0, 1};
  const auto d = surface_distances(from_vector<std::uint8_t>({5}, s), from_vector<std::uint8_t>({5}, g), 2, {0.1})[1];
  CHECK(hausdorff(d) > 0.3);  // 3 x 0.1 in binary
  CHECK(nsd(d, 0.3) == 1);
  CHECK(nsd(d, 0.299) == 0);
  const auto single = surface_distances(from_vector<std::uint8_t>({5}, s), from_vector<std::uint8_t>({5}, g), 2,
                                        {static_cast<double>(0.6F)})[1];  // as files store it
  CHECK(nsd(single, 1.8) == 1);
  CHECK(nsd(single, 1.799) == 0);
}

TEST_CASE("ignored voxels belong to neither mask") {
  const Labels s{1, 1, 1, 0, 1, 1}, g{1, 1, 9, 9, 9, 9};
  const auto d = surface_distances(from_vector<std::uint8_t>({6}, s), from_vector<std::uint8_t>({6}, g), 2, {}, 9)[1];
  CHECK(d.to_truth.size() == 2);
  CHECK(hausdorff(d) == 0);
}

TEST_CASE("the same bits for one thread and for three") {
  Random random(3);
  const Shape shape{40, 41, 42};
  const Tensor s = from_vector(shape, random_labels(random, shape.numel(), 0.6)),
               g = from_vector(shape, random_labels(random, shape.numel(), 0.6));
  const int before = threads();
  set_threads(1);
  const auto one = surface_distances(s, g, 3, {1.5, 1, 0.9});
  set_threads(3);
  const auto three = surface_distances(s, g, 3, {1.5, 1, 0.9});
  set_threads(before);
  CHECK(one[1].to_truth == three[1].to_truth);
  CHECK(one[2].to_prediction == three[2].to_prediction);
}

TEST_CASE("shapes that differ are refused") {
  const Tensor a = zeros({2, 2}, DType::u8), b = zeros({2, 3}, DType::u8);
  CHECK(test::contains(test::error_of([&] { return surface_distances(a, b, 2); }), "one shape"));
  CHECK(test::contains(test::error_of([&] { return surface_distances(a, a, 0); }), "classes 0"));
}

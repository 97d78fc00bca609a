// Connected components and the nearest of them against plain definitions, on random masks of one to three axes.
#include "losses/metrics/components.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "engine/random.h"
#include "losses/metrics/crop.h"
#include "losses/metrics/topology.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::losses;

namespace {

// Numbers are spread from neighbour to neighbour until nothing changes; then they are counted in the order of voxels.
std::vector<std::int32_t> flooded(const Tensor& mask, bool corners) {
  const Lines lines(mask.shape());
  const std::int64_t voxels = mask.numel();
  std::vector<Shape> places;
  for (std::int64_t i = 0; i < voxels; ++i) {
    places.push_back(lines.at(i / lines.length));
    places.back()[-1] = i % lines.length;
  }
  const auto neighbours = [&](std::int64_t a, std::int64_t b) {
    std::int64_t total = 0, largest = 0;
    for (int axis = 0; axis < mask.dims(); ++axis) {
      const std::int64_t step = std::abs(nth(places, a)[axis] - nth(places, b)[axis]);
      total += step;
      largest = std::max(largest, step);
    }
    return corners ? largest == 1 : total == 1;
  };
  std::vector<std::int32_t> labels(static_cast<std::size_t>(voxels), 0);
  std::int32_t count = 0;
  for (std::int64_t first = 0; first < voxels; ++first) {
    if (mask.data<std::uint8_t>()[first] == 0 || nth(labels, first) != 0) continue;
    std::vector<std::int64_t> open{first};
    nth(labels, first) = ++count;
    while (!open.empty()) {
      const std::int64_t at = open.back();
      open.pop_back();
      for (std::int64_t other = 0; other < voxels; ++other)
        if (mask.data<std::uint8_t>()[other] != 0 && nth(labels, other) == 0 && neighbours(at, other)) {
          nth(labels, other) = count;
          open.push_back(other);
        }
    }
  }
  return labels;
}

Tensor random_mask(Random& random, const Shape& shape, double share) {
  std::vector<std::uint8_t> voxels;
  for (std::int64_t i = 0; i < shape.numel(); ++i) voxels.push_back(random.chance(share) ? 1 : 0);
  return from_vector(shape, voxels);
}

}  // namespace

TEST_CASE("components are those that a flood finds, in both kinds of neighbourhood") {
  Random random(8);
  for (const Shape& shape : {Shape{23}, Shape{7, 9}, Shape{1, 12}, Shape{12, 1}, Shape{4, 5, 6}, Shape{3, 1, 7}})
    for (const double share : {0.2, 0.4, 0.6, 1.0, 0.0}) {
      const Tensor mask = random_mask(random, shape, share);
      for (const Connectivity kind : {Connectivity::faces, Connectivity::corners}) {
        const Components found = connected_components(mask, kind);
        CHECK(found.labels == flooded(mask, kind == Connectivity::corners));
        std::vector<std::int64_t> sizes(found.sizes.size(), 0);
        for (const std::int32_t label : found.labels) ++nth(sizes, label);
        CHECK(sizes == found.sizes);
      }
    }
}

TEST_CASE("a spiral, whose ends meet late, is one object") {
  const Tensor mask = from_vector<std::uint8_t>({5, 7}, {1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1,
                                                         1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1});
  CHECK(connected_components(mask, Connectivity::faces).count() == 1);
  CHECK(connected_components(mask, Connectivity::faces, 0).count() == 1);
}

TEST_CASE("the nearest label is that of the nearest voxel, and the smallest one of several") {
  Random random(9);
  for (int round = 0; round < 60; ++round) {
    const Shape shape = round % 3 == 0 ? Shape{37} : round % 3 == 1 ? Shape{9, 11} : Shape{4, 6, 7};
    const std::vector<double> all{round % 2 == 0 ? 1.0 : 2.5, 0.5, 1.0};
    const std::vector<double> spacing(all.begin(), all.begin() + shape.dims());
    std::vector<std::int32_t> labels(static_cast<std::size_t>(shape.numel()), 0);
    for (std::int32_t& label : labels)
      if (random.chance(0.08)) label = static_cast<std::int32_t>(1 + random.below(6));
    const Lines lines(shape);
    std::vector<std::int32_t> want(labels.size(), 0);
    for (std::int64_t at = 0; at < shape.numel(); ++at) {
      double least = std::numeric_limits<double>::infinity();
      for (std::int64_t other = 0; other < shape.numel(); ++other) {
        if (nth(labels, other) == 0) continue;
        const Shape a = lines.at(at / lines.length).with(-1, at % lines.length),
                    b = lines.at(other / lines.length).with(-1, other % lines.length);
        double squared = 0;
        for (int axis = 0; axis < shape.dims(); ++axis)
          squared += std::pow(static_cast<double>(a[axis] - b[axis]) * nth(spacing, axis), 2);
        if (squared > least || (squared == least && nth(labels, other) >= nth(want, at))) continue;
        least = squared;
        nth(want, at) = nth(labels, other);
      }
    }
    CHECK(nearest_object({labels, {}}, shape, spacing) == want);
  }
}

TEST_CASE("Betti numbers of a ring, a figure of eight, a shell, a torus, and of pieces that touch at corners") {
  const auto picture = [](const Shape& shape, const std::string& digits) {
    std::vector<std::uint8_t> voxels;
    for (const char digit : digits) voxels.push_back(static_cast<std::uint8_t>(digit - '0'));
    return from_vector(shape, voxels);
  };
  CHECK(betti_numbers(picture({5, 5}, "0000001110010100111000000")) == Betti{1, 1, 0});
  CHECK(betti_numbers(picture({5, 7}, "00000000111110010101001111100000000")) == Betti{1, 2, 0});
  CHECK(betti_numbers(picture({4, 4}, "0000010000100000")) == Betti{1, 0, 0});
  CHECK(betti_numbers(picture({4, 5}, "00000010100000000000")) == Betti{2, 0, 0});
  std::string shell, torus;
  for (int z = -2; z <= 2; ++z)
    for (int y = -2; y <= 2; ++y)
      for (int x = -2; x <= 2; ++x) {
        const int largest = std::max({std::abs(z), std::abs(y), std::abs(x)});
        shell += largest == 1 ? '1' : '0';
        torus += z == 0 && largest == 1 ? '1' : '0';
      }
  CHECK(betti_numbers(picture({5, 5, 5}, shell)) == Betti{1, 0, 1});
  CHECK(betti_numbers(picture({5, 5, 5}, torus)) == Betti{1, 1, 0});
}

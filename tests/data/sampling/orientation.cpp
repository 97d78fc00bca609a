// Flips and turns against naive index arithmetic.
#include "data/sampling/orientation.h"

#include <numeric>
#include <set>

#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

Tensor numbered(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  std::iota(values.begin(), values.end(), 0.0f);
  return from_vector(shape, values);
}

// Index of the voxel at (z, y, x) of a volume with these extents.
std::size_t offset(const Shape& s, std::int64_t z, std::int64_t y, std::int64_t x) {
  return static_cast<std::size_t>((z * s[1] + y) * s[2] + x);
}

// numpy.flip and numpy.rot90(.., 1, (a, b)) of a cube, voxel by voxel.
std::vector<float> naive_flip(const std::vector<float>& v, const Shape& s, int axis) {
  std::vector<float> result(v.size());
  for (std::int64_t z = 0; z < s[0]; ++z)
    for (std::int64_t y = 0; y < s[1]; ++y)
      for (std::int64_t x = 0; x < s[2]; ++x) {
        std::int64_t from[3]{z, y, x};
        from[axis] = s[axis] - 1 - from[axis];
        result[offset(s, z, y, x)] = v[offset(s, from[0], from[1], from[2])];
      }
  return result;
}
std::vector<float> naive_rot90(const std::vector<float>& v, const Shape& s, int a, int b) {
  std::vector<float> result(v.size());
  for (std::int64_t z = 0; z < s[0]; ++z)
    for (std::int64_t y = 0; y < s[1]; ++y)
      for (std::int64_t x = 0; x < s[2]; ++x) {
        const std::int64_t here[3]{z, y, x};
        std::int64_t from[3]{z, y, x};
        from[a] = here[b];             // the first row of the result (here[a] = 0)
        from[b] = s[b] - 1 - here[a];  // is the last column of the input
        result[offset(s, z, y, x)] = v[offset(s, from[0], from[1], from[2])];
      }
  return result;
}

}  // namespace

TEST_CASE("orientation: flips and quarter turns against index arithmetic, in every combination") {
  const Shape cube{3, 3, 3};
  const Tensor x = numbered(cube);
  std::set<std::vector<float>> seen;
  for (int flips = 0; flips < 8; ++flips)
    for (int turns = 0; turns < 64; ++turns) {
      Orientation orientation(3);
      std::vector<float> expected = x.to_vector<float>();
      for (int axis = 0; axis < 3; ++axis)
        if ((flips >> axis & 1) != 0) {
          orientation.flip(axis);
          expected = naive_flip(expected, cube, axis);
        }
      const int planes[3][2]{{0, 1}, {0, 2}, {1, 2}};
      for (int p = 0; p < 3; ++p) {
        const int count = turns >> 2 * p & 3;
        orientation.rotate(planes[p][0], planes[p][1], count);
        for (int k = 0; k < count; ++k) expected = naive_rot90(expected, cube, planes[p][0], planes[p][1]);
      }
      const Tensor y = x.clone();
      orientation.apply(y);
      CHECK(y.to_vector<float>() == expected);
      CHECK(orientation.identity() == (expected == x.to_vector<float>()));
      seen.insert(expected);
    }
  CHECK(seen.size() == 48);  // the whole group of the cube
}

TEST_CASE("orientation: known turns of an image, with channels, and of extents that are no square") {
  // numpy.rot90([[0, 1], [2, 3]]) is [[1, 3], [0, 2]]; every value twice, as two channels.
  const Tensor image = from_vector<float>({2, 2, 2}, {0, 10, 1, 11, 2, 12, 3, 13});
  Orientation turn(2);
  turn.rotate(0, 1, 1);
  turn.apply(image);
  CHECK(image.to_vector<int>() == std::vector<int>{1, 11, 3, 13, 0, 10, 2, 12});
  Orientation half(2);
  half.rotate(0, 1, 2);
  const Tensor flat = numbered({2, 3});
  half.apply(flat);
  CHECK(flat.to_vector<int>() == std::vector<int>{5, 4, 3, 2, 1, 0});
  CHECK(contains(error_of([&] { turn.apply(flat); }), "change places"));
  CHECK_THROWS_AS(half.flip(2), Error);
  CHECK_THROWS_AS(half.apply(numbered({8})), Error);
  // Larger than the tiles in which it is copied.
  const Shape large{1, 37, 37};
  const Tensor x = numbered({37, 37});
  const std::vector<float> expected = naive_rot90(x.to_vector<float>(), large, 1, 2);
  turn.apply(x);
  CHECK(x.to_vector<float>() == expected);
}

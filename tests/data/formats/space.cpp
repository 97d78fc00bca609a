// Where voxels lie: all 48 orientations, there and back.
#include "data/space.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using voxgrad::test::contains;
using voxgrad::test::error_of;

namespace {

using Place = std::array<double, 3>;

// The position of voxel x, y, z.
Place position(const Affine& affine, double x, double y, double z) {
  Place place{};
  for (std::size_t r = 0; r < 3; ++r) place[r] = affine[r][0] * x + affine[r][1] * y + affine[r][2] * z + affine[r][3];
  return place;
}

// All 48: each order of the letters, each direction.
std::vector<std::string> orientations() {
  std::vector<std::string> result;
  std::array<int, 3> order{0, 1, 2};
  do
    for (int directions = 0; directions < 8; ++directions) {
      std::string letters;
      for (const int k : order) letters += ((directions >> k & 1) != 0 ? "LPI" : "RAS")[k];
      result.push_back(letters);
    }
  while (std::next_permutation(order.begin(), order.end()));
  return result;
}

Affine affine_with(const std::string& letters) {
  Affine affine{};
  for (std::size_t column = 0; column < 3; ++column) {
    const std::size_t towards = std::string("RAS").find(letters[column]);
    const std::size_t row = towards != std::string::npos ? towards : std::string("LPI").find(letters[column]);
    affine[row][column] = (towards != std::string::npos ? 1 : -1) * (1.0 + static_cast<double>(column));
    affine[column][3] = 10.0 * static_cast<double>(column + 1);
  }
  return affine;
}

}  // namespace

TEST_CASE("in all 48 orientations each voxel keeps its place when the volume is turned, and the way back is exact") {
  const Shape extents{2, 3, 4};  // z, y, x
  const Tensor volume = empty(extents + Shape{2});
  for (int i = 0; i < 48; ++i) volume.data<float>()[i] = static_cast<float>(i);
  const std::vector<std::string> all = orientations();
  CHECK(all.size() == 48);
  for (const std::string& letters : all) {
    const Affine affine = affine_with(letters);
    REQUIRE(orientation_of(affine) == letters);
    const Turn turn = turn_to_ras(letters);
    CHECK(turn.is_identity() == (letters == "RAS"));
    const Affine turned = turn(affine, extents);
    CHECK(orientation_of(turned) == "RAS");
    CHECK(spacing_of(turned) == turn(spacing_of(affine)));
    const Tensor moved = turn(volume);
    REQUIRE(moved.shape() == turn(extents) + Shape{2});
    const Shape now = turn(extents);
    // The value at a voxel says which voxel it was before: both have the same place.
    for (std::int64_t z = 0; z < now[0]; ++z)
      for (std::int64_t y = 0; y < now[1]; ++y)
        for (std::int64_t x = 0; x < now[2]; ++x) {
          const std::int64_t was = static_cast<std::int64_t>(moved.at(z, y, x, 0)) / 2;
          CHECK(moved.at(z, y, x, 1) == static_cast<double>(2 * was + 1));
          CHECK(position(turned, double(x), double(y), double(z)) ==
                position(affine, double(was % 4), double(was / 4 % 3), double(was / 12)));
        }
    const Turn back = turn.inverse();
    CHECK(back.inverse() == turn);
    CHECK(back(moved).to_vector<float>() == volume.to_vector<float>());
    CHECK(back(now) == extents);
    CHECK(back(turned, now) == affine);
  }
}

TEST_CASE("labels of one byte are turned too") {
  const Tensor labels = from_vector<std::uint8_t>({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(turn_to_ras("LAS")(labels).to_vector<int>() == std::vector<int>{3, 2, 1, 6, 5, 4});
  CHECK(turn_to_ras("LPS")(labels).to_vector<int>() == std::vector<int>{6, 5, 4, 3, 2, 1});
  CHECK(contains(error_of([] { turn_to_ras(std::string("RA\0", 3)); }), "orientation"));  // no letter of a list
  CHECK(turn_to_ras("ARS")(labels).to_vector<int>() == std::vector<int>{1, 4, 2, 5, 3, 6});
}

TEST_CASE("oblique volumes have the orientation of the nearest axes") {
  // Turned by 30 degrees about the third axis.
  const double c = std::cos(std::numbers::pi / 6), s = std::sin(std::numbers::pi / 6);
  const Affine affine{{{c, -s, 0, 1}, {s, c, 0, 2}, {0, 0, 2, 3}}};
  CHECK(orientation_of(affine) == "RAS");
  CHECK(std::abs(spacing_of(affine)[0] - 2) < 1e-12);
  CHECK(std::abs(spacing_of(affine)[2] - 1) < 1e-12);
}

TEST_CASE("two axes that are nearest to the same direction of the body get one each") {
  // Turned by 45 degrees about the third axis, and about the diagonal of the grid, as short axes of the heart are.
  const double c = std::sqrt(0.5);
  const std::string half = orientation_of({{{c, -c, 0, 0}, {c, c, 0, 0}, {0, 0, 1, 0}}});
  CHECK(turn_to_ras(half).inverse().inverse() == turn_to_ras(half));
  // Columns 0 and 2 are both nearest to the first direction; column 0 is nearer.
  const Affine heart{{{0.7, -0.3, 0.65, 0}, {0.6, 0.75, -0.28, 0}, {-0.4, 0.59, 0.7, 0}}};
  CHECK(orientation_of(heart) == "RAS");
  const Affine both{{{0.80, 0.10, 0.59, 0}, {-0.42, 0.80, 0.43, 0}, {-0.43, -0.59, 0.58, 0}}};
  CHECK(orientation_of(both) == "RAS");
}

TEST_CASE("what is no place is refused") {
  CHECK(contains(error_of([] { orientation_of({{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 0, 0}}}); }), "zero"));
  CHECK(!error_of([] { orientation_of({{{1, 1, 0, 0}, {0, 0, 0, 0}, {0, 0, 1, 0}}}); }).empty());
  CHECK(!error_of([] { orientation_of({{{std::nan(""), 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}}); }).empty());
  for (const char* none : {"", "RA", "RAR", "RLS", "XYZ", "RASS", "ras"})
    CHECK(!error_of([&] { turn_to_ras(none); }).empty());
  CHECK(!error_of([] { turn_to_ras("LAS")(zeros({2, 2})); }).empty());
}

TEST_CASE("how far two volumes lie apart is a share of their size") {
  const Affine here{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  Affine moved = here, turned = here;
  moved[0][3] = 5;
  turned[0][0] = -1;
  CHECK(distance_between(here, here, {10, 10, 10}) == 0);
  CHECK(distance_between(here, moved, {10, 10, 10}) == 0.5);
  CHECK(distance_between(here, turned, {10, 10, 10}) == 2);
}

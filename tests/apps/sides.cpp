// Pictures with an upper and a lower end, or with two sides, are found by where their classes lie.
#include "apps/training/sides.h"

#include "engine/random.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

using Found = std::array<bool, 2>;

// A square of class 1 in a picture, at a place that varies by some pixels.
Tensor square_at(double y, double x, Random& random) {
  const Tensor labels = zeros({50, 70}, DType::u8);
  const auto top = static_cast<std::int64_t>(y + 3 * random.normal()),
             left = static_cast<std::int64_t>(x + 3 * random.normal());
  for (std::int64_t i = std::max<std::int64_t>(0, top); i < std::min<std::int64_t>(50, top + 15); ++i)
    for (std::int64_t j = std::max<std::int64_t>(0, left); j < std::min<std::int64_t>(70, left + 15); ++j)
      labels.data<std::uint8_t>()[i * 70 + j] = 1;
  return labels;
}

template <class Case>
Found found_in(int cases, Case&& make) {
  Random random(7);
  Sides sides(3);
  for (int i = 0; i < cases; ++i) sides.add(make(i, random), 255);
  return sides.found();
}

}  // namespace

TEST_CASE("an axis along which the classes lie on one side has sides") {
  // The middle of the pictures is 17.5 and 27.5 for the corner of a square.
  CHECK(found_in(20, [](int, Random& r) { return square_at(17.5, 5, r); }) == Found{false, true});
  CHECK(found_in(20, [](int, Random& r) { return square_at(4, 27.5, r); }) == Found{true, false});
  CHECK(found_in(21, [](int, Random& r) { return square_at(4, 5, r); }) == Found{true, true});
}

TEST_CASE("nothing is found by chance, in few cases, in ignored labels, or where both sides occur") {
  for (const int cases : {16, 40, 64})
    CHECK(found_in(cases, [](int, Random& r) {
            const double y = 35 * r.uniform(), x = 55 * r.uniform();
            return square_at(y, x, r);
          }) == Found{});
  CHECK(found_in(15, [](int, Random& r) { return square_at(4, 5, r); }) == Found{});
  CHECK(found_in(40, [](int i, Random& r) { return square_at(17.5, i / 2 % 2 == 0 ? 5 : 50, r); }) == Found{});
  CHECK(found_in(20, [](int, Random&) { return full({50, 70}, 255, DType::u8); }) == Found{});
  CHECK(found_in(20, [](int, Random&) { return zeros({50, 70}, DType::u8); }) == Found{});
}

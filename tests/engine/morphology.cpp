// The minimum and maximum of neighbours.
#include "tests/test.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/ops.h"
#include "tests/engine/random_case.h"

using namespace voxgrad;
using namespace voxgrad::test;

TEST_CASE("dilate and erode take the extreme of a voxel and its neighbours along each axis") {
  Random random(91);
  for (int i = 0; i < 200; ++i) {
    const Shape shape = random_feature_map(random, 1, 7);
    const Tensor x = normal(random, shape);
    const int axis = static_cast<int>(between(random, 1, shape.spatial_dims()));
    std::int64_t inner = 1;
    for (int a = axis + 1; a < shape.dims(); ++a) inner *= shape[a];
    const std::vector<double> v = x.to_vector<double>(), high = dilate(x, {axis}).to_vector<double>(),
                              low = erode(x, {axis}).to_vector<double>();
    bool right = true;
    for (std::int64_t k = 0; k < x.numel(); ++k) {
      const std::int64_t at = k / inner % shape[axis];
      double most = nth(v, k), least = most;
      for (std::int64_t step : {-1, 1}) {
        if (at + step < 0 || at + step >= shape[axis]) continue;
        most = std::max(most, nth(v, k + step * inner));
        least = std::min(least, nth(v, k + step * inner));
      }
      right = right && nth(high, k) == most && nth(low, k) == least;
    }
    CHECK_MESSAGE(right, shape << " axis " << axis);
  }
}

TEST_CASE("of equal neighbours the first gets the gradient") {
  Tensor x = from_vector<double>({1, 5, 1}, {1, 1, 0, 2, 2});
  x.set_requires_grad();
  sum(dilate(x, {1})).backward();  // voxel 0 for 0 and 1, voxel 3 for 2, 3 and 4
  CHECK(x.grad().to_vector<int>() == std::vector<int>{2, 0, 0, 3, 0});
  Tensor z = from_vector<double>({1, 5, 1}, {1, 1, 0, 2, 2});
  z.set_requires_grad();
  sum(erode(z, {1})).backward();
  CHECK(z.grad().to_vector<int>() == std::vector<int>{1, 0, 3, 1, 0});
  CHECK_THROWS_AS(dilate(x, {0}), Error);
  CHECK_THROWS_AS(dilate(x, {2}), Error);
}

TEST_CASE("a NaN stays, at the rim and alone, and gets the gradient; an infinity at the rim gets its own") {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const auto same = [](const Tensor& found, const std::vector<double>& wanted) {
    const std::vector<double> values = found.to_vector<double>();
    return std::equal(values.begin(), values.end(), wanted.begin(), wanted.end(),
                      [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); });
  };
  for (const auto& extreme : {dilate, erode}) {
    CHECK(same(extreme(from_vector<double>({1, 5, 1}, {nan, 5, 1, 2, nan}), {1}),
               {nan, nan, extreme == dilate ? 5.0 : 1.0, nan, nan}));
    CHECK(same(extreme(from_vector<double>({1, 1, 1}, {nan}), {1}), {nan}));
    Tensor x = from_vector<double>({1, 4, 1}, {1, nan, 3, 3});
    x.set_requires_grad();
    sum(extreme(x, {1})).backward();
    CHECK(same(x.grad(), {0, 3, 1, 0}));  // of two equal ones the first
    Tensor ends = from_vector<double>({1, 5, 1}, {nan, nan, 2, 3, nan});
    ends.set_requires_grad();
    sum(extreme(ends, {1})).backward();
    CHECK(sum(ends.grad()).item() == 5);  // each voxel has one extreme, also where several are NaN
    for (const double value : {inf, -inf, nan}) {
      Tensor alone = from_vector<double>({1, 1, 1}, {value});
      alone.set_requires_grad();
      sum(extreme(alone, {1})).backward();
      CHECK(alone.grad().item() == 1);
    }
  }
}

TEST_CASE("a large map in every direction") {
  Random random(92);
  const Tensor x = random_normal({1, 70, 65, 3}, 5, 0, 1, DType::f32);
  const Tensor both = dilate(x, {1, 2}), windows = both.to(DType::f64);
  for (std::int64_t y = 1; y < 69; ++y)
    for (std::int64_t k = 3; k < 64 * 3; ++k) {
      float most = -100;
      for (std::int64_t dy : {-1, 0, 1})
        for (std::int64_t dx : {-3, 0, 3}) most = std::max(most, x.data<float>()[(y + dy) * 195 + k + dx]);
      if (both.data<float>()[y * 195 + k] != most) CHECK(false);
    }
  CHECK(windows.numel() == x.numel());
}

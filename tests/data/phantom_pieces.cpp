// The shared pieces of data/phantoms. Nothing here calls their inline arithmetic: it is compiled without fused
// multiply-add in the library only.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "data/phantoms/shapes.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data::phantom;

namespace {

double mean(const Grid& grid) {
  double sum = 0;
  for (std::int64_t i = 0; i < grid.count(); ++i) sum += grid[i];
  return sum / static_cast<double>(grid.count());
}
double variance(const Grid& grid) {
  const double centre = mean(grid);
  double sum = 0;
  for (std::int64_t i = 0; i < grid.count(); ++i) sum += (grid[i] - centre) * (grid[i] - centre);
  return sum / static_cast<double>(grid.count());
}
View square(std::int64_t n) { return {{1, n, n}, {1, 1, 1}}; }

}  // namespace

TEST_CASE("exponential, logarithm, sine and cosine agree with the library to the last digits") {
  double exp_error = 0, log_error = 0, sine_error = 0;
  for (int i = -40000; i <= 40000; ++i) {
    const double x = i / 1000.0, turns = i / 7001.0, angle = 2 * std::numbers::pi * turns;
    exp_error = std::max(exp_error, std::abs(exact_exp(x) / std::exp(x) - 1));
    log_error = std::max(log_error, std::abs(exact_log(std::exp(x)) - std::log(std::exp(x))) / (1 + std::abs(x)));
    const SinCos value = exact_sin_cos(turns);
    sine_error = std::max({sine_error, std::abs(value.sin - std::sin(angle)), std::abs(value.cos - std::cos(angle))});
  }
  CHECK_MESSAGE(exp_error < 1e-15, exp_error);
  CHECK_MESSAGE(log_error < 1e-15, log_error);
  CHECK_MESSAGE(sine_error < 1e-14, sine_error);  // most of it is the rounding of 2 pi turns
  CHECK(exact_exp(0) == 1);
  CHECK(exact_log(1) == 0);
  CHECK(exact_sin_cos(0.25).sin == 1);
  CHECK(exact_sin_cos(-0.5).cos == -1);
}

TEST_CASE("smooth noise has mean 0 and variance 1, and is smooth") {
  const Grid noise = smooth_noise(Draw(Random(3)), square(500), 8);
  CHECK_MESSAGE(std::abs(mean(noise)) < 0.05, mean(noise));
  CHECK_MESSAGE(std::abs(variance(noise) - 1) < 0.1, variance(noise));
  double steepest = 0;
  for (std::int64_t i = 1; i < 500; ++i) steepest = std::max(steepest, std::abs(noise[i] - noise[i - 1]));
  CHECK_MESSAGE(steepest < 0.6, steepest);
}

TEST_CASE("blur keeps the mean up to the border and has the right width") {
  Grid grid({1, 41, 41});
  grid[20 * 41 + 20] = 1;
  grid[0] = 1;  // in the corner: mirrored, not lost
  blur(grid, {0, 2, 2});
  CHECK_MESSAGE(std::abs(mean(grid) * 41 * 41 - 2) < 1e-12, mean(grid));
  CHECK(std::abs(grid[20 * 41 + 22] / grid[20 * 41 + 20] - std::exp(-0.5)) < 1e-12);
  const Grid before = grid;
  blur(grid, {2, 0, 0});
  CHECK(grid[20 * 41 + 20] == before[20 * 41 + 20]);
}

TEST_CASE("noise has the strength that was asked for") {
  Grid flat({1, 200, 200}, 0.5), dark({1, 200, 200}), counts({1, 200, 200}, 0.25);
  add_correlated_noise(flat, Draw(Random(1)), 0.1, {0, 1, 1});
  CHECK(std::abs(std::sqrt(variance(flat)) - 0.1) < 0.002);
  add_rician_noise(dark, Draw(Random(2)), 0.1);  // Rayleigh: mean sd sqrt(pi / 2)
  CHECK(std::abs(mean(dark) - 0.1 * std::sqrt(std::numbers::pi / 2)) < 0.002);
  add_counting_noise(counts, Draw(Random(3)), 0.01, 0.05);
  CHECK(std::abs(variance(counts) - 0.005) < 0.0003);
}

TEST_CASE("quantisation rounds and clips") {
  Grid grid({1, 1, 4});
  grid[0] = -1, grid[1] = 0.5 / 255 + 1e-9, grid[2] = 0.999, grid[3] = 2;
  CHECK(quantise(grid) == std::vector<std::uint8_t>{0, 1, 255, 255});
}

TEST_CASE("the distance to an ellipsoid: sign, zero and slope") {
  Random random(5);
  Draw draw(random);
  const Ellipsoid shape{{1, 2, 3}, {4, 6, 9}, random_rotation(draw)};
  CHECK(shape.distance({1, 2, 3}) == -4);
  const std::array<std::pair<Point, double>, 3> axes{{{shape.axes.z, 4}, {shape.axes.y, 6}, {shape.axes.x, 9}}};
  for (const auto& [axis, radius] : axes) {
    CHECK(std::abs(axis.z * axis.z + axis.y * axis.y + axis.x * axis.x - 1) < 1e-12);
    for (const double beyond : {-0.5, 0.0, 0.5}) {
      const double s = radius + beyond;
      const double distance = shape.distance({1 + s * axis.z, 2 + s * axis.y, 3 + s * axis.x});
      CHECK_MESSAGE(std::abs(distance - beyond) < 0.07, beyond, " along an axis gives ", distance);
    }
  }
}

TEST_CASE("a tube is visited where it is") {
  std::vector<int> inside(400);
  const Tube tube{{{0, -4.5, -5}, 1.5}, {{0, -4.5, 5}, 1.5}};
  visit_tubes({tube}, square(20), 1, [&](std::int64_t pixel, double distance, double radius) {
    CHECK(radius == 1.5);
    if (distance <= radius) inside[static_cast<std::size_t>(pixel)] = 1;
  });
  int count = 0;
  for (const int pixel : inside) count += pixel;
  CHECK_MESSAGE(std::abs(count - (10 * 3 + 7)) <= 4, count);  // a rectangle and two half discs
  CHECK(inside[5 * 20 + 10] == 1);
  CHECK(inside[15 * 20 + 10] == 0);
}

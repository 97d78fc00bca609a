// The numbers in the chapter losses/README.md, which quotes this file.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/tensor.h"
#include "losses/core/loss.h"
#include "tests/test.h"

using namespace voxgrad;

namespace {

using Numbers = std::vector<double>;

// The gradient of a loss of one sigmoid channel with respect to its logits.
Numbers gradient(const std::string& loss, const Numbers& logits, const std::vector<std::uint8_t>& labels) {
  const std::int64_t voxels = std::ssize(logits);
  Tensor z = from_vector(Shape{1, voxels, 1}, logits).set_requires_grad();
  losses::make_loss(loss)(z, from_vector(Shape{1, voxels}, labels)).backward();
  return z.grad().to_vector<double>();
}

bool close(double a, double b) { return std::fabs(a - b) < 1e-6; }

}  // namespace

TEST_CASE("Dice of four voxels, in numbers that one can check by hand") {
  Numbers logits;
  for (const double p : {0.9, 0.5, 0.5, 0.1}) logits.push_back(std::log(p / (1 - p)));
  const std::vector<std::uint8_t> labels{1, 1, 0, 0};
  const std::string dice = "dice:smooth_nr=0,smooth_dr=1e-12";
  const Tensor value = losses::make_loss(dice)(from_vector({1, 4, 1}, logits), from_vector({1, 4}, labels));
  CHECK(close(value.item(), 0.3));
  const Numbers dz = gradient(dice, logits, labels), expected{-0.02925, -0.08125, 0.04375, 0.01575};
  for (std::size_t i = 0; i < 4; ++i) CHECK(close(dz[i], expected[i]));
}

TEST_CASE("where p is near 0, Dice has almost no slope, and the cross entropy has the most") {
  Numbers logits;  // those of the picture: a line of 40 pixels
  std::vector<std::uint8_t> labels;
  for (int i = 0; i < 40; ++i) {
    logits.push_back(std::clamp(std::min(i - 15.5, 29.5 - i), -6.0, 6.0));
    labels.push_back(i >= 10 && i < 24 ? 1 : 0);
  }
  const Numbers dice = gradient("dice", logits, labels), ce = gradient("ce", logits, labels);
  CHECK(close(dice[11], -0.000554));  // a missed pixel: p is 0.011
  CHECK(close(ce[11], -0.024725));
  CHECK(close(dice[15], -0.011985));  // p is 0.38
  CHECK(close(ce[15], -0.015562));
}

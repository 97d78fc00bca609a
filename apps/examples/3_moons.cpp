// Expect: "accuracy on new points 0.999", or at least 0.99.
//
// Two half circles of points interlock like two moons, so no straight line can separate them. A perceptron with 16
// hidden units learns a curve that does. Points are a map [1, 200, 2] with one spatial axis, and their classes the
// labels [1, 200]: so the loss for segmentation serves here as it is.
#include <cmath>
#include <cstdio>
#include <numbers>

#include "engine/ops.h"
#include "losses/core/loss.h"
#include "nn/optimizer.h"
#include "nn/sequential.h"

using namespace voxgrad;

namespace {

struct Points {
  Tensor x, labels;
};

Points moons(std::int64_t count, Random random) {
  Points points{empty({1, count, 2}), empty({1, count}, DType::u8)};
  for (std::int64_t i = 0; i < count; ++i) {
    const bool lower = i % 2 == 1;
    const double angle = random.uniform(0, std::numbers::pi);
    const double u = lower ? 1 - std::cos(angle) : std::cos(angle), v = lower ? 0.5 - std::sin(angle) : std::sin(angle);
    points.x.data<float>()[2 * i] = static_cast<float>(u + 0.1 * random.normal());
    points.x.data<float>()[2 * i + 1] = static_cast<float>(v + 0.1 * random.normal());
    points.labels.data<std::uint8_t>()[i] = lower ? 1 : 0;
  }
  return points;
}

}  // namespace

int main() {
  nn::Sequential net(Random(1));
  net.add<nn::Linear>(2, 16, 0.0).add(relu).add<nn::Linear>(16, 2);  // 0.0: a ReLU follows
  const auto optimizer = nn::make_optimizer("adam", net);
  const losses::Loss loss = losses::make_loss("ce");

  const Points known = moons(200, Random(2)), unknown = moons(1000, Random(3));
  for (int step = 0; step < 300; ++step) {
    const Tensor value = loss(net(known.x), known.labels);
    value.backward();
    optimizer->step(0.02);
    net.zero_grad();
    if (step % 100 == 0) std::printf("step %3d: loss %.4f\n", step, value.item());
  }

  const auto found = argmax(net(unknown.x)).to_vector<int>(), truth = unknown.labels.to_vector<int>();
  int right = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) right += found[i] == truth[i];
  std::printf("accuracy on new points %.3f\n", right / static_cast<double>(truth.size()));
}

// A small U-Net learns to find a bright square, with losses chosen by name, one of which is registered here, in a
// project that has headers of its own under the names of the library's.
#include <cstdint>
#include <iostream>
#include <vector>

#include "data/image.h"
#include "engine/memory.h"
#include "engine/tensor.h"
#include "voxgrad/engine/memory.h"
#include "voxgrad/losses/core/inputs.h"
#include "voxgrad/losses/core/loss.h"
#include "voxgrad/losses/core/registry.h"
#include "voxgrad/nn/optimizer.h"
#include "voxgrad/nn/unet.h"

static_assert(own::kImageHeaders + own::kMemoryHeaders + own::kTensorHeaders == 3 && own::Tensor{}.rank == 0);

int main() {
  using namespace voxgrad;
  std::vector<float> pixels(16 * 16, 0.0f);
  std::vector<std::uint8_t> truth(16 * 16, 0);
  for (std::size_t row = 4; row < 10; ++row)
    for (std::size_t column = 4; column < 12; ++column) pixels[row * 16 + column] = truth[row * 16 + column] = 1;
  const Tensor image = from_vector<float>({1, 16, 16, 1}, pixels);
  const Tensor label = from_vector<std::uint8_t>({1, 16, 16}, truth);

  nn::UNet net({.base = 8, .depth = 2}, Random(1));
  const auto optimizer = nn::make_optimizer("adam", net);
  losses::register_loss({.name = "brier",
                         .family = losses::Family::distribution,
                         .summary = "Squared error of the probabilities",
                         .formula = "mean_(n,c,i) (p - t)^2",
                         .source = "Brier, Monthly Weather Review 1950",
                         .helps = "probabilities that are to be true frequencies",
                         .fails = "slow at voxels that are confidently wrong",
                         .build = [](losses::Parameters&) -> losses::Function {
                           return [](const losses::LossInput& in) {
                             return mean(square(in.probabilities() - in.truth()));
                           };
                         }});
  const losses::Loss loss = losses::make_loss("dice+ce+0.5*brier");
  std::vector<double> values;
  for (int step = 0; step < 3; ++step) {
    const Tensor value = loss(net(image), label);
    value.backward();
    optimizer->step(0.01);
    net.zero_grad();
    values.push_back(value.item());
    std::cout << "step " << step << ": " << values.back() << '\n';
  }
  return values.back() < values.front() ? 0 : 1;
}

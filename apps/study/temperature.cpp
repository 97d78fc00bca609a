#include <cmath>
#include <utility>

#include "apps/report/plots/rows.h"
#include "apps/study/claims.h"
#include "engine/ops.h"
#include "losses/core/loss.h"
#include "nn/optimizer.h"
#include "nn/sequential.h"

namespace voxgrad::apps {
namespace {

using enum StudyCheck::Relation;

constexpr std::int64_t kCount = 20000, kInObject = 400;  // 2 % of the voxels
constexpr double kSeparation = 1.5;                      // of the means of both kinds of voxels, in standard deviations

struct Sizes {
  double soft, hard;  // the sum of p, and the number of voxels above 1/2, both / the true size
};

// Fits p = sigmoid(w x + b), which has two parameters: what a loss asks for, and no matter of the network.
Sizes fit(const std::string& loss_text) {
  const Tensor x = random_normal({1, kCount, 1}, 5), labels = zeros({1, kCount}, DType::u8);
  for (std::int64_t i = 0; i < kInObject; ++i) {
    x.data<float>()[i] += static_cast<float>(kSeparation);
    labels.data<std::uint8_t>()[i] = 1;
  }
  nn::Linear model(1, 1, 1.0, Random(6));
  // The first gradients are a thousand times larger than the last ones, and should be forgotten soon.
  const auto optimizer = nn::make_optimizer("adam", model, {.beta2 = 0.9});
  // The size terms have several minima, so each loss begins at that of cross entropy.
  for (const auto& [text, rate] : {std::pair<std::string, double>{"ce", 0.1}, {loss_text, 0.02}}) {
    const losses::Loss loss = losses::make_loss(text);
    constexpr int kSteps = 500;
    for (int step = 0; step < kSteps; ++step) {
      loss(model(x), labels).backward();
      optimizer->step(rate * (1 - step / static_cast<double>(kSteps)));
      model.zero_grad();
    }
  }
  const NoGrad guard;
  Sizes sizes{0, 0};
  for (const double z : model(x).to_vector<double>()) {
    sizes.soft += 1 / (1 + std::exp(-z)) / kInObject;
    sizes.hard += (z > 0) / static_cast<double>(kInObject);
  }
  return sizes;
}

Evidence examine_temperature() {
  const Sizes ce = fit("ce"), dice = fit("dice"), kl = fit("ce_kl"), hot = fit("ce_kl:temperature=10"),
              heavy = fit("ce_kl:temperature=10,lambda=10");
  RowPlot plot{.title = "Size of the predicted mask by loss",
               .axis = "predicted / true size",
               .rows = {},
               .least = 0,
               .most = 1.2,
               .reference = 1,
               .from_zero = true};
  using losses::Family;
  plot.rows = {{"ce", Family::distribution, ce.hard},
               {"ce_kl", Family::compound, kl.hard},
               {"ce_kl, temperature 10", Family::compound, hot.hard},
               {"the same, lambda 10", Family::compound, heavy.hard},
               {"dice", Family::region, dice.hard}};
  return {{{"CE: sum of p / true size", ce.soft, equal, 1, 0.01},
           {"CE: predicted mask / true size", ce.hard, at_most, 0.15},
           {"CE + KL at temperature 1: mask, distance from that of CE", std::fabs(kl.hard - ce.hard), at_most, 0.02},
           {"CE + KL at temperature 10: mask / true size", hot.hard, at_least, 0.35},
           {"CE + 10 KL at temperature 10: mask / true size", heavy.hard, at_least, 0.7},
           {"Dice: mask / true size", dice.hard, equal, 1, 0.3}},
          row_plot(plot).str(),
          "The object has 2 % of the voxels, and its values overlap those of the others."};
}

}  // namespace

Claim temperature() {
  return {"temperature",
          "A model that was fitted by cross entropy has the true sizes as sums of its probabilities, but its masks are "
          "too small where the object is rare. A size term changes that only if it sees nearly hard masks: at "
          "a high temperature of its softmax.",
          "Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717), and their code",
          "A model of two parameters, fitted to 20,000 voxels by cross entropy, and from there by each loss",
          examine_temperature};
}

}  // namespace voxgrad::apps

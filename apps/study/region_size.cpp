#include <algorithm>
#include <cmath>

#include "apps/report/plots/lines.h"
#include "apps/study/claims.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

using enum StudyCheck::Relation;

constexpr std::size_t kPixels = 60, kClasses = 3;

struct Image {
  Tensor logits{empty({1, kPixels, kClasses}, DType::f64)}, labels{empty({1, kPixels}, DType::u8)};
};

Image random_image(Random& random) {
  Image image;
  for (std::size_t i = 0; i < kPixels; ++i) {
    image.labels.data<std::uint8_t>()[i] =
        static_cast<std::uint8_t>(i < kClasses ? static_cast<std::int64_t>(i) : random.below(kClasses));
    for (std::size_t c = 0; c < kClasses; ++c) image.logits.data<double>()[kClasses * i + c] = 2 * random.normal();
  }
  return image;
}

// Of one class: the true and the predicted share of the image, and over the voxels of the class the mean of p, of
// -ln p, and of the -ln of the share of all p of the class that lies there.
struct ClassSums {
  double truth = 0, predicted = 0, recall = 0, log_loss = 0, log_share = 0;
};

std::vector<ClassSums> sums_of(const Image& image) {
  const std::vector<double> p = softmax(image.logits).to_vector<double>();
  const std::vector<int> labels = image.labels.to_vector<int>();
  std::vector<ClassSums> sums(kClasses);
  for (std::size_t i = 0; i < kPixels; ++i)
    for (std::size_t c = 0; c < kClasses; ++c) {
      sums[c].predicted += p[kClasses * i + c] / kPixels;
      if (labels[i] != static_cast<int>(c)) continue;
      sums[c].truth += 1.0 / kPixels;
      sums[c].recall += p[kClasses * i + c];
      sums[c].log_loss -= std::log(p[kClasses * i + c]);
    }
  for (ClassSums& one : sums) {
    const double voxels = one.truth * kPixels;
    one.recall /= voxels;
    one.log_loss /= voxels;
    one.log_share = one.log_loss + std::log(one.predicted * kPixels);
  }
  return sums;
}

// The part of -ln Dice that depends on the sizes alone.
double size_penalty(double truth, double predicted) { return std::log((truth + predicted) / (2 * truth)); }
double divergence(double truth, double predicted) { return truth * std::log(truth / predicted); }

Evidence examine_region_size() {
  Random random(4);
  double of_ce = 0, of_dice = 0, excess = -1e300, from_vertex = 1e300;
  for (int draw = 0; draw < 200; ++draw) {
    const Image image = random_image(random);
    const std::vector<ClassSums> sums = sums_of(image);
    const auto largest = std::max_element(sums.begin(), sums.end(),
                                          [](const ClassSums& a, const ClassSums& b) { return a.truth < b.truth; });
    // log-Dice's term for the sizes, up to a constant, and the same if all were predicted as the largest class.
    double sizes = 0, at_vertex = std::log(1 + largest->truth) - std::log(largest->truth);
    double matching = 0, log_dice = 0;
    for (const ClassSums& one : sums) {
      // KL(U || r): U is uniform on the object, r the share of the voxel in all that is predicted of the class.
      matching += one.truth * (one.log_share - std::log(one.truth * kPixels));
      log_dice += (size_penalty(one.truth, one.predicted) - std::log(one.recall)) / kClasses;
      excess = std::max(excess, -std::log(one.recall) - one.log_loss);
      sizes += std::log(one.truth + one.predicted);
      at_vertex += std::log(one.truth);
    }
    from_vertex = std::min(from_vertex, sizes - at_vertex);
    of_ce = std::max(of_ce, std::fabs(loss_value("ce", image.logits, image.labels) - matching -
                                      loss_value("region_size:kind=kl,eps=1e-12", image.logits, image.labels)));
    of_dice = std::max(of_dice, std::fabs(loss_value("dice:transform=neg_log,background=1,smooth_nr=0,smooth_dr=1e-12",
                                                     image.logits, image.labels) -
                                          log_dice));
  }
  Line ce{"CE: KL of the sizes", {}, "of-distribution", {}}, dice{"log-Dice: its size term", {}, "of-region", {}};
  constexpr double kTruth = 0.1;
  for (int i = 1; i <= 50; ++i) {
    const double q = i / 100.0;
    ce.points.emplace_back(q, divergence(kTruth, q) + divergence(1 - kTruth, 1 - q));
    dice.points.emplace_back(q, (size_penalty(kTruth, q) + size_penalty(1 - kTruth, 1 - q)) / 2);
  }
  return {{{"CE minus KL(sizes) and minus the terms of the places, largest", of_ce, at_most, 1e-9},
           {"log-Dice minus its size term and minus -ln of the soft recall, largest", of_dice, at_most, 1e-9},
           {"-ln of the soft recall minus CE of the class, largest", excess, at_most, 1e-12},
           {"size term of Dice minus that of a prediction that is all of the largest class, smallest", from_vertex,
            at_least, 0}},
          line_plot({.title = "The terms of cross entropy and of log-Dice for the predicted size",
                     .vertical = "size term",
                     .low = -0.4,
                     .high = 0.5,
                     .lines = {ce, dice},
                     .horizontal = "predicted share of the image; the true one is 0.1"}),
          "The term of cross entropy is smallest at the true size, that of Dice at nothing."};
}

}  // namespace

Claim region_size() {
  return {"region_size",
          "Cross entropy and log-Dice are each a term for the places plus a term for the sizes. The size term of cross "
          "entropy asks for the true sizes; that of Dice is smallest where all is predicted as the largest class.",
          "Liu et al., Medical Image Analysis 2024 (arXiv 2104.08717), section 3",
          "200 images of 60 voxels and three classes with random logits", examine_region_size};
}

}  // namespace voxgrad::apps

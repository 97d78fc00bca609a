// Losses that must be equal: how it is checked, and masks of zeros and ones with their counts.
#pragma once

#include "tests/losses/samples.h"

namespace voxgrad::test {

inline const std::vector<Shape> kShapes = {{2, 4, 5, 1}, {2, 4, 5, 2}, {2, 3, 2, 4, 3}};

// Values and gradients of two texts are equal on random inputs of one, two and three channels.
inline void check_equal(const std::string& left, const std::string& right, const std::vector<Shape>& shapes = kShapes) {
  Random random(61);
  for (const Shape& shape : shapes) {
    const Sample sample = draw_sample(random, shape);
    const Result a = evaluate(losses::make_loss(left), sample.logits, sample.labels);
    const Result b = evaluate(losses::make_loss(right), sample.logits, sample.labels);
    CHECK_MESSAGE(std::fabs(a.value - b.value) <= 1e-12, left << " = " << right << ": " << a.value << " " << b.value);
    CHECK_MESSAGE(largest_difference(a.gradient, b.gradient) <= 1e-12, left << " = " << right << " " << shape);
  }
}

inline double value_of(const std::string& text, const Sample& sample) {
  return losses::make_loss(text)(sample.logits, sample.labels).item();
}

// Logits of +-1000 for a random mask: probabilities are exactly 0 and 1.
struct HardMasks {
  Sample sample;
  double tp = 0, fp = 0, fn = 0, tn = 0;
};
inline HardMasks draw_masks(Random& random) {
  HardMasks masks;
  masks.sample = draw_sample(random, {1, 9, 11, 1});
  std::vector<double> z;
  for (std::uint8_t y : masks.sample.labels.to_vector<std::uint8_t>()) {
    const bool s = random.chance(y == 1 ? 0.7 : 0.2);
    z.push_back(s ? 1000 : -1000);
    (y == 1 ? s ? masks.tp : masks.fn : s ? masks.fp : masks.tn) += 1;
  }
  masks.sample.logits = from_vector(masks.sample.logits.shape(), z);
  return masks;
}

inline const std::string kExact = "smooth_nr=0,smooth_dr=1e-12";

}  // namespace voxgrad::test

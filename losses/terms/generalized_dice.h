// The generalised Dice loss per sample, which several losses build on; losses/generalized_dice.cpp has the formula.
#pragma once

#include "losses/terms/region.h"

namespace voxgrad::losses {

class GeneralizedDice {
 public:
  static std::vector<Parameter> parameters() {
    return std::vector<Parameter>{
               choice("weighting", {"square", "simple", "uniform"}, "weight of a class: 1/G^2, 1/G or 1"),
               choice("absent", {"max", "zero", "clamp"},
                      "weight of a class without truth: the largest of the others, 0, or 1e5 (1/max(G, 1e-5))")} +
           smoothing_parameters() + std::vector<Parameter>{common::batch(), common::background()};
  }
  explicit GeneralizedDice(const Parameters& with)
      : square_(with.is("weighting", "square")),
        uniform_(with.is("weighting", "uniform")),
        max_(with.is("absent", "max")),
        clamp_(with.is("absent", "clamp")),
        s_(smoothing(with)) {}

  // One sigmoid channel counts as two classes: with one, its weight would cancel.
  // [N', 1]: 1 - (2 sum_c w I + nr) / (sum_c w (P + G) + dr)
  Tensor operator()(const LossInput& in) const {
    const auto sums = in.integrals(Integrand::overlap, Integrand::mass, Integrand::present, Integrand::voxels);
    const auto [I, P, G] = with_complement(in, sums[0], sums[1], sums[2], sums[3]);
    const Tensor w = weights(G);
    const auto total = [&](const Tensor& x) { return sum(w * x, {1}, true); };
    return 1 - dice_coefficient(total(I), total(P), total(G), s_);
  }

 private:
  Tensor weights(const Tensor& G) const {
    if (uniform_) return full(G.shape(), 1, DType::f64, G.device());
    const Tensor size = square_ ? square(G) : G;
    if (clamp_) return reciprocal(clamp(size, 1e-5, kInfinity));
    const Tensor present = clamp(G, 0, 1);  // G counts voxels
    const Tensor w = present / clamp(size, 1, kInfinity);
    return max_ ? w + (1 - present) * max(w, {1}, true) : w;
  }
  bool square_, uniform_, max_, clamp_;
  Smoothing s_;
};

}  // namespace voxgrad::losses

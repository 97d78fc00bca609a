// Terms that count every object of a class by itself. An object is a connected component of the truth.
#pragma once

#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {

// Sums over the parts of a map that have the same number: f64 [N, parts, C'], C' the classes but the background.
struct PartSums {
  Tensor I, P, G;  // sums of p t, p and t
  Tensor L, M;     // -log p of the true class, and voxels
};

// The sums of the parts that the field `key` numbers; part 0 has the number 0.
[[nodiscard]] PartSums part_sums(const LossInput& in, const std::string& key);
// The same of some parts, or of all together.
[[nodiscard]] PartSums map_sums(const PartSums& sums, const std::function<Tensor(const Tensor&)>& f);

struct PartLoss {
  double lambda_dice, lambda_ce, smooth;
  // lambda_dice (1 - (2 I + s) / (P + G + s)) + lambda_ce L / M of every part.
  [[nodiscard]] Tensor operator()(const PartSums& sums) const;
};
// Declares lambda_dice, lambda_ce and smooth.
PartLoss part_loss(Parameters& with);

// The mean of loss [N, parts, C'] over the parts with truth, [N, C']; 0 without any.
[[nodiscard]] Tensor mean_of_parts(const Tensor& loss, const Tensor& G);

}  // namespace voxgrad::losses

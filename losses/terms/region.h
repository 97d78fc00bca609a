// What the region losses share: the sums of one class in one sample, and ratios of these sums.
//   I = sum p t   P = sum p   G = sum t   FP = P - I   FN = G - I
#pragma once

#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {

// Constants that keep a ratio finite where a class is absent.
struct Smoothing {
  double nr, dr;
};
// Declares smooth_nr and smooth_dr.
Smoothing smoothing(Parameters& with);
// Declares batch, background, pool_classes, absent and weights.
void class_options(Parameters& with);
// Declares both.
Smoothing region_options(Parameters& with);

// (2 I + nr) / (P + G + dr)
[[nodiscard]] Tensor dice_coefficient(const Tensor& I, const Tensor& P, const Tensor& G, const Smoothing& s);
// (I + nr) / (I + alpha FP + beta FN + dr)
[[nodiscard]] Tensor tversky_index(const Tensor& I, const Tensor& P, const Tensor& G, double alpha, double beta,
                                   const Smoothing& s);

struct RegionSums {
  Tensor I, P, G;  // [N', C']
};
// One sigmoid channel gets a column for its complement in front; several channels stay as they are. M: voxels.
[[nodiscard]] RegionSums with_complement(const LossInput& in, const Tensor& I, const Tensor& P, const Tensor& G,
                                         const Tensor& M);

// The sums of soft labels, with the overlap I' = (P + G - |p - t|_1) / 2, which is I where the labels are 0 or 1 (Wang
// et al., MICCAI 2023). Declares `smoothing`, the label smoothing.
std::function<RegionSums(const LossInput&)> soft_sums(Parameters& with);

// The generalised Dice loss (losses/generalized_dice.cpp) per sample, [N', 1]. Declares weighting, absent, smooth_nr,
// smooth_dr, batch and background.
Function generalized_dice(Parameters& with);

// --- The difference between the predicted and the true size of each class ---
enum class SizeTerm { l1, kl, db };

struct SizeOptions {
  double temperature, eps;
};
// Declares both.
SizeOptions size_options(Parameters& with);

// p and q are the true and the predicted proportion [N, C], from P = sum softmax(temperature * z), G and M voxels.
//   l1: mean_nc |q - p|      kl: mean_n sum_c p ln(p / q)      db: mean_nc ln(p + q + eps)
// In kl one sigmoid channel stands for two classes.
[[nodiscard]] Tensor size_term(SizeTerm kind, const Tensor& P, const Tensor& G, const Tensor& M, double eps);

// Cross entropy plus lambda times the size term. Declares lambda, temperature and eps.
Function ce_with_size(SizeTerm kind, Parameters& with);

}  // namespace voxgrad::losses

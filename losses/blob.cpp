// Blob loss: Dice plus cross entropy of every object by itself, without the voxels of the other objects of its class.
//
//   L_k = lambda_dice (1 - (2 I + s) / (P + G + s)) + lambda_ce (mean of -log p_y)
//         sums over the voxels of component k of the truth and those of no component
//   L = mean over the n, c with truth of the mean over k of L_k; 0 without any
//
// Kofler et al., IPMI 2023 (arXiv 2205.08209), to be added to the loss of the whole image with half its weight:
// 2*dice_ce:background=0+blob. The authors' code sets the logits of the other objects to 0, so that they still count as
// voxels with p = 1/2; here they are left out, as the paper says and as the code of CC-DiceCE does. Neighbours share a
// face, an edge or a corner. Components are those of the whole case.
#include "losses/terms/components.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const PartLoss loss = part_loss(with);
  return [=, key = with.field("components")](const LossInput& in) {
    const PartSums parts = part_sums(in, key);
    const PartSums blobs = map_sums(parts, [](const Tensor& x) { return x + slice(x, 1, 0, 1); });
    const Tensor present = clamp(sum(parts.G, {1}), 0, 1);
    return in.mean_of_voxels(mean_of_parts(loss(blobs), parts.G), present);
  };
}

}  // namespace

Spec spec_blob() {
  return {.name = "blob",
          .family = Family::compound,
          .summary = "Dice plus cross entropy of every connected component, without the other components",
          .formula = "mean_nc mean_k lambda_dice L_dice + lambda_ce L_ce, sums without the other components than k",
          .source = "Kofler et al., IPMI 2023 (arXiv 2205.08209)",
          .helps = "small objects beside large ones, with a loss of the whole image",
          .fails =
              "every false positive counts once per object, so small objects pay most for it; images without "
              "objects count nothing",
          .build = build,
          .geometric = true,
          .objective = false};
}

}  // namespace voxgrad::losses

// Dice plus cross entropy of every object by itself: each connected component of the truth is compared with the
// prediction in its cell, the voxels to which it is the nearest component.
//
//   L_k = lambda_dice (1 - (2 I + s) / (P + G + s)) + lambda_ce (mean of -log p_y)        sums over cell k
//   L = mean over n, c of the mean over k of L_k
//
// CC-DiceCE: Bouteille et al., arXiv 2511.17146, and the authors' code, which is for one class. Here every class has
// its own cells. Neighbours share a face, an edge or a corner. Where a class is absent the whole image is its cell. The
// authors also add it to Dice and cross entropy of the image: dice_ce:background=0+cc_dice_ce. Components and cells are
// those of the whole case, and a cell counts in the patches that see its component. Distances have the unit of the
// spacing, whose choice changes no cell.
#include "losses/terms/components.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const PartLoss loss = part_loss(with);
  return [=, key = with.field("cells")](const LossInput& in) {
    const PartSums cells = part_sums(in, key);
    const PartSums image = map_sums(cells, [](const Tensor& x) { return sum(x, {1}); });
    const Tensor present = clamp(image.G, 0, 1);
    return mean(mean_of_parts(loss(cells), cells.G) + (1 - present) * loss(image));
  };
}

}  // namespace

Spec spec_cc_dice_ce() {
  return {.name = "cc_dice_ce",
          .family = Family::compound,
          .summary = "Dice plus cross entropy of every connected component in its own cell",
          .formula = "mean_nc mean_k lambda_dice L_dice + lambda_ce L_ce, sums over cell k, nearest to component k",
          .source = "Bouteille et al., arXiv 2511.17146",
          .helps = "small objects beside large ones: every object weighs the same, and misses cost a whole object",
          .fails = "more false positives; large objects lose weight; a label that falls apart by noise weighs a lot",
          .build = build,
          .geometric = true};
}

}  // namespace voxgrad::losses

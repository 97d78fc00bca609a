// Measures of whole objects: how many of them were found, and how well. An object is a connected component of a mask,
// with 8 neighbours in 2-D and 26 in 3-D. Two objects touch if they share a voxel. Ratios are NaN if both masks are
// empty (0/0) and 0 if one of them is; a count is never undefined. Voxels that the truth ignores belong to no object.
//
//   recall         share of the true objects that a predicted one touches; NaN without true objects
//   F1             2 TP / (2 TP + FN + FP): TP touched and FN untouched true objects, FP predicted objects that touch
//                  no true one (the definition of the challenge ISLES'22, Scientific Data 2022)
//   lesion Dice    mean of the Dice of every true object with all predicted ones that touch it together, and of a 0 for
//                  every FP (after the challenge BraTS 2023, which dilates the true objects before it compares, so that
//                  near ones become one, and leaves small ones out; here all of them count as they are)
//   CC-Dice        mean over the true objects of the Dice inside the cell of the object, which are the voxels nearest
//   to
//                  it (Jaus et al., AAAI 2025, arXiv 2410.18684). Distances are in millimetres; in the authors' code
//                  they are in voxels. A voxel equally near to several objects belongs to the one that comes first.
//   PQ, SQ, RQ     panoptic quality. TP are the pairs of a true and a predicted object with an IoU above 1/2; SQ is
//                  their mean IoU (NaN without a pair), RQ their F1, PQ = SQ RQ, and 0 without a pair (Kirillov et al.,
//                  CVPR 2019, Eq. 1). The values are those of a case; the paper pools the pairs of all images.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "losses/metrics/crop.h"

namespace voxgrad::losses {

struct TrueObject {
  double size = 0;  // mm^2 or mm^3
  double dice = 0;  // with all predicted objects that touch it together; 0 if none does
};

struct ObjectMatch {
  std::vector<TrueObject> truth;  // in the order of their first voxels
  std::int64_t predicted = 0;     // number of predicted objects
  std::int64_t false_alarms = 0;  // predicted objects that touch no true one
  std::int64_t pairs = 0;         // with an IoU above 1/2
  double iou_of_pairs = 0;        // sum
  double dice_of_cells = 0;       // sum over the true objects
};
// The time is linear in the number of voxels, whatever the number of objects. 24 bytes per voxel of the masks are
// taken.
[[nodiscard]] ObjectMatch match_objects(const Masks& masks, const std::vector<double>& spacing);

[[nodiscard]] double object_recall(const ObjectMatch& m);
[[nodiscard]] double detection_f1(const ObjectMatch& m);
[[nodiscard]] double lesion_dice(const ObjectMatch& m);
[[nodiscard]] double cc_dice(const ObjectMatch& m);
[[nodiscard]] double panoptic_quality(const ObjectMatch& m);
[[nodiscard]] double segmentation_quality(const ObjectMatch& m);
[[nodiscard]] double recognition_quality(const ObjectMatch& m);

// True objects of several cases in four groups by their size. The limits are the quartiles of the sizes, interpolated
// linearly; an object on a limit is in the lower group.
struct SizeGroup {
  double smallest, largest;  // sizes; NaN without objects
  std::int64_t objects = 0;
  double recall, dice;  // share with dice > 0, and mean of `dice`; NaN without objects
};
[[nodiscard]] std::array<SizeGroup, 4> by_size(std::vector<TrueObject> objects);

}  // namespace voxgrad::losses

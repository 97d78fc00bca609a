// Distances between the surfaces of two masks, in millimetres.
//   border voxels of a mask A: voxels of A with a face neighbour (4 in 2-D, 6 in 3-D) outside A or outside the image
//   d(A -> B): for every border voxel of A the Euclidean distance to the nearest border voxel of B, centre to centre
// The measures count voxels and not area, as MONAI and Metrics Reloaded do (Maier-Hein et al., Nature Methods 2024).
// DeepMind's surface-distance weights surface elements by area; values of the two kinds must not be mixed. All measures
// are NaN if both masks are empty. If one mask is empty, the distances are infinite and nsd is 0.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

struct SurfaceDistances {
  std::vector<double> to_truth;       // d(S -> G), ascending
  std::vector<double> to_prediction;  // d(G -> S), ascending
  // Whether the mask is empty. If one mask is empty, there are no distances.
  bool no_prediction = true, no_truth = true;
};

// The distances of the classes 1 .. classes - 1; entry 0 has no meaning. Both tensors are u8 [*S] of one shape, on the
// CPU; spacing in millimetres per axis, empty: 1. Voxels whose truth is `ignore` belong to neither mask. Masks are
// cropped to their common bounding box first. The largest box takes about 20 bytes of memory per voxel.
[[nodiscard]] std::vector<SurfaceDistances> surface_distances(const Tensor& prediction, const Tensor& truth,
                                                              std::int64_t classes,
                                                              const std::vector<double>& spacing = {}, int ignore = -1);

// The largest distance of both directions: the Hausdorff distance.
[[nodiscard]] double hausdorff(const SurfaceDistances& d);
// The larger of the 95th percentiles of both directions, each interpolated linearly between ranks.
[[nodiscard]] double hausdorff95(const SurfaceDistances& d);
// The 95th percentile of the distances of both directions in one list, as some publications define it.
[[nodiscard]] double hausdorff95_pooled(const SurfaceDistances& d);
// Mean of the distances of both directions in one list: the average symmetric surface distance.
[[nodiscard]] double assd(const SurfaceDistances& d);
// Mean of the means of both directions.
[[nodiscard]] double masd(const SurfaceDistances& d);
// Normalised surface distance (surface Dice): the share of the border voxels within tau millimetres of the other
// border. A distance that exceeds tau by rounding only counts as within.
[[nodiscard]] double nsd(const SurfaceDistances& d, double tau);

}  // namespace voxgrad::losses

// Centreline Dice compares skeletons: each skeleton should lie inside the other mask.
//
//   T = (sum skel(p) t + s) / (sum skel(p) + s)        S = (sum skel(t) p + s) / (sum skel(t) + s)
//   L = 1 - 2 T S / (T + S)
//
// Shit et al., CVPR 2021, Alg. 1 and Eq. 1 to 3. skel is the soft skeleton: the soft union, a + b - a b, of what
// morphological opening removes while the mask is eroded `iterations` times. Erosion is the minimum over the lines
// through a voxel, dilation the maximum over the square or cube around it. A usual compound is
// 0.5*dice:background=0+0.5*cldice.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

// [N, *S, C]
Tensor eroded(const Tensor& x) {
  Tensor result = erode(x, {1});
  for (int axis = 2; axis <= x.dims() - 2; ++axis) result = minimum(result, erode(x, {axis}));
  return result;
}

// What opening removes from x; `inner` is x eroded.
Tensor ridge(const Tensor& x, const Tensor& inner) {
  std::vector<int> axes;
  for (int axis = 1; axis <= x.dims() - 2; ++axis) axes.push_back(axis);
  return relu(x - dilate(inner, axes));
}

Tensor skeleton(Tensor x, int iterations) {
  Tensor inner = eroded(x), result = ridge(x, inner);
  for (int i = 0; i < iterations; ++i) {
    x = inner;
    inner = eroded(x);
    const Tensor more = ridge(x, inner);
    result = result + relu(more - result * more);
  }
  return result;
}

Function build(Parameters& with) {
  const int iterations =
      with.integer("iterations", 3, 0, 1000, "erosions; at least half of the largest thickness in voxels");
  const double s = with.number("smooth", 1, 1e-12, 1e12, "added to numerators and denominators");
  with.background(false);
  with.batch();
  with.pool_classes();
  with.absent();
  with.weights("factor of a class's loss");
  return [=](const LossInput& in) {
    const Tensor p = in.counted(in.probabilities()), t = in.counted(in.truth());
    const Tensor p_line = skeleton(p, iterations), t_line = skeleton(t, iterations);
    const Tensor precision = (in.sums(p_line * t) + s) / (in.sums(p_line) + s);
    const Tensor sensitivity = (in.sums(t_line * p) + s) / (in.sums(t_line) + s);
    return in.mean_of_classes(1 - 2 * precision * sensitivity / (precision + sensitivity), in.sums(t));
  };
}

}  // namespace

Spec spec_cldice() {
  return {.name = "cldice",
          .family = Family::region,
          .summary = "Dice of centrelines, for connected thin structures",
          .formula = "1 - 2 T S / (T + S), T = sum skel(p) t / sum skel(p), S = sum skel(t) p / sum skel(t)",
          .source = "Shit et al., CVPR 2021, Eq. 1 to 3",
          .helps = "vessels, roads, membranes: a gap costs as much as a thick branch",
          .fails = "alone it says nothing about the thickness; combine it with Dice",
          .build = build,
          .geometric = true,
          .objective = false};
}

}  // namespace voxgrad::losses

// Neighbour-aware calibration: cross entropy, and a penalty that pulls the logits to the share of each class among the
// neighbours of a voxel.
//
//   L = L_ce + alpha mean over n, c, i of |u - z|        distance=l2: (u - z)^2
//
// u is t under a box filter of `size` voxels per axis. Murugesan et al., MICCAI 2023 (arXiv 2303.06268), and the code
// in MONAI. Voxels outside of the image belong to no class, so that u sums up to less than 1 at the edge, as in MONAI
// (in the code of the paper they are background); so do ignored voxels. u is in [0, 1] and z is not, so the penalty
// holds the logits small, where probabilities are unsure. An axis of one voxel has no neighbours, so that a slice of a
// volume has the loss of the picture. kernel=gaussian of MONAI is left out.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

// The mean over `size` voxels along each axis of t [N, *S, C] that has more than one; there are zeros outside.
Tensor box_mean(Tensor t, int size) {
  const std::int64_t channels = t.extent(-1);
  for (int axis = 1; axis <= t.dims() - 2; ++axis) {
    if (t.extent(axis) == 1) continue;
    Shape kernel = Shape::filled(t.dims(), 1);
    kernel[0] = kernel[-1] = channels;
    kernel[axis] = size;
    std::vector<double> weight(static_cast<std::size_t>(kernel.numel()), 0.0);
    for (std::int64_t c = 0; c < channels; ++c)
      for (int k = 0; k < size; ++k) nth(weight, (c * size + k) * channels + c) = 1.0 / size;
    Extents padding = 0;
    padding.dims = t.dims() - 2;
    for (int i = 0; i < padding.dims; ++i) padding[i] = i + 1 == axis ? size / 2 : 0;
    t = conv(t, from_vector(kernel, weight).to(t.dtype()).to(t.device()), {}, {.padding = padding});
  }
  return t;
}

Function build(Parameters& with) {
  const double alpha = with.number("alpha", 0.1, 0, 1e6, "weight of the penalty");
  const int half = with.integer("reach", 1, 1, 50, "of the box filter: size 2 reach + 1 voxels along each axis");
  const bool square_it = with.choice("distance", {"l1", "l2"}, "|u - z|, or its square").is("l2");
  return [=](const LossInput& in) {
    const auto [L, M] = in.integrals(Integrand::nll, Integrand::weight);
    Tensor u;
    {
      const NoGrad constant;
      u = box_mean(in.truth(), 2 * half + 1);
    }
    const Tensor gap = in.known(u - in.logits()), off = square_it ? square(gap) : abs(gap);
    return in.mean_of_voxels(L, M) + alpha / in.channels() * in.mean_of_voxels(in.sums(off), in.sums(in.valid()));
  };
}

}  // namespace

Spec spec_nacl() {
  return {.name = "nacl",
          .family = Family::distribution,
          .summary = "Cross entropy with logits near the share of the class among the neighbours",
          .formula = "L_ce + alpha mean_(n,c,i) |u - z|, u the box filter of t",
          .source = "Murugesan et al., MICCAI 2023 (arXiv 2303.06268)",
          .helps = "calibration: borders become unsure, the inside stays sure; one pass more than the cross entropy",
          .fails = "the imbalance of the classes stays; with a large alpha no probability can come near 0 or 1",
          .build = build,
          .geometric = true,
          .reads_logits = true};
}

}  // namespace voxgrad::losses

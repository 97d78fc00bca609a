// Unified focal loss: asymmetric focal cross entropy and asymmetric focal Tversky with shared parameters.
//
//   L = lambda mean_i f_i + (1 - lambda) mean over n, c of (1 - T[n, c])^a_c
//   f_i = delta l_i on the foreground, (1 - delta) (1 - p_y)^gamma l_i on the background       l_i = -ln p_y
//   T with delta on FN and 1 - delta on FP; a_c = 1 - gamma on the foreground, 1 on the background
//
// Yeung et al., Computerized Medical Imaging and Graphics 2022. asymmetric=0 gives both classes both exponents. Class 0
// is the background, and every other class is foreground.
#include <algorithm>

#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

struct Options {
  double lambda, delta, gamma, eps;
  bool asymmetric;
};

Tensor unified(const Options& o, const LossInput& in) {
  const std::size_t classes = static_cast<std::size_t>(std::max(in.channels(), 2));
  std::vector<double> focused(classes, o.asymmetric ? 0 : o.delta), plain(classes, o.asymmetric ? o.delta : 0);
  focused[0] = 1 - o.delta;
  plain[0] = 0;
  const auto [overlap, mass, present, M, hard, soft, count] =
      in.integrals(Integrand::overlap, Integrand::mass, Integrand::present, Integrand::voxels,
                   row(Integrand::focal, o.gamma, in.constant(focused)), row(Integrand::nll, 0, in.constant(plain)),
                   Integrand::weight);
  const Tensor cross_entropy = in.mean_of_voxels(hard + soft, count);
  const auto [I, P, G] = with_complement(in, overlap, mass, present, M);
  const Tensor L = 1 - tversky_index(I, P, G, 1 - o.delta, o.delta, {o.eps, o.eps});
  const Tensor background = slice(L, 1, 0, 1), foreground = safe_pow(slice(L, 1, 1, L.extent(1)), 1 - o.gamma);
  const Tensor powers = concat({o.asymmetric ? background : safe_pow(background, 1 - o.gamma), foreground}, 1);
  return o.lambda * cross_entropy + (1 - o.lambda) * mean(powers);
}

Function build(Parameters& with) {
  Options o;
  o.lambda = with.number("lambda", 0.5, 0, 1, "share of the cross entropy");
  o.delta = with.number("delta", 0.6, 0, 1, "weight of the foreground, and of false negatives in T");
  o.gamma = with.number("gamma", 0.5, 0, 0.999, "suppresses easy background, enhances the foreground");
  o.eps = with.number("eps", 1e-7, 1e-12, 1, "added to both sides of T");
  o.asymmetric = with.flag("asymmetric", true, "0: both exponents on every class");
  return [o](const LossInput& in) { return unified(o, in); };
}

}  // namespace

Spec spec_unified_focal() {
  return {.name = "unified_focal",
          .family = Family::compound,
          .summary = "Asymmetric focal cross entropy plus asymmetric focal Tversky",
          .formula = "lambda mean_i f + (1 - lambda) mean_nc (1 - T)^a",
          .source = "Yeung et al., CMIG 2022",
          .helps = "strong imbalance: suppresses easy background without losing rare foreground",
          .fails = "three parameters that act in both parts at once, so none has a meaning of its own",
          .build = build};
}

}  // namespace voxgrad::losses

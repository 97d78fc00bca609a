#include "losses/terms/region.h"

namespace voxgrad::losses {

Smoothing smoothing(Parameters& with) {
  const double nr = with.number("smooth_nr", 1e-5, 0, 1e12, "added to the numerator");
  return {nr, with.number("smooth_dr", 1e-5, 1e-12, 1e12, "added to the denominator")};
}

void class_options(Parameters& with) {
  with.batch();
  with.background();
  with.pool_classes();
  with.absent();
  with.weights("factor of a class's loss");
}

Smoothing region_options(Parameters& with) {
  const Smoothing s = smoothing(with);
  class_options(with);
  return s;
}

Tensor dice_coefficient(const Tensor& I, const Tensor& P, const Tensor& G, const Smoothing& s) {
  return (2 * I + s.nr) / (P + G + s.dr);
}

Tensor tversky_index(const Tensor& I, const Tensor& P, const Tensor& G, double alpha, double beta, const Smoothing& s) {
  return (I + s.nr) / (I + alpha * (P - I) + beta * (G - I) + s.dr);
}

RegionSums with_complement(const LossInput& in, const Tensor& I, const Tensor& P, const Tensor& G, const Tensor& M) {
  if (in.channels() > 1) return {I, P, G};
  return {concat({M - P - G + I, I}, 1), concat({M - P, P}, 1), concat({M - G, G}, 1)};
}

std::function<RegionSums(const LossInput&)> soft_sums(Parameters& with) {
  const double smoothing = with.number("smoothing", 0, 0, 0.999, "share of the label spread evenly over all classes");
  return [=](const LossInput& in) -> RegionSums {
    if (smoothing == 0 && !in.soft_labels()) {
      const auto [P, G, distance] = in.integrals(Integrand::mass, Integrand::present, Integrand::error);
      return {0.5 * (P + G - distance), P, G};
    }
    const Tensor p = in.probabilities(), t = in.truth(smoothing);
    const Tensor P = in.sums(p), G = in.sums(t);
    return {0.5 * (P + G - in.sums(abs(p - t))), P, G};
  };
}

Function generalized_dice(Parameters& with) {
  const Choice weighting =
      with.choice("weighting", {"square", "simple", "uniform"}, "weight of a class: 1/G^2, 1/G or 1");
  const Choice absent =
      with.choice("absent", {"max", "zero", "clamp"},
                  "weight of a class without truth: the largest of the others, 0, or 1e5 (1/max(G, 1e-5))");
  const Smoothing s = smoothing(with);
  with.batch();
  with.background();
  const auto class_weights = [=](const Tensor& G) {
    const Tensor present = clamp(G, 0, 1);  // G counts voxels
    if (weighting.is("uniform") && absent.is("max")) return full(G.shape(), 1, DType::f64, G.device());
    const Tensor size = weighting.is("square") ? square(G) : weighting.is("simple") ? G : present;
    if (absent.is("clamp")) return reciprocal(clamp(size, 1e-5, kInfinity));
    const Tensor w = present / clamp(size, 1, kInfinity);
    return absent.is("max") ? w + (1 - present) * max(w, {1}, true) : w;
  };
  return [=](const LossInput& in) {
    const auto sums = in.integrals(Integrand::overlap, Integrand::mass, Integrand::present, Integrand::voxels);
    // One sigmoid channel counts as two classes, because the weight of a single class cancels.
    const auto [I, P, G] = with_complement(in, sums[0], sums[1], sums[2], sums[3]);
    const Tensor w = class_weights(G);
    const auto total = [&](const Tensor& x) { return sum(w * x, {1}, true); };
    return 1 - dice_coefficient(total(I), total(P), total(G), s);
  };
}

SizeOptions size_options(Parameters& with) {
  const double temperature =
      with.number("temperature", 1, 1e-3, 1e6,
                  "of the softmax in the sizes; 10 in all published experiments: sizes of nearly hard regions");
  return {temperature, with.number("eps", 1e-10, 1e-12, 1, "added to sizes and M, in voxels")};
}

Tensor size_term(SizeTerm kind, const Tensor& P, const Tensor& G, const Tensor& M, double eps) {
  const auto proportion = [&](const Tensor& size) { return (size + eps) / (M + eps); };
  const Tensor q = proportion(P), p = proportion(G);
  if (kind == SizeTerm::l1) return mean(abs(q - p));
  if (kind == SizeTerm::db) return mean(log(p + q + eps));
  const auto divergence = [](const Tensor& a, const Tensor& b) { return a * log(a / b); };
  Tensor total = sum(divergence(p, q), {1});
  if (p.extent(1) == 1) total = total + sum(divergence(proportion(M - G), proportion(M - P)), {1});
  return mean(total);
}

Function ce_with_size(SizeTerm kind, Parameters& with) {
  const double lambda = with.number("lambda", 1, 0, 1e6, "weight of the size term");
  const SizeOptions size = size_options(with);
  return [=](const LossInput& in) {
    if (size.temperature == 1) {  // all in one pass
      const auto [L, M, P, G, voxels] =
          in.integrals(Integrand::nll, Integrand::weight, Integrand::mass, Integrand::present, Integrand::voxels);
      return in.mean_of_voxels(L, M) + lambda * size_term(kind, P, G, voxels, size.eps);
    }
    const auto [L, M] = in.integrals(Integrand::nll, Integrand::weight);
    const auto [P, G, voxels] =
        in.at_temperature(size.temperature).integrals(Integrand::mass, Integrand::present, Integrand::voxels);
    return in.mean_of_voxels(L, M) + lambda * size_term(kind, P, G, voxels, size.eps);
  };
}

}  // namespace voxgrad::losses

#include "losses/terms/components.h"

namespace voxgrad::losses {

PartSums part_sums(const LossInput& in, const std::string& key) {
  const Tensor field = in.foreground(in.field(key)), ids = field.to(DType::i32);
  const auto parts = static_cast<std::int64_t>(max(field).item()) + 1;
  const auto sums = [&](const Tensor& map) { return segment_sum(map, ids, parts); };
  const Tensor p = in.foreground(in.map(Integrand::mass)), t = in.foreground(in.map(Integrand::present));
  return {sums(p * t), sums(p), sums(t), sums(in.map(Integrand::nll)), sums(in.valid())};
}

PartSums map_sums(const PartSums& sums, const std::function<Tensor(const Tensor&)>& f) {
  return {f(sums.I), f(sums.P), f(sums.G), f(sums.L), f(sums.M)};
}

Tensor PartLoss::operator()(const PartSums& s) const {
  const Tensor D = (2 * s.I + smooth) / (s.P + s.G + smooth);
  return lambda_dice * (1 - D) + lambda_ce * (s.L / clamp(s.M, 1, kInfinity));
}

PartLoss part_loss(Parameters& with) {
  const double lambda_dice = with.number("lambda_dice", 1, 0, 1e6, "weight of the Dice term of an object");
  const double lambda_ce = with.number("lambda_ce", 1, 0, 1e6, "weight of the cross entropy of an object");
  return {lambda_dice, lambda_ce, with.number("smooth", 1e-5, 1e-12, 1e12, "added to both sides of the ratio of Dice")};
}

Tensor mean_of_parts(const Tensor& loss, const Tensor& G) {
  const Tensor present = clamp(G.detach(), 0, 1);  // G counts voxels
  return sum(present * loss, {1}) / clamp(sum(present, {1}), 1, kInfinity);
}

}  // namespace voxgrad::losses

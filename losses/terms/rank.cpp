#include "losses/terms/rank.h"

#include <algorithm>
#include <cmath>

namespace voxgrad::losses {

double percent_of_voxels(Parameters& with) {
  return with.number("percent", 10, 1e-6, 100, "share of the voxels that counts, at least one voxel; 100 is ce");
}

HardestVoxels hardest_voxels(const LossInput& in, const Tensor& losses, double percent) {
  const double count = std::max(1.0, std::floor(in.valid_voxels() * percent / 100));
  return {select_largest(losses.detach(), static_cast<std::int64_t>(count)), count};
}

std::function<Tensor(const LossInput&, const Tensor&)> lovasz_extension(Parameters& with, bool by_image, bool by_truth,
                                                                        bool background) {
  const bool per_image =
      with.flag("per_image", by_image, "1: sorts the voxels of every image by themselves, 0: of the whole batch");
  const char *first = by_truth ? "present" : "all", *second = by_truth ? "all" : "present";
  const bool present =
      with.choice("classes", {first, second}, "classes in the mean: those with truth, or all of them").is("present");
  with.background(background);
  return [=](const LossInput& in, const Tensor& all_errors) {
    // Of two classes the slope of the second can be computed alone, as that of one sigmoid channel.
    const Tensor errors = in.channels() == 2 ? in.counted(all_errors) : all_errors;
    const auto merged = [&](const Tensor& x) { return per_image ? x : sum(x, {0}, true); };
    const Tensor extension = merged(in.sums(errors * in.lovasz_slope(errors, per_image)));
    if (!present) return mean(extension);
    const Tensor counted = clamp(merged(in.integrals(Integrand::present)[0]).detach(), 0, 1);
    return mean(sum(extension * counted, {1}) / clamp(sum(counted, {1}), 1, kInfinity));
  };
}

}  // namespace voxgrad::losses

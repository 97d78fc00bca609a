// What the two Lovasz losses share: the extension of the Jaccard loss at a map of errors.
#pragma once

#include "losses/core/inputs.h"

namespace voxgrad::losses {

struct Lovasz {
  bool per_image, present;

  // The first of `classes` is the default.
  static std::vector<Parameter> parameters(bool per_image, std::vector<std::string> classes, bool background) {
    return {flag("per_image", per_image, "1: sorts the voxels of every image by themselves, 0: of the whole batch"),
            choice("classes", std::move(classes), "classes in the mean: those with truth, or all of them"),
            common::background(background)};
  }
  explicit Lovasz(const Parameters& with) : per_image(with.on("per_image")), present(with.is("classes", "present")) {}

  // Mean over images and classes of sum_i errors_i slope_i, the errors of a class in decreasing order. errors
  // [N, *S, C], differentiable.
  Tensor operator()(const LossInput& in, const Tensor& all_errors) const {
    // Of two classes the slope of the second can be had alone, as that of one sigmoid channel.
    const Tensor errors = in.channels() == 2 ? in.counted(all_errors) : all_errors;
    const auto merged = [&](const Tensor& x) { return per_image ? x : sum(x, {0}, true); };
    const Tensor extension = merged(in.sums(errors * in.lovasz_slope(errors, per_image)));
    if (!present) return mean(extension);
    const Tensor counted = clamp(merged(in.integrals(Integrand::present)[0]).detach(), 0, 1);
    return mean(sum(extension * counted, {1}) / clamp(sum(counted, {1}), 1, kInfinity));
  }
};

}  // namespace voxgrad::losses

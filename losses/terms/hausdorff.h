// The Hausdorff distance loss by distance transforms, which hausdorff_dt and dice_hd build on; losses/hausdorff_dt.cpp
// has the formula.
#pragma once

#include "losses/core/inputs.h"

namespace voxgrad::losses {

class HausdorffTerm {
 public:
  static std::vector<Parameter> parameters() {
    return {number("alpha", 2, 0.1, 10, "exponent of the distances; the paper looks at 1 to 3"),
            flag("one_sided", false, "1: the distance to the border of the prediction is left out"),
            choice("sides", {"both", "fg"}, "distances on both sides of a border, or inside of the masks only"),
            choice("prediction", {"threshold", "argmax"}, "predicted mask: p > 0.5, or the likeliest class")};
  }
  static std::vector<std::string> fields(const Parameters&) { return {"distance"}; }
  explicit HausdorffTerm(const Parameters& with)
      : alpha_(with.number("alpha")),
        one_sided_(with.on("one_sided")),
        foreground_(with.is("sides", "fg")),
        threshold_(with.is("prediction", "threshold")) {}

  // The row that integrates (p - t)^2 (d_G^alpha + d_S^alpha); divide by the number of voxels.
  Integral row(const LossInput& in) const {
    const NoGrad constant;
    Tensor weight = powered(in.field("distance"), in.truth());
    if (!one_sided_) {
      const LossInput::Prediction s = in.prediction(threshold_);
      weight = weight + powered(s.distance, s.mask);
    }
    Integral result = to_row(Integrand::error_square);
    result.field = weight;
    return result;
  }

 private:
  Tensor powered(const Tensor& d, const Tensor& mask) const {
    const Tensor used = foreground_ ? d * mask : d;
    return alpha_ == 2 ? square(used) : pow(used, alpha_);
  }
  double alpha_;
  bool one_sided_, foreground_, threshold_;
};

}  // namespace voxgrad::losses

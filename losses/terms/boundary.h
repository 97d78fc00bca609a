// The boundary loss, which boundary and gd_boundary build on; losses/boundary.cpp has the formula.
#pragma once

#include "losses/core/inputs.h"

namespace voxgrad::losses {

class BoundaryTerm {
 public:
  static Parameter parameter() {
    return choice("sdf", {"kervadec", "plain", "zero_inner"},
                  "signed distance inside: -(d - 1), -d, or -d with 0 at the innermost border voxels");
  }
  static std::vector<std::string> fields(const Parameters& with) { return {"signed:" + with.choice("sdf")}; }
  explicit BoundaryTerm(const Parameters& with) : key_(fields(with).front()) {}

  // [N', C']
  Tensor operator()(const LossInput& in) const {
    Integral distance = to_row(Integrand::mass);
    distance.field = in.field(key_);
    const auto [S, M] = in.integrals(distance, Integrand::voxels);
    return S / clamp(M, 1, kInfinity);
  }

 private:
  std::string key_;
};

}  // namespace voxgrad::losses

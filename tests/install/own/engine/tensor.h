#pragma once

namespace own {
struct Tensor {
  int rank = 0;
};
constexpr int kTensorHeaders = 1;
}  // namespace own

// What the card does in one pass that the primitives do in several (engine/fused_backend.h).
#pragma once

#include "engine/fused_backend.h"

namespace voxgrad::cuda {

class CudaFused final : public FusedBackend {
 public:
  // Inputs side by side: each is normalised into its channels of the one map.
  std::vector<Reading> kept(std::vector<Reading> inputs) const override;
  // A map is normalised as it is read (pool.cu).
  void max_pool(const Reading& x, const Extents& window, const Tensor& y, const Tensor& index) const override;
};

// Writes the reading, which is not plain, into the channels of `whole` from `first` on; the other extents are its own.
void normalise_into(const Reading& reading, const Tensor& whole, std::int64_t first);

}  // namespace voxgrad::cuda

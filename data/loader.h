// Batches for training: patches with foreground oversampling, augmented, prefetched by a thread. Batch `step` is a pure
// function of (seed, step): resuming at a step, other prefetch depths and other thread counts give the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"

namespace voxgrad::data {

struct Batch {
  Tensor images;                // f32 [N, *P, C], normalised
  Tensor labels;                // u8 [N, *P]
  std::vector<double> spacing;  // of the first sample
  std::vector<std::string> ids;
};

// How intensities become network inputs; derived from the training cases, stored with the model.
struct Normalisation {
  enum class Kind { zscore_case, zscore_dataset, none } kind = Kind::zscore_case;
  std::vector<double> mean, deviation;    // per channel, for zscore_dataset
  void apply(const Tensor& image) const;  // in place, f32 [*S, C]
};

struct LoaderOptions {
  std::vector<std::int64_t> cases;
  std::vector<std::int64_t> patch;  // per spatial axis; cases are padded with zeros (label: background) if smaller
  std::int64_t batch = 2;
  double foreground = 0.33;  // share of the samples of a batch that are centred on a foreground voxel
  Normalisation normalisation;
  AugmentOptions augment;
  std::uint64_t seed = 1;
  int prefetch = 2;  // batches made ahead; 0: none, in the caller's thread
};

class Loader {
 public:
  Loader(const Dataset& dataset, LoaderOptions options);
  ~Loader();
  // Batch number `step`. Steps may be asked in any order; consecutive ones are prefetched. Errors of the thread
  // are thrown here.
  Batch batch(std::int64_t step);
  // Batches per pass over the cases, at least 1.
  std::int64_t steps_per_epoch() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace voxgrad::data

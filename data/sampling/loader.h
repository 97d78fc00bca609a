// Batches for training: patches with foreground oversampling, augmented, prefetched by a thread. Batch `step` is a pure
// function of (seed, step): resuming at a step, other prefetch depths and other thread counts give the same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/sampling/augment.h"
#include "data/sampling/fields.h"

namespace voxgrad::data {

struct Batch {
  Tensor images;                // f32 [N, *P, C], prepared
  Tensor labels;                // u8 [N, *P]
  std::vector<double> spacing;  // of the first sample
  std::vector<std::string> ids;
  std::map<std::string, Tensor> fields;  // f32 [N, *P, K] per key of LoaderOptions::fields
};

struct LoaderOptions {
  std::vector<std::int64_t> cases;
  std::vector<std::int64_t> patch;  // per spatial axis; cases are padded with zeros (label: background) if smaller
  std::int64_t batch = 2;
  // Share of the samples centred on a foreground voxel, spread evenly over the steps: of a class drawn uniformly from
  // the classes of the case, as far as the patch stays inside the case. Other samples lie anywhere.
  double foreground = 0.33;
  std::function<void(const Tensor& image)> prepare;  // of a whole case, in place: normalisation; null: none
  AugmentOptions augment;
  std::uint64_t seed = 1;
  int prefetch = 2;                                // batches made ahead; 0: none, in the caller's thread
  std::size_t cache_bytes = std::size_t{2} << 30;  // decoded cases kept in memory, at most; the rest is read again
  std::shared_ptr<const Fields> fields;            // maps that go with the labels; null: none
};

class Loader {
 public:
  // Error(usage) for options that do not fit the dataset. Nothing is read yet.
  Loader(const Dataset& dataset, LoaderOptions options);
  ~Loader();  // waits for the batch in the making, if any
  // Batch number `step`. Steps may be asked in any order; consecutive ones are prefetched. Errors of the thread
  // are thrown here. To be called from one thread at a time.
  Batch batch(std::int64_t step);
  // Batches per pass over the cases, at least 1.
  std::int64_t steps_per_epoch() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace voxgrad::data

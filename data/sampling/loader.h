// Makes batches for training: patches that show foreground more often than chance would, augmented, and made ahead by
// threads. A batch depends on the seed and the number of its step only. It therefore has the same bits after a
// resumption, for any number of threads and of batches made ahead.
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
  Tensor images;                 // f32 [N, *P, C], after LoaderOptions::prepare
  Tensor labels;                 // u8 [N, *P]
  Tensor probabilities;          // f32 [N, *P, K] of the K classes, with LoaderOptions::probabilities; as in Case
  std::vector<double> spacing;   // per spatial axis, of one sample after the other; after LoaderOptions::prepare
  std::vector<std::string> ids;  // the case of each sample
  std::map<std::string, Tensor> fields;  // f32 [N, *P, K] for every key of LoaderOptions::fields
};

struct LoaderOptions {
  std::vector<std::int64_t> cases;
  Shape patch;  // spatial extents; a smaller case is padded, its image with zeros and its label with background
  std::int64_t batch = 2;
  // The share of the samples that are centred on a voxel of the foreground, spread evenly over the steps. The class of
  // the voxel is drawn first, each class of the case with the same probability. The patch is moved if it would leave
  // the case. All other samples lie anywhere; in a case with ignored voxels they are centred on one that is not
  // ignored.
  double foreground = 0.33;
  CasePreparation prepare = {};  // of every case, before anything is made of it; may change extents and spacing
  AugmentOptions augment = {};
  std::uint64_t seed = 1;
  int prefetch = 2;  // batches made ahead, one more for each further thread; with 0 the caller makes each of them
  int threads = 0;   // that make batches ahead; 0: a quarter of those of the kernels, 1 to 4
  // At most so much of prepared cases is kept; others are read and prepared again.
  std::size_t cache_bytes = std::size_t{2} << 30;
  bool probabilities = false;  // whether the batches have the probabilities of the labels, as the dataset must
  std::shared_ptr<const Fields> fields = {};  // makes the maps that go with the labels; null means no maps
};

class Loader {
 public:
  // Throws Error(usage) for options that do not fit the dataset. No case is read yet.
  Loader(const Dataset& dataset, LoaderOptions options);
  ~Loader();  // waits for the batches that are being made
  // Returns batch number `step`. Steps may be asked for in any order; consecutive ones are made ahead. An error that
  // a thread met is thrown here. Only one thread at a time may call it.
  Batch batch(std::int64_t step);
  // Returns the number of batches in one pass over the cases, at least 1.
  std::int64_t steps_per_epoch() const;
  // The prepared cases that are kept now, and their bytes, which LoaderOptions::cache_bytes bounds.
  struct Kept {
    std::int64_t cases = 0;
    std::size_t bytes = 0;
  };
  Kept kept() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace voxgrad::data

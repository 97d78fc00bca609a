// Makes batches: chooses the case, the patch and the changes of every sample. Internal to this folder;
// data/sampling/loader.h adds the threads that make batches ahead.
#pragma once

#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "data/sampling/loader.h"

namespace voxgrad::data {

// A case from which samples are cut.
struct PreparedCase {
  // After LoaderOptions::prepare. Of the probabilities p the first channel is 1 - p: what lies outside a case, where
  // patches are 0, is background then.
  Case data;
  std::vector<Tensor> fields;  // f32 [*S, K], one per key; no extent is smaller than that of the patch
  // For each class that occurs, except the background: at most 4096 voxels on which a patch may be centred, spread over
  // all voxels of the class.
  std::vector<std::vector<std::int64_t>> foreground;
  // Of a case with ignored voxels: at most 4096 of its other voxels, spread over all of them; else empty. All other
  // patches are centred on these, because the voxels that count may be few.
  std::vector<std::int64_t> known;
};

class Sampler {
 public:
  Sampler(const Dataset& dataset, LoaderOptions options);
  // Several threads may call it at the same time; none reads a case that another one is reading.
  Batch make(std::int64_t step);
  const LoaderOptions& options() const { return options_; }
  Loader::Kept kept() const {
    const std::lock_guard lock(mutex_);
    return kept_;
  }

 private:
  std::int64_t case_of(std::int64_t sample);
  using Prepared = std::shared_ptr<const PreparedCase>;
  Prepared prepared(std::int64_t index);
  Prepared read_case(std::int64_t index) const;
  // Cuts the maps of sample j of the batch and returns them. They are parts of the memory of batch.fields.
  std::vector<Tensor> cut_fields(const PreparedCase& from, const Extents& corner, std::int64_t j, Batch& batch) const;
  // Makes the maps of a warped sample from its labels and those around it. Where these show one side of a border only,
  // distances are those of the case at the same place, which knows borders further away.
  std::vector<Tensor> make_fields(const PreparedCase& from, const Extents& corner, const Warp& warp, std::int64_t j,
                                  Batch& batch) const;
  // Returns the part of the memory of batch.fields for map k of sample j.
  Tensor place_of(std::size_t k, const Tensor& map, std::int64_t j, Batch& batch) const;
  // Returns the first voxel of a patch. It is negative along an axis on which the case is smaller than the patch.
  Extents corner(const PreparedCase& from, std::int64_t sample, Random random) const;

  Dataset dataset_;
  LoaderOptions options_;
  int ignore_;
  mutable std::mutex mutex_;  // guards what follows; it is not held while a case is read
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;                             // the cases in the order of epoch_
  std::map<std::int64_t, std::shared_future<Prepared>> cases_;  // those that are kept or being read
  Loader::Kept kept_;
};

}  // namespace voxgrad::data

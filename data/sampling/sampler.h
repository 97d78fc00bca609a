// Makes batches, one call at a time: which case, which patch, which changes. Internal to this folder;
// data/sampling/loader.h adds the thread.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "data/sampling/loader.h"

namespace voxgrad::data {

// A case as samples are cut from it.
struct PreparedCase {
  Case data;                   // prepared as the options say
  std::vector<Tensor> fields;  // f32 [*S, K], one per key; no extent smaller than that of the patch
  // Per class that occurs, other than the background: voxels to centre a patch on, at most 4096, spread over all of
  // its voxels.
  std::vector<std::vector<std::int64_t>> foreground;
};

class Sampler {
 public:
  Sampler(const Dataset& dataset, LoaderOptions options);
  Batch make(std::int64_t step);
  const LoaderOptions& options() const { return options_; }

 private:
  std::int64_t case_of(std::int64_t sample);
  std::shared_ptr<const PreparedCase> prepared(std::int64_t index);
  // The parts of the maps that belong to sample j of the batch, in the batch's memory.
  std::vector<Tensor> cut_fields(const PreparedCase& from, const std::vector<std::int64_t>& first, std::int64_t j,
                                 Batch& batch) const;
  std::vector<std::int64_t> corner(const PreparedCase& from, std::int64_t sample, Random random) const;

  Dataset dataset_;
  LoaderOptions options_;
  int ignore_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;  // of the cases in epoch_
  std::map<std::int64_t, std::shared_ptr<const PreparedCase>> cache_;
  std::size_t cached_bytes_ = 0;
};

}  // namespace voxgrad::data

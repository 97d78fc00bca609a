// Maps that follow from the labels of a case: distances, say. They need the whole case, so they are made of it once,
// kept in a file beside the dataset, and cut, flipped and turned with every sample. What a map means is known to
// whoever passes the function that makes it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::data {

class FieldCache;  // data/sampling/field_cache.h

struct FieldMaker {
  std::vector<std::string> keys;
  std::string variant;  // what decides the values beside key, labels and spacing: "3 channels, definition 1"
  // labels u8 [1, *S], spacing per spatial axis -> f32 [1, *S, K]. Called by the thread of a loader too.
  std::function<Tensor(const std::string& key, const Tensor& labels, const std::vector<double>& spacing)> make;
};

class Fields {
 public:
  // `cache`: the file to keep them in; empty: none.
  explicit Fields(FieldMaker maker, std::string cache = "");
  const std::vector<std::string>& keys() const { return maker_.keys; }
  const std::string& cache() const { return path_; }

  // Makes what the cache lacks of `cases` and writes it. `progress` is called before each map that is made; what it
  // throws ends the work. `warn` is told if a cache cannot be read or written. Without this call, or without a cache,
  // of() makes the maps.
  void prepare(const Dataset& dataset, const std::vector<std::int64_t>& cases, const std::vector<std::int64_t>& patch,
               const std::function<void()>& progress, const std::function<void(const std::string&)>& warn);
  // One map f32 [*S, K] per key, from the cache, or made if it is not there or damaged there. S are the extents of the
  // label, or of the patch where those are larger: the label is padded with background on both sides then.
  std::vector<Tensor> of(const Case& one, const std::vector<std::int64_t>& patch) const;

  // A larger cache, counted before compression, is not written.
  static constexpr std::size_t kMostBytes = std::size_t{2} << 30;

 private:
  std::string name_of(const std::string& key, const Case& one, const Tensor& label) const;
  Tensor make(const std::string& key, const Case& one, const Tensor& label) const;
  // Undefined if it is not there, or damaged.
  Tensor read(const std::string& name, const Tensor& label) const;

  FieldMaker maker_;
  std::string path_;
  std::shared_ptr<const FieldCache> cache_;  // null: none, or not opened yet
};

// <name>.cache.h5 beside the dataset <name>.h5.
std::string cache_path(const std::string& dataset);

}  // namespace voxgrad::data

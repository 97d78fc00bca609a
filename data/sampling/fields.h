// Maps that are computed from the labels of a case, the distance to the nearest border for example. A map needs the
// whole case. It is therefore computed once, kept in a file beside the dataset, and then cut, flipped and turned with
// every sample. This folder does not know what a map means: the caller passes the function that computes it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::data {

class FieldCache;  // data/sampling/field_cache.h

// Changes a whole case: the image, the label and the spacing, which fit each other afterwards, too (crop, resampling,
// normalisation). Several threads may call it, each for its own case.
using CasePreparation = std::function<void(Case& one)>;

struct FieldMaker {
  std::vector<std::string> keys;
  std::string variant;  // names all else that decides the values: "3 channels, definition 1"
  // Makes f32 [1, *S, K] from labels u8 [1, *S] and the spacing per spatial axis. The thread of a loader calls it too.
  std::function<Tensor(const std::string& key, const Tensor& labels, const std::vector<double>& spacing)> make;
  // Whether a map has distances to a border, so that a channel of 0 means that the labels show one side of it only. If
  // it is not given, no map has.
  std::function<bool(const std::string& key)> distances = {};
};

class Fields {
 public:
  // A cache that would have more bytes before compression is not written.
  static constexpr std::size_t kMostBytes = std::size_t{2} << 30;

  // `cache` is the file that keeps the maps, of at most `most_bytes`; an empty name means none.
  explicit Fields(FieldMaker maker, std::string cache = "", std::size_t most_bytes = kMostBytes);
  const std::vector<std::string>& keys() const { return maker_.keys; }
  const std::string& cache() const { return path_; }
  bool distances(const std::string& key) const { return maker_.distances && maker_.distances(key); }

  // Makes the maps of `cases` that the cache lacks and writes the cache. The maps are those of the labels after
  // `change`, if it is given. `progress` is called before each map that is made; an exception of it ends the work.
  // `warn` is called if a cache cannot be read or written, or would be too large; the maps of the first cases tell
  // that. If prepare() is not called or there is no cache, of() makes the maps.
  void prepare(const Dataset& dataset, const std::vector<std::int64_t>& cases, const Shape& patch,
               const CasePreparation& change, const std::function<void()>& progress,
               const std::function<void(const std::string&)>& warn);
  // Returns a map f32 [*S, K] for every key. It comes from the cache, or is made if the cache has none or a damaged
  // one. S is the shape of the label; where the patch is larger, the label is first padded with background on both
  // sides.
  std::vector<Tensor> of(const Case& one, const Shape& patch) const;
  // Makes the map of a key, f32 [*S, K], from a label u8 [*S].
  Tensor make(const std::string& key, const Tensor& label, const std::vector<double>& spacing) const;

 private:
  std::string name_of(const std::string& key, const Case& one, const Tensor& label) const;
  // Returns an undefined tensor if the cache has no such map or a damaged one.
  Tensor read(const std::string& name, const Tensor& label) const;

  FieldMaker maker_;
  std::string path_;
  std::size_t most_bytes_;
  std::shared_ptr<const FieldCache> cache_;  // null if there is none or it is not opened yet
};

// Returns <name>.cache.h5 in the folder of the dataset <name>.h5.
std::string cache_path(const std::string& dataset);

}  // namespace voxgrad::data

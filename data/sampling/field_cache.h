// The HDF5 file that keeps maps of labels (data/sampling/fields.h). Internal to this folder. The arrays /0, /1, .. are
// the maps, f32 [*S, K] with gzip. The array /names u8 is a text with one line for each map: the crc32 of its values, a
// space, and the name under which it is looked up. Attributes: format "voxgrad-cache" and format_version 1 of the file,
// crc32 of /names.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "data/h5/h5_writer.h"
#include "engine/tensor.h"

namespace voxgrad::data {

class FieldCache {
 public:
  FieldCache() = default;  // has no maps
  // Throws Error(io) if the file cannot be opened, Error(data) if it is damaged or something else.
  explicit FieldCache(const std::string& path);
  // Whether somebody else has written the file, so that it must not be replaced: an HDF5 file that is no cache, or a
  // file that cannot be read. What is no HDF5 file, or half of one, is taken for a cache that was damaged.
  static bool is_of_others(const std::string& path);
  bool contains(const std::string& name) const { return entries_.contains(name); }
  // Throws Error(data) if the map is damaged, Error(argument) if there is none of this name.
  Tensor read(const std::string& name) const;
  template <class F>
  void for_names(const F& body) const {
    for (const auto& entry : entries_) body(entry.first);
  }

 private:
  struct Entry {
    std::int64_t number;
    std::uint32_t crc32;
  };
  h5::File file_;
  std::map<std::string, Entry> entries_;
};

class FieldCacheWriter {
 public:
  // Opens the file under a temporary name. Throws Error(io), here as in the other functions, if it cannot be written.
  // The file that was there before is then untouched.
  explicit FieldCacheWriter(const std::string& path);
  void add(const std::string& name, const Tensor& map);
  std::size_t bytes() const { return bytes_; }  // of all maps that were added, before compression
  void save();

 private:
  h5::Writer out_;
  std::string names_;
  std::int64_t count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace voxgrad::data

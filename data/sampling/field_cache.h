// The file in which maps of labels are kept (data/sampling/fields.h). Internal to this folder. HDF5: maps /0, /1, ..
// f32 [*S, K] with gzip; /names u8, a line for each: the crc32 of its values, a space, the text that says what it is
// of. Attributes of the root: format "voxgrad-cache", format_version 1; of /names: crc32.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "data/h5/h5_writer.h"
#include "engine/tensor.h"

namespace voxgrad::data {

class FieldCache {
 public:
  FieldCache() = default;  // empty
  // Error(data) if it is something else, or damaged; Error(io) if it cannot be opened.
  explicit FieldCache(const std::string& path);
  bool contains(const std::string& name) const { return entries_.contains(name); }
  // Error(data) if the map is damaged, Error(argument) if it is not there.
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
  FieldCacheWriter();
  void add(const std::string& name, const Tensor& map);
  std::size_t bytes() const { return bytes_; }  // of the maps so far, before compression
  // Error(io); the file that was there before is then untouched.
  void save(const std::string& path);

 private:
  h5::Writer out_;
  std::string names_;
  std::int64_t count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace voxgrad::data

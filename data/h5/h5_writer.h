// Writes HDF5: the file is built in memory, with the same bytes for the same calls (no times, one library format), and
// reaches the disk in one atomic step, so that a full disk is an Error(io) and never half a file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/h5/h5.h"

namespace voxgrad::data::h5 {

class Writer {
 public:
  Writer();
  // Paths are absolute; the group above must have been made.
  void group(const std::string& path);
  // An array to be filled by write(). With a chunk: gzip, shuffle and fletcher32; without: in one piece.
  void create(const std::string& path, Element element, const Extents& extents, const Extents& chunk = {});
  // Values of type `memory` into the box of `count` elements per axis from `start`, in C order.
  void write(const std::string& path, const Extents& start, const Extents& count, Element memory, const void* values);
  // A list of texts: variable length, UTF-8.
  void texts(const std::string& path, const std::vector<std::string>& values);
  // Attributes of a group or an array; "/" is the file's own.
  void attribute(const std::string& path, const std::string& name, const std::string& value);
  void attribute(const std::string& path, const std::string& name, const std::vector<std::string>& values);
  void attribute(const std::string& path, const std::string& name, const std::vector<double>& values);
  void attribute(const std::string& path, const std::string& name, std::int64_t value);
  void attribute(const std::string& path, const std::string& name, std::uint32_t value);
  // Ends the writing.
  void save(const std::string& path);

 private:
  struct Memory;  // of the file
  void put_attribute(const std::string& path, const std::string& name, Id type, const Handle& space,
                     const void* values);
  std::shared_ptr<Memory> memory_;  // outlives the file
  Handle file_;
  std::map<std::string, Handle> arrays_;  // closed before the file
};

}  // namespace voxgrad::data::h5

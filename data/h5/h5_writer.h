// Writes HDF5 files. The same calls give the same bytes, because no times are stored and the library's file format is
// fixed. The file is built in memory and reaches the disk in one atomic step, so a full disk is an Error(io) and never
// leaves half a file.
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
  // Makes a group. Paths are absolute, and the group above must exist.
  void group(const std::string& path);
  // Makes an array, which write() fills. If `chunk` has extents, the array is stored in chunks of that shape, which
  // HDF5 compresses (shuffle and gzip) and protects with a checksum (fletcher32). Otherwise it is stored in one piece.
  void create(const std::string& path, Element element, const Shape& extents, const Shape& chunk = {});
  // Writes values of type `memory`, in C order, into the box that begins at `start` and has `count` elements along each
  // axis.
  void write(const std::string& path, const Shape& start, const Shape& count, Element memory, const void* values);
  // Makes and fills a whole array.
  void array(const std::string& path, Element element, const Shape& extents, const void* values,
             const Shape& chunk = {});
  // Writes a list of texts of variable length in UTF-8.
  void texts(const std::string& path, const std::vector<std::string>& values);
  // Writes an attribute of a group or an array. The path "/" is the file itself.
  void attribute(const std::string& path, const std::string& name, const std::string& value);
  void attribute(const std::string& path, const std::string& name, const std::vector<std::string>& values);
  void attribute(const std::string& path, const std::string& name, const std::vector<double>& values);
  void attribute(const std::string& path, const std::string& name, std::int64_t value);
  void attribute(const std::string& path, const std::string& name, std::uint32_t value);
  // Writes the file to the disk. Nothing can be added afterwards. Throws Error(io) if it cannot be written.
  void save(const std::string& path);

 private:
  struct Memory;  // what the file consists of until save()
  void put_attribute(const std::string& path, const std::string& name, Id type, const Handle& space,
                     const void* values);
  std::shared_ptr<Memory> memory_;  // must outlive the file
  Handle file_;
  std::map<std::string, Handle> arrays_;  // must be closed before the file
};

}  // namespace voxgrad::data::h5

// Writes HDF5 files. The same calls give the same bytes, because no times are stored and the library's file format is
// fixed. The file grows on the disk under a temporary name and gets its own in one atomic step, so memory is bounded
// whatever its size, and a full disk is an Error(io) that never leaves half a file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/h5/h5.h"

namespace voxgrad::data::h5 {

class Disk;

// Returns the chunk in which an array of voxels is stored: one case, or, if a case has more than 4 MiB, a block of 64^3
// or 512^2 voxels of at most 32 MiB. `dims` is the number of spatial axes; with `stacked` the first axis counts cases.
Shape chunk_of(Shape extents, bool stacked, int dims, Element element);

class Writer {
 public:
  // Opens `path`.tmp. Without save() nothing remains of it. This and every other function throws Error(io) with the
  // reason of the system if the file cannot be written; then nothing but the destructor may be called.
  explicit Writer(const std::string& path);
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
  // `extents` are those of the list if they are left out.
  void attribute(const std::string& path, const std::string& name, const std::vector<double>& values,
                 const Shape& extents = {});
  void attribute(const std::string& path, const std::string& name, std::int64_t value);
  void attribute(const std::string& path, const std::string& name, std::uint32_t value);
  // Gives the file its name. Nothing can be added afterwards.
  void save();

 private:
  void done(Id code, const std::string& path) const;
  Handle own(Id id, Handle::Close close, const std::string& path) const;
  Handle properties(Id kind) const;
  Handle text_type() const;
  Handle space(const Shape& extents) const;
  Id keep_open(const std::string& path, Handle array);
  Handle new_array(const std::string& path, Id type, const Shape& extents, const Handle& creation) const;
  void put_attribute(const std::string& path, const std::string& name, Id type, const Handle& extents,
                     const void* values) const;
  std::string path_;
  std::shared_ptr<Disk> disk_;  // must outlive the file
  Handle file_;
  std::map<std::string, Handle> arrays_;  // a few that are still open; must be closed before the file
};

}  // namespace voxgrad::data::h5

// Unpacks chunks here and not in HDF5, which takes the size of an unpacked chunk from the array and not from the chunk:
// one that is shorter, in a damaged or hostile file, makes version 1.10 read behind the end of its memory. Internal to
// this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/h5/h5.h"

namespace voxgrad::data::h5 {

class Chunks {
 public:
  // Null if the array has no filters, or one that this class does not know; those it knows are deflate, shuffle and
  // fletcher32. `creation` is the property list of the array, `element` the bytes of one element in the file.
  static std::shared_ptr<Chunks> of(Id creation, const Shape& extents, const Shape& chunk, std::size_t element);
  // Copies the box as it is stored into `out`, in C order. The caller holds a Guard. Error(data) if a chunk is damaged.
  void read(Id array, const Shape& start, const Shape& count, std::byte* out, const std::string& where);

 private:
  using Buffer = std::vector<std::byte>;
  struct Filter {
    int kind;
    std::size_t element;  // of shuffle
  };
  const Buffer& chunk_at(Id array, const Shape& offset, const std::string& where);
  Buffer unpacked(Buffer bytes, std::uint32_t left_out, const std::string& where) const;

  std::vector<Filter> filters_;  // in the order in which they were applied
  Shape extents_, chunk_;
  std::size_t element_ = 0, bytes_ = 0;  // of an element, of a chunk
  bool whole_edges_ = true;              // chunks that stick out of the array are filtered as well
  Buffer fill_;                          // the element where nothing was written
  // Chunks that hold several cases are kept until those of another row of chunks are wanted, or each would be unpacked
  // once for every case. Otherwise only the last one is.
  bool keeps_row_ = false;
  std::int64_t row_ = -1;
  std::map<std::int64_t, Buffer> kept_;
};

}  // namespace voxgrad::data::h5

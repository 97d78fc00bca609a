// What the files about TIFF share.
#pragma once

#include <tiffio.h>

#include <memory>
#include <string>
#include <vector>

#include "data/formats/formats_detail.h"

namespace voxgrad::data::detail {

// A file in memory, because libtiff does not tell a disk that fails from a file that is cut off. What libtiff says goes
// into reason(), not to stderr.
class Tiff {
 public:
  // Reads `bytes`, which must outlive this; Error(data) that names `path` if libtiff refuses them.
  Tiff(std::string& bytes, const std::string& path);
  // Writes to `target`, which must outlive this. BigTIFF if `bytes` do not fit into the old kind.
  Tiff(std::string& target, std::uint64_t bytes);
  TIFF* get() const { return tiff_.get(); }
  // Empty if nothing is wrong. A lack of memory is not told from damage, because libtiff says the same of both.
  const std::string& reason() const { return *reason_; }
  void close() { tiff_.reset(); }

 private:
  void open(std::string& bytes, const char* mode, std::uint64_t most_bytes);

  std::unique_ptr<std::string> reason_;
  std::unique_ptr<TIFF, decltype(&::TIFFClose)> tiff_;
};

// How the pages of a file are the planes of one image.
struct PageAxes {
  enum class Of : std::uint8_t { one, depth, channels, pictures } of = Of::one;
  std::int64_t depth = 1, channels = 1;  // by how many pages
  bool channels_first = true;            // page = channel + channels * z, else z + depth * channel
  std::vector<double> spacing;           // z, y, x in millimetres; empty: unknown
  double slope = 1, intercept = 0;       // of the values, by ImageJ's calibration
  std::vector<std::string> notes;
};
// Decides by the tags of ImageJ or OME in `description`, else by `axes` (ReadOptions::axes), which goes first if it is
// given. `samples` is the number of channels inside a page; `x` and `y` are the resolution tags in pixels per unit, 0
// if there are none.
PageAxes axes_of_pages(std::int64_t pages, std::int64_t samples, const std::string& description, double x, double y,
                       const std::string& axes, const std::string& path);

}  // namespace voxgrad::data::detail

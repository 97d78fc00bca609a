// What the files of this folder share: one reader and one writer per format. Readers check what a file claims against
// its size before they ask for memory, and throw Error(data) that begins with the path.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/image.h"

namespace voxgrad::data::detail {

// Deflate makes data at most 1032 times smaller.
constexpr double kDeflate = 1032;

// The whole number that is stored in these bytes, four at most.
inline std::uint32_t number(std::string_view bytes, bool little_endian = false) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    value = value << 8 | static_cast<std::uint8_t>(bytes[little_endian ? bytes.size() - 1 - i : i]);
  return value;
}

[[noreturn]] inline void refuse(const std::string& path, const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorKind::data, path + ": " + what, hint);
}
// Error(io) unless `path` is a file that can be read; its size in bytes.
std::uint64_t file_size(const std::string& path);
std::string read_bytes(const std::string& path, std::uint64_t most = std::numeric_limits<std::uint64_t>::max());

// Pictures by stb_image: the samples as f32 [Y, X, C], with C as in the file. `shape` is what our own walk over the
// file found; Error(data) if stb sees another picture, cannot decode it, or would use far more memory than it takes.
Tensor decode_samples(std::string_view bytes, bool sixteen_bits, const Shape& shape, const std::string& path);

Image decode_png(std::string_view bytes, const std::string& path);
Image decode_jpeg(std::string_view bytes, const std::string& path);
Image decode_bmp(std::string_view bytes, const std::string& path);
Image decode_gif(std::string_view bytes, const std::string& path);
// read_bytes, unless KeepTiffs has them already. `again`: whether other pages of the file are probably read next.
std::shared_ptr<std::string> kept_bytes(const std::string& path, bool again);
Image read_tiff(const std::string& path, const ReadOptions& options);
std::int64_t tiff_pages(const std::string& path);  // pages_of
Image read_nifti(const std::string& path);

// Notes what a tag says about how to show a picture: 2 .. 8 turned or mirrored, 1 as it is stored.
void note_orientation(Image& image, std::uint32_t orientation);

// The extents as people write them: "512 x 512 x 3".
std::string by(const Shape& shape);

// `kind` of this element type is written; Error(argument) if `values` has one that it does not hold.
void check_element(const Image& image, const char* kind, std::initializer_list<h5::Element> elements);
// Gives indices their palette. One that is too short becomes longer, with black and a note.
void set_palette(Image& image, std::vector<Colour> palette);
// The same, and where all colours are grey, the indices become grey values.
void set_palette_or_grey(Image& image, std::vector<Colour> palette);
// Error(argument) unless a palette fits to the image: u8, one channel, no value outside it.
void check_palette(const Image& image);
// Calls put(index, value) with each value of the image, as T. Error(argument) for one that T does not hold.
template <class T, class F>
void for_each_value(const Image& image, F&& put) {
  dispatch(image.values.dtype(), [&]<class S>(S) {
    const S* from = image.values.data<S>();
    const std::int64_t count = image.values.numel();
    for (std::int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_integral_v<T>) {
        const double value = static_cast<double>(from[i]);
        check(value >= std::numeric_limits<T>::lowest() && value <= std::numeric_limits<T>::max() &&
                  value == std::floor(value),
              "write_image: value ", value, " is no ", h5::name_of(image.element));
      }
      put(i, static_cast<T>(from[i]));
    }
  });
}

void write_png(const std::string& path, const Image& image);
void write_tiff(const std::string& path, const Image& image);
void write_nifti(const std::string& path, const Image& image);

}  // namespace voxgrad::data::detail

// BMP: pixels without compression, as Windows and OS/2 write them, with a palette or with colours.
#include <cmath>

#include "data/formats/formats_detail.h"

namespace voxgrad::data::detail {
namespace {

constexpr std::size_t kFileHeader = 14, kOldHeader = 12;  // bytes; the old one is that of OS/2 1

struct BmpParts {
  std::int64_t width = 0, height = 0, row = 0;  // row: the bytes from one row to the next
  std::size_t bits = 0, pixels = 0;             // bits of a pixel; where the pixels begin
  bool upwards = true;                          // whether the first row is the lowest
  std::vector<Colour> palette;
};

BmpParts walk_bmp(std::string_view bytes, const std::string& path) {
  const auto at = [&](std::size_t place, std::size_t size) { return number(bytes.substr(place, size), true); };
  const auto signed_at = [&](std::size_t place) -> std::int64_t { return static_cast<std::int32_t>(at(place, 4)); };
  const std::size_t header = bytes.size() < kFileHeader + 4 ? 0 : at(kFileHeader, 4);
  const bool old = header == kOldHeader;
  if ((!old && header < 40) || bytes.size() < kFileHeader + header)
    refuse(path, text("its header has ", header, " bytes, the file has ", bytes.size()), "the file is damaged");
  BmpParts parts;
  parts.pixels = at(10, 4);
  parts.width = old ? at(18, 2) : signed_at(18);
  const std::int64_t height = old ? at(20, 2) : signed_at(22);
  parts.upwards = height > 0;
  parts.height = std::abs(height);
  parts.bits = at(old ? 24 : 28, 2);
  std::uint32_t method = old ? 0 : at(30, 4);
  const bool usual = method == 3 && parts.bits == 32 && bytes.size() >= 66 && at(54, 4) == 0xFF0000 &&
                     at(58, 4) == 0xFF00 && at(62, 4) == 0xFF;  // the order of colours that method 0 has, too
  if (method != 0 && !usual)
    refuse(path, text("its pixels are compressed or have an unusual order of colours (method ", method, ")"),
           "save it as PNG");
  if (parts.bits != 1 && parts.bits != 4 && parts.bits != 8 && parts.bits != 24 && parts.bits != 32)
    refuse(path, text("has ", parts.bits, " bits per pixel instead of 1, 4, 8, 24 or 32"), "save it as PNG");
  if (parts.width < 1 || parts.height < 1)
    refuse(path, text("claims ", parts.width, " x ", height, " pixels"), "the file is damaged");

  const std::int64_t row_bits = parts.width * static_cast<std::int64_t>(parts.bits);
  parts.row = (row_bits + 31) / 32 * 4;
  const std::int64_t left = std::ssize(bytes) - static_cast<std::int64_t>(parts.pixels), last = (row_bits + 7) / 8;
  if (parts.pixels < kFileHeader + header || left < last || (left - last) / parts.row < parts.height - 1)
    refuse(path,
           text("claims ", parts.width, " x ", parts.height, " pixels of ", parts.bits, " bits from byte ",
                parts.pixels, " on, the file has ", bytes.size(), " bytes"),
           "the file is cut off");
  if (parts.bits > 8) return parts;
  const std::size_t size = old ? 3 : 4, most = std::size_t{1} << parts.bits, named = old ? 0 : at(46, 4);
  const std::size_t room = (parts.pixels - kFileHeader - header) / size;
  for (std::size_t i = 0; i < std::min({named == 0 ? most : named, most, room}); ++i) {
    const std::string_view entry = bytes.substr(kFileHeader + header + i * size, 3);  // blue, green, red
    parts.palette.push_back({static_cast<std::uint8_t>(entry[2]), static_cast<std::uint8_t>(entry[1]),
                             static_cast<std::uint8_t>(entry[0])});
  }
  if (parts.palette.empty()) refuse(path, "has no palette, but indices into one", "the file is damaged");
  return parts;
}

}  // namespace

Image decode_bmp(std::string_view bytes, const std::string& path) {
  const BmpParts parts = walk_bmp(bytes, path);
  const std::size_t channels = parts.bits > 8 ? 3 : 1;
  Image image;
  image.values = empty({parts.height, parts.width, static_cast<std::int64_t>(channels)});
  float* to = image.values.data<float>();
  for (std::int64_t y = 0; y < parts.height; ++y) {
    const std::int64_t stored = parts.upwards ? parts.height - 1 - y : y;
    const std::string_view row = bytes.substr(parts.pixels + static_cast<std::size_t>(stored * parts.row));
    for (std::size_t x = 0; x < static_cast<std::size_t>(parts.width); ++x)
      for (std::size_t c = 0; c < channels; ++c) {
        const std::size_t bit = x * parts.bits;
        const auto byte = static_cast<std::uint8_t>(row[bit / 8 + channels - 1 - c]);  // blue comes first
        *to++ =
            static_cast<float>(parts.bits >= 8 ? byte : byte >> (8 - parts.bits - bit % 8) & ((1 << parts.bits) - 1));
      }
  }
  image.element = h5::Element::u8;
  image.spacing = {1, 1};
  set_palette_or_grey(image, parts.palette);
  return image;
}

}  // namespace voxgrad::data::detail

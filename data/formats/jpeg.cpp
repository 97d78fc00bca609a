#include <algorithm>

#include "data/formats/formats_detail.h"

namespace voxgrad::data::detail {
namespace {

std::uint32_t number(std::string_view bytes, bool little_endian = false) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    value = value << 8 | static_cast<std::uint8_t>(bytes[little_endian ? bytes.size() - 1 - i : i]);
  return value;
}

// The tag "orientation" of a segment of Exif, a small TIFF; 1, upright, if there is none.
std::uint32_t orientation(std::string_view exif) {
  if (!exif.starts_with(std::string_view("Exif\0\0", 6)) || exif.size() < 14) return 1;
  const std::string_view tiff = exif.substr(6);
  const bool little = tiff.starts_with("II");
  const std::size_t directory = number(tiff.substr(4, 4), little);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = number(tiff.substr(directory, 2), little);
  for (std::size_t i = 0; i < entries && directory + 14 + 12 * i <= tiff.size(); ++i) {
    const std::string_view entry = tiff.substr(directory + 2 + 12 * i, 12);
    if (number(entry.substr(0, 2), little) == 0x0112) return number(entry.substr(8, 2), little);
  }
  return 1;
}

struct JpegParts {
  std::int64_t width = 0, height = 0;
  int channels = 0;
  std::uint32_t orientation = 1;
};

// Tables of Huffman codes: stb writes as many codes as they claim into a place for 256.
void check_codes(std::string_view content, const std::string& path) {
  while (!content.empty()) {
    std::size_t codes = 0;
    for (const char count : content.substr(std::min<std::size_t>(1, content.size()), 16))
      codes += static_cast<std::uint8_t>(count);
    if (content.size() < 17 + codes || codes > 256)
      refuse(path, text("a table of codes claims ", codes, " codes"), "the file is damaged");
    content.remove_prefix(17 + codes);
  }
}

// Walks from marker to marker to the end of the image: stb fills what is missing of a file that is cut off with grey.
JpegParts walk_jpeg(std::string_view bytes, const std::string& path) {
  if (!bytes.starts_with("\xFF\xD8")) refuse(path, "does not begin as a JPEG file");
  JpegParts parts;
  for (std::size_t at = 2;;) {
    // Between segments, and in the compressed samples after a SOS: FF 00 is a sample, FF D0 .. D7 a mark inside them.
    at = bytes.find('\xFF', at);
    if (at == std::string_view::npos || at + 1 >= bytes.size())
      refuse(path, "ends before its end marker (EOI)", "the file is cut off");
    const int marker = static_cast<std::uint8_t>(bytes[++at]);
    if (marker == 0xFF) continue;
    ++at;
    if (marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;
    if (marker == 0xD9) break;
    const std::size_t length = bytes.size() - at < 2 ? 0 : number(bytes.substr(at, 2));
    if (length < 2 || length > bytes.size() - at)
      refuse(path, text("a segment at byte ", at, " has ", length, " bytes, ", bytes.size() - at, " are left"),
             "the file is cut off or damaged");
    const std::string_view content = bytes.substr(at + 2, length - 2);
    if (marker == 0xE1) parts.orientation = std::max(parts.orientation, orientation(content));
    if (marker == 0xC4) check_codes(content, path);
    if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) {
      if (marker > 0xC2)
        refuse(path, "is compressed in a way that few programs read (lossless, hierarchical or arithmetic)",
               "save it as PNG");
      if (content.size() < 6 || parts.channels != 0) refuse(path, "has a frame without content, or two of them");
      if (content[0] != 8) refuse(path, text("has ", +content[0], " bits per sample instead of 8"), "save it as PNG");
      parts.height = number(content.substr(1, 2));
      parts.width = number(content.substr(3, 2));
      parts.channels = static_cast<std::uint8_t>(content[5]);
    }
    at += length;
  }
  return parts;
}

}  // namespace

Image decode_jpeg(std::string_view bytes, const std::string& path) {
  const JpegParts parts = walk_jpeg(bytes, path);
  if (parts.channels == 4)
    refuse(path, "has the colours of a printer (CMYK), which have no exact meaning on a screen",
           "convert it to an RGB image");
  if (parts.width < 1 || parts.height < 1 || (parts.channels != 1 && parts.channels != 3))
    refuse(path, text("its header has no meaning: ", parts.width, " x ", parts.height, " pixels, ", parts.channels,
                      " components"));
  // A block of 8 x 8 pixels takes at least one bit.
  if (parts.width * parts.height > 512 * static_cast<std::int64_t>(bytes.size()))
    refuse(
        path,
        text("claims ", parts.width, " x ", parts.height, " pixels, more than its ", bytes.size(), " bytes can hold"),
        "the file is damaged");
  Image image;
  image.values = decode_samples(bytes, false, {parts.height, parts.width, parts.channels}, path);
  image.element = h5::Element::u8;
  image.spacing = {1, 1};
  if (parts.orientation != 1)
    image.notes.push_back(text("The camera notes that the picture is to be shown turned or mirrored (Exif orientation ",
                               parts.orientation,
                               "). The pixels were read as they are stored, so that image and mask agree."));
  return image;
}

}  // namespace voxgrad::data::detail

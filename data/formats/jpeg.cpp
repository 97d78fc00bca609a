#include <algorithm>
#include <tuple>
#include <vector>

#include "data/formats/formats_detail.h"

namespace voxgrad::data::detail {
namespace {

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

constexpr int kMostScans = 100;  // progressive pictures have about ten, and the decoder visits all pixels in each

struct Component {
  int id = 0;
  unsigned table = 0;  // of its quantisation
  bool scanned = false;
};

struct JpegParts {
  std::int64_t width = 0, height = 0;
  int channels = 0;
  std::uint32_t orientation = 1;
  int scans = 0;
  std::vector<Component> components;
  std::uint32_t steps = 0, codes[2] = {0, 0};  // the tables read so far, a bit each: quantisation; codes of DC and AC
};

// The id and the kind of a table, two halves of a byte.
unsigned low(char byte) { return static_cast<std::uint8_t>(byte) & 15U; }
unsigned high(char byte) { return static_cast<std::uint8_t>(byte) >> 4; }

// Tables of Huffman codes (DHT): stb writes as many codes as they claim into a place for 256.
void read_codes(std::string_view content, JpegParts& parts, const std::string& path) {
  while (!content.empty()) {
    std::size_t codes = 0;
    for (const char count : content.substr(std::min<std::size_t>(1, content.size()), 16))
      codes += static_cast<std::uint8_t>(count);
    if (content.size() < 17 + codes || codes > 256)
      refuse(path, text("a table of codes claims ", codes, " codes"), "the file is damaged");
    parts.codes[high(content[0]) & 1] |= 1U << low(content[0]);
    content.remove_prefix(17 + codes);
  }
}

void read_steps(std::string_view content, JpegParts& parts, const std::string& path) {  // DQT
  while (!content.empty()) {
    const std::size_t size = high(content[0]) == 0 ? 65 : 129;
    if (content.size() < size) refuse(path, "a table of quantisation is cut off", "the file is damaged");
    parts.steps |= 1U << low(content[0]);
    content.remove_prefix(size);
  }
}

void read_frame(std::string_view content, JpegParts& parts, const std::string& path) {  // SOF
  if (content.size() < 6 || !parts.components.empty())
    refuse(path, "has a frame without content, or two of them", "the file is damaged");
  if (content[0] != 8) refuse(path, text("has ", +content[0], " bits per sample instead of 8"), "save it as PNG");
  parts.height = number(content.substr(1, 2));
  parts.width = number(content.substr(3, 2));
  parts.channels = static_cast<std::uint8_t>(content[5]);
  if (parts.channels == 4)
    refuse(path, "has the colours of a printer (CMYK), which have no exact meaning on a screen",
           "convert it to an RGB image");
  for (content.remove_prefix(6); content.size() >= 3; content.remove_prefix(3))
    parts.components.push_back({content[0], low(content[2])});
  if (static_cast<std::size_t>(parts.channels) != parts.components.size() || parts.channels == 0)
    refuse(path, text("a frame of ", parts.channels, " components describes ", parts.components.size()),
           "the file is damaged");
}

// Every table that a scan (SOS) names stands before it: stb would decode with whatever its memory holds.
void check_scan(std::string_view content, JpegParts& parts, const std::string& path) {
  if (++parts.scans > kMostScans)
    refuse(path, text("has more than ", kMostScans, " scans"),
           "the file is damaged, or made to take long; save it as PNG");
  const std::size_t count = content.empty() ? 0 : static_cast<std::uint8_t>(content[0]);
  if (count == 0 || content.size() != 4 + 2 * count) refuse(path, "a scan has no components", "the file is damaged");
  const std::string_view range = content.substr(1 + 2 * count);  // first and last coefficient, bits before and now
  const bool needs[2] = {range[0] == 0 && high(range[2]) == 0, range[1] != 0};
  for (std::size_t i = 0; i < count; ++i) {
    const int id = content[1 + 2 * i];
    const auto component = std::find_if(parts.components.begin(), parts.components.end(),
                                        [&](const Component& one) { return one.id == id; });
    if (component == parts.components.end())
      refuse(path, text("a scan has the component ", id, ", which the image has not"), "the file is damaged");
    component->scanned = true;
    const char tables = content[2 + 2 * i];
    for (const auto& [needed, table, there, name] : {std::tuple{true, component->table, parts.steps, "quantisation"},
                                                     std::tuple{needs[0], high(tables), parts.codes[0], "DC codes"},
                                                     std::tuple{needs[1], low(tables), parts.codes[1], "AC codes"}})
      if (needed && (there >> table & 1) == 0)
        refuse(path, text("a scan uses the table ", table, " of ", name, ", which does not stand before it"),
               "the file is damaged, or a frame of a film; save it as PNG");
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
    switch (marker) {
      case 0xE1: parts.orientation = std::max(parts.orientation, orientation(content)); break;
      case 0xC4: read_codes(content, parts, path); break;
      case 0xDB: read_steps(content, parts, path); break;
      case 0xDA: check_scan(content, parts, path); break;
      case 0xC0:
      case 0xC1:
      case 0xC2: read_frame(content, parts, path); break;
      default:
        if (marker > 0xC2 && marker <= 0xCF && marker != 0xC8 && marker != 0xCC)
          refuse(path, "is compressed in a way that few programs read (lossless, hierarchical or arithmetic)",
                 "save it as PNG");
    }
    at += length;
  }
  for (const Component& component : parts.components)
    if (!component.scanned)
      refuse(path, text("has no samples of the component ", component.id), "the file is cut off or damaged");
  return parts;
}

}  // namespace

Image decode_jpeg(std::string_view bytes, const std::string& path) {
  const JpegParts parts = walk_jpeg(bytes, path);
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
  note_orientation(image, parts.orientation);
  return image;
}

}  // namespace voxgrad::data::detail

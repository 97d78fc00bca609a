#include "data/formats/png.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "data/formats/formats_detail.h"
#include "engine/io/atomic_file.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n", 8);

std::uint32_t number_at(std::string_view bytes, std::size_t at) { return detail::number(bytes.substr(at, 4)); }

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

// A chunk has a length, a name, its content, and the CRC of name and content.
std::string chunk(std::string_view name, std::string_view content) {
  std::string body(name);
  body += content;
  return big_endian(static_cast<std::uint32_t>(content.size())) + body +
         big_endian(crc32(std::as_bytes(std::span(body))));
}

// What a PNG file has before it is decoded. `critical` is the same file without all that has no effect on the values.
struct PngParts {
  std::int64_t width = 0, height = 0;
  int bits = 0, colour = 0;  // colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
  bool interlaced = false, animated = false;
  std::vector<Colour> palette;
  std::string critical{kSignature};
  std::size_t packed = 0;  // bytes of compressed samples

  int channels() const { return colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1; }
};

void read_header(PngParts& parts, std::string_view content, const std::string& path) {
  if (content.size() != 13) detail::refuse(path, text("its header has ", content.size(), " bytes instead of 13"));
  parts.width = number_at(content, 0);
  parts.height = number_at(content, 4);
  const auto byte = [&](std::size_t at) { return static_cast<int>(static_cast<std::uint8_t>(content[at])); };
  parts.bits = byte(8);
  parts.colour = byte(9);
  parts.interlaced = byte(12) == 1;
  const bool bits_fit =
      parts.colour == 0   ? parts.bits == 1 || parts.bits == 2 || parts.bits == 4 || parts.bits == 8 || parts.bits == 16
      : parts.colour == 3 ? parts.bits == 1 || parts.bits == 2 || parts.bits == 4 || parts.bits == 8
                          : parts.bits == 8 || parts.bits == 16;
  const bool colour_fits = parts.colour <= 6 && parts.colour != 1 && parts.colour != 5;
  if (parts.width < 1 || parts.height < 1 || !bits_fit || !colour_fits || byte(10) != 0 || byte(11) != 0 ||
      byte(12) > 1)
    detail::refuse(
        path, text("its header has no meaning: ", parts.width, " x ", parts.height, " pixels, ", parts.bits,
                   " bits, type of colour ", parts.colour, ", methods ", byte(10), ", ", byte(11), ", ", byte(12)));
  // The values of a palette image are its indices: those are the samples of a grey image of the same bits.
  std::string header(content);
  if (parts.colour == 3) header[9] = 0;
  parts.critical += chunk("IHDR", header);
}

PngParts walk_png(std::string_view bytes, const std::string& path) {
  if (!bytes.starts_with(kSignature)) detail::refuse(path, "does not begin as a PNG file");
  PngParts parts;
  for (std::size_t at = kSignature.size();;) {
    if (bytes.size() - at < 12) detail::refuse(path, "ends before its last chunk (IEND)", "the file is cut off");
    const std::uint32_t length = number_at(bytes, at);
    const std::string_view name = bytes.substr(at + 4, 4);
    const bool named = std::ranges::all_of(name, [](char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; });
    if (!named) detail::refuse(path, text("has no chunk at byte ", at), "the file is damaged");
    if (length > bytes.size() - at - 12)
      detail::refuse(
          path, text("chunk ", name, " at byte ", at, " has ", length, " bytes, ", bytes.size() - at - 12, " are left"),
          "the file is cut off");
    const std::string_view content = bytes.substr(at + 8, length);
    if (number_at(bytes, at + 8 + length) != crc32(std::as_bytes(std::span(bytes.substr(at + 4, 4 + length)))))
      detail::refuse(path, text("chunk ", name, " at byte ", at, " has a wrong checksum (CRC)"), "the file is damaged");
    if (at == kSignature.size() && name != "IHDR")
      detail::refuse(path, text("its first chunk is ", name, " instead of IHDR"),
                     name == "CgBI" ? "this is Apple's own variant: save it as a PNG file with an image editor" : "");
    if (name == "IHDR") {
      if (at != kSignature.size()) detail::refuse(path, "has two headers (IHDR)");
      read_header(parts, content, path);
    } else if (name == "PLTE" && parts.colour == 3) {
      if (length == 0 || length % 3 != 0 || length > 768 || !parts.palette.empty() || parts.packed > 0)
        detail::refuse(path, text("its palette has ", length, " bytes, is not the only one or comes too late"));
      for (std::size_t i = 0; i < length; i += 3)
        parts.palette.push_back({static_cast<std::uint8_t>(content[i]), static_cast<std::uint8_t>(content[i + 1]),
                                 static_cast<std::uint8_t>(content[i + 2])});
    } else if (name == "IDAT") {
      parts.packed += length;
      parts.critical += bytes.substr(at, 12 + std::size_t{length});
    } else if (name == "IEND") {
      break;
    } else if (name == "acTL") {
      parts.animated = true;
    } else if ((name[0] & 32) == 0 && name != "PLTE") {
      detail::refuse(path, text("chunk ", name, " is unknown, but needed to understand the file"));
    }
    at += 12 + std::size_t{length};
  }
  parts.critical += chunk("IEND", "");
  return parts;
}

}  // namespace

Image detail::decode_png(std::string_view bytes, const std::string& path) {
  const PngParts parts = walk_png(bytes, path);
  const double row = std::ceil(static_cast<double>(parts.width) * parts.channels() * parts.bits / 8);
  if (row * static_cast<double>(parts.height) > static_cast<double>(parts.packed) * kDeflate)
    refuse(path,
           text("claims ", parts.width, " x ", parts.height, " pixels, more than its ", parts.packed,
                " compressed bytes can hold"),
           "the file is damaged");
  if (parts.colour == 3 && parts.palette.empty()) refuse(path, "has no palette (PLTE), but indices into one");

  Image image;
  image.values = decode_samples(parts.critical, parts.bits == 16, {parts.height, parts.width, parts.channels()}, path);
  image.element = parts.bits == 16 ? h5::Element::u16 : h5::Element::u8;
  image.spacing = {1, 1};
  if (parts.animated) image.notes.push_back("The file is an animation: its first picture was read.");
  if (!parts.palette.empty()) {
    // As grey values, samples of less than 8 bits were scaled to 0 .. 255.
    const float scale = static_cast<float>(255 / ((1 << parts.bits) - 1));
    for (std::int64_t i = 0; i < image.values.numel(); ++i) image.values.data<float>()[i] /= scale;
    set_palette(image, parts.palette);
  }
  return image;
}

std::string to_png(const Shape& shape, int bits, std::span<const std::uint8_t> samples,
                   const std::vector<Colour>& palette) {
  check(shape.dims() == 3 && shape.numel() > 0 && (bits == 8 || bits == 16) &&
            static_cast<std::int64_t>(samples.size()) == shape.numel() * bits / 8,
        "png: ", shape, " samples of ", bits, " bits with ", samples.size(), " bytes");
  const std::int64_t channels = shape[2];
  check(channels == 1 || channels == 3 || channels == 4, "png: ", channels, " channels instead of 1, 3 or 4");
  check(palette.empty() || (palette.size() <= 256 && bits == 8 && channels == 1), "png: a palette of ", palette.size(),
        " colours for ", channels, " channels of ", bits, " bits");
  const std::size_t height = static_cast<std::size_t>(shape[0]), stride = samples.size() / height;
  // Each row begins with the filter "up" (2): differences to the row above compress better than the values. Indices
  // into a palette, and most labels, compress better as they are (0).
  const bool up = palette.empty();
  std::string rows(height * (1 + stride), up ? '\2' : '\0');
  for (std::size_t y = 0; y < height; ++y) {
    const std::uint8_t* from = samples.data() + y * stride;
    char* to = rows.data() + y * (1 + stride) + 1;
    const std::uint8_t* above = up && y > 0 ? from - stride : nullptr;
    for (std::size_t i = 0; i < stride; ++i)
      to[i] = static_cast<char>(from[i] - (above != nullptr ? above[i] : std::uint8_t{0}));
  }
  constexpr int kLevel = 7;  // 9 makes pictures of reports smaller by a twentieth, in five times the time
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  const int code = ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                               reinterpret_cast<const Bytef*>(rows.data()), static_cast<uLong>(rows.size()), kLevel);
  if (code != Z_OK) throw std::bad_alloc();  // there is room for every result
  packed.resize(size);

  std::string file(kSignature);
  std::string header =
      big_endian(static_cast<std::uint32_t>(shape[1])) + big_endian(static_cast<std::uint32_t>(shape[0]));
  header += static_cast<char>(bits);
  header += static_cast<char>(!palette.empty() ? 3 : channels == 1 ? 0 : channels == 3 ? 2 : 6);
  file += chunk("IHDR", header + std::string(3, '\0'));
  if (!palette.empty()) {
    std::string colours;
    for (const Colour& colour : palette) colours.append(reinterpret_cast<const char*>(colour.data()), 3);
    file += chunk("PLTE", colours);
  }
  // The length of a chunk has 31 bits.
  constexpr std::size_t kLongest = std::size_t{1} << 30;
  for (std::size_t at = 0; at < packed.size(); at += kLongest)
    file += chunk("IDAT", std::string_view(packed).substr(at, kLongest));
  return file + chunk("IEND", "");
}

void detail::write_png(const std::string& path, const Image& image) {
  check_element(image, "PNG", {h5::Element::u8, h5::Element::u16});
  if (image.values.dims() != 3)
    throw Error(ErrorKind::usage, text(path, ": PNG holds no volume, this one has ", by(image.extents()), " voxels"),
                "write it as NIfTI or TIFF");
  if (image.channels() != 1 && image.channels() != 3 && image.channels() != 4)
    throw Error(ErrorKind::usage, text(path, ": PNG holds 1, 3 or 4 channels, this image has ", image.channels()),
                "write it as TIFF");
  check_palette(image);
  const bool sixteen = image.element == h5::Element::u16;
  std::vector<std::uint8_t> samples;
  samples.reserve(static_cast<std::size_t>(image.values.numel()) * (sixteen ? 2 : 1));
  if (sixteen)
    for_each_value<std::uint16_t>(image, [&](std::int64_t, std::uint16_t value) {
      samples.push_back(static_cast<std::uint8_t>(value >> 8));
      samples.push_back(static_cast<std::uint8_t>(value & 0xFF));
    });
  else
    for_each_value<std::uint8_t>(image, [&](std::int64_t, std::uint8_t value) { samples.push_back(value); });
  const std::string file = to_png(image.values.shape(), sixteen ? 16 : 8, samples, image.palette);
  write_atomically(path, {std::as_bytes(std::span(file))});
}

}  // namespace voxgrad::data

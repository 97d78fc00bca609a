// GIF: the first picture of a file. Its pixels are packed with the codes of Lempel, Ziv and Welch (LZW).
#include <array>

#include "data/formats/formats_detail.h"

namespace voxgrad::data::detail {
namespace {

struct GifParts {
  std::int64_t width = 0, height = 0;
  std::vector<Colour> palette;
  int transparent = -1;  // the index of transparent pixels
  int pictures = 0;
  bool interlaced = false;
  unsigned bits = 0;   // of the first codes, without the two that say "clear" and "end"
  std::string packed;  // the codes
};

class Walk {
 public:
  Walk(std::string_view bytes, const std::string& path) : left_(bytes), path_(path) {}

  GifParts all() {
    GifParts parts;
    const std::string_view screen = take(13);
    parts.width = number(screen.substr(6, 2), true);
    parts.height = number(screen.substr(8, 2), true);
    const std::vector<Colour> common = colours(screen[10]);
    int transparent = -1;
    for (char kind = take(1)[0]; kind != ';'; kind = take(1)[0]) {
      if (kind == '!') {  // an extension
        const char label = take(1)[0];
        const std::string content = blocks();
        if (label == '\xF9' && content.size() >= 4)
          transparent = (content[0] & 1) != 0 ? static_cast<std::uint8_t>(content[3]) : -1;
      } else if (kind == ',') {
        picture(parts, common);
        if (parts.pictures == 1) parts.transparent = transparent;
      } else {
        refuse(path_, text("has a block of the unknown kind ", static_cast<int>(static_cast<std::uint8_t>(kind))),
               "the file is damaged");
      }
    }
    if (parts.pictures == 0) refuse(path_, "holds no picture");
    return parts;
  }

 private:
  std::string_view take(std::size_t count) {
    if (left_.size() < count) refuse(path_, "ends before its end marker", "the file is cut off");
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }
  std::vector<Colour> colours(char flags) {
    std::vector<Colour> palette;
    if ((flags & 0x80) == 0) return palette;
    for (int i = 0; i < 2 << (flags & 7); ++i) {
      const std::string_view entry = take(3);
      palette.push_back({static_cast<std::uint8_t>(entry[0]), static_cast<std::uint8_t>(entry[1]),
                         static_cast<std::uint8_t>(entry[2])});
    }
    return palette;
  }
  // Blocks that begin with their length, up to one without content.
  std::string blocks() {
    std::string content;
    while (const auto size = static_cast<std::uint8_t>(take(1)[0])) content += take(size);
    return content;
  }
  void picture(GifParts& parts, const std::vector<Colour>& common) {
    const std::string_view frame = take(9);  // left, top, width, height: 2 bytes each; flags
    std::vector<Colour> palette = colours(frame[8]);
    const unsigned bits = static_cast<std::uint8_t>(take(1)[0]);
    std::string packed = blocks();
    if (++parts.pictures > 1) return;
    const std::int64_t width = number(frame.substr(4, 2), true), height = number(frame.substr(6, 2), true);
    if (number(frame.substr(0, 4)) != 0 || width != parts.width || height != parts.height)
      refuse(path_,
             text("its first picture, ", width, " x ", height, " pixels, does not fill the ", parts.width, " x ",
                  parts.height, " of the file"),
             "save it as PNG");
    if (bits < 2 || bits > 8 || width == 0 || height == 0)
      refuse(path_, text("claims ", width, " x ", height, " pixels of ", bits, " bits"), "the file is damaged");
    parts.palette = palette.empty() ? common : palette;
    if (parts.palette.empty()) refuse(path_, "has no palette, but indices into one");
    parts.interlaced = (frame[8] & 0x40) != 0;
    parts.bits = bits;
    parts.packed = std::move(packed);
  }

  std::string_view left_;
  const std::string& path_;
};

// The indices of `count` pixels. Each code stands for a string of pixels: one of the first codes for a single pixel,
// every later one for the string of the code before it and one pixel more.
std::vector<std::uint8_t> unpack(const GifParts& parts, std::size_t count, const std::string& path) {
  constexpr unsigned kMostBits = 12;
  struct Entry {
    std::uint16_t before = 0, length = 1;
    std::uint8_t first = 0, last = 0;
  };
  std::array<Entry, 1 << kMostBits> table;
  const unsigned clear = 1U << parts.bits;
  for (unsigned i = 0; i < clear; ++i) table[i].first = table[i].last = static_cast<std::uint8_t>(i);
  std::vector<std::uint8_t> pixels;
  unsigned next = clear + 2, width = parts.bits + 1, before = clear;  // before: the code before, or `clear`
  std::uint32_t bits = 0, held = 0;
  for (std::size_t at = 0; pixels.size() < count;) {
    for (; held < width && at < parts.packed.size(); held += 8)
      bits |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(parts.packed[at++])) << held;
    const unsigned code = bits & ((1U << width) - 1);
    if (held < width || code == clear + 1)
      refuse(path, text("ends after ", pixels.size(), " of ", count, " pixels"), "the file is cut off");
    bits >>= width;
    held -= width;
    if (code == clear) {
      next = clear + 2;
      width = parts.bits + 1;
      before = clear;
      continue;
    }
    if (code > next || (before == clear && code > clear) || (code == next && next == table.size()))
      refuse(path, text("has the code ", code, ", of ", next, " that are known"), "the file is damaged");
    if (before != clear && next < table.size()) {
      const Entry& old = table[before];
      table[next] = {static_cast<std::uint16_t>(before), static_cast<std::uint16_t>(old.length + 1), old.first,
                     code == next ? old.first : table[code].first};
      if (++next == 1U << width && width < kMostBits) ++width;
    }
    before = code;
    pixels.resize(pixels.size() + table[code].length);
    unsigned from = code;
    for (std::size_t i = 1; i <= table[code].length; ++i, from = table[from].before)
      pixels[pixels.size() - i] = table[from].last;
  }
  return pixels;
}

}  // namespace

Image decode_gif(std::string_view bytes, const std::string& path) {
  const GifParts parts = Walk(bytes, path).all();
  const std::vector<std::uint8_t> pixels = unpack(parts, static_cast<std::size_t>(parts.width * parts.height), path);
  Image image;
  image.values = empty({parts.height, parts.width, 1});
  std::int64_t row = 0, transparent = 0;  // row: in the order of the file
  const auto put = [&](std::int64_t first, std::int64_t step) {
    for (std::int64_t y = first; y < parts.height; y += step, ++row)
      for (std::int64_t x = 0; x < parts.width; ++x) {
        const std::uint8_t index = pixels[static_cast<std::size_t>(row * parts.width + x)];
        transparent += index == parts.transparent ? 1 : 0;
        image.values.data<float>()[y * parts.width + x] = static_cast<float>(index);
      }
  };
  if (parts.interlaced) {
    put(0, 8);
    put(4, 8);
    put(2, 4);
    put(1, 2);
  } else {
    put(0, 1);
  }
  if (transparent > 0)
    refuse(path, text(transparent, " pixels are transparent, so it has no colours of its own there"),
           "save it as PNG without an alpha channel");
  image.element = h5::Element::u8;
  image.spacing = {1, 1};
  if (parts.pictures > 1) image.notes.push_back("The file is an animation: its first picture was read.");
  set_palette_or_grey(image, parts.palette);
  return image;
}

}  // namespace voxgrad::data::detail

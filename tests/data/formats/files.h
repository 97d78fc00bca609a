// Image files for tests, byte by byte: what is right in them and what is wrong is decided here, not by a library.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace voxgrad::test {

// Appends the bytes of a number.
template <class T>
void append(std::string& bytes, T value, bool big = std::endian::native == std::endian::big) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  if (big != (std::endian::native == std::endian::big)) std::reverse(raw, raw + sizeof(T));
  bytes.append(raw, sizeof(T));
}

inline std::string deflated(const std::string& bytes, int level = 6, int window_bits = 15) {
  z_stream stream{};
  ::deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string result(::deflateBound(&stream, static_cast<uLong>(bytes.size())) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  ::deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  ::deflateEnd(&stream);
  return result;
}
inline std::string gzipped(const std::string& bytes) { return deflated(bytes, 6, 15 + 16); }

// --- PNG ---

inline std::string png_chunk(std::string_view name, const std::string& content) {
  std::string bytes, body = std::string(name) + content;
  append(bytes, static_cast<std::uint32_t>(content.size()), true);
  bytes += body;
  append(bytes,
         static_cast<std::uint32_t>(
             ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))),
         true);
  return bytes;
}
// `rows` are the packed samples of a row each, without filters.
struct PngBytes {
  std::uint32_t width = 1, height = 1;
  int bits = 8, colour = 0;
  std::vector<std::string> rows{};
  std::string before{};  // chunks between header and pixels
  int level = 6;         // of compression; 0 stores the bytes as they are
  std::string str() const {
    std::string header, raw;
    append(header, width, true);
    append(header, height, true);
    header += {static_cast<char>(bits), static_cast<char>(colour), 0, 0, 0};
    for (const std::string& row : rows) raw += '\0' + row;
    return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + before + png_chunk("IDAT", deflated(raw, level)) +
           png_chunk("IEND", "");
  }
};

inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

// --- BMP ---

// `rows` begin with the lowest row of the picture, unless `height` is negative. Palette: blue, green, red, 0 for each.
struct BmpBytes {
  std::int32_t width = 1, height = 1;
  std::uint16_t bits = 24;
  std::vector<std::string> rows{};
  std::string palette{};
  std::uint32_t method = 0, header = 40;  // header: 12 is the old one of OS/2, whose palette has three bytes a colour
  std::string str() const {
    std::string head, pixels, bytes = "BM";
    append(head, header);
    if (header == 12) {
      append(head, static_cast<std::uint16_t>(width));
      append(head, static_cast<std::uint16_t>(height));
    } else {
      append(head, width);
      append(head, height);
    }
    append(head, std::uint16_t{1});
    append(head, bits);
    if (header > 12) {
      append(head, method);
      for (const std::size_t number :
           {std::size_t{0}, std::size_t{0}, std::size_t{0}, palette.size() / 4, std::size_t{0}})
        append(head, static_cast<std::uint32_t>(number));
      for (const std::uint32_t mask : {0xFF0000u, 0xFF00u, 0xFFu})
        if (method == 3) append(head, mask);
      head.resize(std::max<std::size_t>(header, head.size()));
    }
    for (const std::string& row : rows) pixels += row + std::string((4 - row.size() % 4) % 4, '\0');
    const std::size_t begin = 14 + head.size() + palette.size();
    append(bytes, static_cast<std::uint32_t>(begin + pixels.size()));
    append(bytes, std::uint32_t{0});
    append(bytes, static_cast<std::uint32_t>(begin));
    return bytes + head + palette + pixels;
  }
};

// --- GIF ---

// One picture. Its codes grow up to 12 bits; then the table is full and stays as it is.
struct GifBytes {
  std::uint16_t width = 1, height = 1;
  std::string pixels{}, palette{};  // indices, in the order in which the rows are stored; red, green, blue
  int bits = 8;                     // of an index
  bool interlaced = false;
  int transparent = -1;
  std::string str() const {
    int colours = 0;  // the palette has 2^(colours + 1) entries
    while ((3u << (colours + 1)) < palette.size()) ++colours;
    std::string bytes = "GIF89a", full = palette;
    full.resize(3u << (colours + 1));
    append(bytes, width);
    append(bytes, height);
    bytes += static_cast<char>(0x80 | colours) + std::string(2, '\0') + full;
    if (transparent >= 0) bytes += std::string("!\xF9\4\1\0\0", 6) + static_cast<char>(transparent) + '\0';
    bytes += picture();
    return bytes + ";";
  }
  std::string picture() const {
    std::string bytes = "," + std::string(4, '\0');
    append(bytes, width);
    append(bytes, height);
    bytes += static_cast<char>(interlaced ? 0x40 : 0);
    bytes += static_cast<char>(bits);
    const std::string packed = codes();
    for (std::size_t i = 0; i < packed.size(); i += 255) {
      const std::string part = packed.substr(i, 255);
      bytes += static_cast<char>(part.size()) + part;
    }
    return bytes + '\0';
  }

 private:
  std::string codes() const {
    const std::uint32_t clear = 1u << bits;
    std::string packed;
    std::uint32_t held = 0, count = 0, next = clear + 2;
    int width_now = bits + 1;
    const auto put = [&](std::uint32_t code) {
      held |= code << count;
      for (count += static_cast<std::uint32_t>(width_now); count >= 8; count -= 8, held >>= 8)
        packed += static_cast<char>(held & 0xFF);
    };
    put(clear);
    std::map<std::string, std::uint32_t> table;
    const auto code_of = [&](const std::string& run) {
      return run.size() == 1 ? static_cast<std::uint8_t>(run[0]) : table.at(run);
    };
    std::string run;
    for (const char pixel : pixels) {
      if (run.empty() || table.contains(run + pixel)) {
        run += pixel;
        continue;
      }
      put(code_of(run));
      if (next < 4096) {
        table[run + pixel] = next;
        if (next++ == 1u << width_now) ++width_now;
      }
      run = pixel;
    }
    put(code_of(run));
    if (next == 1u << width_now && width_now < 12) ++width_now;
    put(clear + 1);
    if (count > 0) packed += static_cast<char>(held & 0xFF);
    return packed;
  }
};

// --- JPEG ---

// Grey, progressive, 11 x 9: the value at x, y is about 20 x + 5 y.
inline std::string progressive_jpeg() {
  const std::string_view hex =
      "ffd8ffe000104a46494600010100000100010000ffdb0043001b12141714111b1716171e1c1b2028422b28252528513a3d304260"
      "5565645f555d5b6a7899816a7190735b5d85b586909ea3abadab6780bcc9baa6c799a8aba4ffc2000b080009000b01011100ffc4"
      "00160001010100000000000000000000000000050304ffda00080101000000018a5812ffc4001810010003010000000000000000"
      "000000000100032131ffda0008010100010502a88195439fffc40014100100000000000000000000000000000020ffda00080101"
      "00063f021fffc40017100100030000000000000000000000000000102131ffda0008010100013f21142183ffda00080101000000"
      "103fffc40018100100030100000000000000000000000000314191a1ffda0008010100013f108588a381ffd9";
  return from_hex(hex);
}

// --- TIFF ---

struct TiffTag {
  std::uint16_t id, type;  // type: 2 text, 3 16 bits, 4 32 bits, 5 rational (of two numbers)
  std::vector<std::uint32_t> numbers;
  std::string text{};
};
struct TiffPage {
  std::vector<TiffTag> tags{};
  std::vector<std::string> blocks{};  // strips or tiles
  bool tiles = false;
  TiffPage& set(std::uint16_t id, std::uint16_t type, std::vector<std::uint32_t> numbers) {
    std::erase_if(tags, [&](const TiffTag& tag) { return tag.id == id; });
    tags.push_back({id, type, std::move(numbers), {}});
    return *this;
  }
  TiffPage& describe(const std::string& words) {
    tags.push_back({270, 2, {}, words + '\0'});
    return *this;
  }
};
// A page in one strip.
inline TiffPage tiff_page(std::uint32_t width, std::uint32_t height, std::uint32_t bits, const std::string& pixels,
                          std::uint32_t samples = 1) {
  TiffPage page{.blocks = {pixels}};
  page.set(256, 4, {width}).set(257, 4, {height}).set(258, 3, std::vector<std::uint32_t>(samples, bits));
  return page.set(259, 3, {1}).set(262, 3, {samples == 3 ? 2u : 1u}).set(277, 3, {samples}).set(278, 4, {height});
}
inline std::string tiff_bytes(std::vector<TiffPage> pages, bool big_endian = false, bool bigtiff = false) {
  std::string bytes = big_endian ? "MM" : "II";
  const auto offset = [&](std::string& to, std::uint64_t value) {
    if (bigtiff)
      append(to, value, big_endian);
    else
      append(to, static_cast<std::uint32_t>(value), big_endian);
  };
  append(bytes, static_cast<std::uint16_t>(bigtiff ? 43 : 42), big_endian);
  if (bigtiff) append(bytes, std::uint32_t{8} << (big_endian ? 16 : 0), big_endian);
  std::size_t link = bytes.size();  // where the offset of the next page stands
  offset(bytes, 0);
  for (TiffPage& page : pages) {
    std::vector<std::uint32_t> offsets, counts;
    for (const std::string& block : page.blocks) {
      offsets.push_back(static_cast<std::uint32_t>(bytes.size()));
      counts.push_back(static_cast<std::uint32_t>(block.size()));
      bytes += block + std::string(block.size() % 2, '\0');
    }
    page.set(page.tiles ? 324 : 273, 4, offsets).set(page.tiles ? 325 : 279, 4, counts);
    std::ranges::sort(page.tags, {}, &TiffTag::id);
    std::string directory;
    if (bigtiff)
      append(directory, std::uint64_t{page.tags.size()}, big_endian);
    else
      append(directory, static_cast<std::uint16_t>(page.tags.size()), big_endian);
    for (const TiffTag& tag : page.tags) {
      std::string value = tag.text;
      for (const std::uint32_t number : tag.numbers) {
        if (tag.type == 3)
          append(value, static_cast<std::uint16_t>(number), big_endian);
        else
          append(value, number, big_endian);
      }
      const std::size_t count = tag.type == 2 ? value.size() : tag.numbers.size() / (tag.type == 5 ? 2 : 1);
      append(directory, tag.id, big_endian);
      append(directory, tag.type, big_endian);
      offset(directory, count);
      const std::size_t inside = bigtiff ? 8 : 4;
      if (value.size() <= inside) {
        directory += value + std::string(inside - value.size(), '\0');
      } else {
        offset(directory, bytes.size());
        bytes += value + std::string(value.size() % 2, '\0');
      }
    }
    std::string here;
    offset(here, bytes.size());
    bytes.replace(link, here.size(), here);
    bytes += directory;
    link = bytes.size();
    offset(bytes, 0);
  }
  return bytes;
}

// --- NIfTI ---

// A file of version 1 or 2. set("dim", {3, 4, 5, 6}) and the like, names as in the standard.
class NiftiBytes {
 public:
  NiftiBytes(int version, const std::vector<double>& dim, int datatype, const std::string& voxels, bool big = false)
      : version_(version), big_(big), bytes_(version == 1 ? 352 : 544, '\0'), voxels_(voxels) {
    set("sizeof_hdr", {version == 1 ? 348.0 : 540.0});
    set("dim", dim).set("datatype", {double(datatype)}).set("pixdim", {1, 1, 1, 1});
    set("vox_offset", {double(bytes_.size())});
    const std::string magic = version == 1 ? std::string("n+1\0", 4) : std::string("n+2\0\r\n\032\n", 8);
    bytes_.replace(version == 1 ? 344 : 4, magic.size(), magic);
  }
  NiftiBytes& set(const std::string& name, const std::vector<double>& values) {
    struct Field {
      std::size_t at[2];
      char type[2];  // h: 16 bits, i: 32, q: 64, f: float, d: double, b: 8 bits
    };
    static const std::map<std::string, Field> fields{
        {"sizeof_hdr", {{0, 0}, {'i', 'i'}}},     {"dim", {{40, 16}, {'h', 'q'}}},
        {"datatype", {{70, 12}, {'h', 'h'}}},     {"pixdim", {{76, 104}, {'f', 'd'}}},
        {"vox_offset", {{108, 168}, {'f', 'q'}}}, {"scl_slope", {{112, 176}, {'f', 'd'}}},
        {"scl_inter", {{116, 184}, {'f', 'd'}}},  {"xyzt_units", {{123, 500}, {'b', 'i'}}},
        {"qform_code", {{252, 344}, {'h', 'i'}}}, {"sform_code", {{254, 348}, {'h', 'i'}}},
        {"quatern", {{256, 352}, {'f', 'd'}}},    {"qoffset", {{268, 376}, {'f', 'd'}}},
        {"srow", {{280, 400}, {'f', 'd'}}}};
    const Field& field = fields.at(name);
    const std::size_t which = version_ == 1 ? 0 : 1;
    std::string raw;
    for (const double value : values) switch (field.type[which]) {
        case 'b': raw += static_cast<char>(value); break;
        case 'h': append(raw, static_cast<std::int16_t>(value), big_); break;
        case 'i': append(raw, static_cast<std::int32_t>(value), big_); break;
        case 'q': append(raw, static_cast<std::int64_t>(value), big_); break;
        case 'f': append(raw, static_cast<float>(value), big_); break;
        default: append(raw, value, big_); break;
      }
    bytes_.replace(field.at[which], raw.size(), raw);
    return *this;
  }
  NiftiBytes& magic(const std::string& text) {
    bytes_.replace(version_ == 1 ? 344 : 4, text.size(), text);
    return *this;
  }
  std::string str() const { return bytes_ + voxels_; }

 private:
  int version_;
  bool big_;
  std::string bytes_, voxels_;
};

}  // namespace voxgrad::test

#include "apps/report/png.h"

#include <zlib.h>

#include "engine/error.h"

namespace voxgrad::apps {
namespace {

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

// A chunk has a length, a name, its content, and the CRC of name and content.
std::string chunk(const std::string& name, const std::string& content) {
  const std::string body = name + content;
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(content.size())) + body + big_endian(static_cast<std::uint32_t>(crc));
}

}  // namespace

std::string to_png(const Picture& picture) {
  const auto width = static_cast<std::size_t>(picture.width), height = static_cast<std::size_t>(picture.height);
  check(width > 0 && height > 0 && picture.rgb.size() == 3 * width * height, "png: ", width, " x ", height, " with ",
        picture.rgb.size(), " bytes");
  // Each row begins with the filter "up" (2); differences to the row above compress better than the values.
  std::string rows;
  for (std::size_t y = 0; y < height; ++y) {
    rows += '\2';
    for (std::size_t i = 0; i < 3 * width; ++i) {
      const std::uint8_t above = y > 0 ? picture.rgb[(y - 1) * 3 * width + i] : std::uint8_t{0};
      rows += static_cast<char>(picture.rgb[y * 3 * width + i] - above);
    }
  }
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  const int code =
      ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
                  static_cast<uLong>(rows.size()), Z_BEST_COMPRESSION);
  check(code == Z_OK, "png: zlib returned ", code);
  packed.resize(size);
  const std::string header = big_endian(static_cast<std::uint32_t>(width)) +
                             big_endian(static_cast<std::uint32_t>(height)) + std::string("\x08\x02\x00\x00\x00", 5);
  return std::string("\x89PNG\r\n\x1a\n", 8) + chunk("IHDR", header) + chunk("IDAT", packed) + chunk("IEND", "");
}

std::string base64(const std::string& bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (int k = 3; k >= 0; --k) result += kLetters[group >> (6 * k) & 63];
    for (std::size_t k = bytes.size(); k < i + 3; ++k) result[result.size() - (i + 3 - k)] = '=';
  }
  return result;
}

}  // namespace voxgrad::apps

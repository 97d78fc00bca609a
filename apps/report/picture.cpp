#include "apps/report/picture.h"

#include "data/formats/png.h"

namespace voxgrad::apps {

std::string to_png(const Picture& picture) { return data::to_png({picture.height, picture.width, 3}, 8, picture.rgb); }

std::string base64(const std::string& bytes) {
  constexpr char kSixtyFour[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (int k = 3; k >= 0; --k) result += kSixtyFour[group >> (6 * k) & 63];
    for (std::size_t k = bytes.size(); k < i + 3; ++k) result[result.size() - (i + 3 - k)] = '=';
  }
  return result;
}

}  // namespace voxgrad::apps

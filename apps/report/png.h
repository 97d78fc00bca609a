// Pictures as PNG files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace voxgrad::apps {

struct Picture {
  std::int64_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  // row by row
};

// The bytes of a PNG file, 8 bits per channel.
std::string to_png(const Picture& picture);
// The bytes as base64, for a data URI.
std::string base64(const std::string& bytes);

}  // namespace voxgrad::apps

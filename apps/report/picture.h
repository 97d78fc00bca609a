// Pictures of reports, and their bytes in a page.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace voxgrad::apps {

struct Picture {
  std::int64_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  // row by row
};

// Returns the bytes of a PNG file with 8 bits per channel.
std::string to_png(const Picture& picture);
// Returns the bytes as base64, for a data URI.
std::string base64(const std::string& bytes);

}  // namespace voxgrad::apps

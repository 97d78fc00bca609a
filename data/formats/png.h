// Writes pictures as PNG files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/formats/image.h"

namespace voxgrad::data {

// Returns the bytes of a PNG file of the shape [Y, X, C]: 1 channel is grey, 3 are RGB, 4 are RGB and alpha. `samples`
// has 8 bits or, as big-endian pairs of bytes, 16 bits a sample, row by row. With a palette (8 bits, 1 channel) the
// samples are indices into it.
std::string to_png(const Shape& shape, int bits, std::span<const std::uint8_t> samples,
                   const std::vector<Colour>& palette = {});

}  // namespace voxgrad::data

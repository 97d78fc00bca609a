// What the Winograd kernels share: where tiles lie, and the transform of the input.
#include "engine/cpu/winograd.h"

#include "engine/cpu/isa.h"
#include "engine/cpu/map_reader.h"
#include "engine/cpu/winograd_transforms.h"

namespace voxgrad::cpu::VOXGRAD_ISA::winograd {
namespace {

// Copies a tile that leaves the image, or whose channels do not fill a vector. Elements outside of the image become
// zero; the others are normalised by `read`.
template <class Read>
void copy_tile(const ConvShape& s, const float* plane, std::int64_t top, std::int64_t left, std::int64_t channels,
               int count, const Read& read, float* tile) {
  for (std::int64_t i = 0; i < kInputs; ++i)
    for (std::int64_t j = 0; j < kInputs; ++j, tile += kWidth) {
      const std::int64_t y = top + i, x = left + j;
      const bool inside = y >= 0 && y < s.in[1] && x >= 0 && x < s.in[2];
      store(tile, inside ? read(load_part(plane + (y * s.in[2] + x) * channels, count)) : V{});
    }
}

// Transforms one tile of up to a vector of the `channels` channels of a map. `plane` points to the first of these
// channels in its plane.
template <class Read>
void transform_vector(const ConvShape& s, const float* plane, std::int64_t top, std::int64_t left,
                      std::int64_t channels, int count, const Read& read, float* out, std::int64_t xi_stride) {
  const auto keep = [&](int i, int j, V value) { store(out + (i * 6 + j) * xi_stride, value); };
  if (count == kWidth && top >= 0 && left >= 0 && top + kInputs <= s.in[1] && left + kInputs <= s.in[2]) {
    const float* const from = plane + (top * s.in[2] + left) * channels;
    const std::int64_t line = s.in[2] * channels;
    return transform_tile<InputTransform>([&](int i, int j) { return read(load(from + i * line + j * channels)); },
                                          keep);
  }
  alignas(64) float copy[kPoints * kWidth];
  copy_tile(s, plane, top, left, channels, count, read, copy);
  transform_tile<InputTransform>([&](int i, int j) { return load(copy + (i * kInputs + j) * kWidth); }, keep);
}

}  // namespace

bool fits(const ConvShape& s) {
  return s.kernel[1] == 3 && s.kernel[2] == 3 && s.stride == Extents(1) && s.dilation == Extents(1);
}

TransformedLayout transformed_layout(std::int64_t rows, std::int64_t channels) {
  constexpr std::int64_t kLine = 16;                                                     // floats
  const std::int64_t row_stride = block_count(channels, kLine) / 2 * 2 * kLine + kLine;  // an odd number of lines
  return {row_stride, (rows * row_stride / kLine / 2 * 2 + 1) * kLine + kLine * 2};
}

std::int64_t tile_columns(const ConvShape& s) {
  return s.batch * block_count(s.out[1], kTile) * block_count(s.out[2], kTile);
}

Cut cut(const ConvShape& s, std::int64_t rows) {
  constexpr std::int64_t kPlanes = 16;
  const std::int64_t layers = block_count(s.out[0], kPlanes), planes = block_count(s.out[0], layers);
  const std::int64_t total = tile_columns(s), columns = std::clamp<std::int64_t>(rows / planes, 1, total);
  std::int64_t stretches = block_count(total, columns);
  if (stretches > 1) stretches = std::min(total, stretches + layers * stretches % 2);
  const std::int64_t even = block_count(total, stretches);
  return {planes, even, layers, block_count(total, even)};
}

TileBlock Cut::block(const ConvShape& s, std::int64_t index) const {
  const std::int64_t column = index / layers * columns, plane = index % layers * planes;
  return {column, std::min(columns, tile_columns(s) - column), plane, std::min(planes, s.out[0] - plane)};
}

TilePosition position_of(const ConvShape& s, const TileBlock& block, std::int64_t row) {
  const std::int64_t high = block_count(s.out[1], kTile), wide = block_count(s.out[2], kTile);
  const std::int64_t column = block.column + row % block.columns;
  return {column / (wide * high), block.plane + row / block.columns, column / wide % high * kTile,
          column % wide * kTile};
}

std::int64_t transformed_channels(const MapReaders& x) {
  std::int64_t end = 0, total = 0;
  for (const MapReader<float>& source : x) {
    end = std::max(end, total + block_count(source.channels, kWidth) * kWidth);
    total += source.channels;
  }
  return end;
}

void transform_input(const ConvShape& s, const MapReaders& x, const TileBlock& block, std::int64_t begin,
                     std::int64_t end, const Transformed& to) {
  for (std::int64_t row = begin; row < end; ++row) {
    const TilePosition position = position_of(s, block, row);
    const std::int64_t z = position.plane - s.padding[0], top = position.top - s.padding[1],
                       left = position.left - s.padding[2];
    float* out = to.data + row * to.row_stride;
    if (z < 0 || z >= s.in[0]) {
      for (std::int64_t xi = 0; xi < kPoints; ++xi)
        std::fill(out + xi * to.xi_stride, out + xi * to.xi_stride + to.row_stride, 0.0f);
      continue;
    }
    for (const MapReader<float>& source : x) {
      const float* const plane = source.x + (position.sample * s.in[0] + z) * s.in[1] * s.in[2] * source.channels;
      for (std::int64_t c = 0; c < source.channels; c += kWidth) {
        const int count = static_cast<int>(std::min(kWidth, source.channels - c));
        if (source.plain())
          transform_vector(s, plane + c, top, left, source.channels, count, Plain{}, out + c, to.xi_stride);
        else
          transform_vector(s, plane + c, top, left, source.channels, count, source.at(position.sample, c), out + c,
                           to.xi_stride);
      }
      out += source.channels;
    }
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA::winograd

// Winograd's convolution F(4x4, 3x3), f32: kernels [.., 3, 3] with stride 1 and dilation 1, any padding, any extents
// and channels, planes and volumes. The explanation is in engine/cpu/README.md.
//
// Words: a *tile* is a square of 4 x 4 outputs of one plane, computed from 6 x 6 inputs. A tile *column* is the stack
// of tiles at one position (sample, row, column) through the depth of the volume. A *row* is one tile of one plane in a
// transformed matrix; *xi* counts the 36 elements of a transformed tile; a *panel* is a group of output channels as
// wide as the register tile.
#pragma once

#include <vector>

#include "engine/cpu/conv_shape.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
template <class T>
class MapReader;  // map_reader.h
}

namespace voxgrad::cpu::VOXGRAD_ISA::winograd {

// True if the kernels below can compute this layer.
bool fits(const ConvShape& s);

// How the weights of a convolution lie in memory: element (output channel, tap, input channel) is
// data[output * output_stride + tap * tap_stride + input * input_stride], the taps counted backwards if flipped.
struct WeightView {
  const float* data;
  std::int64_t output_stride, tap_stride, input_stride;
  bool flipped;
};
// weight [Cout, *K, Cin] as it serves the convolution, and the convolution that is its input gradient.
WeightView forward_weights(const ConvShape& s, const float* weight);
WeightView gradient_weights(const ConvShape& s, const float* weight);

// The inputs of a convolution, side by side along the channels.
using MapReaders = std::vector<MapReader<float>>;

// Where the outputs go: maps side by side along the channels. All but the last have whole vectors of channels.
struct Target {
  float* y;
  std::int64_t channels;
};
using Targets = std::vector<Target>;

// The moments of the outputs of each block of tiles, per sample of the block ("slot") and channel.
struct BlockMoments {
  std::int64_t slots = 0, stride = 0;      // samples that a block can touch; channels up to whole vectors
  std::vector<std::int64_t> first_sample;  // of each block
  std::vector<double> count;               // [block][slot]
  std::vector<double> mean, m2;            // [block][slot][stride]
};

// y = convolution + bias (may be null). `moments`, if it is not null, is filled.
void convolve(const ConvShape& s, const MapReaders& x, const WeightView& weights, const float* bias, const Targets& y,
              BlockMoments* moments = nullptr);

// dweight [Cout, *K, Cin].
void weight_gradient(const ConvShape& s, const MapReaders& x, const float* dy, float* dweight);

// --- Shared by the two ---

inline constexpr std::int64_t kTile = 4, kInputs = 6, kPoints = 36;
inline constexpr std::int64_t kRowBytes = kPoints * sizeof(float);  // of one channel of a row

// A part of the work: some tile columns and some planes of the output.
struct TileBlock {
  std::int64_t column, columns, plane, planes;
};

// How a layer is cut into blocks.
struct Cut {
  std::int64_t planes, columns;    // of a block
  std::int64_t layers, stretches;  // blocks along the depth and along the columns
  std::int64_t blocks() const { return layers * stretches; }
  TileBlock block(const ConvShape& s, std::int64_t index) const;
};
// Blocks of about `rows` rows: as many planes as keep the planes that are transformed twice few, then columns.
Cut cut(const ConvShape& s, std::int64_t rows);

// Where a row of a block lies in the output.
struct TilePosition {
  std::int64_t sample, plane, top, left;
};
TilePosition position_of(const ConvShape& s, const TileBlock& block, std::int64_t row);

// A matrix per xi: element (xi, row, channel) is data[xi * xi_stride + row * row_stride + channel].
struct Transformed {
  float* data;
  std::int64_t row_stride, xi_stride;
};

struct TransformedLayout {
  std::int64_t row_stride, xi_stride;
  std::int64_t size() const { return kPoints * xi_stride; }
};
// Strides for `rows` rows of `channels` channels, chosen so that neighbours in no direction share a cache set.
TransformedLayout transformed_layout(std::int64_t rows, std::int64_t channels);

std::int64_t tile_columns(const ConvShape& s);  // of the layer
// Rows of the transformed input of a block: its planes and those that the kernel's depth adds.
inline std::int64_t input_rows(const ConvShape& s, const TileBlock& block) {
  return (block.planes + s.kernel[0] - 1) * block.columns;
}
// Channels of a row of the transformed input: every source begins where the one before it ends and writes whole
// vectors.
std::int64_t transformed_channels(const MapReaders& x);
// The rows [begin, end) of the transformed input of a block. Row = plane * columns + column.
void transform_input(const ConvShape& s, const MapReaders& x, const TileBlock& block, std::int64_t begin,
                     std::int64_t end, const Transformed& to);

}  // namespace voxgrad::cpu::VOXGRAD_ISA::winograd

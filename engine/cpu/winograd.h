// Winograd's convolution F(4x4, 3x3), f32: kernels [.., 3, 3] with stride 1 and dilation 1, any padding, any extents
// and channels, planes and volumes. The explanation is in engine/cpu/README.md.
//
// Words: a *tile* is a square of 4 x 4 outputs of one plane, computed from 6 x 6 inputs. A tile *column* is the stack
// of tiles at one place (sample, row, column) through the depth of the volume. A *row* is one tile of one plane in a
// transformed matrix; *xi* counts the 36 elements of a transformed tile; a *panel* is a group of output channels as
// wide as the register tile.
#pragma once

#include <vector>

#include "engine/cpu/conv_shape.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
template <class T>
class MapReader;  // map_reader.h
}  // namespace voxgrad::cpu::VOXGRAD_ISA

namespace voxgrad::cpu::VOXGRAD_ISA::winograd {

// Returns whether the kernels below can compute this layer.
bool fits(const ConvShape& s);

// How the weights of a convolution lie in memory. Element (output channel, tap, input channel) is data[output *
// output_stride + tap * tap_stride + input * input_stride]. If they are flipped, the taps are counted backwards.
struct WeightView {
  const float* data;
  std::int64_t output_stride, tap_stride, input_stride;
  bool flipped;
};
// The weights [Cout, *K, Cin] of the convolution, and those of the convolution that computes its input gradient.
WeightView forward_weights(const ConvShape& s, const float* weight);
WeightView gradient_weights(const ConvShape& s, const float* weight);

// The inputs of a convolution, side by side along the channels.
using MapReaders = std::vector<MapReader<float>>;

// Where the outputs go: maps that lie side by side along the channels. All but the last must have whole vectors of
// channels.
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

// y = convolution + bias, which may be null. `moments` is filled unless it is null.
void convolve(const ConvShape& s, const MapReaders& x, const WeightView& weights, const float* bias, const Targets& y,
              BlockMoments* moments = nullptr);

// Writes dweight [Cout, *K, Cin].
void weight_gradient(const ConvShape& s, const MapReaders& x, const float* dy, float* dweight);

// --- What the convolution and its weight gradient share ---

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
// Cuts a layer into blocks of at most about `rows` rows. A block takes as many planes as possible first, because the
// planes at its ends are transformed by two blocks, and then columns. The blocks have about the same size, and if there
// are several, their number is even, so that two threads end at the same time.
Cut cut(const ConvShape& s, std::int64_t rows);

// Where a row of a block lies in the output.
struct TilePosition {
  std::int64_t sample, plane, top, left;
};
TilePosition position_of(const ConvShape& s, const TileBlock& block, std::int64_t row);

// One matrix per xi. Element (xi, row, channel) is data[xi * xi_stride + row * row_stride + channel].
struct Transformed {
  float* data;
  std::int64_t row_stride, xi_stride;
};

struct TransformedLayout {
  std::int64_t row_stride, xi_stride;
  std::int64_t size() const { return kPoints * xi_stride; }
};
// The strides for `rows` rows of `channels` channels. They are chosen so that neighbours in no direction share a cache
// set.
TransformedLayout transformed_layout(std::int64_t rows, std::int64_t channels);

std::int64_t tile_columns(const ConvShape& s);  // of the layer
// The rows of the transformed input of a block: its own planes and those that the depth of the kernel adds.
inline std::int64_t input_rows(const ConvShape& s, const TileBlock& block) {
  return (block.planes + s.kernel[0] - 1) * block.columns;
}
// The channels of a row of the transformed input. Every map begins where the one before it ends and writes whole
// vectors.
std::int64_t transformed_channels(const MapReaders& x);
// Computes the rows [begin, end) of the transformed input of a block. Row = plane * columns + column.
void transform_input(const ConvShape& s, const MapReaders& x, const TileBlock& block, std::int64_t begin,
                     std::int64_t end, const Transformed& to);

}  // namespace voxgrad::cpu::VOXGRAD_ISA::winograd

// The gradient of the weights by Winograd's F(3x3, 4x4): the same tiles as the forward pass, but here the 4 x 4 output
// gradients play the filter and the 3 x 3 weight gradients are the outputs:
//
//   dg = sum over tiles A'^T [(G' e G'^T) * (B^T d B)] A' = A'^T [sum over tiles ..] A'
//
// so the sum runs in the transformed domain, as 36 products Y^T V [Cout, rows] [rows, Cin], and is transformed once.
//   few channels:  the tiles are cut into slices, each with a sum of its own; a task takes blocks of tiles of a slice
//                  through its L2 cache. The slices are added in order.
//   many channels: the tiles are transformed; a task takes a rectangle of the [Cout, Cin] plane whose sum fits in L2.
#include "engine/cpu/winograd.h"

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"
#include "engine/cpu/map_reader.h"
#include "engine/cpu/microkernel.h"
#include "engine/cpu/winograd_transforms.h"

namespace voxgrad::cpu::VOXGRAD_ISA::winograd {
namespace {

constexpr std::int64_t kSlices = 16;                   // at most
constexpr std::int64_t kSliceBytes = 1 << 20;          // a larger sum counts as many channels
constexpr std::int64_t kGradientBlockBytes = 3 << 18;  // transformed tiles of a block
constexpr std::int64_t kKeptTileBytes = 10 << 20;      // transformed tiles that are kept for all rectangles
constexpr std::int64_t kStoredBytes = 16 << 20;        // sums that wait for more tiles
constexpr std::int64_t kSumDepth = 256;  // rows that the innermost loop adds up before it changes the panel

// A part of the [Cout, Cin] plane. Its sum is [xi][depth tap][output][input].
struct Rectangle {
  std::int64_t output, outputs, input, inputs;
  std::int64_t stride() const { return block_count(inputs, kTileColumns<float>) * kTileColumns<float>; }
  std::int64_t index(const ConvShape& s, std::int64_t xi, std::int64_t tap) const {
    return (xi * s.kernel[0] + tap) * outputs * stride();
  }
  std::int64_t size(const ConvShape& s) const { return index(s, kPoints, 0); }
};

// Computes the rows [begin, end) of the transformed output gradient of a block.
void transform_gradient(const ConvShape& s, const float* dy, const TileBlock& block, std::int64_t begin,
                        std::int64_t end, const Transformed& to) {
  for (std::int64_t row = begin; row < end; ++row) {
    const auto [sample, plane, top, left] = position_of(s, block, row);
    const float* const from = dy + (((sample * s.out[0] + plane) * s.out[1] + top) * s.out[2] + left) * s.cout;
    const std::int64_t high = s.out[1] - top, wide = s.out[2] - left;
    for (std::int64_t c = 0; c < s.cout; c += kWidth) {
      const int count = static_cast<int>(std::min(kWidth, s.cout - c));
      float* const out = to.data + row * to.row_stride + c;
      const auto keep = [&](int i, int j, V value) { store(out + (i * 6 + j) * to.xi_stride, value); };
      if (count == kWidth && high >= kTile && wide >= kTile)
        transform_tile<OutputGradientTransform>(
            [&](int i, int j) { return load(from + (i * s.out[2] + j) * s.cout + c); }, keep);
      else
        transform_tile<OutputGradientTransform>(
            [&](int i, int j) {
              return i < high && j < wide ? load_part(from + (i * s.out[2] + j) * s.cout + c, count) : V{};
            },
            keep);
    }
  }
}

// Writes the product of a block at one of the 36 points to `sum`, or adds it.
void multiply_gradients(const ConvShape& s, const TileBlock& block, const Transformed& input,
                        const Transformed& gradient, const Rectangle& part, std::int64_t xi, float* sum, bool add) {
  const std::int64_t rows = block.planes * block.columns;
  for (std::int64_t tap = 0; tap < s.kernel[0]; ++tap)
    for (std::int64_t first = 0; first < rows; first += kSumDepth) {
      const float* const v =
          input.data + xi * input.xi_stride + part.input + (tap * block.columns + first) * input.row_stride;
      for (std::int64_t c = 0; c < part.inputs; c += kTileColumns<float>) {
        const Product<float> p{.a = gradient.data + xi * gradient.xi_stride + first * gradient.row_stride + part.output,
                               .row_stride = 1,
                               .k_stride = gradient.row_stride,
                               .b = v + c,
                               .ldb = input.row_stride,
                               .k = std::min(kSumDepth, rows - first),
                               .c = sum + part.index(s, xi, tap) + c,
                               .ldc = part.stride(),
                               .add = add || first > 0};
        if (part.inputs - c <= kWidth)
          multiply_strip<float, 1>(part.outputs, p);
        else
          multiply_strip<float, kTileVectors>(part.outputs, p);
      }
    }
}

// Adds up the slices in order and transforms the sum back, for the outputs [begin, end) of a rectangle.
void transform_sum(const ConvShape& s, const Rectangle& part, const float* sum, std::int64_t slices, std::int64_t begin,
                   std::int64_t end, float* dweight) {
  for (std::int64_t output = begin; output < end; ++output)
    for (std::int64_t tap = 0; tap < s.kernel[0]; ++tap)
      for (std::int64_t c = 0; c < part.inputs; c += kWidth) {
        const int count = static_cast<int>(std::min(kWidth, part.inputs - c));
        float* const to = dweight + ((part.output + output) * s.kernel[0] + tap) * 9 * s.cin + part.input + c;
        const float* const from = sum + output * part.stride() + c;
        transform_tile<WeightGradientTransform>(
            [&](int i, int j) {
              const float* const at = from + part.index(s, i * 6 + j, tap);
              V total = load(at);
              for (std::int64_t slice = 1; slice < slices; ++slice) total += load(at + slice * part.size(s));
              return total;
            },
            [&](int i, int j, V value) { store_part(to + (i * 3 + j) * s.cin, value, count); });
      }
}

// The transformed tiles of one block.
struct Tiles {
  TransformedLayout in, out;
  Scratch<float> input, gradient;

  Tiles(const ConvShape& s, const MapReaders& x, const TileBlock& largest)
      : in(transformed_layout(input_rows(s, largest), transformed_channels(x))),
        out(transformed_layout(largest.planes * largest.columns, s.cout)),
        input(in.size()),
        gradient(out.size()) {}
  Transformed inputs() const { return {input.data(), in.row_stride, in.xi_stride}; }
  Transformed gradients() const { return {gradient.data(), out.row_stride, out.xi_stride}; }

  void fill(const ConvShape& s, const TileBlock& block, const MapReaders& x, const float* dy) const {
    constexpr std::int64_t kRows = 8;
    parallel_for(input_rows(s, block), kRows,
                 [&](std::int64_t begin, std::int64_t end) { transform_input(s, x, block, begin, end, inputs()); });
    parallel_for(block.planes * block.columns, kRows, [&](std::int64_t begin, std::int64_t end) {
      transform_gradient(s, dy, block, begin, end, gradients());
    });
  }
};

void few_channels(const ConvShape& s, const MapReaders& x, const float* dy, float* dweight) {
  const Rectangle whole{0, s.cout, 0, s.cin};
  const Cut cuts = cut(s, std::max<std::int64_t>(32, kGradientBlockBytes / kRowBytes / (s.cin + s.cout)));
  // Slices of about two blocks, an even number of them if there are several blocks.
  const std::int64_t slices = std::min(kSlices, cuts.blocks() <= 2 ? cuts.blocks() : block_count(cuts.blocks(), 4) * 2);
  const Scratch<float> sums(slices * whole.size(s));
  parallel_for(slices, 1, [&](std::int64_t slice, std::int64_t) {
    const Tiles tiles(s, x, cuts.block(s, 0));
    const std::int64_t begin = cuts.blocks() * slice / slices, end = cuts.blocks() * (slice + 1) / slices;
    for (std::int64_t index = begin; index < end; ++index) {
      const TileBlock block = cuts.block(s, index);
      tiles.fill(s, block, x, dy);
      for (std::int64_t xi = 0; xi < kPoints; ++xi)
        multiply_gradients(s, block, tiles.inputs(), tiles.gradients(), whole, xi, sums.data() + slice * whole.size(s),
                           index > begin);
    }
  });
  parallel_for(s.cout, 4, [&](std::int64_t begin, std::int64_t end) {
    transform_sum(s, whole, sums.data(), slices, begin, end, dweight);
  });
}

void many_channels(const ConvShape& s, const MapReaders& x, const float* dy, float* dweight) {
  const std::int64_t deep = std::max<std::int64_t>(1, 128 / s.kernel[0]);
  const std::int64_t wide = std::min(s.cin, block_count(deep, kTileColumns<float>) * kTileColumns<float>);
  // An even number of parts of about the same size.
  const std::int64_t across = block_count(s.cin, wide), least = block_count(s.cout, 4 * kTileRows);
  const std::int64_t high = block_count(s.cout, std::min(s.cout, least + across * least % 2));
  const std::int64_t parts = across * block_count(s.cout, high);
  const std::int64_t size = Rectangle{0, high, 0, wide}.size(s);
  const auto part_of = [&](std::int64_t index) {
    const std::int64_t output = index / across * high, input = index % across * wide;
    return Rectangle{output, std::min(high, s.cout - output), input, std::min(wide, s.cin - input)};
  };
  const Cut cuts = cut(s, std::max<std::int64_t>(32, kKeptTileBytes / kRowBytes / (s.cin + s.cout)));
  const Tiles tiles(s, x, cuts.block(s, 0));
  if (cuts.blocks() == 1) {  // all tiles at once: the sum of a rectangle begins and ends in the cache of its task
    const TileBlock block = cuts.block(s, 0);
    tiles.fill(s, block, x, dy);
    parallel_for(parts, 1, [&](std::int64_t index, std::int64_t) {
      const Scratch<float> sum(size);
      const Rectangle part = part_of(index);
      for (std::int64_t xi = 0; xi < kPoints; ++xi)
        multiply_gradients(s, block, tiles.inputs(), tiles.gradients(), part, xi, sum.data(), false);
      transform_sum(s, part, sum.data(), 1, 0, part.outputs, dweight);
    });
    return;
  }
  const std::int64_t group = std::clamp<std::int64_t>(kStoredBytes / 4 / size, 1, parts);
  const Scratch<float> sums(group * size);
  for (std::int64_t first = 0; first < parts; first += group) {
    const std::int64_t count = std::min(group, parts - first);
    for (std::int64_t index = 0; index < cuts.blocks(); ++index) {
      const TileBlock block = cuts.block(s, index);
      tiles.fill(s, block, x, dy);
      parallel_for(kPoints, 1, [&](std::int64_t xi, std::int64_t) {
        for (std::int64_t i = 0; i < count; ++i)
          multiply_gradients(s, block, tiles.inputs(), tiles.gradients(), part_of(first + i), xi,
                             sums.data() + i * size, index > 0);
      });
    }
    parallel_for(count, 1, [&](std::int64_t i, std::int64_t) {
      const Rectangle part = part_of(first + i);
      transform_sum(s, part, sums.data() + i * size, 1, 0, part.outputs, dweight);
    });
  }
}

}  // namespace

void weight_gradient(const ConvShape& s, const MapReaders& x, const float* dy, float* dweight) {
  if (s.batch == 0)
    std::fill(dweight, dweight + s.cout * volume(s.kernel) * s.cin, 0.0f);
  else if (Rectangle{0, s.cout, 0, s.cin}.size(s) * static_cast<std::int64_t>(sizeof(float)) <= kSliceBytes)
    few_channels(s, x, dy, dweight);
  else
    many_channels(s, x, dy, dweight);
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA::winograd

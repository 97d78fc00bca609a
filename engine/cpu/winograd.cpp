// Winograd's convolution: transform inputs and weights, 36 matrix products, transform back.
//
// The smaller of the two transformed operands is computed once and kept, the larger one is streamed:
//   few channels:  all weights are transformed; a task takes a block of tiles through all stages in its L2 cache.
//   many channels: the tiles are transformed; a task takes a panel of output channels and transforms its weights, a
//                  slab of input channels at a time, so that transformed weights (4 times as large) never leave L2.
//                  The same if the layer has so few tiles that they would be one task of the first way.
#include "engine/cpu/winograd.h"

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"
#include "engine/cpu/map_reader.h"
#include "engine/cpu/microkernel.h"
#include "engine/cpu/transpose.h"
#include "engine/cpu/winograd_transforms.h"

namespace voxgrad::cpu::VOXGRAD_ISA::winograd {
namespace {

constexpr std::int64_t kPanel = kTileColumns<float>;  // output channels of a panel
constexpr std::int64_t kWeightBytes = 5 << 20;        // of transformed weights: more of them count as many channels
constexpr std::int64_t kMostBlockRows = 48;
constexpr std::int64_t kInputBlockBytes = 1 << 20;  // transformed input of a block of tiles
constexpr std::int64_t kSlabBytes = 640 << 10;      // transformed weights of a slab of input channels
constexpr std::int64_t kKeptInputBytes = 16 << 20;  // transformed input that is kept for all panels

struct Panel {
  std::int64_t first, channels;  // output channels
  std::int64_t vectors() const { return channels <= kWidth ? 1 : kTileVectors; }
  std::int64_t width() const { return vectors() * kWidth; }
};
Panel panel_of(const ConvShape& s, std::int64_t index) {
  return {index * kPanel, std::min(kPanel, s.cout - index * kPanel)};
}

// Copies one tap of up to kWidth input channels, from `input` on, to [input channel][panel width]. What is behind the
// output channels becomes zero.
void copy_tap(const WeightView& w, const Panel& panel, std::int64_t tap, std::int64_t input, std::int64_t inputs,
              float* to) {
  const std::int64_t width = panel.width();
  const float* const from = w.data + panel.first * w.output_stride + tap * w.tap_stride + input * w.input_stride;
  for (std::int64_t v = 0; v < width; v += kWidth) {
    const std::int64_t outputs = std::clamp<std::int64_t>(panel.channels - v, 0, kWidth);
    const float* const square = from + v * w.output_stride;
    if (w.input_stride == 1) {
      transpose_square(square, w.output_stride, outputs, inputs, to + v, width);
    } else if (outputs == kWidth && w.output_stride == 1) {
      for (std::int64_t ci = 0; ci < inputs; ++ci) store(to + ci * width + v, load(square + ci * w.input_stride));
    } else {
      for (std::int64_t ci = 0; ci < inputs; ++ci)
        for (std::int64_t co = 0; co < kWidth; ++co)
          to[ci * width + v + co] = co < outputs ? square[co * w.output_stride + ci * w.input_stride] : 0.0f;
    }
  }
}

// Computes the transformed weights of a panel for the input channels [begin, end): [xi][depth tap][input
// channel][width].
void transform_weights(const ConvShape& s, const WeightView& w, const Panel& panel, std::int64_t begin,
                       std::int64_t end, float* to) {
  const std::int64_t width = panel.width(), taps = 9 * s.kernel[0], inputs = end - begin;
  const std::int64_t xi_stride = s.kernel[0] * inputs * width;
  alignas(64) float square[9 * kWidth * kPanel];  // [tap of the plane][input channel][width]
  for (std::int64_t z = 0; z < s.kernel[0]; ++z)
    for (std::int64_t first = 0; first < inputs; first += kWidth) {
      const std::int64_t count = std::min(kWidth, inputs - first);
      for (std::int64_t t = 0; t < 9; ++t)
        copy_tap(w, panel, w.flipped ? taps - 1 - (z * 9 + t) : z * 9 + t, begin + first, count,
                 square + t * kWidth * width);
      float* const out = to + (z * inputs + first) * width;
      for (std::int64_t at = 0; at < count * width; at += kWidth)
        transform_tile<WeightTransform>(
            [&](int i, int j) { return load(square + (i * 3 + j) * kWidth * width + at); },
            [&](int i, int j, V value) { store(out + (i * 6 + j) * xi_stride + at, value); });
    }
}

// Computes the 36 products: rows of the transformed input times transformed weights, summed over the depth taps.
void multiply_tiles(const ConvShape& s, const TileBlock& block, const Transformed& input, std::int64_t begin,
                    std::int64_t end, const float* weights, const Panel& panel, const Transformed& product) {
  const std::int64_t rows = block.planes * block.columns, width = panel.width(), inputs = end - begin;
  for (std::int64_t xi = 0; xi < kPoints; ++xi) {
    const Product<float> p{.a = input.data + xi * input.xi_stride + begin,
                           .row_stride = input.row_stride,
                           .k_stride = 1,
                           .b = weights + xi * s.kernel[0] * inputs * width,
                           .ldb = width,
                           .k = inputs,
                           .c = product.data + xi * product.xi_stride,
                           .ldc = product.row_stride,
                           .add = begin > 0,
                           .terms = s.kernel[0],
                           .a_term = block.columns * input.row_stride,
                           .b_term = inputs * width};
    if (panel.vectors() == 1)
      multiply_strip<float, 1>(rows, p);
    else
      multiply_strip<float, kTileVectors>(rows, p);
  }
}

// Where the vector of output channels from `channel` on goes: its first element in voxel 0, and the number of channels
// of that map.
Target target_of(const Targets& y, std::int64_t channel) {
  std::size_t i = 0;
  for (; channel >= y[i].channels; ++i) channel -= y[i].channels;
  return {y[i].y + channel, y[i].channels};
}

// The sums over the outputs of one tile, for one vector of channels: the differences to the first output, and their
// squares. Sums of differences lose fewer digits than sums of the values if the mean is far from zero.
struct TileSums {
  V origin{}, first{}, second{};

  void add(V value) {
    const V d = value - origin;
    first += d;
    second += d * d;
  }
  // Merges these sums with the mean and m2 of `before` values (moments.h).
  void merge_into(double* mean, double* m2, double count, double before) const {
    alignas(64) float sums[3][kWidth];
    store(sums[0], origin);
    store(sums[1], first);
    store(sums[2], second);
    const double share = count / (before + count);
    for (std::int64_t c = 0; c < kWidth; c += kLanes<double>) {
      const Vec<double> s1 = load_wide(sums[1] + c), shift = s1 / count;
      const Vec<double> delta = load_wide(sums[0] + c) + shift - load(mean + c);
      store(m2 + c, load(m2 + c) + (load_wide(sums[2] + c) - s1 * shift) + delta * delta * (before * share));
      store(mean + c, load(mean + c) + delta * share);
    }
  }
};

// Makes room for the moments of the blocks.
void prepare_moments(const ConvShape& s, const Cut& cuts, BlockMoments* moments) {
  if (moments == nullptr) return;
  const std::int64_t of_sample = tile_columns(s) / s.batch;
  moments->slots = std::min(s.batch, (cuts.columns + of_sample - 2) / of_sample + 1);
  moments->stride = block_count(s.cout, kWidth) * kWidth;
  for (std::int64_t i = 0; i < cuts.blocks(); ++i) moments->first_sample.push_back(cuts.block(s, i).column / of_sample);
  moments->count = zero_vector<double>(cuts.blocks() * moments->slots);
  moments->mean = moments->m2 = zero_vector<double>(cuts.blocks() * moments->slots * moments->stride);
}

// Transforms the products of a block and a panel to 4 x 4 outputs each, and adds the bias. What lies outside of y is
// dropped.
template <bool kMoments>
void transform_output(const ConvShape& s, std::int64_t index, const TileBlock& block, const Transformed& product,
                      const Panel& panel, const float* bias, const Targets& y, BlockMoments* moments) {
  auto counts = zero_vector<double>(kMoments ? moments->slots : 0);
  for (std::int64_t row = 0; row < block.planes * block.columns; ++row) {
    const auto [sample, z, top, left] = position_of(s, block, row);
    const int rows = static_cast<int>(std::min(kTile, s.out[1] - top));
    const int columns = static_cast<int>(std::min(kTile, s.out[2] - left));
    const std::int64_t voxel = ((sample * s.out[0] + z) * s.out[1] + top) * s.out[2] + left;
    const float* const from = product.data + row * product.row_stride;
    const std::int64_t slot = kMoments ? sample - nth(moments->first_sample, index) : 0;
    for (std::int64_t v = 0; v < panel.channels; v += kWidth) {
      const int count = static_cast<int>(std::min(kWidth, panel.channels - v));
      const V offset = bias == nullptr ? V{} : load_part(bias + panel.first + v, count);
      const Target target = target_of(y, panel.first + v);
      float* const out = target.y + voxel * target.channels;
      TileSums sums;
      transform_tile<OutputTransform>([&](int i, int j) { return load(from + (i * 6 + j) * product.xi_stride + v); },
                                      [&](int i, int j, V value) {
                                        if (i >= rows || j >= columns) return;
                                        value += offset;
                                        store_part(out + (i * s.out[2] + j) * target.channels, value, count);
                                        if constexpr (kMoments) {
                                          if (i == 0 && j == 0) sums.origin = value;
                                          sums.add(value);
                                        }
                                      });
      if constexpr (kMoments) {
        const std::int64_t at = (index * moments->slots + slot) * moments->stride + panel.first + v;
        sums.merge_into(moments->mean.data() + at, moments->m2.data() + at, rows * columns, nth(counts, slot));
      }
    }
    if constexpr (kMoments) nth(counts, slot) += rows * columns;
  }
  if constexpr (kMoments)
    if (panel.first == 0) std::copy(counts.begin(), counts.end(), moments->count.begin() + index * moments->slots);
}

void finish_block(const ConvShape& s, std::int64_t index, const TileBlock& block, const Transformed& product,
                  const Panel& panel, const float* bias, const Targets& y, BlockMoments* moments) {
  if (moments == nullptr)
    transform_output<false>(s, index, block, product, panel, bias, y, moments);
  else
    transform_output<true>(s, index, block, product, panel, bias, y, moments);
}

void convolve_few_channels(const ConvShape& s, const MapReaders& x, const WeightView& w, const float* bias,
                           const Targets& y, BlockMoments* moments) {
  const std::int64_t panels = block_count(s.cout, kPanel), panel_size = kPoints * s.kernel[0] * s.cin * kPanel;
  const Scratch<float> weights(panels * panel_size);
  parallel_for(panels, 1, [&](std::int64_t panel, std::int64_t) {
    transform_weights(s, w, panel_of(s, panel), 0, s.cin, weights.data() + panel * panel_size);
  });
  const Cut cuts = cut(s, std::clamp<std::int64_t>(
                              kInputBlockBytes / kRowBytes / transformed_layout(1, transformed_channels(x)).row_stride,
                              kTileRows, kMostBlockRows));
  prepare_moments(s, cuts, moments);
  parallel_for(cuts.blocks(), 1, [&](std::int64_t index, std::int64_t) {
    const TileBlock block = cuts.block(s, index);
    const std::int64_t rows = input_rows(s, block);
    const TransformedLayout in = transformed_layout(rows, transformed_channels(x)),
                            out = transformed_layout(block.planes * block.columns, kPanel);
    const Scratch<float> input(in.size()), product(out.size());
    const Transformed from{input.data(), in.row_stride, in.xi_stride};
    const Transformed to{product.data(), out.row_stride, out.xi_stride};
    transform_input(s, x, block, 0, rows, from);
    for (std::int64_t i = 0; i < panels; ++i) {
      const Panel panel = panel_of(s, i);
      multiply_tiles(s, block, from, 0, s.cin, weights.data() + i * panel_size, panel, to);
      finish_block(s, index, block, to, panel, bias, y, moments);
    }
  });
}

void convolve_many_channels(const ConvShape& s, const MapReaders& x, const WeightView& w, const float* bias,
                            const Targets& y, BlockMoments* moments) {
  const std::int64_t slab =
      std::max<std::int64_t>(8, kSlabBytes / (kRowBytes * s.kernel[0] * kPanel));  // input channels
  const Cut cuts = cut(s, std::max<std::int64_t>(48, kKeptInputBytes / kRowBytes /
                                                         transformed_layout(1, transformed_channels(x)).row_stride));
  prepare_moments(s, cuts, moments);
  for (std::int64_t index = 0; index < cuts.blocks(); ++index) {
    const TileBlock block = cuts.block(s, index);
    const std::int64_t rows = input_rows(s, block);
    const TransformedLayout in = transformed_layout(rows, transformed_channels(x)),
                            out = transformed_layout(block.planes * block.columns, kPanel);
    const Scratch<float> input(in.size());
    const Transformed from{input.data(), in.row_stride, in.xi_stride};
    parallel_for(rows, 8,
                 [&](std::int64_t begin, std::int64_t end) { transform_input(s, x, block, begin, end, from); });
    parallel_for(block_count(s.cout, kPanel), 1, [&](std::int64_t i, std::int64_t) {
      const Panel panel = panel_of(s, i);
      const Scratch<float> product(out.size()), weights(kPoints * s.kernel[0] * slab * kPanel);
      const Transformed to{product.data(), out.row_stride, out.xi_stride};
      for (std::int64_t begin = 0; begin < s.cin; begin += slab) {
        const std::int64_t end = std::min(s.cin, begin + slab);
        transform_weights(s, w, panel, begin, end, weights.data());
        multiply_tiles(s, block, from, begin, end, weights.data(), panel, to);
      }
      finish_block(s, index, block, to, panel, bias, y, moments);
    });
  }
}

}  // namespace

WeightView forward_weights(const ConvShape& s, const float* weight) {
  const std::int64_t taps = volume(s.kernel);
  return {weight, taps * s.cin, s.cin, 1, false};
}
WeightView gradient_weights(const ConvShape& s, const float* weight) {
  const std::int64_t taps = volume(s.kernel);
  return {weight, 1, s.cin, taps * s.cin, true};
}

void convolve(const ConvShape& s, const MapReaders& x, const WeightView& weights, const float* bias, const Targets& y,
              BlockMoments* moments) {
  if (s.batch == 0) return;
  if (kRowBytes * s.kernel[0] * s.cin * s.cout <= kWeightBytes && tile_columns(s) * s.out[0] > kMostBlockRows)
    convolve_few_channels(s, x, weights, bias, y, moments);
  else
    convolve_many_channels(s, x, weights, bias, y, moments);
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA::winograd

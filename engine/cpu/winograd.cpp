// Winograd's convolution: transform inputs and weights, 36 matrix products, transform back.
//
// The smaller of the two transformed operands is computed once and kept, the larger one is streamed:
//   few channels:  all weights are transformed; a task takes a block of tiles through all stages in its L2 cache.
//   many channels: the tiles are transformed; a task takes a panel of output channels and transforms its weights, a
//                  slab of input channels at a time, so that transformed weights (4 times as large) never leave L2.
#include "engine/cpu/winograd.h"

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"
#include "engine/cpu/microkernel.h"
#include "engine/cpu/transpose.h"
#include "engine/cpu/winograd_transforms.h"

namespace voxgrad::cpu::VOXGRAD_ISA::winograd {
namespace {

constexpr std::int64_t kWidth = kLanes<float>;
constexpr std::int64_t kPanel = kTileColumns<float>;  // output channels of a panel
constexpr std::int64_t kWeightBytes = 5 << 20;        // transformed weights: more than this counts as many channels
constexpr std::int64_t kBlockRows = 48;
constexpr std::int64_t kBlockBytes = 1 << 20;   // transformed input of a block of tiles
constexpr std::int64_t kSlabBytes = 640 << 10;  // transformed weights of a slab of input channels
constexpr std::int64_t kKeptBytes = 16 << 20;   // transformed input that is kept for all panels
constexpr std::int64_t kRowBytes = kPoints * sizeof(float);

struct Panel {
  std::int64_t first, channels;  // output channels
  std::int64_t vectors() const { return channels <= kWidth ? 1 : kTileVectors; }
  std::int64_t width() const { return vectors() * kWidth; }
};
Panel panel_of(const ConvShape& s, std::int64_t index) {
  return {index * kPanel, std::min(kPanel, s.cout - index * kPanel)};
}

// One tap of up to kWidth input channels from `input` on: to[input channel][panel width], zeros behind the channels.
void copy_tap(const Weights& w, const Panel& panel, std::int64_t tap, std::int64_t input, std::int64_t inputs,
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

// Transformed weights of a panel for the input channels [begin, end): [xi][depth tap][input channel][width].
void transform_weights(const ConvShape& s, const Weights& w, const Panel& panel, std::int64_t begin, std::int64_t end,
                       float* to) {
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

// 36 products: rows of the transformed input times transformed weights, summed over the depth taps.
void multiply(const ConvShape& s, const Block& block, const Transformed& input, std::int64_t begin, std::int64_t end,
              const float* weights, const Panel& panel, const Transformed& product) {
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

// The products of a block and a panel to 4 x 4 outputs each, plus bias; what lies outside of y is dropped.
void transform_output(const ConvShape& s, const Block& block, const Transformed& product, const Panel& panel,
                      const float* bias, float* y) {
  for (std::int64_t row = 0; row < block.planes * block.columns; ++row) {
    const auto [sample, z, top, left] = place_of(s, block, row);
    const int rows = static_cast<int>(std::min(kTile, s.out[1] - top));
    const int columns = static_cast<int>(std::min(kTile, s.out[2] - left));
    float* const out = y + (((sample * s.out[0] + z) * s.out[1] + top) * s.out[2] + left) * s.cout + panel.first;
    const float* const from = product.data + row * product.row_stride;
    for (std::int64_t v = 0; v < panel.channels; v += kWidth) {
      const int count = static_cast<int>(std::min(kWidth, panel.channels - v));
      const V offset = bias == nullptr ? V{} : load_part(bias + panel.first + v, count);
      transform_tile<OutputTransform>([&](int i, int j) { return load(from + (i * 6 + j) * product.xi_stride + v); },
                                      [&](int i, int j, V value) {
                                        if (i >= rows || j >= columns) return;
                                        store_part(out + (i * s.out[2] + j) * s.cout + v, value + offset, count);
                                      });
    }
  }
}

void convolve_few_channels(const ConvShape& s, const float* x, const Weights& w, const float* bias, float* y) {
  const std::int64_t panels = block_count(s.cout, kPanel), panel_size = kPoints * s.kernel[0] * s.cin * kPanel;
  const Scratch<float> weights(panels * panel_size);
  parallel_for(panels, 1, [&](std::int64_t panel, std::int64_t) {
    transform_weights(s, w, panel_of(s, panel), 0, s.cin, weights.data() + panel * panel_size);
  });
  const Cut cuts =
      cut(s, std::clamp<std::int64_t>(kBlockBytes / kRowBytes / layout(1, s.cin).row_stride, kTileRows, kBlockRows));
  parallel_for(cuts.blocks(), 1, [&](std::int64_t index, std::int64_t) {
    const Block block = cuts.block(s, index);
    const std::int64_t rows = input_rows(s, block);
    const Layout in = layout(rows, s.cin), out = layout(block.planes * block.columns, kPanel);
    const Scratch<float> input(in.size()), product(out.size());
    const Transformed from{input.data(), in.row_stride, in.xi_stride};
    const Transformed to{product.data(), out.row_stride, out.xi_stride};
    transform_input(s, x, block, 0, rows, from);
    for (std::int64_t i = 0; i < panels; ++i) {
      const Panel panel = panel_of(s, i);
      multiply(s, block, from, 0, s.cin, weights.data() + i * panel_size, panel, to);
      transform_output(s, block, to, panel, bias, y);
    }
  });
}

void convolve_many_channels(const ConvShape& s, const float* x, const Weights& w, const float* bias, float* y) {
  const std::int64_t slab =
      std::max<std::int64_t>(8, kSlabBytes / (kRowBytes * s.kernel[0] * kPanel));  // input channels
  const Cut cuts = cut(s, std::max<std::int64_t>(48, kKeptBytes / kRowBytes / layout(1, s.cin).row_stride));
  for (std::int64_t index = 0; index < cuts.blocks(); ++index) {
    const Block block = cuts.block(s, index);
    const std::int64_t rows = input_rows(s, block);
    const Layout in = layout(rows, s.cin), out = layout(block.planes * block.columns, kPanel);
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
        multiply(s, block, from, begin, end, weights.data(), panel, to);
      }
      transform_output(s, block, to, panel, bias, y);
    });
  }
}

}  // namespace

Weights forward_weights(const ConvShape& s, const float* weight) {
  const std::int64_t taps = volume(s.kernel);
  return {weight, taps * s.cin, s.cin, 1, false};
}
Weights gradient_weights(const ConvShape& s, const float* weight) {
  const std::int64_t taps = volume(s.kernel);
  return {weight, 1, s.cin, taps * s.cin, true};
}

void convolve(const ConvShape& s, const float* x, const Weights& weights, const float* bias, float* y) {
  if (s.batch == 0) return;
  if (kRowBytes * s.kernel[0] * s.cin * s.cout <= kWeightBytes)
    convolve_few_channels(s, x, weights, bias, y);
  else
    convolve_many_channels(s, x, weights, bias, y);
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA::winograd

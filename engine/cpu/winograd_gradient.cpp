// The gradient of the weights by Winograd's F(3x3, 4x4): the same tiles as the forward pass, but here the 4 x 4 output
// gradients play the filter and the 3 x 3 weight gradients are the outputs:
//
//   dg = sum over tiles A'^T [(G' e G'^T) * (B^T d B)] A' = A'^T [sum over tiles ..] A'
//
// so the sum runs in the transformed domain, as 36 products Y^T V [Cout, rows] [rows, Cin], and is transformed once.
#include "engine/cpu/winograd.h"

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"
#include "engine/cpu/microkernel.h"
#include "engine/cpu/winograd_transforms.h"

namespace voxgrad::cpu::VOXGRAD_ISA::winograd {
namespace {

constexpr std::int64_t kWidth = kLanes<float>;
constexpr std::int64_t kSlices = 16;                 // sums of their own, at most
constexpr std::int64_t kSliceBytes = 1 << 20;        // a sum that fits the L2 cache beside its tiles
constexpr std::int64_t kSumBytes = 16 << 20;         // a sum that all threads share
constexpr std::int64_t kBlockBytes = 3 << 18;        // transformed tiles of a block, per slice
constexpr std::int64_t kSharedBlockBytes = 4 << 20;  // the same, shared by all threads
constexpr std::int64_t kRowBytes = kPoints * sizeof(float);

// The sums of some output channels: [slice][xi][depth tap][output channel][input channel].
struct Sums {
  float* data;
  std::int64_t first, channels;  // output channels
  std::int64_t stride, slice_stride;
  float* at(const ConvShape& s, std::int64_t slice, std::int64_t xi, std::int64_t tap) const {
    return data + slice * slice_stride + (xi * s.kernel[0] + tap) * channels * stride;
  }
};

// The rows [begin, end) of the transformed output gradient of a block.
void transform_output_gradient(const ConvShape& s, const float* dy, const Block& block, std::int64_t begin,
                               std::int64_t end, const Sums& sums, const Transformed& to) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Place place = place_of(s, block, row);
    const float* const from =
        dy + s.cout * (place.left + s.out[2] * (place.top + s.out[1] * (place.plane + s.out[0] * place.sample))) +
        sums.first;
    const std::int64_t high = s.out[1] - place.top, wide = s.out[2] - place.left;
    for (std::int64_t c = 0; c < sums.channels; c += kWidth) {
      const int count = static_cast<int>(std::min(kWidth, sums.channels - c));
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

// Adds the products of a block to the sums of a slice.
void multiply(const ConvShape& s, const Block& block, const Transformed& input, const Transformed& gradient,
              const Sums& sums, std::int64_t slice, bool first) {
  parallel_for(kPoints * s.kernel[0], 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t xi = task / s.kernel[0], tap = task % s.kernel[0];
    for (std::int64_t c = 0; c < s.cin; c += kTileColumns<float>) {
      const Product<float> p{.a = gradient.data + xi * gradient.xi_stride,
                             .row_stride = 1,
                             .k_stride = gradient.row_stride,
                             .b = input.data + xi * input.xi_stride + tap * block.columns * input.row_stride + c,
                             .ldb = input.row_stride,
                             .k = block.planes * block.columns,
                             .c = sums.at(s, slice, xi, tap) + c,
                             .ldc = sums.stride,
                             .add = !first};
      if (s.cin - c <= kWidth)
        multiply_strip<float, 1>(sums.channels, p);
      else
        multiply_strip<float, kTileVectors>(sums.channels, p);
    }
  });
}

// The blocks [begin, end) of the layer into one slice.
void accumulate(const ConvShape& s, const float* x, const float* dy, const Cut& cuts, std::int64_t begin,
                std::int64_t end, const Sums& sums, std::int64_t slice) {
  const Block largest = cuts.block(s, 0);
  const Layout in = layout(input_rows(s, largest), s.cin);
  const Layout out = layout(largest.planes * largest.columns, sums.channels);
  const Scratch<float> input(in.size()), gradient(out.size());
  const Transformed v{input.data(), in.row_stride, in.xi_stride};
  const Transformed y{gradient.data(), out.row_stride, out.xi_stride};
  for (std::int64_t index = begin; index < end; ++index) {
    const Block block = cuts.block(s, index);
    parallel_for(input_rows(s, block), 8,
                 [&](std::int64_t first, std::int64_t last) { transform_input(s, x, block, first, last, v); });
    parallel_for(block.planes * block.columns, 8, [&](std::int64_t first, std::int64_t last) {
      transform_output_gradient(s, dy, block, first, last, sums, y);
    });
    multiply(s, block, v, y, sums, slice, index == begin);
  }
}

// Adds up the slices in order and transforms back.
void transform_weight_gradient(const ConvShape& s, const Sums& sums, std::int64_t slices, float* dweight) {
  parallel_for(sums.channels, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t co = begin; co < end; ++co)
      for (std::int64_t tap = 0; tap < s.kernel[0]; ++tap)
        for (std::int64_t c = 0; c < s.cin; c += kWidth) {
          const int count = static_cast<int>(std::min(kWidth, s.cin - c));
          float* const to = dweight + ((sums.first + co) * s.kernel[0] + tap) * 9 * s.cin + c;
          transform_tile<WeightGradientTransform>(
              [&](int i, int j) {
                V sum = load(sums.at(s, 0, i * 6 + j, tap) + co * sums.stride + c);
                for (std::int64_t slice = 1; slice < slices; ++slice)
                  sum += load(sums.at(s, slice, i * 6 + j, tap) + co * sums.stride + c);
                return sum;
              },
              [&](int i, int j, V value) {
                float* const at = to + (i * 3 + j) * s.cin;
                if (count == kWidth)
                  store(at, value);
                else
                  store_part(at, value, count);
              });
        }
  });
}

}  // namespace

void weight_gradient(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  if (s.batch == 0) return static_cast<void>(std::fill(dweight, dweight + s.cout * volume(s.kernel) * s.cin, 0.0f));
  const std::int64_t stride = block_count(s.cin, kTileColumns<float>) * kTileColumns<float>;
  const std::int64_t channel_bytes = kRowBytes * s.kernel[0] * stride;  // of the sum of one output channel
  const bool many = s.cout * channel_bytes > kSliceBytes;
  const std::int64_t channels = many ? std::clamp<std::int64_t>(kSumBytes / channel_bytes, 32, s.cout) : s.cout;
  const Cut cuts =
      cut(s, std::max<std::int64_t>(32, (many ? kSharedBlockBytes : kBlockBytes) / kRowBytes / (s.cin + channels)));
  const std::int64_t slices = many ? 1 : std::min(kSlices, block_count(cuts.blocks(), 2));
  const std::int64_t slice_stride = kPoints * s.kernel[0] * channels * stride;
  const Scratch<float> memory(slices * slice_stride);
  for (std::int64_t first = 0; first < s.cout; first += channels) {
    const Sums sums{memory.data(), first, std::min(channels, s.cout - first), stride, slice_stride};
    parallel_for(slices, 1, [&](std::int64_t slice, std::int64_t) {
      accumulate(s, x, dy, cuts, cuts.blocks() * slice / slices, cuts.blocks() * (slice + 1) / slices, sums, slice);
    });
    transform_weight_gradient(s, sums, slices, dweight);
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA::winograd

// The values of convolutions, products, pooling and normalisation are compared with plain loops, as those of the other
// operations in values.cpp. Sums of products of small whole numbers are exact, so nothing may differ there.
#include <algorithm>

#include "tests/engine/value_rows.h"

namespace {

using namespace voxgrad;
using namespace voxgrad::test;

Extents extents_between(Random& random, int spatial, std::int64_t low, std::int64_t high) {
  Extents extents;
  extents.dims = spatial;
  for (int i = 0; i < spatial; ++i) nth(extents.value, i) = between(random, low, high);
  return extents;
}

Compared draw_matmul_value(Random& random, DType dtype) {
  const auto extent = [&] { return random.chance(0.2) ? 1 : between(random, 1, 40); };
  const std::int64_t m = extent(), k = extent(), n = extent();
  const MatmulOptions options{random.chance(0.5), random.chance(0.5)};
  const Tensor a = integers(random, options.transpose_a ? Shape{k, m} : Shape{m, k}, 5, dtype);
  const Tensor b = integers(random, options.transpose_b ? Shape{n, k} : Shape{k, n}, 5, dtype);
  const List p = values(a), q = values(b);
  return {matmul(a, b, options),
          {m, n},
          by_index({m, n},
                   [&](const Index& at) {
                     double result = 0;
                     for (std::int64_t i = 0; i < k; ++i)
                       result += nth(p, options.transpose_a ? i * m + at[0] : at[0] * k + i) *
                                 nth(q, options.transpose_b ? at[1] * k + i : i * n + at[1]);
                     return result;
                   }),
          true};
}

// The sum over the products of conv, or of its transpose: of x at `low`, of the weight at k, and of y at `high` =
// low stride - padding + k dilation, seen from the smaller map for the transpose, from the larger one for conv.
Compared draw_conv_value(Random& random, DType dtype, bool transposed) {
  const Shape x_shape = draw_map_shape(random, transposed ? 1 : 3, 20);
  const int spatial = x_shape.spatial_dims();
  const std::int64_t in = x_shape[-1], out = random.chance(0.5) ? between(random, 1, 6) : between(random, 1, 40);
  ConvOptions options{extents_between(random, spatial, 1, 3), extents_between(random, spatial, 0, 2),
                      extents_between(random, spatial, 1, 2)};
  Shape kernel = draw_map_shape(random).with(0, transposed ? in : out), y_shape = x_shape.with(-1, out);
  kernel = x_shape.with(0, transposed ? in : out).with(-1, transposed ? out : in);
  for (int i = 0; i < spatial; ++i) {
    kernel[i + 1] = between(random, 1, 3);
    std::int64_t& padding = nth(options.padding.value, i);
    std::int64_t& dilation = nth(options.dilation.value, i);
    const std::int64_t extent = x_shape[i + 1], stride = options.stride[i];
    if (!transposed && dilation * (kernel[i + 1] - 1) + 1 > extent + 2 * padding) dilation = 1;
    const std::int64_t reach = dilation * (kernel[i + 1] - 1) + 1;
    if (transposed && (extent - 1) * stride + reach <= 2 * padding) padding = 0;
    y_shape[i + 1] =
        transposed ? (extent - 1) * stride - 2 * padding + reach : (extent + 2 * padding - reach) / stride + 1;
  }
  const Tensor x = integers(random, x_shape, 3, dtype), weight = integers(random, kernel, 3, dtype);
  const Tensor bias = random.chance(0.5) ? integers(random, {out}, 3, dtype) : Tensor();
  const List p = values(x), w = values(weight);
  List expected = by_index(
      y_shape, [&](const Index& at) { return bias.defined() ? values(bias)[static_cast<std::size_t>(at.back())] : 0; });
  const Shape& low = transposed ? x_shape : y_shape;  // the map with the smaller extents
  const Shape& high = transposed ? y_shape : x_shape;
  const Shape taps = low.with(0, low[0]).with(-1, 1), window = kernel.with(0, 1).with(-1, 1);
  for (std::int64_t i = 0; i < taps.numel(); ++i)
    for (std::int64_t k = 0; k < window.numel(); ++k) {
      const Index at = index_of(taps, i), tap = index_of(window, k);
      std::int64_t small = at[0], large = at[0];  // positions without the channel
      bool inside = true;
      for (int axis = 0; axis < spatial; ++axis) {
        const std::int64_t there = nth(at, axis + 1) * options.stride[axis] - options.padding[axis] +
                                   nth(tap, axis + 1) * options.dilation[axis];
        inside = inside && there >= 0 && there < high[axis + 1];
        small = small * low[axis + 1] + nth(at, axis + 1);
        large = large * high[axis + 1] + there;
      }
      if (!inside) continue;
      for (std::int64_t ci = 0; ci < in; ++ci)
        for (std::int64_t co = 0; co < out; ++co) {
          const std::int64_t first = transposed ? ci : co, last = transposed ? co : ci;
          nth(expected, (transposed ? large : small) * out + co) +=
              nth(p, (transposed ? small : large) * in + ci) * nth(w, (first * window.numel() + k) * kernel[-1] + last);
        }
    }
  // Two maps count as one that is concatenated along the channels.
  const std::int64_t cut = in > 1 && !transposed && random.chance(0.3) ? between(random, 1, in - 1) : 0;
  const Tensor y = transposed ? conv_transpose(x, weight, bias, options)
                   : cut > 0  ? conv({slice(x, -1, 0, cut), slice(x, -1, cut, in)}, weight, bias, options)
                              : conv(x, weight, bias, options);
  return {y, y_shape, expected, true};
}

Compared draw_max_pool_value(Random& random, DType dtype) {
  const Shape shape = draw_map_shape(random, 2);
  const Extents window = extents_between(random, shape.spatial_dims(), 1, 2);
  const Tensor x = integers(random, shape, 4, dtype);
  const List in = values(x);
  Shape to = shape, one = Shape::filled(shape.dims(), 1);
  for (int i = 0; i < shape.spatial_dims(); ++i) to[i + 1] = shape[i + 1] / (one[i + 1] = window[i]);
  return {max_pool(x, window), to,
          by_index(to,
                   [&](const Index& at) {
                     double best = -INFINITY;
                     for (std::int64_t k = 0; k < one.numel(); ++k) {
                       Index from = index_of(one, k);
                       for (std::size_t i = 0; i < from.size(); ++i) from[i] += at[i] * one[static_cast<int>(i)];
                       best = std::max(best, nth(in, element_at(shape, from)));
                     }
                     return best;
                   }),
          true};
}

Compared draw_nearest_value(Random& random, DType dtype) {
  const Shape shape = draw_map_shape(random);
  const Extents scale = extents_between(random, shape.spatial_dims(), 1, 3);
  const Tensor x = normal(random, shape, dtype);
  const List in = values(x);
  Shape to = shape;
  for (int i = 0; i < shape.spatial_dims(); ++i) to[i + 1] *= scale[i];
  return {upsample(x, Upsampling::nearest, scale), to,
          by_index(to,
                   [&](Index at) {
                     for (int i = 0; i < shape.spatial_dims(); ++i) nth(at, i + 1) /= scale[i];
                     return nth(in, element_at(shape, at));
                   }),
          true};
}

Compared draw_normalise_value(Random& random, DType dtype) {
  const Shape shape = draw_map_shape(random, 2, 24);
  const std::int64_t channels = shape[-1], voxels = shape.numel() / channels;
  const bool batch = random.chance(0.3);
  std::int64_t groups = batch ? 0 : random.chance(0.3) ? 1 : channels;
  if (groups == channels && channels % 2 == 0 && random.chance(0.5)) groups = channels / 2;
  NormOptions options{
      .groups = groups, .eps = 1e-2, .activation = static_cast<Activation>(random.below(3)), .slope = 0.3};
  if (batch) options.running_mean = zeros({channels}, dtype), options.running_var = full({channels}, 1, dtype);
  options.training = !batch || random.chance(0.7);
  if (random.chance(0.7)) options.gamma = normal(random, {channels}, dtype);
  if (random.chance(0.7)) options.beta = normal(random, {channels}, dtype);
  const Tensor x = uniform(random, shape, -3, 5, dtype);
  const List in = values(x),
             gamma = options.gamma.defined() ? values(options.gamma) : List(static_cast<std::size_t>(channels), 1),
             beta = options.beta.defined() ? values(options.beta) : List(static_cast<std::size_t>(channels), 0);
  const auto part_of = [&](std::int64_t k) {
    return batch ? k % channels : k / (voxels / shape[0] * channels) * groups + k % channels / (channels / groups);
  };
  List count(static_cast<std::size_t>(batch ? channels : shape[0] * groups)), mean = count, square = count;
  for (std::int64_t k = 0; k < shape.numel(); ++k) nth(count, part_of(k)) += 1, nth(mean, part_of(k)) += nth(in, k);
  for (std::size_t i = 0; i < mean.size(); ++i) mean[i] = options.training ? mean[i] / count[i] : 0;
  for (std::int64_t k = 0; k < shape.numel(); ++k)
    nth(square, part_of(k)) += std::pow(nth(in, k) - nth(mean, part_of(k)), 2);
  List expected;
  for (std::int64_t k = 0; k < shape.numel(); ++k) {
    const double variance = options.training ? nth(square, part_of(k)) / nth(count, part_of(k)) : 1;
    const double y = (nth(in, k) - nth(mean, part_of(k))) / std::sqrt(variance + 1e-2) * nth(gamma, k % channels) +
                     nth(beta, k % channels);
    const double below = options.activation == Activation::none ? 1 : options.activation == Activation::relu ? 0 : 0.3;
    expected.push_back(y > 0 ? y : below * y);
  }
  return {normalise(x, options), shape, expected};
}

// Which elements vanish is the choice of the generator; what remains must be x / (1 - probability).
Compared draw_dropout_value(Random& random, DType dtype) {
  const Shape shape = draw_map_shape(random);
  const double probability = random.uniform(0.1, 0.8);
  const bool channelwise = random.chance(0.5);
  const Tensor x = uniform(random, shape, 1, 2, dtype), y = dropout(x, probability, random.bits64(), channelwise);
  const List in = values(x), out = values(y);
  return {y, shape, by_index(shape, [&](Index at) {
            const std::int64_t k = element_at(shape, at);
            for (std::size_t i = 1; i + 1 < at.size() && channelwise; ++i)
              at[i] = 0;  // as the first voxel of the channel
            std::int64_t first = 0;
            for (int i = 0; i < shape.dims(); ++i) first = first * shape[i] + nth(at, i);
            return nth(out, first) == 0 ? 0 : nth(in, k) / (1 - probability);
          })};
}

std::vector<ValueRow> layer_rows() {
  return {
      {"matmul", draw_matmul_value},
      {"conv", [](Random& random, DType dtype) { return draw_conv_value(random, dtype, false); }},
      {"conv_transpose", [](Random& random, DType dtype) { return draw_conv_value(random, dtype, true); }},
      {"max_pool", draw_max_pool_value},
      {"upsample", draw_nearest_value},
      {"normalise", draw_normalise_value},
      {"dropout", draw_dropout_value},
  };
}

}  // namespace

TEST_CASE("every layer has the value that plain loops give") { check_values(layer_rows()); }

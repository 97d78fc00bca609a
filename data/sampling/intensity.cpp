#include "data/sampling/intensity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "engine/moments.h"

namespace voxgrad::data {
namespace {

// Blurs along one axis. The values are `outer` blocks of `length` rows of `inner` values each; the rows of a block are
// convolved with a symmetric kernel. Beyond the ends of a block its first and last row are repeated.
void blur_axis(float* values, std::int64_t outer, std::int64_t length, std::int64_t inner,
               const std::vector<float>& kernel) {
  constexpr std::int64_t kTile = 256;  // this many sums stay in registers and in the nearest cache
  const std::int64_t radius = std::ssize(kernel) / 2, block = length * inner;
  const std::int64_t first = std::min(radius, length) * inner, last = std::max(first, (length - radius) * inner);
  std::vector<float> source(static_cast<std::size_t>(block));
  for (std::int64_t o = 0; o < outer; ++o) {
    float* target = values + o * block;
    std::copy_n(target, block, source.begin());
    const auto at_end = [&](std::int64_t j) {
      const std::int64_t row = j / inner, column = j % inner;
      float sum = 0;
      for (std::int64_t k = -radius; k <= radius; ++k)
        sum += nth(kernel, k + radius) * nth(source, std::clamp(row + k, std::int64_t{0}, length - 1) * inner + column);
      target[j] = sum;
    };
    for (std::int64_t j = 0; j < first; ++j) at_end(j);
    for (std::int64_t tile = first; tile < last; tile += kTile) {
      const std::int64_t size = std::min(kTile, last - tile);
      std::array<float, kTile> sum{};
      for (std::int64_t k = -radius; k <= radius; ++k) {
        const float weight = nth(kernel, k + radius);
        const float* shifted = source.data() + tile + k * inner;
        for (std::int64_t j = 0; j < size; ++j) nth(sum, j) += weight * shifted[j];
      }
      std::copy_n(sum.begin(), size, target + tile);
    }
    for (std::int64_t j = last; j < block; ++j) at_end(j);
  }
}

std::vector<float> gaussian(double sigma) {
  const int radius = std::max(1, static_cast<int>(std::ceil(3 * sigma)));
  std::vector<double> weights;
  double total = 0;
  for (int k = -radius; k <= radius; ++k) total += weights.emplace_back(std::exp(-0.5 * k * k / (sigma * sigma)));
  std::vector<float> kernel;
  for (const double weight : weights) kernel.push_back(static_cast<float>(weight / total));
  return kernel;
}

void blur(const Tensor& image, const std::vector<double>& spacing, double sigma) {
  constexpr double kSmallest = 0.2;  // a narrower kernel would have one voxel only
  const double finest = *std::min_element(spacing.begin(), spacing.end());
  std::int64_t outer = 1, inner = image.numel();
  for (int axis = 0; axis + 1 < image.dims(); ++axis) {
    inner /= image.extent(axis);
    const double along = sigma * finest / nth(spacing, axis);
    if (along >= kSmallest) blur_axis(image.data<float>(), outer, image.extent(axis), inner, gaussian(along));
    outer *= image.extent(axis);
  }
}

// Calls change(value) on every value of channel c.
template <class F>
void change_channel(const Tensor& image, std::int64_t c, F&& change) {
  const std::int64_t channels = image.extent(-1), count = image.numel();
  float* values = image.data<float>();
  for (std::int64_t i = c; i < count; i += channels) values[i] = change(values[i]);
}

// Keeps along each axis as many voxels as a larger spacing would have, and interpolates between those linearly.
void lower_resolution(const Tensor& image, const std::vector<double>& spacing, double share) {
  const double wanted = *std::min_element(spacing.begin(), spacing.end()) / share;
  std::int64_t outer = 1, inner = image.numel();
  std::vector<float> source;
  for (int axis = 0; axis + 1 < image.dims(); ++axis) {
    const std::int64_t length = image.extent(axis), block = inner;
    inner /= length;
    const double fewer = static_cast<double>(length) * std::min(1.0, nth(spacing, axis) / wanted);
    const std::int64_t count = std::max<std::int64_t>(1, std::llround(fewer));
    const double ratio = static_cast<double>(count) / static_cast<double>(length);
    for (std::int64_t o = 0; count < length && o < outer; ++o) {
      float* const target = image.data<float>() + o * block;
      source.assign(target, target + block);
      // The voxel that is nearest to the centre of the larger one.
      const auto row_of = [&](std::int64_t i) { return source.data() + (2 * i + 1) * length / (2 * count) * inner; };
      for (std::int64_t k = 0; k < length; ++k) {
        const double place =
            std::clamp((static_cast<double>(k) + 0.5) * ratio - 0.5, 0.0, static_cast<double>(count - 1));
        const std::int64_t before = static_cast<std::int64_t>(place);
        const float behind = static_cast<float>(place - static_cast<double>(before));
        const float *const a = row_of(before), *const b = row_of(std::min(before + 1, count - 1));
        for (std::int64_t j = 0; j < inner; ++j) target[k * inner + j] = a[j] + behind * (b[j] - a[j]);
      }
    }
    outer *= length;
  }
}

// With `inverted` that of the negative image.
void raise_to_gamma(const Tensor& image, std::int64_t c, double exponent, bool inverted) {
  float low = image.data<float>()[c], high = low;
  change_channel(image, c, [&](float x) {
    low = std::min(low, x);
    high = std::max(high, x);
    return x;
  });
  if (!(high > low)) return;
  const float from = inverted ? high : low, range = inverted ? low - high : high - low;
  const float power = static_cast<float>(exponent);
  change_channel(image, c, [&](float x) { return from + range * std::pow(std::max(0.0f, (x - from) / range), power); });
}

// Returns the quantiles of the normal distribution at (i + 1/2) / 4096, scaled to variance 1. The table is ten times as
// fast as logarithms and cosines. Its tails end at 3.7 SD, which is good enough for noise.
const std::array<float, 4096>& normal_quantiles() {
  static const std::array<float, 4096> table = [] {
    std::array<double, 2048> upper{};
    double x = 0, squares = 0;
    for (std::size_t i = 0; i < upper.size(); ++i) {
      const double tail =
          0.5 - (static_cast<double>(i) + 0.5) / 4096;  // P(X > x); Newton's method begins at the value before
      for (int step = 0; step < 8; ++step)
        x += (0.5 * std::erfc(x / std::numbers::sqrt2) - tail) * std::sqrt(2 * std::numbers::pi) * std::exp(x * x / 2);
      upper[i] = x;
      squares += x * x;
    }
    const double scale = 1 / std::sqrt(squares / 2048);
    std::array<float, 4096> result{};
    for (std::size_t i = 0; i < upper.size(); ++i) {
      result[2048 + i] = static_cast<float>(upper[i] * scale);
      result[2047 - i] = -result[2048 + i];
    }
    return result;
  }();
  return table;
}

// Adds normal numbers times amount[c] to channel c. Every block of Philox gives eight indices of 12 bits.
void add_noise(const Tensor& image, const std::vector<float>& amount, std::uint64_t key) {
  const std::array<float, 4096>& quantiles = normal_quantiles();
  float* values = image.data<float>();
  const std::int64_t count = image.numel();
  std::size_t channel = 0;
  for (std::int64_t i = 0; i < count; i += 8) {
    const PhiloxBlock block = philox(key, static_cast<std::uint64_t>(i), 1);
    for (std::int64_t j = i; j < std::min(i + 8, count); ++j) {
      const std::uint32_t word = nth(block, (j - i) / 2);
      values[j] += amount[channel] * quantiles[((j & 1) != 0 ? word >> 16 : word) & 4095];
      if (++channel == amount.size()) channel = 0;
    }
  }
}

}  // namespace

double log_uniform(Random& random, double range) { return std::exp(random.uniform(-1, 1) * std::log(range)); }

void change_intensity(const Tensor& image, const std::vector<double>& spacing, const AugmentOptions& options,
                      const Random& random) {
  Random blurs = random.fork(kBlur), gains = random.fork(kGain), biases = random.fork(kBias);
  Random gammas = random.fork(kGamma), noises = random.fork(kNoise), resolutions = random.fork(kLowResolution);
  Random brightnesses = random.fork(kBrightness), inversions = random.fork(kInvertedGamma);
  if (blurs.chance(options.blur)) blur(image, spacing, options.blur_sigma * blurs.uniform(0.25, 1));
  if (resolutions.chance(options.low_resolution))
    lower_resolution(image, spacing, resolutions.uniform(options.low_resolution_least, 1));
  const bool gain = gains.chance(options.gain), bias = biases.chance(options.bias);
  const bool brightness = brightnesses.chance(options.brightness), inverted = inversions.chance(options.inverted_gamma);
  const bool gamma = gammas.chance(options.gamma), noise = noises.chance(options.noise);
  if (!gain && !bias && !brightness && !inverted && !gamma && !noise) return;
  const std::int64_t channels = image.extent(-1);
  const std::vector<Moments> moments = channel_moments(image.data<float>(), image.numel() / channels, channels);
  const double sigma = options.noise_sigma * noises.uniform();
  std::vector<float> amount;
  for (std::int64_t c = 0; c < channels; ++c) {
    const Moments& m = nth(moments, c);
    const double factor = gain ? log_uniform(gains, options.gain_range) : 1;
    const double constant = bias ? biases.uniform(-1, 1) * options.bias_range * m.deviation() : 0;
    const double brighter = brightness ? log_uniform(brightnesses, options.brightness_range) : 1;
    const float scale = static_cast<float>(brighter * factor);
    const float shift = static_cast<float>(brighter * (m.mean * (1 - factor) + constant));
    if (gain || bias || brightness) change_channel(image, c, [&](float x) { return x * scale + shift; });
    if (inverted) raise_to_gamma(image, c, log_uniform(inversions, options.gamma_range), true);
    if (gamma) raise_to_gamma(image, c, log_uniform(gammas, options.gamma_range), false);
    amount.push_back(static_cast<float>(sigma * m.deviation()));
  }
  if (noise) add_noise(image, amount, noises.key());
}

}  // namespace voxgrad::data

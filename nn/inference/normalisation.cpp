#include "nn/inference/normalisation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"

namespace voxgrad::nn {
namespace {

bool fits_f32(double value) { return std::abs(value) <= std::numeric_limits<float>::max(); }  // false for NaN

bool is_constant(double mean, double deviation) { return deviation <= Normalisation::kConstant * std::abs(mean); }

void scale_channel(const Tensor& image, std::int64_t channel, double mean, double deviation) {
  const std::int64_t channels = image.extent(-1), count = image.numel();
  float* values = image.data<float>();
  const auto rescale = [&]<class T>(T shift, T scale) {
    for (std::int64_t i = channel; i < count; i += channels)
      values[i] = static_cast<float>((static_cast<T>(values[i]) - shift) * scale);
  };
  const double scale = Normalisation::scale_of(mean, deviation);
  if (deviation < 1e-30 || deviation > 1e30)  // differences or the scale would leave the range of f32
    rescale(mean, scale);
  else
    rescale(static_cast<float>(mean), static_cast<float>(scale));
}

// Normalises the voxels that are not 0 in every channel, as if they were all of the image.
void apply_mask(const Tensor& image) {
  const std::int64_t channels = image.extent(-1), voxels = image.numel() / channels;
  float* const values = image.data<float>();
  const auto for_mask = [&](auto&& use) {  // a list of its voxels may be larger than the image
    for (float* voxel = values; voxel != values + voxels * channels; voxel += channels)
      if (std::any_of(voxel, voxel + channels, [](float value) { return value != 0; })) use(voxel);
  };
  std::int64_t count = 0;
  for_mask([&](const float*) { ++count; });
  if (count == 0) return;
  const Tensor inside = empty({count, channels});
  float* at = inside.data<float>();
  for_mask([&](const float* voxel) { at = std::copy_n(voxel, channels, at); });
  Normalisation().apply(inside);
  at = inside.data<float>();
  for_mask([&](float* voxel) { std::copy_n(at, channels, voxel), at += channels; });
}

}  // namespace

const std::vector<std::string>& normalisation_names() {
  static const std::vector<std::string> names{"case", "dataset", "none", "mask", "rgb"};
  return names;
}

Normalisation Normalisation::of_dataset(const std::vector<Moments>& channels) {
  Normalisation result{Kind::zscore_dataset, {}, {}, {}, {}};
  for (const Moments& channel : channels) {
    result.mean.push_back(channel.mean);
    result.deviation.push_back(is_constant(channel.mean, channel.deviation()) ? 1 : channel.deviation());
  }
  return result;
}

double Normalisation::scale_of(double mean, double deviation) {
  return is_constant(mean, deviation) ? 1 : 1 / deviation;
}

void Normalisation::apply(const Tensor& image) const {
  if (kind == Kind::none) return;
  const std::int64_t channels = image.extent(-1);
  float* const values = image.data<float>();
  if (kind == Kind::rgb) {
    for (std::int64_t i = 0, end = image.numel(); i < end; ++i) values[i] /= 255;
    return;
  }
  check(channels > 0, "normalisation: the image ", image, " has no channels");
  if (kind == Kind::zscore_mask) return apply_mask(image);
  if (kind == Kind::zscore_case) {
    const std::vector<Moments> own = channel_moments(values, image.numel() / channels, channels);
    for (std::int64_t c = 0; c < channels; ++c) {
      const Moments& channel = nth(own, c);
      scale_channel(image, c, channel.mean, channel.deviation());
    }
    return;
  }
  check(std::ssize(mean) == channels && std::ssize(deviation) == channels, "normalisation: means and deviations of ",
        mean.size(), " channels, the image has ", channels);
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t i = c, end = image.numel(); !low.empty() && i < end; i += channels)
      values[i] = std::clamp(values[i], static_cast<float>(nth(low, c)), static_cast<float>(nth(high, c)));
    scale_channel(image, c, nth(mean, c), nth(deviation, c));
  }
}

void Normalisation::require_valid(std::int64_t channels) const {
  const std::size_t count = kind == Kind::zscore_dataset ? static_cast<std::size_t>(channels) : 0;
  if (mean.size() != count || deviation.size() != count)
    throw Error(ErrorKind::model, text("normalisation: ", mean.size(), " means and ", deviation.size(),
                                       " deviations, must be ", count, " of each"));
  if (low.size() != high.size() || (!low.empty() && low.size() != count))
    throw Error(ErrorKind::model, text("normalisation: ranges with ", low.size(), " lower and ", high.size(),
                                       " upper ends, must be ", count, " of each or none"));
  for (std::size_t c = 0; c < low.size(); ++c)
    if (!fits_f32(low[c]) || !fits_f32(high[c]) || low[c] > high[c])
      throw Error(ErrorKind::model, text("normalisation: channel ", c, " is clipped to ", low[c], " .. ", high[c],
                                         ", must be finite and in order"));
  for (std::size_t c = 0; c < count; ++c)
    if (!fits_f32(mean[c]) || !fits_f32(deviation[c]) || deviation[c] < std::numeric_limits<float>::min())
      throw Error(ErrorKind::model, text("normalisation: channel ", c, " has mean ", mean[c], " and deviation ",
                                         deviation[c], ", must be finite in f32, the deviation above 1e-38"));
}

}  // namespace voxgrad::nn

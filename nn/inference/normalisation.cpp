#include "nn/inference/normalisation.h"

#include <cmath>

#include "engine/error.h"

namespace voxgrad::nn {
namespace {

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

}  // namespace

const std::vector<std::string>& normalisation_names() {
  static const std::vector<std::string> names{"case", "dataset", "none"};
  return names;
}

Normalisation Normalisation::of_dataset(const std::vector<Moments>& channels) {
  Normalisation result{Kind::zscore_dataset, {}, {}};
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
  check(channels > 0, "normalisation: the image ", image, " has no channels");
  if (kind == Kind::zscore_case) {
    const std::vector<Moments> own = channel_moments(image.data<float>(), image.numel() / channels, channels);
    for (std::int64_t c = 0; c < channels; ++c) {
      const Moments& channel = nth(own, c);
      scale_channel(image, c, channel.mean, channel.deviation());
    }
    return;
  }
  check(std::ssize(mean) == channels && std::ssize(deviation) == channels, "normalisation: means and deviations of ",
        mean.size(), " channels, the image has ", channels);
  for (std::int64_t c = 0; c < channels; ++c) scale_channel(image, c, nth(mean, c), nth(deviation, c));
}

void Normalisation::require_valid(std::int64_t channels) const {
  const std::size_t count = kind == Kind::zscore_dataset ? static_cast<std::size_t>(channels) : 0;
  if (mean.size() != count || deviation.size() != count)
    throw Error(ErrorKind::model, text("normalisation: ", mean.size(), " means and ", deviation.size(),
                                       " deviations, must be ", count, " of each"));
  for (std::size_t c = 0; c < count; ++c)
    if (!std::isfinite(mean[c]) || !std::isfinite(deviation[c]) || deviation[c] <= 0)
      throw Error(ErrorKind::model, text("normalisation: channel ", c, " has mean ", mean[c], " and deviation ",
                                         deviation[c], ", must be finite, the deviation above 0"));
}

}  // namespace voxgrad::nn

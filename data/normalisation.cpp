// Intensities to network inputs: Normalisation of data/sampling/loader.h, and the moments it needs.
#include <array>

#include "data/moments.h"
#include "data/sampling/loader.h"

namespace voxgrad::data {
namespace {

// Deviations below this share of the mean are rounding: a channel of one value is only shifted.
constexpr double kConstant = 1e-7;

void scale_channels(const Tensor& image, const std::vector<double>& mean, const std::vector<double>& deviation) {
  const std::int64_t channels = image.extent(-1), voxels = image.numel() / channels;
  float* values = image.data<float>();
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::size_t k = static_cast<std::size_t>(c);
    const bool constant = deviation[k] <= kConstant * (1 + std::abs(mean[k]));
    const float shift = static_cast<float>(mean[k]), scale = static_cast<float>(constant ? 1 : 1 / deviation[k]);
    for (std::int64_t v = 0; v < voxels; ++v) values[v * channels + c] = (values[v * channels + c] - shift) * scale;
  }
}

void split_moments(const std::vector<Moments>& moments, std::vector<double>& mean, std::vector<double>& deviation) {
  for (const Moments& channel : moments) {
    mean.push_back(channel.mean);
    deviation.push_back(channel.deviation());
  }
}

}  // namespace

void Moments::merge(const Moments& other) {
  if (other.count == 0) return;
  const double total = count + other.count, distance = other.mean - mean;
  squares += other.squares + distance * distance * count * other.count / total;
  mean += distance * other.count / total;
  count = total;
}

std::vector<Moments> channel_moments(const float* values, std::int64_t voxels, std::int64_t channels) {
  constexpr std::int64_t kLanes = 8;  // independent sums, so that the additions do not wait for each other
  std::vector<Moments> result(static_cast<std::size_t>(channels));
  if (voxels == 0) return result;
  for (std::int64_t c = 0; c < channels; ++c) {
    const double shift = values[c];
    std::array<double, kLanes> sum{}, square{};
    const auto add = [&](std::int64_t voxel, std::size_t lane) {
      const double distance = values[voxel * channels + c] - shift;
      sum[lane] += distance;
      square[lane] += distance * distance;
    };
    std::int64_t v = 0;
    for (; v + kLanes <= voxels; v += kLanes)
      for (std::size_t lane = 0; lane < kLanes; ++lane) add(v + static_cast<std::int64_t>(lane), lane);
    for (; v < voxels; ++v) add(v, 0);
    double first = 0, second = 0;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      first += sum[lane];
      second += square[lane];
    }
    const double count = static_cast<double>(voxels), mean = first / count;
    result[static_cast<std::size_t>(c)] = {count, shift + mean, std::max(0.0, second - first * mean)};
  }
  return result;
}

void Normalisation::apply(const Tensor& image) const {
  if (kind == Kind::none) return;
  const std::int64_t channels = image.extent(-1);
  if (kind == Kind::zscore_case) {
    std::vector<double> means, deviations;
    split_moments(channel_moments(image.data<float>(), image.numel() / channels, channels), means, deviations);
    return scale_channels(image, means, deviations);
  }
  const std::size_t count = static_cast<std::size_t>(channels);
  check(mean.size() == count && deviation.size() == count, "normalisation: means and deviations of ", mean.size(),
        " channels, the image has ", channels);
  scale_channels(image, mean, deviation);
}

Normalisation Normalisation::derive(Kind kind, const Dataset& dataset, const std::vector<std::int64_t>& cases) {
  Normalisation result{kind, {}, {}};
  if (kind != Kind::zscore_dataset) return result;
  check(!cases.empty(), "normalisation: there are no cases to derive it from");
  const std::int64_t channels = dataset.info().channels;
  std::vector<Moments> total(static_cast<std::size_t>(channels));
  for (const std::int64_t index : cases) {
    const Tensor image = dataset.read(index).image;
    const std::vector<Moments> here = channel_moments(image.data<float>(), image.numel() / channels, channels);
    for (std::size_t c = 0; c < total.size(); ++c) total[c].merge(here[c]);
  }
  split_moments(total, result.mean, result.deviation);
  return result;
}

}  // namespace voxgrad::data

#include "data/fingerprint.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "engine/io/file_rules.h"
#include "engine/moments.h"
#include "engine/ops.h"

namespace voxgrad::data {
namespace {

constexpr std::int64_t kSampledVoxels = 1'000'000;  // for the percentiles of a channel

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  const double median = 0.5 * (values[(n - 1) / 2] + values[n / 2]);
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {values.front(), median, sum / static_cast<double>(n), values.back()};
}

// Returns the value below which this share of the sample lies.
double percentile(std::vector<float>& sample, double share) {
  if (sample.empty()) return 0;
  const auto found = sample.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(sample.size() - 1) + 0.5);
  std::nth_element(sample.begin(), found, sample.end());
  return *found;
}

// Returns how many voxels of every label have a face neighbour with another one. Neighbours along the axis `thick` do
// not count: nearly every voxel of a compact object in a few thick slices has another label above or below.
std::array<std::int64_t, 256> border_voxels(const Tensor& label, int thick) {
  std::array<std::int64_t, 256> counts{};
  const std::uint8_t* values = label.data<std::uint8_t>();
  for (std::int64_t voxel = 0; voxel < label.numel(); ++voxel) {
    bool border = false;
    std::int64_t stride = 1;
    for (int axis = label.dims() - 1; axis >= 0 && !border; stride *= label.extent(axis--)) {
      if (axis == thick) continue;
      const std::int64_t at = voxel / stride % label.extent(axis);
      border = (at > 0 && values[voxel - stride] != values[voxel]) ||
               (at + 1 < label.extent(axis) && values[voxel + stride] != values[voxel]);
    }
    counts[values[voxel]] += border ? 1 : 0;
  }
  return counts;
}

// The number of border voxels of a disc or a ball. An area of its surface with the normal n has max |n_i| border
// voxels; the mean of that is 0.900 in 2-D and 0.827 in 3-D. Slices whose `thickness` in pixels is not 0 cut a ball
// into discs, whose borders are added up.
double compact_border(std::int64_t voxels, int dims, double thickness) {
  const auto n = static_cast<double>(voxels);
  return std::min(n, dims == 2       ? 3.19 * std::sqrt(n)
                     : thickness > 0 ? 3.42 * std::cbrt(n * n / thickness)
                                     : 4.00 * std::cbrt(n * n));
}

// Adds up the numbers of one case after the other.
class Collector {
 public:
  Collector(const DatasetInfo& info, std::int64_t cases);
  void add(const Case& one);
  Fingerprint finish();

 private:
  void add_geometry(const Case& one);
  void add_labels(const Case& one);
  void add_intensities(const Case& one);

  const DatasetInfo& info_;
  Fingerprint result_;
  std::int64_t budget_;  // the number of voxels of each case that the percentiles use
  std::int64_t ignored_ = 0;
  std::set<std::string> groups_;
  std::vector<std::vector<double>> extents_, spacings_;            // per axis
  std::vector<std::vector<double>> object_voxels_, object_sizes_;  // per class
  std::vector<double> borders_, compact_borders_;                  // border voxels per class
  std::vector<Moments> all_, foreground_;                          // per channel
  std::vector<std::vector<float>> samples_;                        // per channel
};

Collector::Collector(const DatasetInfo& info, std::int64_t cases)
    : info_(info),
      budget_(std::max<std::int64_t>(1, kSampledVoxels / cases)),
      extents_(static_cast<std::size_t>(info.dims)),
      spacings_(extents_),
      object_voxels_(info.class_names.size()),
      object_sizes_(object_voxels_),
      borders_(info.class_names.size()),
      compact_borders_(borders_),
      all_(static_cast<std::size_t>(info.channels)),
      foreground_(all_),
      samples_(all_.size()) {
  result_.cases = cases;
  result_.dims = info.dims;
  if (info.labelled)
    for (const std::string& name : info.class_names) result_.classes.emplace_back().name = name;
  result_.channels.resize(all_.size());
  for (ChannelFingerprint& channel : result_.channels) {
    channel.min = std::numeric_limits<double>::infinity();
    channel.max = -channel.min;
  }
}

void Collector::add(const Case& one) {
  add_geometry(one);
  if (one.label.defined()) add_labels(one);
  add_intensities(one);
}

void Collector::add_geometry(const Case& one) {
  if (!one.group.empty()) groups_.insert(one.group);
  result_.voxels += one.image.numel() / info_.channels;
  for (int axis = 0; axis < info_.dims; ++axis) {
    nth(extents_, axis).push_back(static_cast<double>(one.image.extent(axis)));
    nth(spacings_, axis).push_back(nth(one.spacing, axis));
  }
}

void Collector::add_labels(const Case& one) {
  std::array<std::int64_t, 256> counts{};
  const std::uint8_t* labels = one.label.data<std::uint8_t>();
  const std::int64_t voxels = one.label.numel();
  for (std::int64_t i = 0; i < voxels; ++i) ++counts[labels[i]];
  if (info_.ignore_label >= 0) ignored_ += nth(counts, info_.ignore_label);
  const double voxel = std::accumulate(one.spacing.begin(), one.spacing.end(), 1.0, std::multiplies<double>());
  const int thick = thick_axis(one.spacing);
  const double apart = thick < 0 ? 0 : nth(one.spacing, thick);
  const double thickness = thick < 0 ? 0 : apart / std::sqrt(voxel / apart);  // in pixels
  const std::array<std::int64_t, 256> borders = border_voxels(one.label, thick);
  bool foreground = false;
  for (std::size_t c = 0; c < result_.classes.size(); ++c) {
    if (counts[c] == 0) continue;
    result_.classes[c].voxels += counts[c];
    ++result_.classes[c].cases;
    if (c == 0) continue;
    foreground = true;
    borders_[c] += static_cast<double>(borders[c]);
    for (const std::int64_t size : component_sizes(one.label, static_cast<std::uint8_t>(c))) {
      object_voxels_[c].push_back(static_cast<double>(size));
      object_sizes_[c].push_back(static_cast<double>(size) * voxel);
      compact_borders_[c] += compact_border(size, info_.dims, thickness);
    }
  }
  if (!foreground) ++result_.empty_cases;
}

void Collector::add_intensities(const Case& one) {
  const std::int64_t channels = info_.channels, voxels = one.image.numel() / channels;
  const float* values = one.image.data<float>();
  const std::uint8_t* labels = one.label.defined() ? one.label.data<std::uint8_t>() : nullptr;
  std::vector<float> inside;  // the values of the foreground
  for (std::int64_t v = 0; v < voxels && labels != nullptr; ++v)
    if (labels[v] != 0 && labels[v] != info_.ignore_label)
      inside.insert(inside.end(), values + v * channels, values + (v + 1) * channels);
  const std::vector<Moments> all = channel_moments(values, voxels, channels);
  const std::vector<Moments> foreground = channel_moments(inside.data(), std::ssize(inside) / channels, channels);
  const std::int64_t step = spread_step(std::max<std::int64_t>(1, voxels / budget_), one.image.shape().without(-1));
  for (std::size_t c = 0; c < all_.size(); ++c) {
    const std::int64_t first = static_cast<std::int64_t>(c);
    all_[c].merge(all[c]);
    foreground_[c].merge(foreground[c]);
    ChannelFingerprint& channel = result_.channels[c];
    for (std::int64_t i = first; i < voxels * channels; i += channels) {
      channel.min = std::min(channel.min, static_cast<double>(values[i]));
      channel.max = std::max(channel.max, static_cast<double>(values[i]));
    }
    for (std::int64_t v = 0; v < voxels; v += step) samples_[c].push_back(values[v * channels + first]);
  }
}

Fingerprint Collector::finish() {
  result_.groups = std::ssize(groups_);
  for (const auto& values : extents_) result_.shape.push_back(spread_of(values));
  for (const auto& values : spacings_) result_.spacing.push_back(spread_of(values));
  const double valid = static_cast<double>(result_.voxels - ignored_);
  result_.ignored_fraction = static_cast<double>(ignored_) / static_cast<double>(result_.voxels);
  for (std::size_t c = 0; c < result_.classes.size(); ++c) {
    ClassFingerprint& one = result_.classes[c];
    one.fraction = valid > 0 ? static_cast<double>(one.voxels) / valid : 0;
    if (c > 0) result_.foreground_fraction += one.fraction;
    one.objects = std::ssize(object_voxels_[c]);
    one.object_voxels = spread_of(std::move(object_voxels_[c]));
    one.object_size = spread_of(std::move(object_sizes_[c]));
    if (one.objects > 0) one.thinness = borders_[c] / compact_borders_[c];
  }
  for (std::size_t c = 0; c < result_.channels.size(); ++c) {
    ChannelFingerprint& channel = result_.channels[c];
    channel.mean = all_[c].mean;
    channel.deviation = all_[c].deviation();
    channel.foreground_mean = foreground_[c].mean;
    channel.foreground_deviation = foreground_[c].deviation();
    channel.percentile_0_5 = percentile(samples_[c], 0.005);
    channel.median = percentile(samples_[c], 0.5);
    channel.percentile_99_5 = percentile(samples_[c], 0.995);
  }
  return std::move(result_);
}

}  // namespace

std::int64_t spread_step(std::int64_t step, const Shape& space) {
  while (std::gcd(step, space[-1] * space[-2]) > 1) ++step;
  return step;
}

std::vector<std::int64_t> component_sizes(const Tensor& label, std::uint8_t value) {
  const Tensor ids = connected_components(reshape(label, Shape{1} + label.shape()), {value}, 1);
  std::vector<std::int64_t> sizes;
  for (const std::int32_t id : ids.to_vector<std::int32_t>()) {
    if (id == 0) continue;
    if (id > std::ssize(sizes)) sizes.push_back(0);
    ++nth(sizes, id - 1);
  }
  return sizes;
}

Fingerprint take_fingerprint(const Dataset& dataset, const std::vector<std::int64_t>& cases) {
  check(!cases.empty(), "take_fingerprint: there are no cases");
  Collector collector(dataset.info(), std::ssize(cases));
  for (const std::int64_t index : cases) collector.add(dataset.read(index));
  return collector.finish();
}

std::vector<std::int64_t> absent_classes(const Dataset& dataset, const std::vector<std::int64_t>& cases) {
  std::vector<std::int64_t> absent;
  for (std::int64_t label = 1; label < dataset.classes(); ++label) absent.push_back(label);
  for (auto at = cases.begin(); at != cases.end() && !absent.empty(); ++at) {
    const Tensor labels = dataset.read_label(*at);
    std::array<bool, 256> seen{};
    for (std::int64_t i = 0; i < labels.numel(); ++i) seen[labels.data<std::uint8_t>()[i]] = true;
    std::erase_if(absent, [&](std::int64_t label) { return nth(seen, label); });
  }
  return absent;
}

}  // namespace voxgrad::data

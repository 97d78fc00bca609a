#include "apps/doctor/facts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "apps/program/flags.h"
#include "data/exchange/label_values.h"
#include "data/fingerprint.h"
#include "data/labels.h"
#include "engine/error.h"
#include "engine/moments.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kSampledVoxels = 1 << 16;  // for the trimmed deviation
constexpr double kTrimmed = 0.001;                // of the sample at either end
constexpr std::int64_t kBorderCases = 48;
constexpr std::int64_t kMostCompared = 64;  // channels that are compared with each other
constexpr std::size_t kMostRefusals = 3;
// Objects of a class are looked at if it has no more voxels in the case, or if it covers the case: others are of no
// interest here, and looking takes time.
constexpr std::int64_t kSmallClass = 1024;

using Extents3 = std::array<std::int64_t, 3>;

Extents3 extents_of(const Shape& shape) { return {shape.dims() == 3 ? shape[0] : 1, shape[-2], shape[-1]}; }

template <class Word>
std::uint64_t hash_of(const Word* words, std::int64_t count, const Shape& shape) {
  std::uint64_t hash = 0x9E3779B97F4A7C15;
  const auto add = [&](std::uint64_t word) {
    hash = (hash ^ word) * 0xFF51AFD7ED558CCD;
    hash ^= hash >> 32;
  };
  for (const std::int64_t extent : shape) add(static_cast<std::uint64_t>(extent));
  for (std::int64_t i = 0; i < count; ++i) add(static_cast<std::uint64_t>(words[i]));
  return hash;
}

std::int64_t distinct_values(const float* values, std::int64_t voxels, std::int64_t channels) {
  std::vector<float> seen;
  for (std::int64_t v = 0; v < voxels && std::ssize(seen) < kManyValues; ++v) {
    const float value = values[v * channels];
    if (std::find(seen.begin(), seen.end(), value) == seen.end()) seen.push_back(value);
  }
  return std::ssize(seen);
}

double trimmed_deviation(std::vector<float> sample) {
  const auto cut = static_cast<std::ptrdiff_t>(std::ceil(kTrimmed * static_cast<double>(sample.size())));
  if (std::ssize(sample) < 2 * cut + 2) return 0;
  std::nth_element(sample.begin(), sample.begin() + cut, sample.end());
  std::nth_element(sample.begin() + cut, sample.end() - cut, sample.end());
  return channel_moments(sample.data() + cut, std::ssize(sample) - 2 * cut, 1)[0].deviation();
}

void look_at_image(const Tensor& image, CaseFacts& facts) {
  const std::int64_t channels = image.extent(-1), voxels = image.numel() / channels;
  const float* values = image.data<float>();
  facts.voxels = voxels;
  facts.image_hash = hash_of(reinterpret_cast<const std::uint32_t*>(values), image.numel(), image.shape());
  const std::vector<Moments> moments = channel_moments(values, voxels, channels);
  const std::int64_t step =
      data::spread_step((voxels + kSampledVoxels - 1) / kSampledVoxels, image.shape().without(-1));
  for (std::int64_t c = 0; c < channels; ++c) {
    ChannelFacts channel;
    channel.least = channel.most = static_cast<double>(values[c]);
    std::vector<float> sample;
    for (std::int64_t v = 0; v < voxels; ++v) {
      channel.least = std::min(channel.least, static_cast<double>(values[v * channels + c]));
      channel.most = std::max(channel.most, static_cast<double>(values[v * channels + c]));
    }
    for (std::int64_t v = 0; v < voxels; v += step) sample.push_back(values[v * channels + c]);
    channel.deviation = nth(moments, c).deviation();
    channel.trimmed = trimmed_deviation(std::move(sample));
    channel.distinct = distinct_values(values + c, voxels, channels);
    facts.channels.push_back(channel);
    for (std::int64_t other = 0; other < c && c < kMostCompared; ++other) {
      bool equal = true;
      for (std::int64_t v = 0; v < voxels && equal; ++v)
        equal = values[v * channels + other] == values[v * channels + c];
      if (equal) facts.equal_channels.emplace_back(other, c);
    }
  }
}

void make_thumbnail(const Tensor& image, CaseFacts& facts) {
  const Shape shape = image.shape().without(-1);
  const Extents3 extents = extents_of(shape);
  const std::int64_t channels = image.extent(-1);
  const Extents3 grid = shape.dims() == 3 ? Extents3{16, 16, 16} : Extents3{1, 32, 32};
  const float* values = image.data<float>();
  const auto from = [&](std::size_t axis, std::int64_t cell) { return cell * extents[axis] / grid[axis]; };
  const auto to = [&](std::size_t axis, std::int64_t cell) {
    return std::max(from(axis, cell) + 1, from(axis, cell + 1));
  };
  facts.thumbnail.reserve(static_cast<std::size_t>(grid[0] * grid[1] * grid[2]));
  for (std::int64_t i = 0; i < grid[0]; ++i)
    for (std::int64_t j = 0; j < grid[1]; ++j)
      for (std::int64_t k = 0; k < grid[2]; ++k) {
        double sum = 0;
        std::int64_t count = 0;
        for (std::int64_t z = from(0, i); z < to(0, i); ++z)
          for (std::int64_t y = from(1, j); y < to(1, j); ++y) {
            const float* row = values + ((z * extents[1] + y) * extents[2] + from(2, k)) * channels;
            const std::int64_t length = (to(2, k) - from(2, k)) * channels;
            for (std::int64_t x = 0; x < length; ++x) sum += static_cast<double>(row[x]);
            count += length;
          }
        facts.thumbnail.push_back(static_cast<float>(sum / static_cast<double>(count)));
      }
}

void look_at_label(const Tensor& label, const data::DatasetInfo& info, CaseFacts& facts) {
  const Extents3 extents = extents_of(label.shape());
  const std::uint8_t* values = label.data<std::uint8_t>();
  std::array<std::int64_t, 256> counts{};
  std::int64_t rim = 0, rim_foreground = 0;
  Extents3 first = extents, last{-1, -1, -1};
  for (std::int64_t z = 0; z < extents[0]; ++z)
    for (std::int64_t y = 0; y < extents[1]; ++y)
      for (std::int64_t x = 0; x < extents[2]; ++x) {
        const std::uint8_t value = values[(z * extents[1] + y) * extents[2] + x];
        ++counts[value];
        const bool inside = value != 0 && value != info.ignore_label;
        const bool outermost = (extents[0] > 1 && (z == 0 || z + 1 == extents[0])) || y == 0 || y + 1 == extents[1] ||
                               x == 0 || x + 1 == extents[2];
        rim += outermost ? 1 : 0;
        if (!inside) continue;
        rim_foreground += outermost ? 1 : 0;
        const Extents3 at{z, y, x};
        for (std::size_t k = 0; k < 3; ++k) {
          first[k] = std::min(first[k], at[k]);
          last[k] = std::max(last[k], at[k]);
        }
      }
  facts.rim_foreground = static_cast<double>(rim_foreground) / static_cast<double>(rim);
  if (info.ignore_label >= 0) facts.ignored = nth(counts, info.ignore_label);
  facts.foreground = label.numel() - facts.ignored - counts[0];
  const std::int64_t classes = std::ssize(info.class_names);
  facts.class_voxels.assign(counts.begin(), counts.begin() + classes);
  for (std::int64_t c = 0; c < classes; ++c) {
    std::int64_t largest = nth(counts, c) == 0 ? 0 : -1;
    const bool covers = classes == 2 && 2 * nth(counts, c) > label.numel();
    if (c > 0 && nth(counts, c) > 0 && (covers || nth(counts, c) <= kSmallClass)) {
      const std::vector<std::int64_t> sizes = data::component_sizes(label, static_cast<std::uint8_t>(c));
      largest = *std::max_element(sizes.begin(), sizes.end());
    }
    facts.largest_object.push_back(largest);
  }
  if (facts.foreground > 0)
    for (std::size_t k = label.shape().dims() == 3 ? 0 : 1; k < 3; ++k)
      facts.foreground_box.push_back(last[k] - first[k] + 1);
}

// Finds out whether the labels are classes, and in which words to say it if they are not.
class LabelJudge {
 public:
  // Masks of nothing but background and the ignore label are refused even where the reader accepts them, because a
  // training learns nothing from them.
  LabelJudge(const data::DatasetInfo& info, const std::map<int, int>& label_map)
      : classes_(std::ssize(info.class_names)), rule_(classes_, info.ignore_label, label_map), check_(rule_, false) {}

  // Returns whether the labels are classes, and makes them so if there is a map.
  bool add(const Tensor& label, const data::CaseName& name, std::int64_t& values) {
    const std::span<std::uint8_t> labels(label.data<std::uint8_t>(), label.bytes());
    const data::LabelRule::Seen seen = data::LabelRule::seen(labels);
    values = std::count(seen.begin(), seen.end(), true);
    data::SourceLabel source;
    source.values.assign(labels.begin(), labels.end());
    survey_.add(source, label.shape(), name.id);
    try {
      check_.add(seen, name);
    } catch (const Error& error) {
      if (!refusal_) refusal_ = error;
      return false;
    }
    rule_.apply(labels);
    return true;
  }

  void finish(Facts& facts) {
    try {
      if (!refusal_) check_.finish();
    } catch (const Error& error) {
      refusal_ = error;
    }
    facts.labels = !refusal_;
    if (!refusal_) return;
    facts.label_problem = refusal_->message();
    facts.label_remedy = with_flags(ErrorKind::data, refusal_->hint());
    try {
      if (survey_.counts().size() > 1) static_cast<void>(data::decide_labels(survey_, {}, {}));
    } catch (const Error& error) {  // it sees all values, and knows more about them
      if (error.kind() != ErrorKind::data) throw;
      facts.label_problem = error.message() + "; there are " + std::to_string(classes_) + " class names";
      facts.label_remedy = with_flags(ErrorKind::data, error.hint());
      if (facts.label_remedy.starts_with("--threshold") || facts.label_remedy.starts_with("use --instances"))
        facts.label_remedy = "`voxgrad import` images and masks again; there " + facts.label_remedy;
    }
  }

 private:
  std::int64_t classes_;
  data::LabelRule rule_;
  data::LabelCheck check_;
  data::LabelSurvey survey_;
  std::optional<Error> refusal_;
};

void add_refusal(Facts& facts, const Error& error) {
  for (const Finding& known : facts.refusals)
    if (known.what == error.message()) return;
  if (facts.refusals.size() == kMostRefusals) return;
  Finding finding;
  finding.what = error.message();
  finding.why = "a training stops before its first step.";
  finding.remedy = with_flags(error.kind(), error.hint());
  facts.refusals.push_back(finding);
}

}  // namespace

bool CaseFacts::constant() const {
  return std::all_of(channels.begin(), channels.end(), [](const ChannelFacts& c) { return c.distinct == 1; });
}

std::string Facts::name_of(std::int64_t index) const {
  return text("case ", index, " (\"", nth(info.case_ids, index), "\")");
}

Facts gather_facts(const DataQuestion& question, const std::function<void(double)>& progress) {
  data::DatasetOptions options;
  options.verify = false;  // what the checksums say is one finding among others
  options.stored_labels = true;
  const data::Dataset dataset = data::Dataset::open(question.path, options);
  Facts facts;
  facts.info = dataset.info();
  facts.loss = question.loss;
  facts.has_splits = only_fold(facts.info).empty();
  if (facts.has_splits) facts.split = split_of(dataset, "");
  try {
    dataset.verify();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;
    add_refusal(facts, error);
  }
  std::map<std::int64_t, std::string> split_of_case;
  for (const auto& [name, cases] :
       {std::pair{"train", &facts.split.train}, {"val", &facts.split.val}, {"test", &facts.split.test}})
    for (const std::int64_t index : *cases) split_of_case[index] = name;
  if (!facts.has_splits)
    for (const auto& [name, cases] : facts.info.splits)
      if (name.ends_with("/val"))
        for (const std::int64_t index : cases) split_of_case[index] = name.substr(0, name.find('/'));
  const std::int64_t count = dataset.size(), surveyed = std::min(count, kBorderCases);
  LabelJudge judge(facts.info, parse_label_map(question.label_map));
  BorderSurvey borders(facts.info, surveyed);
  bool good_labels = facts.info.labelled;
  for (std::int64_t index = 0; index < count; ++index) {
    progress(static_cast<double>(index) / static_cast<double>(count));
    try {
      const data::Case one = dataset.read(index);
      CaseFacts& now = facts.cases.emplace_back();
      now.index = index;
      now.split = split_of_case[index];
      look_at_image(one.image, now);
      make_thumbnail(one.image, now);
      if (!one.label.defined()) continue;
      now.label_hash = hash_of(one.label.data<std::uint8_t>(), one.label.numel(), one.label.shape());
      good_labels =
          judge.add(one.label, {index, one.id, "labels of " + facts.info.path}, now.label_values) && good_labels;
      if (!good_labels) continue;
      look_at_label(one.label, facts.info, now);
      if (index * surveyed / count != (index + 1) * surveyed / count) borders.add(index, one, facts.info.ignore_label);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data) throw;
      add_refusal(facts, error);
    }
  }
  if (facts.info.labelled) judge.finish(facts);
  facts.moves = borders.moves();
  facts.stride = borders.stride();
  facts.borders = borders.scores();
  return facts;
}

}  // namespace voxgrad::apps

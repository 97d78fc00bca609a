#include "apps/training/suitability.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/program/words.h"
#include "data/attributes.h"
#include "data/exchange/output.h"
#include "data/fingerprint.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr double kOtherUnit = 5;           // .. and where images are resampled, the unit is probably another one
constexpr double kOtherWidth = 10;         // a range of intensities that is so many times wider or narrower
constexpr std::int64_t kSamples = 100000;  // voxels of a case that are looked at
constexpr std::size_t kCases = 16;

// The percentiles 0.5 and 99.5 of a channel.
struct Range {
  double low = 0, high = 0;
};

void sample(const Tensor& image, std::int64_t channel, std::vector<float>& values) {
  const std::int64_t channels = image.extent(-1), voxels = image.numel() / channels;
  const std::int64_t step = data::spread_step((voxels + kSamples - 1) / kSamples, image.shape().without(-1));
  const float* at = image.data<float>();
  for (std::int64_t i = 0; i < voxels; i += step) values.push_back(at[i * channels + channel]);
}

Range range_of(std::vector<float>& values) {
  const auto at = [&](double share) {
    const auto place = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), place, values.end());
    return static_cast<double>(*place);
  };
  return {at(0.005), at(0.995)};
}

std::string steps_text(const std::vector<double>& spacing) {
  std::string result;
  for (const double step : spacing) result += (result.empty() ? "" : " x ") + text(step);
  return result;
}

// What stands for the classes in the masks that were imported, or, where nothing was imported, in the file. `label_map`
// makes classes of the labels of the file.
void set_style(nn::TrainingImages& result, const data::DatasetInfo& info, const std::map<int, int>& label_map) {
  const std::size_t classes = info.class_names.size();
  std::map<int, int> values = info.source_label_map.empty() ? label_map : info.source_label_map;
  if (!label_map.empty() && !info.source_label_map.empty()) {
    std::set<int> found;  // a class may have no value in those masks
    for (auto& [value, label] : values) {
      const auto mapped = label_map.find(label);
      label = mapped != label_map.end() ? mapped->second : 255;
      if (label < static_cast<int>(classes)) found.insert(label);
    }
    if (found.size() < classes) values.clear();
  }
  if (!values.empty()) result.class_values = data::values_of_classes(values, static_cast<std::int64_t>(classes));
  if (info.class_colours.size() != classes) return;
  for (std::size_t c = 0; c < classes; ++c) {
    std::size_t stored = c;
    for (const auto& [label, to] : label_map)
      if (to == static_cast<int>(c) && label < std::ssize(info.class_colours)) stored = static_cast<std::size_t>(label);
    result.class_colours.push_back(data::text_of({info.class_colours[stored]}));
  }
}

}  // namespace

nn::TrainingImages describe_images(const data::Dataset& dataset, const std::vector<std::int64_t>& cases,
                                   const std::map<int, int>& label_map, bool intensities) {
  const data::DatasetInfo& info = dataset.info();
  nn::TrainingImages result;
  result.spacing_unit = info.physical ? "mm" : "px";
  result.least_spacing = result.most_spacing = nth(info.spacings, cases.front());
  for (const std::int64_t index : cases)
    for (std::size_t axis = 0; axis < result.least_spacing.size(); ++axis) {
      const double spacing = nth(info.spacings, index)[axis];
      result.least_spacing[axis] = std::min(result.least_spacing[axis], spacing);
      result.most_spacing[axis] = std::max(result.most_spacing[axis], spacing);
    }
  const auto lies = [&](std::int64_t index) { return !nth(info.orientations, index).empty(); };
  if (!info.orientations.empty() && std::all_of(cases.begin(), cases.end(), lies)) result.orientation = "RAS";
  std::vector<std::vector<float>> values(static_cast<std::size_t>(info.channels));
  const std::size_t chosen = intensities ? std::min(cases.size(), kCases) : 0;
  for (std::size_t i = 0; i < chosen; ++i) {
    const Tensor image = dataset.read(cases[i * cases.size() / chosen]).image;
    for (std::size_t c = 0; c < values.size(); ++c) sample(image, static_cast<std::int64_t>(c), values[c]);
  }
  for (std::vector<float>& channel : values) {
    if (channel.empty()) break;
    const Range range = range_of(channel);
    result.low.push_back(range.low);
    result.high.push_back(range.high);
  }
  set_style(result, info, label_map);
  return result;
}

void require_same_classes(const nn::Model& model, const data::DatasetInfo& info) {
  if (info.class_names == model.spec.class_names) return;
  throw Error(ErrorKind::data,
              text(info.path, ": its classes are ", join(info.class_names, ", "), "; those of the model ", model.path,
                   " are ", join(model.spec.class_names, ", ")),
              "labels of one would be read as another class; give the classes the same names in the same order");
}

void require_mirror_axes(const nn::Model& model) {
  const std::vector<std::int64_t>& axes = model.spec.mirror_axes;
  if (std::count(axes.begin(), axes.end(), 0) < std::ssize(axes)) return;
  if (axes.empty())
    throw Error(ErrorKind::usage, "--tta: " + model.path + " does not say along which axes its training mirrored",
                "leave --tta out");
  throw Error(ErrorKind::usage, "--tta: the training of " + model.path + " mirrored along no axis",
              "leave --tta out, or train with flips (--augment default,flip=0.5) where left and right are alike");
}

Tensor fit_channels(const Tensor& image, const nn::ModelSpec& model, const std::string& where) {
  const std::int64_t wanted = model.net.in_channels, there = image.extent(-1), voxels = image.numel() / there;
  if (image.dims() - 1 != model.net.dims)
    throw Error(ErrorKind::data,
                text(where, ": the image ", image.shape(), " has ", image.dims() - 1,
                     " spatial axes, the model was trained on ", model.net.dims == 2 ? "pictures (2)" : "volumes (3)"),
                model.net.dims == 2 ? "predict the slices one by one, or train on volumes"
                                    : "give volumes, or train on pictures");
  if (there == wanted) return image;
  const float* from = image.data<float>();
  bool grey = true;
  for (std::int64_t i = 0; i < voxels && grey; ++i)
    grey = std::all_of(from + i * there, from + (i + 1) * there, [&](float v) { return v == from[i * there]; });
  // Only a picture in red, green and blue is the same image if it is grey; T1 and T2 are not.
  const bool repeatable = there == 1 && wanted == 3 && model.net.dims == 2;
  if (!grey || (wanted != 1 && !repeatable))
    throw Error(ErrorKind::data,
                text(where, ": the image has ", count_text(there, "channel"),
                     there > 1 && grey ? " that are equal" : "", ", the model takes ", wanted),
                wanted == 1 ? "make the image grey, or train on images like this one"
                            : "give all channels of a case: one file with all of them, or CASE_0000, CASE_0001, ..");
  const Tensor result = empty(image.shape().with(-1, wanted));
  for (std::int64_t i = 0; i < voxels; ++i) std::fill_n(result.data<float>() + i * wanted, wanted, from[i * there]);
  return result;
}

Suitability::Suitability(const nn::ModelSpec& model, std::function<void(const std::string&)> warn)
    : model_(model), warn_(std::move(warn)) {}

void Suitability::warn(const std::string& kind, const data::Case& one, const std::string& words) {
  if (++seen_[kind] == 1) warn_(text("case \"", one.id, "\": ", words));
}

void Suitability::look_at(const data::Case& one, bool physical) {
  compare_channels(one);
  if (physical && model_.training.spacing_unit == "mm") compare_spacing(one);
  compare_orientation(one);
  compare_intensities(one);
}

void Suitability::finish() {
  for (const auto& [kind, count] : seen_)
    if (count > 1) warn_(text(kind, ": the same in ", count, " cases"));
}

void Suitability::compare_spacing(const data::Case& one) {
  const std::vector<double>&least = model_.training.least_spacing, &most = model_.training.most_spacing;
  if (least.size() != one.spacing.size()) return;
  // Where images are resampled, other slices do no harm, but a wrong unit is wrong along all axes.
  const bool resampled = !model_.preparation.spacing.empty();
  const double apart = resampled ? kOtherUnit : kOtherSpacing;
  std::size_t larger = 0, smaller = 0;  // axes
  for (std::size_t axis = 0; axis < least.size(); ++axis) {
    larger += one.spacing[axis] > apart * most[axis] ? 1 : 0;
    smaller += one.spacing[axis] * apart < least[axis] ? 1 : 0;
  }
  if (resampled ? std::max(larger, smaller) < least.size() : larger + smaller == 0) return;
  const std::string range = least == most ? steps_text(most) : steps_text(least) + " .. " + steps_text(most);
  warn("spacing", one,
       text("its spacing is ", steps_text(one.spacing), " mm, that of the training was ", range,
            resampled ? " mm; a unit is probably wrong, and resampled by it, things have another size than it learned"
                      : " mm; the network sees voxels, so things have another size here than it learned (or a unit is "
                        "wrong)"));
}

// fit_channels() repeats one channel for three, which is right if these are red, green and blue.
void Suitability::compare_channels(const data::Case& one) {
  const bool repeated = one.image.extent(-1) == 1 && model_.net.in_channels == 3 && model_.net.dims == 2;
  if (!repeated || model_.normalisation.kind == nn::Normalisation::Kind::rgb) return;
  warn("channels", one,
       "it has one channel, which is taken for red, green and blue; if the three channels of the training were "
       "something "
       "else, give all of them: one file, or CASE_0000, CASE_0001, ..");
}

void Suitability::compare_orientation(const data::Case& one) {
  const bool learned = !model_.training.orientation.empty();
  // A model of an older file, or of weights of others, does not say what its volumes were like.
  if (model_.net.dims != 3 || (!learned && model_.training.least_spacing.empty())) return;
  if (learned == one.affine.has_value()) return;
  warn("orientation", one,
       learned ? text("its file does not say how it lies; the model learned volumes in the orientation ",
                      model_.training.orientation)
               : text("it was ", one.orientation == "RAS" ? "" : "turned from " + one.orientation + " to ",
                      one.orientation == "RAS" ? "read in the orientation RAS" : "RAS",
                      "; the files that the model learned from do not say how they lie"));
}

void Suitability::compare_intensities(const data::Case& one) {
  const nn::TrainingImages& training = model_.training;
  for (std::int64_t c = 0; c < one.image.extent(-1); ++c) {
    std::vector<float> values;
    sample(one.image, c, values);
    const auto [low, high] = range_of(values);
    const std::string channel = one.image.extent(-1) > 1 ? text("channel ", c, " ") : "";
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    if (*least == *most)
      warn("one value", one, text("all voxels ", channel.empty() ? "" : "of " + channel, "have the value ", *least));
    if (model_.normalisation.of_each_image() || c >= std::ssize(training.low)) continue;
    const double width = high - low, from = nth(training.low, c), to = nth(training.high, c), learned = to - from;
    const bool apart = low > to || high < from;
    if (!apart && width <= kOtherWidth * learned && width * kOtherWidth >= learned) continue;
    warn("intensities", one,
         text("the values ", channel.empty() ? "" : "of " + channel, "are ", low, " .. ", high,
              " (99 % of them), those of the training were ", from, " .. ", to,
              "; the model takes values as they are, so they must mean the same"));
  }
}

}  // namespace voxgrad::apps

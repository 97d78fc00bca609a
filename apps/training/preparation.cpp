#include "apps/training/preparation.h"

#include <algorithm>
#include <cmath>

#include "apps/program/words.h"
#include "apps/training/sides.h"
#include "data/probabilities.h"
#include "engine/error.h"
#include "engine/moments.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kMostValues = 1'000'000;  // foreground voxels of all cases together

nn::Box whole_of(const Shape& shape) { return {Shape::filled(shape.dims(), 0), shape}; }

enum class Colours { none, grey, some };

// None: no picture of three channels of whole numbers 0 .. 255. Grey: the channels are equal everywhere.
Colours colours_of(const Tensor& image) {
  if (image.dims() != 3 || image.extent(-1) != 3) return Colours::none;
  const float* values = image.data<float>();
  bool differ = false;
  for (std::int64_t i = 0; i < image.numel(); ++i)
    if (values[i] < 0 || values[i] > 255 || values[i] != std::floor(values[i])) return Colours::none;
  for (std::int64_t i = 0; i < image.numel() && !differ; i += 3)
    differ = values[i] != values[i + 1] || values[i] != values[i + 2];
  return differ ? Colours::some : Colours::grey;
}

// Adds the channels of at most `most` voxels of the foreground, or of all, evenly spread.
void sample_voxels(const data::Case& one, bool all, int ignore, std::int64_t most,
                   std::vector<std::vector<float>>& samples) {
  const std::uint8_t* labels = one.label.data<std::uint8_t>();
  const std::int64_t voxels = one.label.numel(), channels = one.image.extent(-1);
  const auto is_inside = [&](std::int64_t v) { return all || (labels[v] != 0 && labels[v] != ignore); };
  std::int64_t count = 0;
  for (std::int64_t v = 0; v < voxels; ++v) count += is_inside(v);
  const std::int64_t step = std::max<std::int64_t>(1, (count + most - 1) / most);
  for (std::int64_t v = 0, seen = 0; v < voxels; ++v)
    if (is_inside(v) && seen++ % step == 0)
      for (std::int64_t c = 0; c < channels; ++c) nth(samples, c).push_back(one.image.data<float>()[v * channels + c]);
}

ForegroundValues foreground_of(std::vector<float>& values) {
  if (values.empty()) return {};
  const auto at = [&](double share) {
    const auto place = values.begin() + std::llround(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), place, values.end());
    return static_cast<double>(*place);
  };
  const Moments moments = channel_moments(values.data(), std::ssize(values), 1)[0];
  return {at(0.005), at(0.995), moments.mean, moments.deviation()};
}

nn::Grid grid_of(const nn::ModelSpec& model, const data::DatasetInfo& info, std::int64_t index, const Shape& box) try {
  return nn::grid_of(model.preparation, nth(info.shapes, index), whole_of(box), info.channels,
                     nth(info.spacings, index));
} catch (const Error& error) {
  throw Error(error.kind(), text(info.path, ": case \"", nth(info.case_ids, index), "\": ", error.message()),
              error.hint() + ", or train with --spacing none");
}

nn::Normalisation normalisation_of(const std::string& name, const std::vector<ForegroundValues>& foreground) {
  nn::Normalisation result;
  std::vector<std::string> known = nn::normalisation_names();
  known.push_back("auto");  // which a rule has replaced by now
  result.kind = static_cast<nn::Normalisation::Kind>(choice("--normalise: unknown value", name, known));
  if (result.kind != nn::Normalisation::Kind::zscore_dataset) return result;
  std::vector<Moments> moments;
  for (const ForegroundValues& channel : foreground)
    moments.push_back({.count = 1, .mean = channel.mean, .squares = channel.deviation * channel.deviation});
  result = nn::Normalisation::of_dataset(moments);
  for (const ForegroundValues& channel : foreground) {
    result.low.push_back(channel.low);
    result.high.push_back(channel.high);
  }
  return result;
}

}  // namespace

bool same_kind(const nn::ModelSpec& a, const nn::ModelSpec& b) {
  return a.normalisation.kind == b.normalisation.kind && a.net.in_channels == b.net.in_channels;
}

PreparationFacts take_preparation_facts(const data::Dataset& dataset, const std::vector<std::int64_t>& cases,
                                        bool read) {
  const data::DatasetInfo& info = dataset.info();
  PreparationFacts facts;
  facts.physical = info.physical;
  if (const auto found = info.attributes.find("modality"); found != info.attributes.end())
    facts.modality = found->second;
  for (const std::int64_t index : cases) {
    facts.shapes.push_back(nth(info.shapes, index));
    facts.spacings.push_back(nth(info.spacings, index));
  }
  if (!read) return facts;
  const std::int64_t count = cases_to_read(facts.shapes);
  std::vector<double> kept;
  std::vector<std::vector<float>> samples(static_cast<std::size_t>(info.channels)), everywhere = samples;
  std::int64_t coloured = 0;
  bool grey_or_coloured = true;
  Sides sides(dataset.classes());
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = nth(cases, i * std::ssize(cases) / count);
    const data::Case one = dataset.read(index);
    facts.read.push_back(index);
    facts.boxes.push_back(nn::nonzero_box(one.image).extents);
    kept.push_back(static_cast<double>(facts.boxes.back().numel()) / static_cast<double>(one.label.numel()));
    if (info.dims == 2) sides.add(one.label, info.ignore_label);
    const Colours colours = colours_of(one.image);
    grey_or_coloured = grey_or_coloured && colours != Colours::none;
    coloured += colours == Colours::some;
    sample_voxels(one, false, info.ignore_label, kMostValues / count, samples);
    if (samples[0].empty()) sample_voxels(one, true, info.ignore_label, kMostValues / count, everywhere);
  }
  facts.colour = grey_or_coloured && 2 * coloured >= count;  // one blank picture says nothing about the others
  std::nth_element(kept.begin(), kept.begin() + count / 2, kept.end());
  facts.kept = nth(kept, count / 2);
  facts.sides = sides.found();
  if (samples[0].empty()) samples = std::move(everywhere);  // no case has any foreground
  for (std::vector<float>& channel : samples) facts.foreground.push_back(foreground_of(channel));
  return facts;
}

PreparedShapes plan_preparation(TrainConfig& config, nn::ModelSpec& model, const data::Dataset& dataset,
                                const std::vector<std::int64_t>& train, const std::vector<std::int64_t>& others,
                                const nn::ModelSpec* source, CasesRead& known) {
  const data::DatasetInfo& info = dataset.info();
  choice("--crop: unknown value", config.crop, {"auto", "on", "off"});
  const bool automatic = config.spacing == "auto";
  if (!automatic && config.spacing != "none") parse_spacing(config.spacing, info.dims);
  const bool read = config.crop == "auto" || config.normalise == "auto" || config.normalise == "dataset" ||
                    (config.crop == "on" && config.patch.empty()) || (config.augment.empty() && info.dims == 2);
  if (!known.facts || (read && known.facts->read.empty())) known.facts = take_preparation_facts(dataset, train, read);
  const PreparationFacts& facts = *known.facts;
  PreparedShapes result;
  const auto decide = [&](const char* setting, std::string& value, Decision (*rule)(const PreparationFacts&)) {
    Decision decision{value, "as asked"};
    if (value == "auto") decision = rule(facts);
    value = decision.value;
    result.reasons.push_back({setting, decision.value, decision.reason});
  };
  const bool crop_is_free = config.crop == "auto";
  decide("crop", config.crop, choose_crop);
  decide("spacing", config.spacing, choose_spacing);
  decide("normalise", config.normalise, choose_normalisation);
  model.normalisation = normalisation_of(config.normalise, facts.foreground);
  if (source != nullptr && same_kind(model, *source)) {
    model.normalisation = source->normalisation;
    const auto adopt = [&](Reason& reason, std::string& value, const std::string& theirs) {
      value = theirs;
      reason = {reason.setting, theirs, "as the model that the training begins with"};
    };
    if (crop_is_free) adopt(result.reasons[0], config.crop, source->preparation.crop ? "on" : "off");
    const std::string& unit = source->training.spacing_unit;
    if (automatic && (unit.empty() || info.physical == (unit == "mm") || source->preparation.spacing.empty())) {
      const std::vector<double>& theirs = source->preparation.spacing;
      adopt(result.reasons[1], config.spacing, theirs.empty() ? "none" : spacing_text(theirs));
    }
  }
  model.preparation.crop = config.crop == "on";
  if (config.spacing != "none") model.preparation.spacing = parse_spacing(config.spacing, info.dims);

  for (const auto* cases : {&others, &train})  // which are not all read, but must all have a grid
    for (const std::int64_t index : *cases) static_cast<void>(grid_of(model, info, index, nth(info.shapes, index)));
  const bool boxes = model.preparation.crop && read;
  const std::vector<std::int64_t>& measured = boxes ? facts.read : train;
  for (std::int64_t i = 0; i < std::ssize(measured); ++i) {
    const std::int64_t index = nth(measured, i);
    const nn::Grid grid = grid_of(model, info, index, boxes ? nth(facts.boxes, i) : nth(info.shapes, index));
    result.shapes.push_back(grid.extents);
    result.spacings.push_back(grid.spacing);
  }
  return result;
}

void prepare_case(const nn::ModelSpec& model, int ignore, data::Case& one) try {
  const nn::Prepared prepared = nn::prepare(model, one.image, one.spacing);
  one.image = prepared.image;
  one.label = nn::prepare_labels(prepared.grid, one.label, ignore);
  if (one.probabilities.defined()) {
    one.probabilities = nn::prepare_probabilities(prepared.grid, one.probabilities);
    data::normalise_probabilities(one.probabilities);
  }
  one.spacing = prepared.grid.spacing;
} catch (const Error& error) {
  throw Error(error.kind(), text("case \"", one.id, "\": ", error.message()), error.hint());
}

Shape resampled_extents(const nn::ModelSpec& model, const data::DatasetInfo& info, std::int64_t index) {
  return grid_of(model, info, index, nth(info.shapes, index)).extents;
}

std::vector<double> comparable_spacing(const nn::ModelSpec& model, const std::vector<double>& spacing, bool physical) {
  const std::string& unit = model.training.spacing_unit;
  return unit.empty() || physical == (unit == "mm") ? spacing : std::vector<double>();
}

}  // namespace voxgrad::apps

#include "apps/training/rules.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "apps/training/preparation_rules.h"
#include "data/sampling/augment.h"
#include "engine/error.h"
#include "engine/names.h"
#include "losses/core/grammar.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

// Defaults for settings that nobody gave (apps/README.md).
constexpr std::int64_t kBase = 16;               // channels of the first level
constexpr std::int64_t kVoxelsPerStep = 40000;   // aim for the batch, 1 .. 16 patches
constexpr double kShareOfMemory = 0.5;           // that a step may take
constexpr std::int64_t kPasses = 6;              // default budget: so many patches of every training case,
constexpr std::int64_t kLeastVoxels = 80000000;  // but at least so many voxels and kLeastSteps,
constexpr std::int64_t kMostSteps = 3000;        // and at most so many steps
constexpr double kFewTimes = 12;                 // that a case is seen: too few to learn it by heart
constexpr double kLongPatch = 1.5;               // of a picture: length to width, above which rotations are small
constexpr double kRate = 4e-3, kRateSgd = 1e-2;  // for Adam and AdamW, for SGD with momentum

struct Draft {
  TrainConfig& config;
  const TrainingCases& cases;
  const nn::ModelSpec* source;
  Geometry geometry = {};
};

std::string all_extents(const std::vector<Extents>& list, int dims) {
  std::vector<std::string> words;
  for (const Extents& extents : list) {
    Shape axes;
    for (int axis = 0; axis < dims; ++axis) axes.push_back(extents[axis]);
    words.push_back(sizes_text(axes));
  }
  return join(words, " ");
}

bool in_slices(const Draft& d) { return d.cases.info.dims == 3 && d.config.dims == 2; }

Decision dims(Draft& d) {
  const bool thin = d.source == nullptr && thin_stacks(d.cases.shapes, d.cases.spacings);
  const bool own = d.source != nullptr && d.source->net.dims == 3 && d.source->window[0] == 1;
  if (d.config.dims == 0) d.config.dims = thin || own ? 2 : d.cases.info.dims;
  return {text(d.config.dims), d.cases.info.dims == 2 ? "the cases are images"
                               : own                  ? "the model that the training begins with takes slices"
                               : thin ? "the cases are volumes of a few thick slices, which say little of each other"
                                      : "the cases are volumes"};
}

Decision kernels(Draft& d) {
  GeometryWish wish;
  wish.depth = static_cast<int>(d.config.depth);
  wish.slices = in_slices(d);
  wish.most_voxels = d.cases.most_voxels;
  if (d.config.kernels.empty()) d.config.kernels = "spacing";
  wish.full_kernels = choice("--kernels: unknown value", d.config.kernels, {"spacing", "full"}) == 1;
  const int axes = d.cases.info.dims;
  if (d.source != nullptr && d.source->net.depth == wish.depth) {
    wish.strides = d.source->net.strides;
    wish.kernels = d.source->net.kernels;
    if (wish.strides.empty()) wish.strides.assign(static_cast<std::size_t>(wish.depth - 1), Extents(2));
    if (wish.kernels.empty()) wish.kernels.assign(static_cast<std::size_t>(wish.depth), Extents(3));
    for (auto* const list : {&wish.strides, &wish.kernels})
      for (Extents& extents : *list)
        if (wish.slices) extents[0] = 1;  // of a model of volumes, nothing goes from slice to slice
  }
  if (!d.config.patch.empty()) {
    const auto crosses = std::count_if(d.config.patch.begin(), d.config.patch.end(),
                                       [](char letter) { return letter == 'x' || letter == ','; });
    wish.patch = wish.slices && crosses < 2 ? Shape{1} + parse_sizes(d.config.patch, 2, "--patch")
                                            : parse_sizes(d.config.patch, axes, "--patch");
    if (wish.slices && wish.patch[0] != 1)
      throw Error(ErrorKind::usage, text("--patch ", d.config.patch, ": with --dims 2 a patch has one slice"),
                  "write " + sizes_text(wish.patch.with(0, 1)));
  }
  d.geometry = plan_geometry(d.cases.shapes, d.cases.spacings, wish);
  const bool flat = std::any_of(d.geometry.kernels.begin(), d.geometry.kernels.end(), [&](const Extents& kernel) {
    for (int axis = 0; axis < axes; ++axis)
      if (kernel[axis] == 1) return true;
    return false;
  });
  return {all_extents(d.geometry.kernels, axes),
          !wish.kernels.empty() ? "as the model that the training begins with"
          : wish.slices         ? "slices are segmented one by one"
          : flat      ? "slices are twice as thick as pixels or more, until the poolings have made the voxels cubes"
          : axes == 2 ? "the pixels are nearly squares"
                      : "the voxels are nearly cubes"};
}

Decision patch(Draft& d) {
  const bool asked = !d.config.patch.empty();
  d.config.patch = sizes_text(d.geometry.patch);
  Shape largest = d.cases.shapes.front();
  for (const Shape& shape : d.cases.shapes)
    for (int axis = 0; axis < shape.dims(); ++axis) largest[axis] = std::max(largest[axis], shape[axis]);
  bool whole = true;
  for (int axis = in_slices(d) ? 1 : 0; axis < largest.dims(); ++axis)
    whole = whole && d.geometry.patch[axis] >= largest[axis];
  return {d.config.patch, asked ? ""
                          : whole
                              ? "the largest case fits, with what the poolings divide"
                              : text("the median case, at most ", d.config.dims == 2 ? "256^2 pixels" : "64^3 voxels")};
}

Decision depth(Draft& d) {
  d.config.depth = d.geometry.depth;
  return {text(d.config.depth, ", poolings ", all_extents(d.geometry.strides, d.cases.info.dims)),
          "an axis is halved while eight voxels are left of it, the finest axes first"};
}

Decision base(Draft& d) {
  if (d.config.base == 0) d.config.base = kBase;
  return {text(d.config.base), "a small network, which two processor cores train in minutes"};
}

Decision batch(Draft& d) {
  std::int64_t& batch = d.config.batch;
  if (batch > 0) return {text(batch), ""};
  batch = std::clamp<std::int64_t>(kVoxelsPerStep / d.geometry.patch.numel(), 1, 16);
  const auto available = static_cast<double>(available_memory_bytes());
  bool cut = false;
  while (batch > 1 && available > 0 &&
         bytes_of_step(d.config, d.geometry, std::ssize(d.cases.info.class_names)) > kShareOfMemory * available) {
    batch /= 2;
    cut = true;
  }
  return {text(batch),
          cut ? text("more patches would take over half of the ", size_text(available_memory_bytes()), " that are free")
              : text("about ", kVoxelsPerStep, " voxels a step, 1 to 16 patches")};
}

// How often the training shows each case.
double times_seen(const Draft& d) {
  const std::int64_t steps =
      d.config.epochs > 0 ? d.config.epochs * steps_per_epoch(d.cases.count, d.config.batch) : d.config.steps;
  return static_cast<double>(steps * d.config.batch) / static_cast<double>(d.cases.count);
}

Decision steps(Draft& d) {
  const bool asked = d.config.steps > 0 || d.config.epochs > 0;
  const std::int64_t number = d.cases.count, batch = d.config.batch;
  const std::int64_t least = kLeastVoxels / batch / d.geometry.patch.numel();  // their product may not fit
  if (!asked) d.config.steps = std::clamp(std::max(kPasses * number / batch, least), kLeastSteps, kMostSteps);
  return {asked ? text(d.config.steps > 0 ? d.config.steps : d.config.epochs, d.config.steps > 0 ? "" : " epochs")
                : text(d.config.steps),
          asked ? ""
                : text("so many patches show each of the ", number, " training cases ",
                       static_cast<std::int64_t>(std::lround(times_seen(d))),
                       " times; twice the time shows it twice as often")};
}

Decision foreground(Draft& d) {
  return {text(d.config.foreground),
          "of the patches are centred on foreground, each class of a case as often as its others; cases without any "
          "give any patch"};
}

Decision augment(Draft& d) {
  if (!d.config.augment.empty()) return {d.config.augment, ""};
  Reason usual = usual_augment(d.config, times_seen(d), d.geometry.patch, d.cases.spacings.front(), d.cases.sides);
  d.config.augment = usual.value;
  return {std::move(usual.value), std::move(usual.why)};
}

Decision tta(Draft& d) {
  const std::size_t wish = choice("--tta: unknown value", d.config.tta, {"auto", "off", "on"});
  const data::AugmentOptions change = data::augment_options(d.config.augment, d.cases.info.dims);
  const bool deep = d.geometry.patch.dims() == 3 && d.geometry.patch[0] > 1;  // pictures and slices have no z
  const bool flips = (deep && change.flip_z > 0) || change.flip_y > 0 || change.flip_x > 0;
  if (wish == 2 && !flips)
    throw Error(ErrorKind::usage, "--tta on: the patches are not flipped (--augment " + d.config.augment + ")",
                "leave --tta out, or add flips (--augment default,flip=0.5) where left and right are alike");
  if (wish == 0) d.config.tta = flips ? "on" : "off";
  return {d.config.tta, wish != 0 ? ""
                        : flips   ? "patches are flipped, and the mean over mirrored images is better by little"
                                  : "patches are not flipped"};
}

// The class weights of the terms of a loss: numbers with '/' between them, or the word for a rule.
std::vector<std::string> weights_of_terms(const std::string& loss) {
  std::vector<std::string> found;
  for (const losses::TermText& term : losses::parse_terms(loss))
    for (const losses::Parameters::Setting& setting : term.settings)
      if (setting.first == "weights" && setting.second != "none") found.push_back(setting.second);
  return found;
}

Decision weights(Draft& d) {
  if (weighs_by_frequency(d.config.loss)) return {"by frequency", "the loss asks for them"};
  if (!weights_of_terms(d.config.loss).empty()) return {"given", "the loss names them"};
  return {"none", "the loss has none; Dice losses balance the classes themselves"};
}

Decision deep_supervision(Draft& d) {
  const bool several = d.geometry.depth > 2, distances = !losses::make_loss(d.config.loss).fields().empty();
  if (!d.config.deep_supervision) d.config.deep_supervision = several && !distances;
  return {*d.config.deep_supervision ? "on" : "off",
          !several    ? "the network has one resolution beside its bottleneck"
          : distances ? "the loss would need distances at every resolution"
                      : "the coarse levels learn what they are for, and a step takes little longer"};
}

Decision rate(Draft& d) {
  if (d.config.lr == 0) d.config.lr = d.config.optimizer == "sgd" ? kRateSgd : kRate;
  return {text(d.config.lr), "the default of " + d.config.optimizer};
}

// The table. A rule may use what those above it have set.
struct SettingRule {
  const char* setting;
  Decision (*decide)(Draft&);
};
constexpr SettingRule kSettingRules[]{
    {"dims", dims},       {"kernels", kernels}, {"patch", patch},           {"depth", depth},
    {"base", base},       {"batch", batch},     {"steps", steps},           {"foreground", foreground},
    {"augment", augment}, {"tta", tta},         {"class weights", weights}, {"deep_supervision", deep_supervision},
    {"lr", rate}};

}  // namespace

std::int64_t steps_per_epoch(std::int64_t cases, std::int64_t batch) {
  return std::clamp<std::int64_t>((cases + batch - 1) / batch, 20, 250);
}

bool weighs_by_frequency(const std::string& loss) {
  const std::vector<std::string> words = weights_of_terms(loss);
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return std::isalpha(static_cast<unsigned char>(word.front())) != 0;  // else it is a number
  });
}

Reason usual_augment(const TrainConfig& config, double times, const Shape& patch, const std::vector<double>& spacing,
                     const std::array<bool, 2>& sides) {
  if (times < kFewTimes && config.tta != "on")  // which asks for flips
    return {
        "augment", "none",
        text("each case is seen ", count_text(std::lround(times), "time"), " only, too seldom to learn it by heart")};
  if (patch.dims() == 3)
    return {"augment", "default",
            "rotation to 30 degrees, scaling, intensities; no flips, because left and right may differ"};
  const double height = static_cast<double>(patch[0]) * nth(spacing, 0),
               width = static_cast<double>(patch[1]) * nth(spacing, 1);
  const bool is_long = std::max(height, width) > kLongPatch * std::min(height, width);
  if ((!sides[0] && !sides[1]) || config.tta == "on")
    return {"augment", is_long ? "default,rotate_angle=15" : "default",
            is_long ? "rotation to 15 degrees, flips, scaling, intensities; rotated further, a long patch would show "
                      "mostly mirror images"
                    : "rotation, flips, scaling, intensities"};
  const std::string axes = sides[0] && sides[1] ? ""
                           : sides[0]           ? "_y"
                                                : "_x",
                    words = axes.empty() ? "y and x" : axes.substr(1);
  const std::string angle = is_long ? "15" : "30";
  return {"augment", "default,flip" + axes + "=0,turn=0,rotate_angle=" + angle,
          "rotation to " + angle + " degrees, scaling, intensities; no flips along " + words +
              ", because the classes lie elsewhere in mirrored images"};
}

Filled fill_in(TrainConfig& config, const TrainingCases& cases, const nn::ModelSpec* source) {
  const Json asked = to_json(config), usual = to_json(TrainConfig());
  Draft draft{config, cases, source};
  std::vector<Reason> reasons;
  for (const SettingRule& rule : kSettingRules) {
    Decision decision = rule.decide(draft);
    const bool given = asked.contains(rule.setting) && asked.at(rule.setting) != usual.at(rule.setting);
    const std::string name = rule.setting;
    if (source != nullptr && ((name == "base" && config.base == source->net.base) ||
                              (name == "depth" && config.depth == source->net.depth) ||
                              (name == "deep_supervision" && config.deep_supervision == source->net.deep_supervision)))
      decision.reason = "as the model that the training begins with";
    else if (given || decision.reason.empty())
      decision.reason = "as asked";
    reasons.push_back({rule.setting, std::move(decision.value), std::move(decision.reason)});
  }
  return {std::move(draft.geometry), std::move(reasons)};
}

double bytes_of_step(const TrainConfig& config, const Geometry& geometry, std::int64_t classes) {
  constexpr std::int64_t kMostChannels = 320;   // UNetConfig::max_channels
  constexpr double kEncoder = 2, kDecoder = 3;  // maps of a level: two convolutions; the same and the upsampled map
  double voxels = static_cast<double>(config.batch) * static_cast<double>(geometry.patch.numel());
  double floats = voxels * static_cast<double>(3 * config.base + 3 * classes);  // gradients, logits
  for (int level = 0; level < geometry.depth; ++level) {
    const bool bottleneck = level + 1 == geometry.depth;
    const auto width = static_cast<double>(std::min(config.base << level, kMostChannels));
    floats += voxels * width * (kEncoder + (bottleneck ? 0 : kDecoder));
    if (!bottleneck)
      for (int axis = 0; axis < geometry.patch.dims(); ++axis)
        voxels /= static_cast<double>(nth(geometry.strides, level)[axis]);
  }
  return 4 * floats;
}

}  // namespace voxgrad::apps

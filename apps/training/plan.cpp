#include "apps/training/plan.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "apps/training/collapse.h"
#include "apps/training/geometry.h"
#include "apps/training/preparation.h"
#include "apps/training/suitability.h"
#include "apps/training/transfer.h"
#include "apps/training/validation.h"
#include "engine/error.h"
#include "engine/names.h"
#include "engine/parallel.h"
#include "losses/core/fields.h"
#include "losses/core/grammar.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

constexpr double kWarmup = 0.03;                    // share of the steps
constexpr std::int64_t kHistoryBytes = 15'000'000;  // in the header of a checkpoint, which may have 16 MiB

std::size_t choose_value(const std::string& flag, const std::string& value, const std::vector<std::string>& known) {
  return choice("--" + flag + ": unknown value", value, known);
}

void check_ranges(const TrainConfig& c, int dims) {
  if (c.dims != 0 && c.dims != dims && !(c.dims == 2 && dims == 3))
    throw Error(ErrorKind::usage, text("--dims ", c.dims, ": the cases of this dataset have ", dims, " spatial axes"));
  require_ranges(c);
  if (c.patience > 0 && c.validate_every == 0)
    throw Error(ErrorKind::usage,
                text("--patience ", c.patience, ": with --validate-every 0 nothing is validated before the end"),
                "validate, or leave --patience out");
  if (c.steps > 0 && c.epochs > 0)
    throw Error(ErrorKind::usage, "--steps and --epochs both say how long the training is", "give one of them");
}

void plan_network(Plan& plan, const data::DatasetInfo& info, const Geometry& geometry, const nn::ModelSpec* source) {
  TrainConfig& c = plan.config;
  if (source != nullptr) {
    plan.model.net = source->net;
    if (c.base != source->net.base || geometry.depth != source->net.depth) plan.model.net.widths.clear();
  }
  plan.model.window = geometry.patch;
  plan.model.class_names = info.class_names;
  nn::UNetConfig& net = plan.model.net;
  net.dims = info.dims;
  net.in_channels = info.channels;
  net.classes = std::ssize(info.class_names);
  net.base = c.base;
  net.max_channels = std::max(net.max_channels, net.base);
  net.depth = geometry.depth;
  net.strides = geometry.strides;
  net.kernels = geometry.kernels;
  net.norm = static_cast<nn::Norm>(choose_value("norm", c.norm, nn::norm_names()));
  net.residual = c.residual;
  net.dropout = c.dropout;
  net.deep_supervision = *c.deep_supervision;
}

// A single value is its own mean: after a normalisation of it nothing is left. The bottleneck has the fewest values.
void check_norm(const Plan& plan) {
  const nn::Norm norm = plan.model.net.norm;
  std::int64_t values = norm == nn::Norm::batch ? plan.config.batch : 1;
  for (int axis = 0; axis < plan.model.window.dims(); ++axis) {
    std::int64_t extent = plan.model.window[axis];
    for (const Extents& stride : plan.model.net.strides) extent /= stride[axis];
    values *= extent;
  }
  const std::int64_t channels = nn::width(plan.model.net, plan.model.net.depth - 1);
  const bool shared = norm == nn::Norm::group && nn::group_count(channels) < channels;  // a group has several of them
  if (values > 1 || shared || norm == nn::Norm::none) return;
  throw Error(ErrorKind::usage,
              text("--norm ", plan.config.norm, ": a patch of ", plan.config.patch, " at depth ", plan.config.depth,
                   " leaves a single value to normalise at the bottleneck"),
              text("use ", norm == nn::Norm::group ? "" : "--norm group, ", "a larger --patch",
                   norm == nn::Norm::batch ? " or --batch" : "", " or a smaller --depth"));
}

void plan_loader(Plan& plan, const data::Dataset& dataset, const std::vector<std::int64_t>& train) {
  const TrainConfig& c = plan.config;
  data::LoaderOptions& loader = plan.loader;
  loader.cases = train;
  loader.patch = plan.model.window;
  loader.batch = c.batch;
  loader.foreground = c.foreground;
  loader.probabilities = c.targets == "probabilities";
  loader.prepare = [model = plan.model, ignore = dataset.info().ignore_label](data::Case& one) {
    prepare_case(model, ignore, one);
  };
  loader.augment = data::augment_options(c.augment, dataset.info().dims);
  const data::AugmentOptions& change = loader.augment;
  plan.model.mirror_axes = {change.flip_y > 0, change.flip_x > 0};
  if (dataset.info().dims == 3)  // a patch of one slice is its own mirror image along z
    plan.model.mirror_axes.insert(plan.model.mirror_axes.begin(), change.flip_z > 0 && loader.patch[0] > 1);
  plan.model.mirror = c.tta == "on";
  loader.seed = c.seed;
}

// The maps that a loss asks for are computed on whole cases, because at the rim of a patch they would be wrong.
void plan_fields(Plan& plan, const data::DatasetInfo& info) {
  data::FieldMaker maker;
  maker.keys = losses::make_loss(plan.config.loss).fields();
  if (maker.keys.empty()) return;
  const std::int64_t channels = plan.model.net.classes;
  const int ignore = info.ignore_label;
  maker.variant = text(channels, " channels, ignored label ", ignore, ", definition ", losses::kFieldDefinition);
  maker.make = [channels, ignore](const std::string& key, const Tensor& labels, const std::vector<double>& spacing) {
    return losses::make_field(key, labels, channels, spacing, DType::f32, ignore);
  };
  maker.distances = [](const std::string& key) { return key.starts_with("distance") || key.starts_with("signed:"); };
  plan.fields = std::make_shared<data::Fields>(std::move(maker), data::cache_path(info.path));
  plan.loader.fields = plan.fields;
}

// Returns the share of each class in the voxels that are not ignored.
std::vector<double> fractions_of(const data::Dataset& dataset, const std::vector<std::int64_t>& cases) {
  std::array<std::int64_t, 256> counts{};
  for (const std::int64_t index : cases) {
    const Tensor labels = dataset.read_label(index);
    const std::uint8_t* values = labels.data<std::uint8_t>();
    for (std::int64_t i = 0; i < labels.numel(); ++i) ++counts[values[i]];
  }
  if (const int ignore = dataset.info().ignore_label; ignore >= 0) nth(counts, ignore) = 0;
  std::int64_t valid = 0;
  for (const std::int64_t count : counts) valid += count;
  std::vector<double> fractions;
  for (std::int64_t label = 0; label < dataset.classes(); ++label)
    fractions.push_back(static_cast<double>(nth(counts, label)) /
                        static_cast<double>(std::max<std::int64_t>(valid, 1)));
  return fractions;
}

void plan_steps(Plan& plan) {
  TrainConfig& c = plan.config;
  choose_value("optimizer", c.optimizer, nn::optimizer_names());
  choose_value("schedule", c.schedule, nn::schedule_names());
  plan.steps_per_epoch = steps_per_epoch(std::ssize(plan.loader.cases), c.batch);
  plan.schedule.lr = c.lr;
  set_steps(plan, c.epochs > 0 ? c.epochs * plan.steps_per_epoch : c.steps);
  plan.optimizer.weight_decay = c.weight_decay;
  if (c.optimizer == "sgd") plan.optimizer.nesterov = true;
}

}  // namespace

const char* name_of(OnNan what) { return what == OnNan::stop ? "stop" : what == OnNan::skip ? "skip" : "rollback"; }

void explain(Plan& plan, const std::string& setting, const std::string& value, const std::string& why) {
  for (Reason& reason : plan.reasons)
    if (reason.setting == setting) reason = {setting, value, why};
}

std::string reasons_text(const Plan& plan) {
  Table table({"setting", "value", "why"}, 3);
  for (const Reason& reason : plan.reasons) table.row({reason.setting, reason.value, reason.why});
  return table.str();
}

Json reasons_json(const Plan& plan) {
  Json list = Json::array();
  for (const Reason& reason : plan.reasons)
    list.push_back({{"setting", reason.setting}, {"value", reason.value}, {"why", reason.why}});
  return list;
}

void set_steps(Plan& plan, std::int64_t steps) {
  plan.steps = plan.config.steps = plan.schedule.total = steps;
  plan.config.epochs = 0;
  plan.schedule.warmup = static_cast<std::int64_t>(kWarmup * static_cast<double>(steps));
  const std::int64_t most = kHistoryBytes / (200 + 20 * std::ssize(plan.model.class_names));
  if (plan.usual_epoch == 0) plan.usual_epoch = plan.steps_per_epoch;
  plan.steps_per_epoch = std::max(plan.usual_epoch, block_count(steps, most));
}

Reason choose_targets(TrainConfig& config, const data::DatasetInfo& info) {
  choose_value("targets", config.targets, {"auto", "labels", "probabilities"});
  const bool asked = config.targets != "auto";
  if (!asked) config.targets = info.probabilities ? "probabilities" : "labels";
  if (config.targets == "probabilities" && !info.probabilities)
    throw Error(ErrorKind::data, info.path + ": has no label probabilities, which --targets probabilities asks for",
                "leave --targets out, or add them to the file");
  for (const std::string& term : terms_of(config.loss)) {
    if (config.targets == "labels") break;
    const losses::Spec& spec = losses::find_spec(losses::parse_terms(term).front().name);
    if (spec.soft_labels && losses::make_loss(term).fields().empty()) continue;
    throw Error(
        ErrorKind::usage,
        text("--loss ", config.loss, ": ", spec.name, " has no meaning for the label probabilities of ", info.path),
        "add --targets labels, or take a loss that needs no borders, objects or ranks, such as dice_ce");
  }
  return {"targets", config.targets,
          asked                ? "as asked"
          : info.probabilities ? "the file has label probabilities"
                               : "the file has no label probabilities"};
}

Plan make_plan(const data::Dataset& dataset, const TrainConfig& wish, const nn::ModelSpec* source,
               std::int64_t most_voxels, CasesRead* known) {
  CasesRead own;
  CasesRead& read = known != nullptr ? *known : own;
  data::require_labels(dataset, "training");
  const data::DatasetInfo& info = dataset.info();
  if (source == nullptr && !wish.from.empty())
    throw Error(ErrorKind::usage, "--from " + wish.from + ": this does not begin with a model", "leave --from out");
  if (source != nullptr && source->net.dims != info.dims)
    throw Error(ErrorKind::usage, text("--from ", wish.from, ": the model has ", source->net.dims,
                                       " spatial axes, the cases of ", info.path, " have ", info.dims));
  Plan plan;
  plan.config = wish;
  TrainConfig& c = plan.config;
  check_ranges(c, info.dims);
  const Reason targets = choose_targets(c, info);
  const auto [train, val, test] = split_of(dataset, c.fold);
  if (train.empty())
    throw Error(
        ErrorKind::data, info.path + ": no cases in the split `train`",
        only_fold(info).empty() ? "" : "the file has folds: give --fold " + only_fold(info) + ", and compare --folds");
  if (c.patience > 0 && val.empty())
    throw Error(ErrorKind::data,
                text(info.path, ": no cases in the split `val`, which --patience ", c.patience, " goes by"),
                "leave --patience out, or give the dataset validation cases");
  plan.val = val;
  plan.test = test;
  std::vector<std::int64_t> others = val;
  others.insert(others.end(), test.begin(), test.end());
  plan.model.net.in_channels = info.channels;
  PreparedShapes prepared = plan_preparation(c, plan.model, dataset, train, others, source, read);
  plan.reasons = std::move(prepared.reasons);
  plan.reasons.push_back(targets);
  Filled filled = fill_in(c,
                          {info, std::ssize(train), std::move(prepared.shapes), std::move(prepared.spacings),
                           most_voxels, read.facts->sides},
                          source);
  plan.reasons.insert(plan.reasons.end(), filled.reasons.begin(), filled.reasons.end());
  plan_network(plan, info, filled.geometry, source);
  check_norm(plan);
  plan_loader(plan, dataset, train);
  // Intensities are compared only where images are not normalised one by one.
  if (!read.images)
    read.images =
        describe_images(dataset, train, parse_label_map(c.label_map), !plan.model.normalisation.of_each_image());
  plan.model.training = *read.images;
  plan_fields(plan, info);
  plan_steps(plan);
  set_validated(plan, wish.validate_cases);
  if (wish.validate_cases == 0 && !plan.val.empty())
    bound_validations(plan, kValidationShare * static_cast<double>(std::max(plan.steps, kLeastSteps)) /
                                validation_in_steps(plan, info));
  plan.context.ignore = info.ignore_label;
  // Reading every label takes time, so it is done once, and only where a loss asks for class frequencies.
  if (weighs_by_frequency(c.loss)) {
    if (read.fractions.empty()) read.fractions = fractions_of(dataset, train);
    plan.context.class_fractions = read.fractions;
  }
  choose_value("clean-up", c.clean_up, {"auto", "off"});
  plan.on_nan = static_cast<OnNan>(choose_value("on-nan", c.on_nan, {"stop", "skip", "rollback"}));
  return plan;
}

namespace {

std::string validation_text(const Plan& plan) {
  if (plan.val.empty()) return "";
  const std::int64_t every = plan.config.validate_every, cases = std::ssize(plan.validated);
  const std::string which =
      plan.validated == plan.val ? text("all ", cases) : text(cases, " of ", plan.val.size(), " cases, evenly spread,");
  const std::string when = every == 0   ? "at the end"
                           : every == 1 ? "after every epoch"
                                        : text("every ", every, " epochs");
  return text("validated ", which, " ", when, "\n");
}

}  // namespace

std::string summary(const Plan& plan, const data::DatasetInfo& info, std::int64_t parameters) {
  const TrainConfig& c = plan.config;
  const Shape input = Shape{c.batch} + Shape(plan.model.window);
  std::string strides;
  for (const Extents& stride : plan.model.net.strides) {
    Shape axes;
    for (int axis = 0; axis < info.dims; ++axis) axes.push_back(stride[axis]);
    strides.append(" ").append(sizes_text(axes));
  }
  return text("data      ", info.path, ": ", plan.loader.cases.size(), " training, ", plan.val.size(), " validation, ",
              plan.test.size(), " test cases; classes ", join(info.class_names, ", "), "\n", "network   ", c.dims,
              c.dims < info.dims ? "-D U-Net for each slice, base " : "-D U-Net, base ", c.base, ", depth ", c.depth,
              ", poolings", strides, ", ", c.norm, " norm, ", parameters, " parameters\n", "input     [",
              sizes_text(input), "x", info.channels, "], output [", sizes_text(input), "x", plan.model.net.classes,
              "]\n", "images    crop ", c.crop, ", spacing ", c.spacing, ", normalise ", c.normalise, "\n",
              "loss      ", losses::make_loss(c.loss).text(),
              plan.loader.probabilities ? ", of label probabilities\n" : "\n", "training  ", plan.steps, " steps in ",
              plan.epoch_of(plan.steps), " epochs, ", c.optimizer, ", rate ", c.lr, ", ", c.schedule, ", seed ", c.seed,
              "\n", validation_text(plan));
}

}  // namespace voxgrad::apps

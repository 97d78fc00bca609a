#include "apps/training/plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "apps/program/console.h"
#include "apps/program/fields.h"
#include "apps/program/words.h"
#include "apps/training/checkpoint.h"
#include "apps/training/collapse.h"
#include "apps/training/geometry.h"
#include "apps/training/preparation.h"
#include "apps/training/suitability.h"
#include "apps/training/transfer.h"
#include "apps/training/validation.h"
#include "data/fingerprint.h"
#include "data/splits.h"
#include "engine/error.h"
#include "engine/names.h"
#include "losses/core/fields.h"
#include "losses/core/grammar.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

constexpr double kWarmup = 0.03;  // share of the steps

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

// Fold k of n is tested, the next one validates, the others train. The folds are those of the file if it has n of
// them. Otherwise they are drawn; they never split a group and are the same for every seed of a training.
Split fold_split(const data::Dataset& dataset, const std::string& wish) {
  constexpr std::uint64_t kFoldSeed = 5;
  const auto& stored = dataset.info().splits;
  const std::optional<Part> part = parse_part(wish);
  if (!part || part->count < 3)
    throw Error(ErrorKind::usage, "--fold " + wish + ": not a fold", "write k/n with n from 3 and k from 0 to n - 1");
  const auto [k, n] = *part;
  const auto name = [](int fold) { return text("fold_", fold, "/val"); };
  const bool file_has_them = stored.contains(name(n - 1)) && !stored.contains(name(n));
  Split split;
  for (int fold = 0; fold < n; ++fold) {
    const std::vector<std::int64_t> cases =
        file_has_them ? dataset.split(name(fold))
                      : data::make_fold(dataset.info(), dataset.split("all"), n, fold, kFoldSeed).val;
    std::vector<std::int64_t>& group = fold == k ? split.test : fold == (k + 1) % n ? split.val : split.train;
    group.insert(group.end(), cases.begin(), cases.end());
  }
  std::sort(split.train.begin(), split.train.end());
  return split;
}

// Returns a split of the file. It is empty if the file has other splits but not this one.
std::vector<std::int64_t> split_or_none(const data::Dataset& dataset, const std::string& name) {
  const auto& splits = dataset.info().splits;
  if (!splits.empty() && !splits.contains(name)) return {};
  return dataset.split(name);
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
  if (values > 1 || (norm != nn::Norm::batch && norm != nn::Norm::instance)) return;
  throw Error(ErrorKind::usage,
              text("--norm ", plan.config.norm, ": a patch of ", plan.config.patch, " at depth ", plan.config.depth,
                   " leaves a single value to normalise at the bottleneck"),
              text("use --norm group, a larger --patch", norm == nn::Norm::batch ? " or --batch" : "",
                   " or a smaller --depth"));
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
  if (dataset.info().dims == 3) plan.model.mirror_axes.insert(plan.model.mirror_axes.begin(), change.flip_z > 0);
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
  plan.fields = std::make_shared<data::Fields>(std::move(maker), data::cache_path(info.path));
  plan.loader.fields = plan.fields;
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
}

Split split_of(const data::Dataset& dataset, const std::string& fold) {
  if (!fold.empty()) return fold_split(dataset, fold);
  return {split_or_none(dataset, "train"), split_or_none(dataset, "val"), split_or_none(dataset, "test")};
}

std::string only_fold(const data::DatasetInfo& info) {
  for (const char* name : {"train", "val", "test"})
    if (info.splits.contains(name)) return "";
  int folds = 0;
  while (info.splits.contains(text("fold_", folds, "/val"))) ++folds;
  return folds < 3 ? "" : text("0/", folds);
}

std::vector<std::string> warnings_of(const data::Dataset& dataset, const Split& split) {
  const data::DatasetInfo& info = dataset.info();
  std::vector<std::string> warnings;
  const std::string remedy =
      info.splits.empty() ? text("; that needs three ", info.groups.empty() ? "cases" : "groups", " or more") : "";
  if (split.val.empty())
    warnings.push_back(text("no validation cases: the weights of the last epoch are taken, not the best ones", remedy));
  if (split.test.empty()) warnings.push_back(text("no test cases: nothing is tested", remedy));
  const std::vector<std::int64_t> absent = data::absent_classes(dataset, split.train);
  if (std::ssize(absent) + 1 == dataset.classes())
    warnings.push_back("no training case has any foreground: there is nothing to learn");
  else
    for (const std::int64_t label : absent)
      warnings.push_back(text("class ", label, " (\"", nth(info.class_names, label), "\") is in no training case"));
  return warnings;
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
               std::int64_t most_voxels) {
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
  PreparedShapes prepared = plan_preparation(c, plan.model, dataset, train, others, source);
  plan.reasons = std::move(prepared.reasons);
  plan.reasons.push_back(targets);
  Filled filled = fill_in(
      c, {info, std::ssize(train), std::move(prepared.shapes), std::move(prepared.spacings), most_voxels}, source);
  plan.reasons.insert(plan.reasons.end(), filled.reasons.begin(), filled.reasons.end());
  plan_network(plan, info, filled.geometry, source);
  check_norm(plan);
  plan_loader(plan, dataset, train);
  // Intensities are compared only where images are not normalised one by one.
  plan.model.training =
      describe_images(dataset, train, parse_label_map(c.label_map), !plan.model.normalisation.of_each_image());
  plan_fields(plan, info);
  plan_steps(plan);
  set_validated(plan, wish.validate_cases);
  if (wish.validate_cases == 0 && !plan.val.empty())
    bound_validations(plan, kValidationShare * static_cast<double>(std::max(plan.steps, kLeastSteps)) /
                                validation_in_steps(plan, info));
  plan.context.ignore = info.ignore_label;
  // Reading every label takes time, so it is done only where a loss may ask for class frequencies.
  if (c.loss.find("weights=") != std::string::npos)
    for (const data::ClassFingerprint& entry : data::take_fingerprint(dataset, train).classes)
      plan.context.class_fractions.push_back(entry.fraction);
  choose_value("clean-up", c.clean_up, {"auto", "off"});
  plan.on_nan = static_cast<OnNan>(choose_value("on-nan", c.on_nan, {"stop", "skip", "rollback"}));
  return plan;
}

std::map<int, int> parse_label_map(const std::string& text) {
  std::map<int, int> map;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto label = [&](char stop) {
    int value = -1;
    const auto [next, code] = std::from_chars(at, end, value);
    const bool ok = code == std::errc{} && value >= 0 && value <= 255 && (next == end ? stop == ',' : *next == stop);
    if (!ok)
      throw Error(ErrorKind::usage, "--label-map: cannot read \"" + text + "\"",
                  "write stored:class pairs, e.g. 0:0,255:1");
    at = next == end ? end : next + 1;
    return value;
  };
  while (at < end) {
    const int stored = label(':');
    if (!map.emplace(stored, label(',')).second)
      throw Error(ErrorKind::usage, voxgrad::text("--label-map: ", stored, " is in it twice"),
                  "give each value one class");
  }
  return map;
}

std::string setting_of(const std::string& model_file, const char* name) {
  const TensorFile file = load_tensors(model_file);
  if (!file.metadata.contains("config")) return "";
  return reading(model_file, ErrorKind::model, [&]() -> std::string {
    const Json config = metadata_json(file, "config", model_file);
    return config.contains(name) ? text_at(config, name) : "";
  });
}

std::optional<std::pair<std::string, Split>> fold_of(const std::string& model_file, const data::Dataset& dataset) {
  const std::string fold = setting_of(model_file, "fold");
  if (fold.empty()) return {};
  const TensorFile file = load_tensors(model_file);
  const auto description = file.metadata.find("description_crc32");
  try {
    const Split split = split_of(dataset, fold);
    const std::uint32_t own = checksum_of_description(dataset.info(), {split.train, split.val, split.test});
    if (description != file.metadata.end() && description->second == std::to_string(own)) return std::pair{fold, split};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage && error.kind() != ErrorKind::data) throw;  // it has no such fold
  }
  return {};
}

std::string label_map_for(const std::string& dataset, const std::string& model_file) {
  if (!data::Dataset::open(dataset).info().source_label_map.empty()) return "";
  std::string map = setting_of(model_file, "label_map");
  reading(model_file, ErrorKind::model, [&] { return parse_label_map(map); });
  return map;
}

data::Dataset open_dataset(const std::string& path, const std::string& label_map, bool labels) {
  data::DatasetOptions options;
  options.labels = labels;
  options.label_map = parse_label_map(label_map);
  return data::Dataset::open(path, options);
}

std::vector<std::int64_t> cases_of(const data::Dataset& dataset, const std::string& split) {
  std::vector<std::int64_t> cases = dataset.split(split);
  if (cases.empty()) throw Error(ErrorKind::data, dataset.info().path + ": no cases in the split `" + split + "`");
  return cases;
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

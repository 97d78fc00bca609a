// `voxgrad inspect` says what a dataset looks like. It prints the number of cases, their shapes, the splits, the share
// of the foreground, a table of the classes with their objects, and a table of the channels with their intensities.
// With --preview it draws some of the cases, with --augment what a training makes of them.
#include "apps/program/outputs.h"
#include "apps/program/words.h"
#include "apps/report/preview.h"
#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "apps/verbs/verbs.h"
#include "data/fingerprint.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

struct InspectOptions {
  std::string data, split = "all", label_map, preview, augment, augment_options;
};

Json json_of(const data::Spread& s) {
  return {{"min", number(s.min)}, {"median", number(s.median)}, {"mean", number(s.mean)}, {"max", number(s.max)}};
}

Json json_of(const std::vector<data::Spread>& axes) {
  Json list = Json::array();
  for (const data::Spread& axis : axes) list.push_back(json_of(axis));
  return list;
}

Json json_of(const data::Fingerprint& print) {
  Json classes = Json::array(), channels = Json::array();
  for (const data::ClassFingerprint& entry : print.classes)
    classes.push_back({{"name", entry.name},
                       {"voxels", entry.voxels},
                       {"fraction", number(entry.fraction)},
                       {"cases", entry.cases},
                       {"objects", entry.objects},
                       {"object_voxels", json_of(entry.object_voxels)},
                       {"object_size", json_of(entry.object_size)},
                       {"thinness", number(entry.thinness)}});
  for (const data::ChannelFingerprint& entry : print.channels)
    channels.push_back({{"min", number(entry.min)},
                        {"max", number(entry.max)},
                        {"mean", number(entry.mean)},
                        {"deviation", number(entry.deviation)},
                        {"percentile_0_5", number(entry.percentile_0_5)},
                        {"median", number(entry.median)},
                        {"percentile_99_5", number(entry.percentile_99_5)},
                        {"foreground_mean", number(entry.foreground_mean)},
                        {"foreground_deviation", number(entry.foreground_deviation)}});
  return {{"cases", print.cases},
          {"groups", print.groups},
          {"voxels", print.voxels},
          {"dims", print.dims},
          {"shape", json_of(print.shape)},
          {"spacing", json_of(print.spacing)},
          {"foreground_fraction", number(print.foreground_fraction)},
          {"ignored_fraction", number(print.ignored_fraction)},
          {"empty_cases", print.empty_cases},
          {"classes", classes},
          {"channels", channels}};
}

// "40 x 56 x 40", with a range where cases differ.
std::string axes_text(const std::vector<data::Spread>& axes) {
  std::string result;
  for (const data::Spread& axis : axes)
    result += (result.empty() ? "" : " x ") + significant(axis.min) +
              (axis.max > axis.min ? ".." + significant(axis.max) : "");
  return result;
}

std::string describe(const data::DatasetInfo& info, const data::Fingerprint& print, const Split& split) {
  std::string result = text("file        ", info.path, "\n", "cases       ", print.cases);
  if (print.groups > 0) result += " of " + count_text(print.groups, "group");
  for (const auto& [name, cases] : info.splits) result += text(", ", name, " ", cases.size());
  if (info.splits.empty() && info.labelled)
    result += text(", drawn for a training: train ", split.train.size(), ", val ", split.val.size(), ", test ",
                   split.test.size());
  result += text("\nshape       ", axes_text(print.shape), ", ", count_text(info.channels, "channel"), "\nspacing     ",
                 axes_text(print.spacing), info.physical ? " mm\n" : " px\n");
  if (info.labelled)
    result += text("foreground  ", significant(100 * print.foreground_fraction), " %, ", print.empty_cases,
                   " cases without any\n", info.probabilities ? "labels      with label probabilities\n" : "");
  else
    result += "labels      none\n";
  if (print.ignored_fraction > 0) result += text("ignored     ", significant(100 * print.ignored_fraction), " %\n");
  for (const auto& [name, value] : info.attributes)
    result += name + std::string(12 - std::min<std::size_t>(11, name.size()), ' ') + value + "\n";
  Table classes({"class", "voxels %", "cases", "objects", "object voxels: min", "median", "max"}, 1);
  for (const data::ClassFingerprint& entry : print.classes)
    classes.row({entry.name, significant(100 * entry.fraction), std::to_string(entry.cases),
                 std::to_string(entry.objects), significant(entry.object_voxels.min),
                 significant(entry.object_voxels.median), significant(entry.object_voxels.max)});
  std::vector<std::string> columns{"channel", "min", "0.5 %", "median", "99.5 %", "max", "mean", "SD"};
  if (info.labelled) columns.insert(columns.end(), {"foreground mean", "SD"});
  Table channels(columns, 1);
  for (std::size_t i = 0; i < print.channels.size(); ++i) {
    const data::ChannelFingerprint& c = print.channels[i];
    std::vector<std::string> row{std::to_string(i)};
    for (const double value : {c.min, c.percentile_0_5, c.median, c.percentile_99_5, c.max, c.mean, c.deviation,
                               c.foreground_mean, c.foreground_deviation})
      row.push_back(significant(value));
    row.resize(columns.size());
    channels.row(row);
  }
  if (info.labelled) result += "\n" + classes.str();
  return result + "\n" + channels.str();
}

void inspect(const InspectOptions& options, const Common& common) {
  require_output("--preview", options.preview, ".png", {options.data});
  require_output("--augment", options.augment, ".png", {options.data});
  if (!options.augment_options.empty() && options.augment.empty())
    throw Error(ErrorKind::usage, "inspect: --augment-options without a picture", "--augment sheet.png names one");
  if (!options.augment_options.empty()) data::require_effect(options.augment_options);
  const data::Dataset dataset = open_dataset(options.data, options.label_map);
  const std::vector<std::int64_t> chosen = cases_of(dataset, options.split);
  const data::Fingerprint print = data::take_fingerprint(dataset, chosen);
  if (!options.preview.empty()) write_text(options.preview, to_png(draw_preview(dataset, chosen)));
  if (!options.augment.empty()) {
    TrainConfig wish;
    wish.augment = options.augment_options;
    wish.seed = common.seed;
    wish.fold = only_fold(dataset.info());
    write_text(options.augment, to_png(draw_augmented(dataset, make_plan(dataset, wish))));
  }
  const Split split = split_of(dataset, "");
  std::vector<std::string> warnings;
  if (dataset.info().labelled && only_fold(dataset.info()).empty()) warnings = warnings_of(dataset, split);
  if (!common.json) {
    print_text(describe(dataset.info(), print, split));
    if (!options.preview.empty()) print_text("\npreview     " + options.preview + "\n");
    if (!options.augment.empty()) print_text("\naugmented   " + options.augment + "\n");
    Console console = common.console();
    for (const std::string& warning : warnings) console.warn(warning);
    return;
  }
  Json json{{"path", options.data}, {"name", dataset.info().name}, {"class_names", dataset.info().class_names}};
  Json splits = Json::object();
  for (const auto& [name, cases] : dataset.info().splits) splits[name] = cases.size();
  json["splits"] = splits;
  json["labelled"] = dataset.info().labelled;
  json["label_probabilities"] = dataset.info().probabilities;
  json["spacing_unit"] = dataset.info().physical ? "mm" : "px";
  json["warnings"] = warnings;
  json["attributes"] = dataset.info().attributes;
  json.update(json_of(print));
  if (!options.preview.empty()) json["preview"] = options.preview;
  if (!options.augment.empty()) json["augment"] = options.augment;
  print_json(json);
}

}  // namespace

void add_inspect(Program& program) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App& verb = program.verb("inspect", "what a dataset looks like: shapes, classes, objects, intensities",
                                [options, &program] { inspect(*options, program.common()); });
  verb.add_option("data", options->data, "dataset file")->required();
  verb.add_option("--split", options->split, "train, val, test or all");
  verb.add_option("--preview", options->preview, "draw up to nine cases with their labels into this .png file");
  verb.add_option("--augment", options->augment,
                  "draw samples of training cases as `train` sees them into this .png file");
  verb.add_option("--augment-options", options->augment_options,
                  "with --augment: the list that `train --augment` would be given");
  verb.add_option("--label-map", options->label_map, "stored label:class pairs, e.g. 0:0,255:1");
}

}  // namespace voxgrad::apps

// `voxgrad evaluate` segments the labelled cases of a dataset with a trained model and compares the results with the
// labels. It prints a table of the metrics per class with 95 % intervals of the means; with --json all metrics of every
// case as well.
#include <chrono>

#include "apps/program/words.h"
#include "apps/training/checkpoint.h"
#include "apps/training/clean_up_choice.h"
#include "apps/training/evaluation_text.h"
#include "apps/training/plan.h"
#include "apps/training/suitability.h"
#include "apps/verbs/settings.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

struct EvaluateArguments {
  std::string model, data, split, label_map;
  double tau = 0;
  std::optional<bool> tta;
  bool clean_up = true;
};

// Returns the 95 % interval of the foreground mean of every metric.
Json intervals(const std::vector<CaseResult>& results) {
  Json json = Json::object();
  for (const losses::Metric& metric : losses::metrics()) {
    const Interval interval = bootstrap_interval(results, metric.name);
    json[metric.name] = {number(interval.low), number(interval.high)};
  }
  return json;
}

void evaluate(const EvaluateArguments& options, const Common& common) {
  const auto start = std::chrono::steady_clock::now();
  Console console = common.console();
  const nn::Model model = nn::load_model(model_file(options.model), common.get_device());
  if (options.tta.value_or(false)) require_mirror_axes(model);
  const std::string label_map = options.label_map.empty() ? label_map_for(options.data, model) : options.label_map;
  if (label_map != options.label_map)
    console.say("labels    read with the map of the training, " + label_map + " (--label-map chooses another)");
  else if (const std::string map = setting_of(model.path, "label_map"); label_map.empty() && !map.empty())
    console.say("labels    as they are stored, without the map of the training (--label-map " + map + ")");
  const data::Dataset dataset = open_dataset(options.data, label_map);
  data::require_labels(dataset, "an evaluation");
  require_same_classes(model, dataset.info());
  const auto learned = fold_of(model.path, dataset);
  const bool given = !options.split.empty(), of_fold = !given && learned,
             seen = learned || has_seen(model.path, dataset);
  // The splits that are drawn for a file without any are those of a training.
  const bool all = !given && !seen && dataset.info().splits.empty();
  const std::string split = given ? options.split : all ? "all" : "test", fold = learned ? learned->first : "";
  const std::vector<std::int64_t> cases = of_fold ? learned->second.test : cases_of(dataset, split);
  if (of_fold)
    console.say("split     the test cases of fold " + fold +
                ", for which the model was trained (--split chooses others)");
  else if (learned)
    console.warn("the model was trained for fold " + fold + " and may have learned from cases of the split " + split +
                 "; without --split its own test cases are taken");
  else if (split != "train" && seen && !has_splits_of(model.path, dataset, split_of(dataset, "")))
    console.warn("the model was trained on these images with other splits, groups, spacing or names, so it may have " +
                 text("learned from cases of the split ", split, ", and their numbers may be too good"));
  if (all)
    console.say("split     all cases: the file has no splits, and the model does not say that it has learned from it");
  Suitability suitability(model.spec, [&](const std::string& words) { console.warn(words); });
  const EvaluateOptions how{
      .needs = losses::Needs::probabilities,
      .tau = options.tau,
      .look_at = [&](const data::Case& one) { suitability.look_at(one, dataset.info().physical); },
      .mirror = options.tta,
      .clean_up = options.clean_up};
  const std::vector<CaseResult> results = evaluate_cases(model, dataset, cases, how, [&](std::size_t done) {
    console.bar(static_cast<double>(done) / static_cast<double>(cases.size()), text("case ", done, "/", cases.size()));
  });
  suitability.finish();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::vector<std::string>& names = dataset.info().class_names;
  const std::string unit = dataset.info().physical ? "mm" : "px";
  const std::string cleaned = clean_up_text(options.clean_up ? model.spec.clean_up : nn::CleanUp{}, names);
  const bool mirrored = options.tta.value_or(model.spec.mirror);
  if (!common.json)
    return print_text(table(results, names, unit) +
                      (mirrored ? "\nmean over mirrored images (--no-tta: without)" : "") +
                      (cleaned == "none" ? "" : "\nclean-up: " + cleaned) +
                      text("\n95 % interval of the mean: Dice ", interval_words(results, "dice"), ", HD95 ",
                           interval_words(results, "hd95"), " " + unit + ", NSD ", interval_words(results, "nsd"), "\n",
                           cases_words(results), ", ", duration(seconds), "\n"));
  Json json{{"model", model.path},         {"dataset", options.data}, {"split", split},
            {"fold", of_fold ? fold : ""}, {"tta", mirrored},         {"clean_up", cleaned}};
  json.update(to_json(results, names));
  json["unit"] = unit;
  json["interval"] = intervals(results);
  json["seconds"] = seconds;
  print_json(json);
}

}  // namespace

void add_evaluate(Program& program) {
  const auto options = std::make_shared<EvaluateArguments>();
  CLI::App& verb = program.verb("evaluate", "metrics of a model on labelled cases",
                                [options, &program] { evaluate(*options, program.common()); });
  verb.add_option("model", options->model, "run directory or checkpoint")->required();
  verb.add_option("data", options->data, "dataset file")->required();
  verb.add_option("--split", options->split,
                  "train, val, test or all; without it the test cases of the fold of the model, all cases of a file "
                  "without splits that the model has not learned from, or else test");
  verb.add_option("--label-map", options->label_map, "stored label:class pairs, e.g. 0:0,255:1");
  add_tau(verb, options->tau);
  add_tta_flag(verb, options->tta);
  add_clean_up_flag(verb, options->clean_up);
}

}  // namespace voxgrad::apps

#include <chrono>

#include "apps/training/evaluation.h"
#include "apps/training/plan.h"
#include "apps/verbs/program.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

struct EvaluateOptions {
  std::string model, data, split = "test", label_map;
};

void evaluate(const EvaluateOptions& options, const Common& common) {
  const auto start = std::chrono::steady_clock::now();
  Console console = common.console();
  const Model model = load_model(options.model, common.get_device());
  data::DatasetOptions dataset_options;
  dataset_options.label_map = parse_label_map(options.label_map);
  const data::Dataset dataset = data::Dataset::open(options.data, dataset_options);
  const std::vector<std::int64_t> cases = dataset.split(options.split);
  if (cases.empty()) throw Error(ErrorKind::data, options.data + ": no cases in the split `" + options.split + "`");
  const std::vector<CaseResult> results = evaluate_cases(model, dataset, cases, [&](std::size_t done) {
    console.bar(static_cast<double>(done) / static_cast<double>(cases.size()), text("case ", done, "/", cases.size()));
  });
  const Interval interval = bootstrap_interval(case_means(results));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::vector<std::string>& names = dataset.info().class_names;
  if (!common.json)
    return print_text(table(results, names) +
                      text("95 % interval of the mean Dice over cases: ", fixed(interval.low, 4), " .. ",
                           fixed(interval.high, 4), "; ", cases.size(), " cases, ", duration(seconds), "\n"));
  Json json{{"model", model.path}, {"dataset", options.data}, {"split", options.split}};
  json.update(to_json(results, names));
  json["interval"] = {{"dice", {number(interval.low), number(interval.high)}}};
  json["seconds"] = seconds;
  print_json(json);
}

}  // namespace

void add_evaluate(Program& program) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App& verb = program.verb("evaluate", "metrics of a model on labelled cases",
                                [options, &program] { evaluate(*options, program.common()); });
  verb.add_option("model", options->model, "run directory or checkpoint")->required();
  verb.add_option("data", options->data, "dataset file")->required();
  verb.add_option("--split", options->split, "train, val, test or all");
  verb.add_option("--label-map", options->label_map, "stored label:class pairs, e.g. 0:0,255:1");
}

}  // namespace voxgrad::apps

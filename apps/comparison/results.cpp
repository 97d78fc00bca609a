#include "apps/comparison/results.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/program/words.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

// A cell of a CSV file (RFC 4180).
Json to_json(const ComparedRun& run, const std::vector<std::string>& numbers) {
  Json cases = Json::array();
  for (const CaseNumbers& one : run.cases) {
    Json classes = Json::object();
    for (std::size_t c = 0; c < one.classes.size(); ++c)
      for (std::size_t i = 0; i < numbers.size(); ++i)
        classes[std::to_string(c + 1)][numbers[i]] = number(one.classes[c][i]);
    cases.push_back({{"id", one.id}, {"diagonal_mm", number(one.diagonal)}, {"classes", classes}});
  }
  return {{"dataset", run.dataset},
          {"loss", run.loss},
          {"fold", run.fold},
          {"seed", run.seed},
          {"diverged", run.diverged},
          {"lr", run.lr},
          {"val_dice", number(run.val_dice)},
          {"seconds", number(run.seconds)},
          {"peak_tensor_bytes", number(run.memory)},
          {"patches_per_case", number(run.patches_per_case)},
          {"path", run.path},
          {"history", to_json(run.history)},
          {"cases", cases}};
}

ComparedRun run_from_json(const Json& json, std::vector<std::string>& numbers) {
  ComparedRun run;
  json.at("dataset").get_to(run.dataset);
  json.at("loss").get_to(run.loss);
  json.at("fold").get_to(run.fold);
  json.at("seed").get_to(run.seed);
  json.at("diverged").get_to(run.diverged);
  json.at("path").get_to(run.path);
  run.lr = to_number(json.at("lr"));
  run.val_dice = to_number(json.at("val_dice"));
  run.seconds = to_number(json.at("seconds"));
  run.memory = to_number(json.at("peak_tensor_bytes"));
  run.patches_per_case = to_number(json.value("patches_per_case", Json("NaN")));  // absent before it was known
  run.history = history_from_json(json.at("history"));
  run.cases = cases_from(json.at("cases"), numbers);
  return run;
}

Json to_json(const ComparedDataset& dataset) {
  Json cases = Json::array();
  for (const TestCase& one : dataset.cases)
    cases.push_back({{"id", one.id},
                     {"foreground", number(one.foreground)},
                     {"object_size", number(one.object_size)},
                     {"group", one.group}});
  return {{"name", dataset.name}, {"path", dataset.path},
          {"dims", dataset.dims}, {"class_names", dataset.class_names},
          {"test_cases", cases},  {"warnings", dataset.warnings},
          {"unit", dataset.unit}, {"used", dataset.used}};
}

ComparedDataset dataset_from_json(const Json& json) {
  ComparedDataset dataset;
  json.at("name").get_to(dataset.name);
  json.at("path").get_to(dataset.path);
  json.at("dims").get_to(dataset.dims);
  json.at("class_names").get_to(dataset.class_names);
  dataset.unit = json.value("unit", "mm");
  dataset.used = json.value("used", Json::object());
  if (json.contains("warnings")) json.at("warnings").get_to(dataset.warnings);
  for (const Json& one : json.at("test_cases"))
    dataset.cases.push_back({one.at("id"), to_number(one.at("foreground")), to_number(one.at("object_size")),
                             one.value("group", std::string())});
  return dataset;
}

}  // namespace

std::vector<std::string> Comparison::losses() const {
  std::vector<std::string> names;
  for (const ComparedRun& run : runs)
    if (std::find(names.begin(), names.end(), run.loss) == names.end()) names.push_back(run.loss);
  return names;
}

std::vector<CaseNumbers> cases_from(const Json& list, std::vector<std::string>& numbers) {
  std::vector<CaseNumbers> cases;
  for (const Json& entry : list) {
    CaseNumbers one{entry.at("id"), {}, to_number(entry.value("diagonal_mm", number(std::nan(""))))};
    const Json& classes = entry.at("classes");
    for (std::size_t label = 1; label <= classes.size(); ++label) {
      const Json& values = classes.at(std::to_string(label));
      if (numbers.empty())
        for (const auto& [name, value] : values.items()) numbers.push_back(name);
      std::vector<double>& row = one.classes.emplace_back();
      for (const std::string& name : numbers) row.push_back(to_number(values.value(name, Json("NaN"))));
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

bool has_number(const Comparison& comparison, const std::string& name) {
  return std::find(comparison.numbers.begin(), comparison.numbers.end(), name) != comparison.numbers.end();
}

std::vector<double> number_of(const Comparison& comparison, const CaseNumbers& numbers, const std::string& name) {
  const auto found = std::find(comparison.numbers.begin(), comparison.numbers.end(), name);
  check(found != comparison.numbers.end(), "results: no number is named ", name);
  const auto index = static_cast<std::size_t>(found - comparison.numbers.begin());
  std::vector<double> values;
  for (const std::vector<double>& row : numbers.classes) values.push_back(row[index]);
  return values;
}

std::vector<double> finite_number_of(const Comparison& comparison, const CaseNumbers& numbers,
                                     const std::string& name) {
  const bool distance = losses::metrics()[losses::metric_index(name)].needs == losses::Needs::surfaces;
  std::vector<double> values = number_of(comparison, numbers, name);
  for (double& value : values)
    if (std::isinf(value)) value = distance ? numbers.diagonal : std::nan("");
  return values;
}

double mean_of(const Comparison& comparison, const CaseNumbers& numbers, const std::string& name) {
  return losses::summarise(finite_number_of(comparison, numbers, name)).mean;
}

Json to_json(const Comparison& comparison) {
  Json datasets = Json::array(), runs = Json::array();
  for (const ComparedDataset& dataset : comparison.datasets) datasets.push_back(to_json(dataset));
  for (const ComparedRun& run : comparison.runs) runs.push_back(to_json(run, comparison.numbers));
  return {{"protocol", comparison.protocol}, {"versions", comparison.versions}, {"datasets", datasets}, {"runs", runs}};
}

Comparison comparison_from_json(const Json& json) {
  try {
    Comparison comparison;
    comparison.protocol = json.at("protocol");
    comparison.versions = json.at("versions");
    for (const Json& dataset : json.at("datasets")) comparison.datasets.push_back(dataset_from_json(dataset));
    for (const Json& run : json.at("runs")) comparison.runs.push_back(run_from_json(run, comparison.numbers));
    return comparison;
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::data, text("results of a comparison: ", error.what()),
                "`voxgrad compare .. -o DIR` writes them anew from the runs in DIR");
  }
}

std::string to_csv(const Comparison& comparison) {
  std::string csv = "dataset,loss,fold,seed,case,class";
  for (const std::string& name : comparison.numbers) csv.append(",").append(name);
  csv += ",diagonal_mm\n";
  for (const ComparedRun& run : comparison.runs)
    for (const CaseNumbers& one : run.cases)
      for (std::size_t c = 0; c < one.classes.size(); ++c) {
        csv += text(csv_cell(run.dataset), ",", csv_cell(run.loss), ",", run.fold < 0 ? "" : std::to_string(run.fold),
                    ",", run.seed, ",", csv_cell(one.id), ",", c + 1);
        std::vector<double> values = one.classes[c];
        values.push_back(one.diagonal);
        for (const double value : values)
          csv.append(",").append(std::isnan(value)   ? ""
                                 : std::isinf(value) ? (value > 0 ? "inf" : "-inf")
                                                     : number(value).dump());
        csv += "\n";
      }
  return csv;
}

}  // namespace voxgrad::apps

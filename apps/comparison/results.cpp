#include "apps/comparison/results.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "apps/program/fields.h"
#include "apps/program/words.h"
#include "apps/training/config.h"
#include "apps/training/evaluation_text.h"
#include "data/attributes.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

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

// `what`: "datasets named". What is found by its name would be found once, and counted twice.
void require_new(std::set<std::string>& known, const std::string& name, const std::string& what) {
  if (!known.insert(name).second)
    throw Error(ErrorKind::data, text("there are two ", what, " ", name, ", must be one"), "remove one of them");
}

ComparedRun run_from_json(const Json& json, const std::vector<ComparedDataset>& datasets,
                          std::vector<std::string>& numbers) {
  ComparedRun run;
  run.dataset = text_at(json, "dataset");
  run.loss = text_at(json, "loss");
  run.seed = seed_number(json, "seed");
  run.diverged = flag_at(json, "diverged");
  run.path = text_at(json, "path");
  if (const std::filesystem::path path = run.path;
      path.is_absolute() || path.lexically_normal().string().starts_with(".."))
    throw Error(ErrorKind::data, "`path` is " + run.path + ", must lie below the folder of the comparison");
  run.lr = real_number(json, "lr", 0);
  run.val_dice = real_or_nan(json, "val_dice", 0, 1);
  run.seconds = real_number(json, "seconds", 0, kMostSeconds);
  run.memory = real_number(json, "peak_tensor_bytes", 0, kMostMemory);
  run.patches_per_case = json.contains("patches_per_case") ? real_or_nan(json, "patches_per_case", 0) : std::nan("");
  run.history = history_from_json(member(json, "history"));
  const auto dataset =
      std::find_if(datasets.begin(), datasets.end(), [&](const auto& d) { return d.name == run.dataset; });
  if (dataset == datasets.end()) throw Error(ErrorKind::data, "a run is on " + run.dataset + ", which is not listed");
  run.fold = static_cast<int>(whole_number(json, "fold", -1, std::ssize(dataset->cases)));
  run.cases = cases_from(list_at(json, "cases"), dataset->class_names.size(), numbers);
  std::set<std::string> ids;
  for (const CaseNumbers& one : run.cases) require_new(ids, one.id, "cases of the run " + run.path + " with the id");
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

// How trainings were done is shown as it is.
void check_used(const Json& used) {
  for (const char* name : {"license", "source", "citation"}) text_or(used, name, "");
  if (used.contains("images_crc32") || used.contains("labels_crc32"))
    for (const char* name : {"images_crc32", "labels_crc32"}) whole_number(used, name, 0, 0xFFFFFFFF);
  if (!used.contains("settings")) return;
  const Json& settings = object_at(used, "settings");
  for (const auto& [name, value] : settings.items())
    if (!value.is_string() && !value.is_number() && !value.is_boolean())
      refuse(name, value, "a text, a number, true or false");
  for (const char* name : {"steps", "training_cases", "validation_cases", "test_cases"}) member(settings, name);
}

// What the report says of the protocol and of the program. Results of earlier versions lack some of it.
void check_protocol(const Json& protocol, const Json& versions) {
  for (const char* name : {"command", "baseline"}) text_or(protocol, name, "");
  texts_or_none(protocol, "losses");
  flag_or(protocol, "tune", false);
  if (protocol.contains("first_seed")) seed_number(protocol, "first_seed");
  for (const char* name : {"seeds", "folds"})
    if (protocol.contains(name)) whole_number(protocol, name, 0, kMostCount);
  if (protocol.contains("settings")) config_from_json(object_at(protocol, "settings"));
  for (const char* name : {"version", "compiler", "cpu"}) text_at(versions, name);
}

ComparedDataset dataset_from_json(const Json& json) {
  ComparedDataset dataset;
  dataset.name = text_at(json, "name");
  dataset.path = text_at(json, "path");
  dataset.dims = static_cast<int>(whole_number(json, "dims", 2, 3));
  dataset.class_names = texts_at(json, "class_names");
  if (dataset.class_names.size() < 2) throw Error(ErrorKind::data, "`class_names` has fewer than two names");
  dataset.unit = text_or(json, "unit", "mm");
  if (json.contains("used")) dataset.used = object_at(json, "used");
  check_used(dataset.used);
  const std::size_t classes = dataset.class_names.size();
  if (const std::string colours = text_or(dataset.used, "class_colours", "");
      !colours.empty() && data::colours_of(colours, dataset.name).size() != classes)
    refuse("class_colours", colours, text(classes, " colours, one for each of `class_names`"));
  dataset.warnings = texts_or_none(json, "warnings");
  for (const Json& one : list_at(json, "test_cases"))
    dataset.cases.push_back({text_at(one, "id"), real_number(one, "foreground", 0, 1),
                             real_or_nan(one, "object_size", 0), text_or(one, "group", "")});
  std::set<std::string> ids;
  for (const TestCase& one : dataset.cases) require_new(ids, one.id, "cases of " + dataset.name + " with the id");
  return dataset;
}

// The trainings of a fold test the same cases, and a class that a case has has a Dice. A case that is missing would
// count as a failure of the loss.
void require_whole(const Comparison& comparison) {
  std::map<std::pair<std::string, int>, const ComparedRun*> first;
  for (const ComparedRun& run : comparison.runs) {
    if (run.diverged) continue;
    const ComparedRun& known = *first.emplace(std::pair(run.dataset, run.fold), &run).first->second;
    const auto same = [](const CaseNumbers& a, const CaseNumbers& b) { return a.id == b.id; };
    if (!std::equal(run.cases.begin(), run.cases.end(), known.cases.begin(), known.cases.end(), same))
      throw Error(ErrorKind::data, text("the runs ", known.path, " and ", run.path, " have not tested the same cases: ",
                                        known.cases.size(), " and ", run.cases.size()));
    if (!has_number(comparison, "dice") || !has_number(comparison, "tp") || !has_number(comparison, "fn")) continue;
    for (const CaseNumbers& one : run.cases) {
      const std::vector<double> dice = number_of(comparison, one, "dice"), tp = number_of(comparison, one, "tp"),
                                fn = number_of(comparison, one, "fn");
      for (std::size_t c = 0; c < dice.size(); ++c)
        if (std::isnan(dice[c]) && !(tp[c] + fn[c] == 0))
          throw Error(ErrorKind::data, text("the run ", run.path, " has no Dice of class ", c + 1, " in the case ",
                                            one.id, ", which has ", tp[c] + fn[c], " voxels of it"));
    }
  }
}

}  // namespace

std::vector<std::string> Comparison::losses() const {
  std::vector<std::string> names;
  for (const ComparedRun& run : runs)
    if (std::find(names.begin(), names.end(), run.loss) == names.end()) names.push_back(run.loss);
  return names;
}

constexpr std::size_t kMostLosses = 1000;  // there are tables of all pairs
constexpr std::size_t kMostNumbers = 100;  // of a class

std::vector<CaseNumbers> cases_from(const Json& list, std::size_t class_count, std::vector<std::string>& numbers) {
  std::vector<CaseNumbers> cases;
  for (const Json& entry : list) {
    const double unknown = std::nan("");
    CaseNumbers one{
        text_at(entry, "id"), {}, entry.contains("diagonal_mm") ? real_or_nan(entry, "diagonal_mm", 0) : unknown};
    for (std::size_t label = 1; label < class_count; ++label) {
      const Json& values = object_at(member(entry, "classes"), std::to_string(label));
      // Else the numbers of the next case would be more than those of this one.
      if (values.empty()) refuse(std::to_string(label), values, "the numbers of a class");
      if (numbers.empty() && values.size() > kMostNumbers)  // every other case gets a place for each
        refuse(std::to_string(label), values, text("at most ", kMostNumbers, " numbers"));
      if (numbers.empty())
        for (const auto& [name, value] : values.items()) numbers.push_back(name);
      std::vector<double>& row = one.classes.emplace_back();
      for (const std::string& name : numbers)
        row.push_back(values.contains(name) ? metric_number(values, name) : unknown);
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
  if (found == comparison.numbers.end()) throw Error(ErrorKind::data, "results: no number is named " + name);
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

Json to_json(const Comparison& comparison) {
  Json datasets = Json::array(), runs = Json::array();
  for (const ComparedDataset& dataset : comparison.datasets) datasets.push_back(to_json(dataset));
  for (const ComparedRun& run : comparison.runs) runs.push_back(to_json(run, comparison.numbers));
  return {{"protocol", comparison.protocol}, {"versions", comparison.versions}, {"datasets", datasets}, {"runs", runs}};
}

Comparison comparison_from_json(const Json& json) {
  Comparison comparison;
  comparison.protocol = object_at(json, "protocol");
  comparison.versions = object_at(json, "versions");
  check_protocol(comparison.protocol, comparison.versions);
  for (const Json& dataset : list_at(json, "datasets")) comparison.datasets.push_back(dataset_from_json(dataset));
  for (const Json& run : list_at(json, "runs"))
    comparison.runs.push_back(run_from_json(run, comparison.datasets, comparison.numbers));
  std::set<std::string> losses, names, runs;
  for (const ComparedRun& run : comparison.runs) losses.insert(run.loss);
  if (losses.size() > kMostLosses)
    throw Error(ErrorKind::data,
                text("the runs have ", losses.size(), " losses, at most ", kMostLosses, " are compared"),
                "compare fewer of them");
  for (const ComparedDataset& dataset : comparison.datasets) require_new(names, dataset.name, "datasets named");
  for (const ComparedRun& run : comparison.runs)
    require_new(runs, text("loss ", run.loss, ", fold ", run.fold, " and seed ", run.seed, " on ", run.dataset),
                "runs with");
  require_whole(comparison);
  return comparison;
}

std::string to_csv(const Comparison& comparison) {
  std::string csv = "dataset,loss,fold,seed,case,class";
  for (const std::string& name : comparison.numbers) csv.append(",").append(csv_cell(name));
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

// `voxgrad doctor` names the cause of "Dice 0", "all black" and "NaN". It looks at a dataset and, if nothing is wrong
// with that, at the first steps of a training; or at the directory of a run. It prints what is wrong, why it matters
// and what to do, and ends with exit code 8 if a check failed. Remarks do not fail.
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "apps/doctor/data_checks.h"
#include "apps/doctor/run_checks.h"
#include "apps/doctor/training_checks.h"
#include "apps/program/words.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

struct DoctorOptions {
  DataQuestion question;  // its path may be the directory of a run
  bool data_only = false, list = false;
};

using NamedQuestions = std::vector<std::pair<std::string, std::string>>;

std::vector<std::string> names_of(const NamedQuestions& checks) {
  std::vector<std::string> names;
  for (const auto& [name, question] : checks) names.push_back(name);
  return names;
}

void list_checks(const Common& common) {
  Json json = Json::array();
  Table table({"of", "check", "question"}, 3);
  const auto add = [&](const char* of, const std::string& name, const std::string& question) {
    json.push_back({{"of", of}, {"check", name}, {"question", question}});
    table.row({of, name, question});
  };
  add("data", "reading", "can the file be read, and are its values those that were written?");
  for (const DataCheck& check : data_checks()) add("data", check.name, check.question);
  for (const auto& [name, question] : training_checks()) add("training", name, question);
  for (const auto& [name, question] : run_checks()) add("run", name, question);
  if (common.json) return print_json(json);
  print_text(table.str());
}

bool has_failed(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.failure; });
}

// A training is tried only with data that are in order, because it would say again what is wrong with them.
DataExamination examine_file(const DoctorOptions& options, const Common& common, Console& console) {
  const DataQuestion& question = options.question;
  DataExamination found =
      examine_data(question, [&](double share) { console.bar(share, "looking at " + question.path); });
  if (options.data_only || has_failed(found.findings)) return found;
  const data::Dataset dataset = open_dataset(question.path, question.label_map);
  if (!dataset.info().labelled) return found;
  TrainConfig config;
  config.data = question.path;
  config.label_map = question.label_map;
  if (!question.loss.empty()) config.loss = question.loss;
  config.seed = common.seed;
  config.fold = only_fold(dataset.info());
  for (Finding& finding :
       examine_training(dataset, config, common.get_device(), [&](const std::string& words) { console.say(words); }))
    found.findings.push_back(std::move(finding));
  for (const std::string& name : names_of(training_checks())) found.checks.push_back(name);
  return found;
}

void doctor(const DoctorOptions& options, const Common& common) {
  const std::string& path = options.question.path;
  const bool of_data = options.data_only || !options.question.label_map.empty() || !options.question.loss.empty() ||
                       !options.question.pictures.empty();
  if (options.list) {
    if (!path.empty() || of_data)
      throw Error(ErrorKind::usage, "doctor: --list lists the checks and looks at nothing",
                  "leave out all else, or --list");
    return list_checks(common);
  }
  if (path.empty())
    throw Error(ErrorKind::usage, "doctor: nothing to look at", "name a dataset file or the directory of a run");
  const bool is_directory = std::filesystem::is_directory(path);
  if (is_directory && of_data)
    throw Error(ErrorKind::usage,
                "doctor: --data-only, --label-map, --loss and --pictures are for datasets, " + path + " is a directory",
                "name a dataset file, or leave them out for a run");
  Console console = common.console();
  const auto start = std::chrono::steady_clock::now();
  const DataExamination found = is_directory
                                    ? DataExamination{examine_run(path, common.get_device()), names_of(run_checks())}
                                    : examine_file(options, common, console);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (common.json)
    print_json({{"file", path}, {"findings", to_json(found.findings)}, {"checks", found.checks}, {"seconds", seconds}});
  else
    print_text(
        text(path, ": ", found.checks.size(), " checks in ", duration(seconds), "\n\n", report_of(found.findings)));
  const auto failed = std::count_if(found.findings.begin(), found.findings.end(),
                                    [](const Finding& finding) { return finding.failure; });
  if (failed > 0) throw Error(ErrorKind::check, text("doctor: ", count_text(failed, "check"), " failed"));
}

}  // namespace

void add_doctor(Program& program) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App& verb =
      program.verb("doctor", "what is wrong with a dataset or a run: the cause of Dice 0, black masks or NaN",
                   [options, &program] { doctor(*options, program.common()); });
  DataQuestion& question = options->question;
  verb.add_option("file", question.path, "dataset file, or the directory of a run");
  verb.add_option("--label-map", question.label_map, "stored label:class pairs, e.g. 0:0,255:1");
  verb.add_option("--loss", question.loss, "the loss of the training, to be compared with the shares of the classes");
  verb.add_option("--pictures", question.pictures,
                  "a folder for pictures of what was found; without it none are drawn");
  verb.add_flag("--data-only", options->data_only, "look at the data, and try no training");
  verb.add_flag("--list", options->list, "list the checks");
}

}  // namespace voxgrad::apps

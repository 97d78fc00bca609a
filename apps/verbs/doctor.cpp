// `voxgrad doctor` names the cause of "Dice 0", "all black" and "NaN" before a training. It prints what is wrong with a
// dataset, why it matters and what to do, and ends with exit code 8 if a check failed. Remarks do not fail.
#include <chrono>

#include "apps/doctor/data_checks.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

struct DoctorOptions {
  DataQuestion question;
  bool list = false;
};

void list_checks() {
  Table table({"check", "question"}, 2);
  table.row({"reading", "can the file be read, and are its values those that were written?"});
  for (const DataCheck& check : data_checks()) table.row({check.name, check.question});
  print_text(table.str());
}

void doctor(const DoctorOptions& options, const Common& common) {
  if (options.list) return list_checks();
  if (options.question.path.empty()) throw Error(ErrorKind::usage, "doctor: no dataset file was given");
  Console console = common.console();
  const auto start = std::chrono::steady_clock::now();
  const DataExamination found =
      examine_data(options.question, [&](double share) { console.bar(share, "looking at " + options.question.path); });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (common.json)
    print_json({{"file", options.question.path},
                {"findings", to_json(found.findings)},
                {"checks", found.checks},
                {"seconds", seconds}});
  else
    print_text(text(options.question.path, ": ", found.checks.size(), " checks in ", duration(seconds), "\n\n",
                    report_of(found.findings)));
  const auto failed = std::count_if(found.findings.begin(), found.findings.end(),
                                    [](const Finding& finding) { return finding.failure; });
  if (failed > 0)
    throw Error(ErrorKind::check, text("doctor: ", failed, failed == 1 ? " check" : " checks", " failed"));
}

}  // namespace

void add_doctor(Program& program) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App& verb = program.verb("doctor", "what is wrong with a dataset: the cause of Dice 0, black masks or NaN",
                                [options, &program] { doctor(*options, program.common()); });
  DataQuestion& question = options->question;
  verb.add_option("file", question.path, "dataset file");
  verb.add_option("--label-map", question.label_map, "stored label:class pairs, e.g. 0:0,255:1");
  verb.add_option("--loss", question.loss, "the loss of the training, to be compared with the shares of the classes");
  verb.add_option("--pictures", question.pictures,
                  "a folder for pictures of what was found; without it none are drawn");
  verb.add_flag("--list", options->list, "list the checks");
}

}  // namespace voxgrad::apps

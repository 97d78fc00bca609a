// `voxgrad report` draws the report of a comparison again from results.json, and prints its path.
#include "apps/report/report.h"

#include "apps/comparison/compare.h"
#include "apps/verbs/verbs.h"

namespace voxgrad::apps {
namespace {

struct ReportOptions {
  std::string directory;
  bool redraw = false;
};

void report(const ReportOptions& options, const Common& common) {
  const Comparison comparison = read_comparison(options.directory);
  const Findings findings = findings_of(comparison);
  const std::string path =
      write_report(comparison, findings.analyses, findings.answers, options.directory, options.redraw);
  if (common.json) return print_json({{"report", path}});
  print_text(path + "\n");
}

}  // namespace

void add_report(Program& program) {
  const auto options = std::make_shared<ReportOptions>();
  CLI::App& verb = program.verb("report", "draw the report of a comparison again from its results",
                                [options, &program] { report(*options, program.common()); });
  verb.add_option("directory", options->directory, "what `compare` was given as -o")->required();
  verb.add_flag("--redraw", options->redraw, "predict the shown cases again, too");
}

}  // namespace voxgrad::apps

// `voxgrad report` draws the page of a training or the report of a comparison again from its files, and prints its
// path.
#include "apps/report/report.h"

#include "apps/comparison/compare.h"
#include "apps/program/fields.h"
#include "apps/report/run_page.h"
#include "apps/report/run_record.h"
#include "apps/verbs/verbs.h"

namespace voxgrad::apps {
namespace {

struct ReportOptions {
  std::string directory;
  bool redraw = false;
};

std::string draw(const ReportOptions& options, const Common& common) {
  const Device device = common.get_device();
  if (is_run(options.directory)) {
    if (options.redraw)
      throw Error(ErrorKind::usage, "report: --redraw is for comparisons, " + options.directory + " is a run",
                  "leave it out");
    return write_run_page(options.directory, device);
  }
  const Comparison comparison = read_comparison(options.directory);
  return reading(options.directory + "/results.json", ErrorKind::data, [&] {
    const Findings findings = findings_of(comparison);
    return write_report(comparison, findings.analyses, findings.answers, options.directory, options.redraw, device);
  });
}

void report(const ReportOptions& options, const Common& common) {
  const std::string path = draw(options, common);
  if (common.json) return print_json({{"report", path}});
  print_text(path + "\n");
}

}  // namespace

void add_report(Program& program) {
  const auto options = std::make_shared<ReportOptions>();
  CLI::App& verb = program.verb("report", "draw the page of a run or of a comparison again from its results",
                                [options, &program] { report(*options, program.common()); });
  verb.add_option("directory", options->directory, "what `train` or `compare` was given as -o")->required();
  verb.add_flag("--redraw", options->redraw, "of a comparison: predict the shown cases again, too");
}

}  // namespace voxgrad::apps

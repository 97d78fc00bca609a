// Trainings on bundled datasets, whose runs the examination finds in order.
// ctest labels: slow
#include "apps/doctor/run_checks.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

TEST_CASE("trainings on bundled datasets give no failure") {
  const Folder folder;
  const std::vector<std::pair<std::string, std::string>> trainings{// and steps, until all four organs are found
                                                                   {"nuclei2d", "100"},
                                                                   {"organs2d", "400"}};
  for (const auto& [name, steps] : trainings) {
    const std::string run = folder.file(name);
    const Outcome outcome =
        program({"train", std::string(VOXGRAD_SOURCE_DIR) + "/data/bundled/" + name + ".h5", "-o", run, "--base", "8",
                 "--depth", "3", "--batch", "4", "--steps", steps, "--seed", "3", "-q"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    const std::string report = report_of(examine_run(run, Device::cpu));  // it may remark that Dice still rises
    CHECK_MESSAGE(!contains(report, "failed  "), name, ": ", report);
  }
}

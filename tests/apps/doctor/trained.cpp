// Trainings on bundled datasets, whose runs the examination finds in order.
// ctest labels: slow
#include "apps/doctor/run_checks.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

TEST_CASE("trainings on bundled datasets give no failure") {
  const Folder folder;
  struct Training {
    std::string name, steps;  // until all four organs are found
  };
  for (const Training& training : {Training{"nuclei2d", "100"}, Training{"organs2d", "250"}}) {
    const std::string &name = training.name, &steps = training.steps;
    const std::string run = folder.file(name);
    const Outcome outcome =
        program({"train", std::string(VOXGRAD_SOURCE_DIR) + "/data/bundled/" + name + ".h5", "-o", run, "--base", "8",
                 "--depth", "3", "--batch", "4", "--steps", steps, "--lr", "0.01", "--seed", "3", "-q"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    const std::string report = report_of(examine_run(run, Device::cpu));  // it may remark that Dice still rises
    CHECK_MESSAGE(!contains(report, "failed  "), name, ": ", report);
  }
}

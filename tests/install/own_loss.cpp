// The program `voxgrad` with one loss more, which is written outside the tree: the squared error of the probabilities
// (Brier score), with a power as its parameter.
#if __has_include("apps/run_program.h")
#include "apps/run_program.h"
#include "losses/core/inputs.h"
#include "losses/core/registry.h"
#else  // as other projects see them
#include "voxgrad/apps/run_program.h"
#include "voxgrad/losses/core/inputs.h"
#include "voxgrad/losses/core/registry.h"
#endif

int main(int count, char** arguments) {
  using namespace voxgrad::losses;
  register_loss({.name = "brier",
                 .family = Family::distribution,
                 .summary = "Power of the error of the probabilities",
                 .formula = "mean_(n,c,i) |p - t|^power",
                 .source = "Brier, Monthly Weather Review 1950",
                 .helps = "probabilities that are to be true frequencies",
                 .fails = "slow at voxels that are confidently wrong",
                 .build = [](Parameters& with) -> Function {
                   const double power = with.number("power", 2, 1, 4, "exponent of the error");
                   return
                       [power](const LossInput& in) { return mean(pow(abs(in.probabilities() - in.truth()), power)); };
                 }});
  return voxgrad::apps::run_program(count, arguments);
}

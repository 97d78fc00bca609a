// What the checks of `doctor` and of a training say when something is wrong. A check looks at one thing that makes a
// training fail in silence ("all black", "Dice 0", "NaN") and names the cause. There is one file for each group of
// checks: data_checks (a dataset), training_checks (the first batches of a plan), run_checks (a finished or broken
// run).
#pragma once

#include <string>
#include <vector>

#include "apps/program/json.h"

namespace voxgrad::apps {

struct Finding {
  std::string check;    // its name: "leakage"
  bool failure = true;  // false: a remark, after which a training may still be good
  std::string what;     // a sentence: what is wrong, with the values that were seen and those that were expected
  std::string where;    // the split, case, class or layer
  std::string why;      // a sentence: what a training would make of it
  std::string remedy;   // a sentence or a command: what to do
  std::string picture;  // the PNG file that shows it; empty if there is none
};

// {check, failure, what, where, why, remedy, picture}
Json to_json(const std::vector<Finding>& findings);
// A paragraph for each finding, failures first, and a last line with their number.
std::string report_of(const std::vector<Finding>& findings);

}  // namespace voxgrad::apps

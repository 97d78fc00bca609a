// Judges the check of an exercise: what is shipped must be open, the right answer must pass, and each wrong answer must
// be refused.
//
// An answer is a template with the number of a mistake. Number 0 is right, and every other one differs from it in one
// place, as the answers of people do.
#pragma once

#include <vector>

#include "tests/apps/examples/report.h"
#include "tests/test.h"

namespace voxgrad::learn {

template <class Check, class Answer>
void judge(Check&& check, const Answer& right, const std::vector<Answer>& wrong) {
  Report shipped;
  check(shipped, Answer{});
  for (const Part& part : shipped.parts())
    CHECK_MESSAGE(part.open, part.name, " is filled in; put the line not_filled(..) back before you commit");
  Report passing;
  check(passing, right);
  for (const Part& part : passing.parts()) CHECK_MESSAGE(part.problem.empty(), part.name, ": ", part.problem);
  CHECK(wrong.size() >= 3);
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    Report refusing;
    check(refusing, wrong[i]);
    std::string problems;
    for (const Part& part : refusing.parts())
      if (!part.open) problems += part.problem;
    CHECK_MESSAGE(!problems.empty(), "wrong answer ", i + 1, " passes");
  }
}

}  // namespace voxgrad::learn

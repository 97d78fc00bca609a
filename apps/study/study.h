// What the papers claim about segmentation losses, as experiments that take seconds. Each claim is one file of this
// folder. It computes with the losses of this library, compares what it measured with what the claim says, and draws a
// picture. Claims about whole trainings need hours, and are in apps/comparison/FINDINGS.md.
#pragma once

#include <string>
#include <vector>

#include "apps/program/json.h"

namespace voxgrad::apps {

// A number that was measured, and what the claim says of it.
struct StudyCheck {
  enum class Relation { equal, at_most, at_least };
  std::string quantity;
  double measured;
  Relation relation;
  double claimed;
  double tolerance = 0;  // of equal
  bool holds() const;    // never for NaN
};

struct Evidence {
  std::vector<StudyCheck> checks;
  std::string picture, caption;  // SVG, plain text
  bool holds() const;            // whether all checks do; false without any
};

struct Claim {
  std::string name;       // a-z, 0-9 and _
  std::string statement;  // a sentence
  std::string source;     // paper and place
  std::string method;     // what is computed
  Evidence (*examine)();  // the same numbers at every call, on one machine
};
// All claims, in the order in which they build on each other.
const std::vector<Claim>& claims();

struct Examined {
  const Claim* claim;
  Evidence evidence;
  double seconds;
};
Examined examine(const Claim& claim);

std::string study_text(const Examined& examined);
Json study_json(const std::vector<Examined>& all);
// A page for all of them (apps/report/html.h).
std::string study_page(const std::vector<Examined>& all);

}  // namespace voxgrad::apps

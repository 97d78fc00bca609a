// Writes report.html, the report of a comparison.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/answers.h"

namespace voxgrad::apps {

// Writes DIRECTORY/report.html and returns its path. `redraw`: predicts the shown cases anew; else pictures that lie in
// DIRECTORY/overlays are taken. Error(io).
std::string write_report(const Comparison& comparison, const std::vector<Analysis>& analyses, const Answers& answers,
                         const std::string& directory, bool redraw);

// The sections of the report, each HTML.
std::string ranking_section(const std::vector<Analysis>& analyses);
std::string heat_map_section(const std::vector<Analysis>& analyses);
std::string answers_section(const Answers& answers);
std::string metrics_section(const Comparison& comparison, const std::vector<Analysis>& analyses);
std::string protocol_section(const Comparison& comparison, const std::vector<Analysis>& analyses);

}  // namespace voxgrad::apps

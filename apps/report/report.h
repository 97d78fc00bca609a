// Writes report.html, the report of a comparison.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/answers.h"

namespace voxgrad::apps {

// Writes DIRECTORY/report.html and returns its path. With `redraw` it predicts the shown cases anew, else it takes the
// pictures in DIRECTORY/overlays. Throws Error(io) if the page cannot be written.
std::string write_report(const Comparison& comparison, const std::vector<Analysis>& analyses, const Answers& answers,
                         const std::string& directory, bool redraw);

// Return the sections of the report as HTML.
std::string ranking_section(const std::vector<Analysis>& analyses);
std::string heat_map_section(const std::vector<Analysis>& analyses);
std::string answers_section(const Answers& answers);
std::string metrics_section(const Comparison& comparison, const std::vector<Analysis>& analyses);
std::string protocol_section(const Comparison& comparison, const std::vector<Analysis>& analyses);

}  // namespace voxgrad::apps

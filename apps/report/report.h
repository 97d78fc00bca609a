// Writes report.html, the report of a comparison.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/answers.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

// Writes DIRECTORY/report.html and DIRECTORY/paper (paper/paper.h), and returns the path of the page. With `redraw` it
// predicts the shown cases anew, on `device`, else it takes the pictures in DIRECTORY/overlays. Throws Error(io) if a
// file cannot be written.
std::string write_report(const Comparison& comparison, const std::vector<Analysis>& analyses, const Answers& answers,
                         const std::string& directory, bool redraw, Device device = Device::cpu);

// Return the sections of the report as HTML; empty if there is nothing to show.
std::string ranking_section(const std::vector<Analysis>& analyses);
std::string heat_map_section(const std::vector<Analysis>& analyses);
std::string answers_section(const Answers& answers, const Analysis& all);
std::string metrics_section(const Comparison& comparison, const std::vector<Analysis>& analyses);
std::string protocol_section(const Comparison& comparison, const std::vector<Analysis>& analyses);
// "1a2b3c4d 5e6f7081", by which a dataset is known again; empty in results of earlier versions.
std::string checksums_words(const ComparedDataset& dataset);
// The names of the datasets on which no validation chose an epoch, so that the weights of the last one were tested.
std::vector<std::string> without_choice_of_epoch(const Comparison& comparison);

}  // namespace voxgrad::apps

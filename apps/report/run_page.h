// Writes report.html, the page of a training: what was learned, as numbers, curves and pictures, and with which
// settings.
#pragma once

#include <string>

#include "data/dataset.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

// Draws the page from what is in the run directory (run_record.h) and from the dataset, of which it segments at most 27
// cases with the best weights. Writes DIRECTORY/report.html and DIRECTORY/overlays/*.png and returns the path of the
// page. `dataset` is that of the run if it is open already. Otherwise it is opened; if it is not where it was, or has
// another content, the page has no pictures and says why. Throws Error(io) if a file cannot be written, and what
// read_run() and Dataset throw for damaged files.
std::string write_run_page(const std::string& directory, Device device, const data::Dataset* dataset = nullptr);

}  // namespace voxgrad::apps

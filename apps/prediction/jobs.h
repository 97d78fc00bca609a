// What a prediction reads and which files it writes, all of it decided before the first image is read. No file is
// written by two inputs, and no input and no model is overwritten.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/exchange/source.h"

namespace voxgrad::apps {

struct JobOptions {
  std::string out;                       // a file, or a folder for several inputs
  std::string axes;                      // DiscoverOptions::axes
  std::vector<std::string> class_names;  // of the model
  std::int64_t channels = 1;             // that the model takes
  int dims = 2;                          // spatial axes of the model
  std::string split;                     // of datasets
  bool probabilities = false, logits = false, overlay = false, overwrite = false;
  std::function<void(const std::string&)> note = {};  // receives what was left alone in a folder
};

// One input with its output: a dataset with all its cases, or one image.
struct Job {
  std::string input, output;
  std::optional<data::Source> source;  // nothing for a dataset
  std::string overlay() const;         // the picture beside the output; of a dataset a folder of pictures
};

// Finds the inputs in files and folders. Throws Error(io) for what is not there and for an output in
// a folder that is not, Error(usage) for an output whose kind cannot hold the result, for two inputs with one output,
// for options that mean nothing to an input, and for an output that exists (unless it is an earlier prediction in HDF5
// that was named itself). `kept` are files that must not be overwritten: the models.
std::vector<Job> plan_jobs(const std::vector<std::string>& inputs, const std::vector<std::string>& kept,
                           const JobOptions& options);

}  // namespace voxgrad::apps

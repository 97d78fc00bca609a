// `voxgrad import WEIGHTS.safetensors --weights KIND` makes a model of the weights of a network that was trained
// elsewhere (nn/exchange/foreign.h), for `predict`, `evaluate` and `export`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/program/command_line.h"

namespace voxgrad::apps {

// What weights do not say, and the command line has to.
struct WeightsImport {
  std::string kind, patch, normalisation = "case";
  std::optional<double> slope;
};

void add_weights_flags(CLI::App& verb, WeightsImport& flags);
// Writes the model; if `out` is empty, it only says what it would be. `axes` is the order in which the network took the
// axes of its images, "XYZ" or "ZYX", "XY" or "YX"; empty: as the readers of its kind give them. `spacing` is what they
// were resampled to; empty: nothing. Error(model) lists what does not fit.
void import_weights(const WeightsImport& flags, const std::vector<std::string>& paths, const std::string& out,
                    const std::string& axes, const std::string& spacing, std::vector<std::string> class_names,
                    const Common& common);

}  // namespace voxgrad::apps

// The preparation of the images of a training: facts that its rules go by, and the change of every case by the function
// that the predictions use too (nn/inference/preparation.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/training/config.h"
#include "apps/training/preparation_rules.h"
#include "apps/training/rules.h"
#include "data/dataset.h"
#include "nn/inference/preparation.h"

namespace voxgrad::apps {

// Takes the facts about the training cases, of which there must be at least one. With `read`, at most 64 of them,
// evenly spread, are read, each once; of each a part of the foreground voxels is looked at, a million in all.
PreparationFacts take_preparation_facts(const data::Dataset& dataset, const std::vector<std::int64_t>& cases,
                                        bool read);

// What a plan has read of the cases. Further plans for the same cases, whose settings of crop and normalisation are the
// same, need not read them again.
struct CasesRead {
  std::optional<PreparationFacts> facts;
  std::optional<nn::TrainingImages> images;
  std::vector<double> fractions;  // of the voxels, for each class; empty until a loss asks for them
};

// What make_plan() knows of the prepared training cases.
struct PreparedShapes {
  std::vector<Shape> shapes;
  std::vector<std::vector<double>> spacings;
  std::vector<Reason> reasons;  // of crop, spacing and normalise
};
// Fills in the settings crop, spacing and normalise, and what the model keeps of them. Returns the shapes of the
// prepared training cases; if they are cropped, those of the cases that were read. Cases are read only if a setting
// needs it. Throws Error(usage) for a setting that cannot be read, Error(data) that names a case of `others` or of the
// training that cannot be resampled. `source` is the model of --from, if there is one: if the data ask for the kind of
// normalisation that it has, and have as many channels, its statistics are taken, and crop and spacing unless asked.
// The facts are taken from `known`, or written there.
PreparedShapes plan_preparation(TrainConfig& config, nn::ModelSpec& model, const data::Dataset& dataset,
                                const std::vector<std::int64_t>& train, const std::vector<std::int64_t>& others,
                                const nn::ModelSpec* source, CasesRead& known);

// Whether two models normalise the same kind of images in the same way, so that weights of one suit those of the other.
bool same_kind(const nn::ModelSpec& a, const nn::ModelSpec& b);

// Prepares image, label, probabilities of labels and spacing of a case. Errors name the case.
void prepare_case(const nn::ModelSpec& model, int ignore, data::Case& one);

// The extents of a case after resampling; it is not read, so a crop is not taken into account.
Shape resampled_extents(const nn::ModelSpec& model, const data::DatasetInfo& info, std::int64_t index);

// The spacing of an image as the model may go by it: none if one of the two is in pixels and the other in millimetres.
std::vector<double> comparable_spacing(const nn::ModelSpec& model, const std::vector<double>& spacing, bool physical);

}  // namespace voxgrad::apps

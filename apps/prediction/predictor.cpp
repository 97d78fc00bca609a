#include "apps/prediction/predictor.h"

#include <algorithm>

#include "apps/program/signals.h"
#include "apps/program/words.h"
#include "apps/training/preparation.h"
#include "apps/training/suitability.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/names.h"
#include "engine/ops.h"
#include "nn/inference/clean_up.h"
#include "nn/inference/preparation.h"

namespace voxgrad::apps {
namespace {

// What models must have in common.
std::string described(const nn::ModelSpec& spec) {
  std::vector<std::string> classes;
  for (std::size_t c = 0; c < spec.class_names.size(); ++c) {
    const auto value = spec.training.class_values.empty() ? static_cast<std::int64_t>(c)
                                                          : static_cast<std::int64_t>(spec.training.class_values[c]);
    classes.push_back(text(spec.class_names[c], " (", value, ')'));
  }
  return text(spec.net.dims, " axes, ", count_text(spec.net.in_channels, "channel"), " and the classes ",
              join(classes, ", "));
}

}  // namespace

Predictor::Predictor(const std::vector<std::string>& files, Device device) {
  for (const std::string& file : files) models_.push_back(nn::load_model(file, device));
  for (const nn::Model& model : models_)
    if (described(model.spec) != described(spec()))
      throw Error(ErrorKind::model,
                  text("no mean of ", path(), " and ", model.path, ": the first has ", described(spec()),
                       ", the other ", described(model.spec)),
                  "average models that were trained for the same classes, on images of one kind");
}

std::vector<std::string> Predictor::paths() const {
  std::vector<std::string> result;
  for (const nn::Model& model : models_) result.push_back(model.path);
  return result;
}

bool Predictor::agrees() const {
  const auto same = [&](const nn::Model& model) { return model.spec.clean_up == spec().clean_up; };
  return std::all_of(models_.begin(), models_.end(), same);
}

bool Predictor::mirrors(std::optional<bool> asked) const {
  const auto does = [&](const nn::Model& model) { return asked.value_or(model.spec.mirror); };
  return std::any_of(models_.begin(), models_.end(), does);
}

void Predictor::require_mirrors() const {
  for (const nn::Model& model : models_) require_mirror_axes(model);
}

Tensor Predictor::operator()(const Tensor& image, const std::vector<double>& spacing, bool physical,
                             const nn::PredictOptions& options, const nn::SlabSink& also) const {
  const auto apply = [&](const nn::Model& model, nn::Scores scores, auto&& segment, const nn::SlabSink& next) {
    nn::PredictOptions one = options;
    one.scores = scores;
    one.clean_up = options.clean_up && models_.size() == 1;  // else the mean is cleaned up
    one.spacing = comparable_spacing(model.spec, spacing, physical);
    one.progress = [](double) {  // after each window
      if (const int signal = pending_signal()) throw Interrupted{signal};
    };
    return segment(model, image, one, next);
  };
  if (models_.size() == 1)  // logits save the softmax
    return apply(first(), also ? options.scores : nn::Scores::logits, nn::predict_in_place, also);
  const Tensor sum = zeros(image.shape().with(-1, spec().net.classes));
  const nn::SlabSink add = [&](std::int64_t row, const Tensor& slab) {
    const Shape zero = Shape::filled(slab.dims(), 0);
    sum.backend().copy_box(slab, zero, sum, zero.with(0, row), slab.shape(), true);
  };
  for (const nn::Model& model : models_) static_cast<void>(apply(model, nn::Scores::probabilities, nn::predict, add));
  const Tensor labels = empty(image.shape().without(-1), DType::u8);
  const std::int64_t rows = spec().window[0];
  for (std::int64_t row = 0; row < sum.extent(0); row += rows) {
    const Tensor mean =
        slice(sum, 0, row, std::min(row + rows, sum.extent(0))) * (1.0 / static_cast<double>(models_.size()));
    const Tensor found = argmax(mean);
    const Shape zero = Shape::filled(found.dims(), 0);
    labels.backend().copy_box(found, zero, labels, zero.with(0, row), found.shape(), false);
    if (also) also(row, options.scores == nn::Scores::logits ? nn::logits_of(mean) : mean);
  }
  if (options.clean_up) nn::clean_up(labels, clean_up(), spec().net.classes);
  return labels;
}

}  // namespace voxgrad::apps

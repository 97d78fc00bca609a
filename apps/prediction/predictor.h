// One model, or several whose probabilities are averaged. The mean is cleaned up as all of them say; if they say
// different things, it is not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/inference/windows.h"

namespace voxgrad::apps {

class Predictor {
 public:
  // Reads the models. Error(model) if their classes, label values, axes or channels differ.
  Predictor(const std::vector<std::string>& files, Device device);

  const std::vector<nn::Model>& models() const { return models_; }
  const nn::Model& first() const { return models_.front(); }
  const nn::ModelSpec& spec() const { return first().spec; }
  const std::string& path() const { return first().path; }
  std::vector<std::string> paths() const;
  // Whether all models have the same clean-up, and which; none if they differ.
  bool agrees() const;
  nn::CleanUp clean_up() const { return agrees() ? spec().clean_up : nn::CleanUp{}; }
  // Whether one of the models or more averages over mirrored images.
  bool mirrors(std::optional<bool> asked) const;
  // Error(usage) if one of them does not say along which axes.
  void require_mirrors() const;

  // Returns the labels u8 [*S] of an image [*S, C], which is changed if there is one model. Its spacing, per axis, is
  // in mm if `physical`, else in pixels. `also` receives the scores (nn::predict). Throws Interrupted after a signal,
  // when the window is done.
  Tensor operator()(const Tensor& image, const std::vector<double>& spacing, bool physical,
                    const nn::PredictOptions& options, const nn::SlabSink& also = {}) const;

 private:
  std::vector<nn::Model> models_;
};

}  // namespace voxgrad::apps

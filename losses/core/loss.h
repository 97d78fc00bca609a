// A loss as the rest of the program sees it: parsed from text once, then called with logits and labels.
//   Loss loss = make_loss("0.7*dice:background=0+1.3*ce:weights=0.2/1/3");
//   Tensor value = loss(logits, labels);  value.backward();
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "losses/core/context.h"

namespace voxgrad::losses {

class Loss {
 public:
  struct Term;
  Loss(std::vector<std::shared_ptr<const Term>> terms, std::string text)
      : terms_(std::move(terms)), text_(std::move(text)) {}
  // logits f32|f64 [N, *S, C], C = 1: one sigmoid channel. labels: u8 [N, *S], or soft ones: f32|f64 [N, *S, C], the
  // probability of each class. They add up to 1 at a voxel, or, of several channels, are all 0: ignored. Returns a
  // scalar f64 tensor, differentiable with respect to the logits. Error(argument) where soft labels have no meaning.
  [[nodiscard]] Tensor operator()(const Tensor& logits, const Tensor& labels, const Context& context = {}) const;
  // The canonical text, which names every parameter, whether it was set or not.
  [[nodiscard]] const std::string& text() const { return text_; }
  // Keys of the fields that the terms will ask for (losses/core/fields.h), each once, sorted.
  [[nodiscard]] std::vector<std::string> fields() const;
  [[nodiscard]] bool geometric() const;  // whether one of the terms is (losses/core/registry.h)

 private:
  std::vector<std::shared_ptr<const Term>> terms_;
  std::string text_;
};

// Error(usage) with a did-you-mean for an unknown name or parameter, and with the range for a value outside it.
Loss make_loss(const std::string& text);

}  // namespace voxgrad::losses

// A loss as the rest of the program sees it: parsed from text once, called with logits and labels.
//   Loss loss = make_loss("0.7*dice:background=0+1.3*ce:weights=0.2/1/3");
//   Tensor value = loss(logits, labels);  value.backward();
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

// What comes with the data and the run, not with the text of a loss.
struct Context {
  std::vector<double> spacing;          // per spatial axis, millimetres; empty: 1
  int ignore = -1;                      // label that is left out of everything; -1: none. `ignore=` in the text wins.
  std::vector<double> class_fractions;  // of the training set, for weights=inverse|sqrt|median; empty: unknown
  double epoch = 0;                     // for scheduled losses
  // Maps that were made of the labels of the whole case and cut out with the patch: key -> [N, *S, K] as make_field
  // gives it (losses/terms/fields.h). A loss makes what is missing here from the labels it gets.
  std::map<std::string, Tensor> fields;
};

class Loss {
 public:
  struct Term;
  explicit Loss(std::vector<std::shared_ptr<const Term>> terms, std::string text);
  // logits f32|f64 [N, *S, C], C = 1: one sigmoid channel; labels u8 [N, *S]. A scalar f64 tensor, differentiable
  // with respect to the logits.
  Tensor operator()(const Tensor& logits, const Tensor& labels, const Context& context = {}) const;
  // The text in canonical form: every parameter, default or not.
  const std::string& text() const { return text_; }
  // Keys of the fields that its terms will ask for, each once, sorted.
  std::vector<std::string> fields() const;

 private:
  std::vector<std::shared_ptr<const Term>> terms_;
  std::string text_;
};

// Error(usage) with a did-you-mean for an unknown name or parameter, and the range for a value outside it.
Loss make_loss(const std::string& text);

}  // namespace voxgrad::losses

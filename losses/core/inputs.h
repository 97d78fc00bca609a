// What the function of a loss receives. The options that mean the same in every loss (CommonOptions) are obeyed here,
// once: which label is ignored, whether the background counts, whether sums run over the batch or over the classes,
// class weights, and what an absent class contributes.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "engine/integrands.h"
#include "engine/ops.h"
#include "losses/core/context.h"
#include "losses/core/parameters.h"

namespace voxgrad::losses {

// An integral with the parameter and the class weights of its integrand, or with a field.
[[nodiscard]] Integral row(Integrand kind, double a, const Tensor& weights = {});
[[nodiscard]] Integral row(Integrand kind, const Tensor& field);

// One argument of LossInput::integrals. It refers to the Integral, which must outlive the call.
struct RowView {
  RowView(Integrand plain) : kind(plain) {}                  // NOLINT: implicit on purpose
  RowView(const Integral& of) : kind(of.kind), full(&of) {}  // NOLINT
  Integrand kind;
  const Integral* full = nullptr;
};

class LossInput {
 public:
  LossInput(const Tensor& logits, const Tensor& labels, const Context& context, const CommonOptions& options);

  // Integrals over the voxels (engine/integrands.h), one tensor for each of `rows` (Integrand or Integral), all in one
  // pass. N' is the number of samples, 1 with batch=1.
  //   scopes channel and complement: [N', C'], C' without the background if background=0, 1 with pool_classes=1
  //   scope truth: [N', C], every class; [N', 1] for one sigmoid channel
  //   auto [I, P] = in.integrals(Integrand::overlap, Integrand::mass);
  template <class... Rows>
  [[nodiscard]] std::array<Tensor, sizeof...(Rows)> integrals(const Rows&... rows) const {
    std::array<Tensor, sizeof...(Rows)> sums;
    integrate_rows({rows...}, sums.data());
    return sums;
  }

  // Mean of f [N', C'] over samples and classes, times the class weight. Entries without truth (G = 0) count as the
  // option `absent` says. A scalar.
  [[nodiscard]] Tensor mean_of_classes(const Tensor& f, const Tensor& G) const;
  // sum / count, each added up over all entries; 0 if nothing is counted. A scalar.
  [[nodiscard]] Tensor mean_of_voxels(const Tensor& sum, const Tensor& count) const;

  // f64 [C], or [2] for one sigmoid channel: the weights of label 0 and label 1. Undefined without weights.
  [[nodiscard]] Tensor class_weights() const;
  [[nodiscard]] Tensor constant(const std::vector<double>& values) const;  // f64 [values], on the device of the logits
  [[nodiscard]] double valid_voxels() const;                               // voxels of the batch that are not ignored
  [[nodiscard]] int channels() const { return static_cast<int>(logits_.extent(-1)); }
  [[nodiscard]] const Tensor& logits() const { return logits_; }
  [[nodiscard]] const std::vector<double>& spacing() const { return context_.spacing; }  // empty: 1
  // The field `key` (losses/core/fields.h), [N, *S, K] in the type of the logits. It comes from the context or, if it
  // is missing there, is made from the labels. The loss declares it with Parameters::field.
  [[nodiscard]] Tensor field(const std::string& key) const;
  // [N', C'] or a map without the background, also where the option `background` counts it.
  [[nodiscard]] Tensor foreground(const Tensor& x) const;
  [[nodiscard]] Tensor progress() const;  // Context::progress, on the device of the logits

  // --- Maps, for losses that are more than integrals. All but hinge_errors (1) are 0 at ignored voxels. ---
  // The integrand of a row: [N, *S, C], or [N, *S, 1] in scope truth. Differentiable.
  [[nodiscard]] Tensor map(RowView row) const;
  // max(0, 1 - s (2 t - 1)), s the log-odds of a class. [N, *S, C]; of two classes [N, *S, 1] if only one of them
  // counts. Differentiable.
  [[nodiscard]] Tensor hinge_errors() const;
  [[nodiscard]] Tensor probabilities() const;           // [N, *S, C]. Differentiable.
  [[nodiscard]] Tensor valid() const;                   // [N, *S, 1]: 0 at ignored voxels, else 1
  [[nodiscard]] Tensor known(const Tensor& map) const;  // the map with 0 at ignored voxels
  // Whether the truth is probabilities. An integral is then its mean over labels that are drawn from them.
  [[nodiscard]] bool soft_labels() const { return labels_.dtype() != DType::u8; }
  // t with the share `smoothing` of it spread evenly over the classes. [N, *S, C]
  [[nodiscard]] Tensor truth(double smoothing = 0) const;
  // A map [N, *S, C] without the background if that does not count.
  [[nodiscard]] Tensor counted(const Tensor& map) const;
  // A map, counted or not, added up over space: f64 [N', C'], as integrals() returns it.
  [[nodiscard]] Tensor sums(const Tensor& map) const;
  [[nodiscard]] Tensor lovasz_slope(const Tensor& errors, bool per_image) const;  // engine/ops.h
  // The predicted mask of every class, either p > 0.5 or the likeliest class, and the distance to its border.
  struct Prediction {
    Tensor mask, distance;  // [N, *S, C]
  };
  [[nodiscard]] Prediction prediction(bool threshold) const;

  // The same input with p = softmax(temperature * logits), or with sums per sample, whatever the option `batch` says.
  [[nodiscard]] LossInput at_temperature(double temperature) const;
  [[nodiscard]] LossInput per_sample() const;

 private:
  void integrate_rows(std::initializer_list<RowView> rows, Tensor* sums) const;
  template <class F>
  Tensor over_labels(const std::vector<Integral>& rows, const F& of) const;
  Tensor by_class(Tensor sums) const;
  std::vector<int> classes(int first) const;
  bool drops_background() const { return !options_.background && channels() > 1; }
  const Tensor& logits_;
  const Tensor& labels_;
  const Context& context_;
  const CommonOptions& options_;
  IntegrateOptions integrate_;
  bool batch_;
  std::vector<double> weights_;  // empty: none
};

}  // namespace voxgrad::losses

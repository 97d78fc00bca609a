// What a loss function receives. The options that mean the same in every loss are obeyed here, once: which label is
// ignored, whether the background counts, whether sums run over the batch or over the classes, class weights, and
// what an absent class does. A loss only declares them (namespace common) and never asks for their values.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engine/integrands.h"
#include "engine/ops.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {

// Declarations of the common options.
namespace common {
Parameter background(bool standard = true);
Parameter batch(bool standard = false);
Parameter pool_classes();
Parameter absent();
Parameter weights(const std::string& meaning);
std::vector<Parameter> everywhere();  // ignore; the registry appends it to every loss
}  // namespace common

// Their values.
struct CommonOptions {
  explicit CommonOptions(const std::string& loss_name, const Parameters& parameters);
  std::string loss;  // for messages
  bool background = true;
  bool batch = false;
  bool pool_classes = false;
  std::string absent = "keep";
  std::string weighting = "none";  // word of `weights`, empty if `weights` has numbers
  std::vector<double> weights;
  int ignore = -1;
};

inline Integral to_row(Integrand kind) { return {.kind = kind, .a = 0, .weights = {}, .field = {}}; }
inline Integral to_row(Integral row) { return row; }
inline Integral row(Integrand kind, double a, Tensor weights = {}) {
  return {.kind = kind, .a = a, .weights = std::move(weights), .field = {}};
}

class LossInput {
 public:
  LossInput(const Tensor& logits, const Tensor& labels, const Context& context, const CommonOptions& options);

  // Integrals over the voxels (engine/integrands.h), one tensor for each of `rows` (Integrand or Integral), all in one
  // pass. N' is the number of samples, 1 with batch=1.
  //   scopes channel and complement: [N', C'], C' without the background if background=0, 1 with pool_classes=1
  //   scope truth: [N', C], every class; [N', 1] for one sigmoid channel
  //   auto [I, P] = in.integrals(Integrand::overlap, Integrand::mass);
  template <class... Rows>
  std::array<Tensor, sizeof...(Rows)> integrals(const Rows&... rows) const {
    const std::vector<Tensor> sums = integrate_rows({to_row(rows)...});
    std::array<Tensor, sizeof...(Rows)> result;
    std::copy(sums.begin(), sums.end(), result.begin());
    return result;
  }

  // Mean of f [N', C'] over samples and classes, times the class weight; entries without truth (G = 0) as `absent`
  // says. A scalar.
  Tensor mean_of_classes(const Tensor& f, const Tensor& G) const;
  // sum / count, each added up over everything; 0 if nothing is counted. A scalar.
  Tensor mean_of_voxels(const Tensor& sum, const Tensor& count) const;

  // f64 [C], [2] for one sigmoid channel: the weights of label 0 and label 1. Undefined without weights.
  Tensor class_weights() const;
  Tensor constant(const std::vector<double>& values) const;  // f64 [values], where the logits are
  double valid_voxels() const;                               // of the batch
  int channels() const { return static_cast<int>(logits_.extent(-1)); }
  // The field `key` (losses/terms/fields.h), [N, *S, K] in the type of the logits: from the context, else made from the
  // labels. Name it in Spec::fields, so that it is made once per case and not once per step.
  Tensor field(const std::string& key) const;
  // f [N', C'] without the background, also where the option `background` counts it.
  Tensor foreground(const Tensor& f) const;
  double epoch() const { return context_.epoch; }

  // --- Maps, for losses that are more than integrals. All are 0 at ignored voxels. ---
  // A row before it is added up: [N, *S, C], [N, *S, 1] in scope truth. Differentiable.
  Tensor map(const Integral& row) const;
  // max(0, 1 - s (2 t - 1)), s the log-odds of a class. [N, *S, C]; of two classes [N, *S, 1], if only one of them
  // counts. Differentiable.
  Tensor hinge_errors() const;
  Tensor probabilities() const;                                      // [N, *S, C]. Differentiable.
  bool soft_labels() const { return labels_.dtype() != DType::u8; }  // which have no integrals
  // t, with `smoothing` of it spread evenly over the classes; soft labels as they were given. [N, *S, C]
  Tensor truth(double smoothing = 0) const;
  // A map [N, *S, C] without the background if that does not count.
  Tensor counted(const Tensor& map) const;
  // A map, counted or not, added up over space, f64 [N', C'] like integrals().
  Tensor sums(const Tensor& map) const;
  // [N, *S, width]: the row of each voxel's label in a table of max(C, 2) rows.
  Tensor lookup(std::vector<double> table, std::int64_t width) const;
  Tensor lovasz_slope(const Tensor& errors, bool per_image) const;  // engine/ops.h
  // The predicted mask of every class, p > 0.5 or the likeliest class, and the distance to its border. [N, *S, C]
  struct Prediction {
    Tensor mask, distance;
  };
  Prediction prediction(bool threshold) const;

  // The same input with p = softmax(temperature * logits).
  LossInput at_temperature(double temperature) const;

 private:
  std::vector<Tensor> integrate_rows(const std::vector<Integral>& rows) const;
  Tensor by_class(Tensor sums) const;
  bool drops_background() const { return !options_.background && channels() > 1; }
  const Tensor& logits_;
  const Tensor& labels_;
  const Context& context_;
  const CommonOptions& options_;
  IntegrateOptions integrate_;
  std::vector<double> weights_;  // empty: none
};

}  // namespace voxgrad::losses

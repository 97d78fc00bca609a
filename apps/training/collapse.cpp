#include "apps/training/collapse.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "apps/training/layers.h"
#include "engine/backend.h"
#include "engine/ops.h"
#include "losses/core/grammar.h"

namespace voxgrad::apps {
namespace {

constexpr double kHugeInput = 1e6;   // normalised values are a few units
constexpr double kGrown = 100;       // no training that works makes the norm of the weights so many times larger
constexpr double kUsualRate = 1e-3;  // with which most trainings work

struct Cause {
  std::string what, remedy;
};

// The schedule has made the rate of the step of --lr, so that one a tenth as large says nothing about --lr.
std::string smaller_rate(const FailedStep& step) {
  return text("try a smaller --lr, for instance ", significant(std::min(step.plan.config.lr / 10, kUsualRate), 2),
              step.plan.on_nan == OnNan::stop ? ", or --on-nan skip or rollback" : "");
}

bool is_finite(const Tensor& x) { return std::isfinite(x.backend().sum_of_squares(x)); }

Cause cause_in_input(const FailedStep& step) {
  const Tensor& images = step.batch.images;
  for (std::int64_t n = 0; n < images.extent(0); ++n) {
    const Magnitude seen = magnitude_of(slice(images.detach(), 0, n, n + 1));
    if (seen.finite && seen.largest <= kHugeInput) continue;
    const std::string id = nth(step.batch.ids, n);
    return {text("patch ", n, " of the batch (case \"", id, "\") has ",
                 seen.finite ? text("the value ", significant(seen.largest)) : "a value that is not finite",
                 " after the normalisation; a few units are usual"),
            text("look at the intensities of case \"", id,
                 "\" and mend or leave out what is no measurement; a smaller --lr does not help")};
  }
  return {};
}

Cause cause_in_weights(const FailedStep& step) {
  const std::string name = broken_weight(step.net);
  if (!name.empty())
    return {text(name, " is not finite after a step at the learning rate ", significant(step.lr)), smaller_rate(step)};
  const double norm = weight_norm(step.net), growth = norm / step.first_norm;
  if (!(growth > kGrown)) return {};
  return {text("the norm of the weights is ", significant(norm), ", ", significant(growth, 2),
               " times that before the first step, so the learning rate ", significant(step.lr), " is too large"),
          smaller_rate(step)};
}

Cause cause_in_layers(const FailedStep& step) {
  std::string first, before = "the input";
  double largest = magnitude_of(step.batch.images).largest;
  visit_layers(step.net, step.batch.images, [&](const std::string& layer, const Tensor& map) {
    if (!first.empty()) return;
    const Magnitude seen = magnitude_of(map);
    if (!seen.finite) {
      first = layer;
    } else if (seen.largest > largest) {
      largest = seen.largest;
      before = layer;
    }
  });
  if (first.empty()) return {};
  const bool unbounded = step.plan.model.net.norm == nn::Norm::none;
  return {text("the forward pass overflows, first in ", first, "; the largest value before it is ",
               significant(largest), ", in ", before),
          smaller_rate(step) + (unbounded ? ", or --norm instance, which bounds the values of a layer" : "")};
}

// Does the forward pass of the step once more, with the same dropout. Batch norm moves its running statistics in it, so
// they are set back.
std::vector<Tensor> logits_of(const FailedStep& step) {
  const NoGrad no_grad;
  std::vector<NamedTensor> kept = step.net.buffers();
  for (NamedTensor& entry : kept) entry.tensor = entry.tensor.clone();
  step.net.set_step(step.plan.config.seed, step.number);
  std::vector<Tensor> logits = step.net.outputs(step.batch.images.to(step.plan.config.amp ? DType::bf16 : DType::f32));
  const std::vector<NamedTensor> buffers = step.net.buffers();
  for (std::size_t i = 0; i < kept.size(); ++i) copy_into(buffers[i].tensor, kept[i].tensor);
  return logits;
}

Cause cause_in_loss(const FailedStep& step) {
  const std::vector<Tensor> logits = logits_of(step);
  const std::vector<std::string> terms = terms_of(step.plan.config.loss);
  for (const std::string& term : terms) {
    std::vector<Tensor> leaves;
    for (const Tensor& map : logits) leaves.push_back(map.detach().set_requires_grad());
    const Tensor value = batch_loss(losses::make_loss(term), leaves, step.batch.truths, step.context);
    const std::string name = terms.size() > 1 ? text("the term ", term) : text("the loss ", term);
    const std::string remedy =
        text("try other parameters of ", term,
             step.plan.on_nan == OnNan::skip ? " or another --loss" : ", another --loss, or --on-nan skip");
    if (!std::isfinite(value.item()))
      return {text("the output of the network is finite (at most ", significant(magnitude_of(logits[0]).largest),
                   "), but ", name, " is ", word_of(value.item())),
              remedy};
    value.backward();
    for (const Tensor& leaf : leaves)
      if (leaf.has_grad() && !is_finite(leaf.grad()))
        return {text(name, " has a derivative that is not finite at a finite output (value ", significant(value.item()),
                     ")"),
                remedy};
  }
  return {};
}

Cause cause_in_gradient(const FailedStep& step) {
  std::string name;  // the backward pass meets the last layers first
  for (const NamedTensor& parameter : step.net.parameters())
    if (!is_finite(parameter.tensor.grad())) name = parameter.name;
  if (name.empty()) return {};
  return {text("the backward pass overflows, first in the gradient of ", name), smaller_rate(step)};
}

Cause cause_of(const FailedStep& step) {
  const Cause layer = cause_in_layers(step);
  for (const auto& look : {cause_in_input, cause_in_weights}) {
    const Cause cause = look(step);
    if (!cause.what.empty()) return {cause.what + (layer.what.empty() ? "" : "; " + layer.what), cause.remedy};
  }
  if (!layer.what.empty()) return layer;
  const Cause loss = cause_in_loss(step);
  return loss.what.empty() ? cause_in_gradient(step) : loss;
}

}  // namespace

Tensor batch_loss(const losses::Loss& loss, std::vector<Tensor> logits, const std::vector<Truth>& truths,
                  losses::Context context) {
  const auto value_of = [&](std::size_t k) {
    context.fields = truths[k].fields;
    context.spacing = truths[k].spacing;
    const Tensor& probabilities = truths[k].probabilities;
    return loss(logits[k], probabilities.defined() ? probabilities : truths[k].labels, context);
  };
  Tensor total = value_of(0);
  double weight = 1, weights = 1;
  for (std::size_t k = 1; k < logits.size(); ++k) {
    weight /= 2;
    weights += weight;
    total = total + weight * value_of(k);
  }
  return total / weights;
}

std::vector<std::string> terms_of(const std::string& loss) {
  std::vector<std::string> terms;
  for (const losses::TermText& term : losses::parse_terms(loss)) {
    std::string words = term.weight == 1 ? term.name : text(term.weight, '*', term.name);
    for (std::size_t i = 0; i < term.settings.size(); ++i)
      words += text(i == 0 ? ':' : ',', term.settings[i].first, '=', term.settings[i].second);
    terms.push_back(std::move(words));
  }
  return terms;
}

Error explained(const std::string& what, const FailedStep& step) {
  const Cause cause = cause_of(step);
  return Error(ErrorKind::diverged, cause.what.empty() ? what : what + ": " + cause.what,
               cause.what.empty() ? smaller_rate(step) : cause.remedy);
}

std::string word_of(double value) { return std::isnan(value) ? "NaN" : value > 0 ? "infinite" : "-infinite"; }

double weight_norm(nn::UNet& net) {
  const Tensor weights = net.flat_parameters();
  return std::sqrt(weights.backend().sum_of_squares(weights));
}

std::string broken_weight(const nn::UNet& net) {
  for (const std::vector<NamedTensor>& list : {net.parameters(), net.buffers()})
    for (const NamedTensor& entry : list)
      if (!is_finite(entry.tensor)) return entry.name;
  return "";
}

}  // namespace voxgrad::apps

#include "losses/core/loss.h"

#include <algorithm>
#include <set>

#include "losses/core/grammar.h"
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {

struct Loss::Term {
  double weight;
  const Spec& spec;
  Parameters parameters;
  Function function;
};

namespace {

// Checks soft labels, unless that would wait for the queue of a device.
void check_probabilities(const Tensor& t) {
  if (t.device() != Device::cpu || t.numel() == 0) return;
  const bool several = t.extent(-1) > 1;  // they add up to 0 or 1; of one channel every share is possible
  const Tensor total = sum(t, {t.dims() - 1}), off = several ? minimum(abs(total), abs(1 - total)) : relu(total - 1);
  const double least = min(t).item(), most = max(off).item();
  check(least >= -1e-3 && most <= 1e-3, "loss: soft labels must be 0..1 and add up to 1 at a voxel, or be 0 there; ",
        "the least is ", least, ", and a sum is off by ", most);
}

}  // namespace

Tensor Loss::operator()(const Tensor& logits, const Tensor& labels, const Context& context) const {
  const bool soft = labels.defined() && labels.dtype() != DType::u8;
  check(logits.dims() < 2 || labels.shape() == (soft ? logits.shape() : logits.shape().without(-1)),
        "loss: labels must be u8 [N, *S], or soft ones like the logits ", logits, ", got ", labels);
  if (soft) check_probabilities(labels);
  const Tensor truth = soft ? labels.to(logits.dtype()).detach() : labels;
  Tensor total;
  for (const auto& term : terms_) {
    if (soft && !term->spec.soft_labels)
      throw Error(
          ErrorKind::argument, voxgrad::text(term->spec.name, ": needs labels u8 [N, *S], got ", labels),
          "probabilities have no borders, and no Lovasz extension; give the likeliest class, or take another loss");
    const Tensor value = term->function(LossInput(logits, truth, context, term->parameters.common()));
    const Tensor weighted = term->weight == 1 ? value : term->weight * value;
    total = total.defined() ? total + weighted : weighted;
  }
  return total;
}

std::vector<std::string> Loss::fields() const {
  std::set<std::string> keys;
  for (const auto& term : terms_) keys.insert(term->parameters.fields().begin(), term->parameters.fields().end());
  return {keys.begin(), keys.end()};
}

bool Loss::geometric() const {
  return std::any_of(terms_.begin(), terms_.end(), [](const auto& term) { return term->spec.geometric; });
}

Loss make_loss(const std::string& text) {
  std::vector<std::shared_ptr<const Loss::Term>> terms;
  std::string canonical;
  for (const TermText& term : parse_terms(text)) {
    const Spec& spec = find_spec(term.name);
    Parameters with(spec.name, term.settings);
    Function function = build_loss(spec, with);
    canonical += (canonical.empty() ? "" : "+") + term_text(term.weight, spec.name, with);
    terms.push_back(std::make_shared<Loss::Term>(Loss::Term{term.weight, spec, std::move(with), std::move(function)}));
  }
  return Loss(std::move(terms), std::move(canonical));
}

}  // namespace voxgrad::losses

#include "losses/core/inputs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/backend.h"
#include "engine/io/file_rules.h"
#include "losses/core/fields.h"

namespace voxgrad::losses {
namespace {

std::vector<double> weights_from(const std::string& weighting, const std::vector<double>& f) {
  std::vector<double> seen, w;
  std::copy_if(f.begin(), f.end(), std::back_inserter(seen), [](double x) { return x > 0; });
  std::sort(seen.begin(), seen.end());
  if (seen.empty()) return std::vector<double>(f.size(), 0.0);
  const std::size_t half = seen.size() / 2;
  const double median = seen.size() % 2 == 1 ? seen[half] : (seen[half - 1] + seen[half]) / 2;
  double mean = 0;
  for (double x : f) {  // a class that never occurs has the weight 0
    w.push_back(x <= 0 ? 0 : weighting == "sqrt" ? 1 / std::sqrt(x) : 1 / x);
    mean += x * w.back();
  }
  for (double& x : w) x *= weighting == "median" ? median : 1 / mean;
  return w;
}

std::vector<double> weights_of(const CommonOptions& options, const Context& context, int channels) {
  const auto& [numbers, word] = options.weights;
  if (word == "none") return {};
  const std::size_t classes = static_cast<std::size_t>(std::max(channels, 2));
  const std::vector<double>& source = word.empty() ? numbers : context.class_fractions;
  if (source.size() != classes)
    throw Error(ErrorKind::usage,
                word.empty() ? text(options.loss, ": weights has ", source.size(), " values for ", classes, " classes")
                             : text(options.loss, ": weights=", word, " needs the fractions of ", classes,
                                    " classes in the training set, ", source.size(), " are known"),
                text("give ", classes, " numbers with '/' between them, as weights=1/5 for two classes"));
  return word.empty() ? source : weights_from(word, source);
}

#define VOXGRAD_SCOPE(name, scope, ...) integrands::Scope::scope,
constexpr integrands::Scope kScopes[] = {VOXGRAD_INTEGRAND_TABLE(VOXGRAD_SCOPE)};  // by Integrand
#undef VOXGRAD_SCOPE

}  // namespace

Integral row(Integrand kind, double a, const Tensor& weights) {
  return {.kind = kind, .a = a, .weights = weights, .field = {}};
}
Integral row(Integrand kind, const Tensor& field) { return {.kind = kind, .a = 0, .weights = {}, .field = field}; }

LossInput::LossInput(const Tensor& logits, const Tensor& labels, const Context& context, const CommonOptions& options)
    : logits_(logits), labels_(labels), context_(context), options_(options), batch_(options.batch) {
  check(logits.defined() && logits.dims() >= 3, options.loss, ": logits must be [N, *S, C], got ", logits);
  require_spacing(options.loss, context.spacing, logits.dims() - 2, logits.extent(0));
  integrate_.ignore = options.ignore >= 0 ? options.ignore : context.ignore;
  if (soft_labels() && integrate_.ignore >= 0 && integrate_.ignore < std::max(channels(), 2))
    throw Error(ErrorKind::usage,
                text(options.loss, ": ignore=", integrate_.ignore, " is a class of label probabilities"),
                "give labels, or set all probabilities to 0 at the voxels that are to be ignored");
  weights_ = weights_of(options, context, channels());
}

Tensor LossInput::field(const std::string& key) const {
  const auto given = context_.fields.find(key);
  if (given == context_.fields.end() || integrate_.ignore != context_.ignore)
    return make_field(key, labels_, channels(), context_.spacing, logits_.dtype(), integrate_.ignore);
  const Tensor& field = given->second;
  check(field.defined() && field.dims() == logits_.dims() && field.shape().with(-1, 1) == logits_.shape().with(-1, 1) &&
            field.device() == logits_.device(),
        options_.loss, ": field ", key, " of the context is ", field, ", the logits are ", logits_);
  return field.to(logits_.dtype());
}

double LossInput::valid_voxels() const {
  if (integrate_.ignore < 0 && !soft_labels()) return static_cast<double>(labels_.numel());
  const NoGrad constant;
  return soft_labels() ? sum(cast(valid(), DType::f64)).item() : sum(integrals(Integrand::weight)[0]).item();
}

LossInput LossInput::at_temperature(double temperature) const {
  LossInput result = *this;
  result.integrate_.temperature = temperature;
  return result;
}

LossInput LossInput::per_sample() const {
  LossInput result = *this;
  result.batch_ = false;
  return result;
}

Tensor LossInput::progress() const {
  return (context_.progress.defined() ? context_.progress : zeros({}, DType::f64)).to(logits_.device());
}

// of(labels, rows), or for soft labels its mean over the labels: of voxels that all have one label, where a row weighs
// each voxel by the probability of that label. Everything that is integrated is linear in the field of its row.
template <class F>
Tensor LossInput::over_labels(const std::vector<Integral>& rows, const F& of) const {
  if (!soft_labels()) return of(labels_, rows);
  Tensor mean;
  const int width = channels(), last = labels_.dims() - 1;
  for (int label = 0; label < std::max(width, 2); ++label) {
    const Tensor t = width > 1 ? slice(labels_, last, label, label + 1) : label == 1 ? labels_ : 1 - labels_;
    std::vector<Integral> weighted = rows;
    for (Integral& row : weighted) row.field = row.field.defined() ? row.field * t : t;
    const Tensor part = of(full(t.shape().without(-1), label, DType::u8, t.device()), weighted);
    mean = mean.defined() ? mean + part : part;
  }
  return mean;
}

void LossInput::integrate_rows(std::initializer_list<RowView> rows, Tensor* sums) const {
  std::vector<Integral> full;
  for (const RowView& one : rows) full.push_back(one.full != nullptr ? *one.full : row(one.kind, 0));
  Tensor all = over_labels(full, [&](const Tensor& labels, const std::vector<Integral>& weighted) {
    return integrate(logits_, labels, weighted, integrate_);
  });
  if (batch_) all = sum(all, {1}, true);
  const std::int64_t samples = all.extent(1), channels = all.extent(2);
  for (std::int64_t k = 0; k < std::ssize(full); ++k) {
    const Tensor one = reshape(slice(all, 0, k, k + 1), {samples, channels});
    const auto kind = static_cast<std::size_t>(full[static_cast<std::size_t>(k)].kind);
    sums[k] = kScopes[kind] == integrands::Scope::truth ? one : by_class(one);
  }
}

// [N', C] to [N', C']: without a background that does not count, and pooled over the classes if that is asked for.
Tensor LossInput::by_class(Tensor sums) const {
  sums = counted(sums);
  return options_.pool_classes ? sum(sums, {1}, true) : sums;
}

Tensor LossInput::foreground(const Tensor& x) const {
  return channels() > 1 && x.extent(-1) == channels() ? slice(x, x.dims() - 1, 1, channels()) : x;
}

Tensor LossInput::map(RowView one) const {
  const std::vector<Integral> rows{one.full != nullptr ? *one.full : row(one.kind, 0)};
  return over_labels(rows, [&](const Tensor& labels, const std::vector<Integral>& weighted) {
    return integrand(logits_, labels, weighted[0], integrate_);
  });
}

Tensor LossInput::hinge_errors() const {
  const Tensor errors = voxgrad::hinge_errors(logits_, labels_, integrate_);
  return channels() == 2 && !drops_background() ? concat({errors, errors}, -1) : errors;
}

Tensor LossInput::probabilities() const {
  if (!soft_labels() && integrate_.ignore >= 0) return map(Integrand::mass);  // 0 there whatever the logits are
  return known(channels() == 1 ? sigmoid(logits_) : softmax(logits_));
}

Tensor LossInput::known(const Tensor& map) const {
  return integrate_.ignore < 0 && !soft_labels() ? map : map * valid();
}

Tensor LossInput::valid() const {
  if (soft_labels() && channels() > 1) return clamp(1e6 * sum(labels_, {labels_.dims() - 1}, true), 0, 1);
  if (!soft_labels() && integrate_.ignore >= 0) return 1 - one_hot(labels_, {integrate_.ignore}, logits_.dtype());
  return full(logits_.shape().with(-1, 1), 1, logits_.dtype(), logits_.device());
}

// The classes that have a channel; the labels of a prediction are higher by one.
std::vector<int> LossInput::classes(int first) const {
  std::vector<int> result(static_cast<std::size_t>(channels()));
  std::iota(result.begin(), result.end(), first);
  return result;
}

Tensor LossInput::truth(double smoothing) const {
  if (!soft_labels()) labels_.backend().check_labels(labels_, std::max(channels(), 2), integrate_.ignore);
  const Tensor t = soft_labels() ? labels_ : known(one_hot(labels_, classes(channels() == 1 ? 1 : 0), logits_.dtype()));
  return smoothing == 0 ? t : (1 - smoothing) * t + smoothing / std::max(channels(), 2) * valid();
}

Tensor LossInput::counted(const Tensor& map) const { return options_.background ? map : foreground(map); }

Tensor LossInput::sums(const Tensor& map) const {
  std::vector<int> space;
  for (int axis = 1; axis <= map.dims() - 2; ++axis) space.push_back(axis);
  Tensor total = cast(sum(map, space), DType::f64);
  if (batch_) total = sum(total, {0}, true);
  return by_class(std::move(total));
}

Tensor LossInput::lovasz_slope(const Tensor& errors, bool per_image) const {
  return voxgrad::lovasz_slope(errors.detach(), labels_, per_image, integrate_.ignore);
}

// The channel in front of the probabilities stands for "none of the classes". It is the likeliest one where no
// probability exceeds `least`. The channel behind them stands for ignored voxels, which are on no side of a border.
LossInput::Prediction LossInput::prediction(bool threshold) const {
  const NoGrad constants;
  const double least = threshold || channels() == 1 ? 0.5 : 0;
  const Tensor p = probabilities(), none = full(p.shape().with(-1, 1), least, p.dtype(), p.device());
  std::vector<Tensor> choices{none, p};
  if (integrate_.ignore >= 0) choices.push_back(2 * (1 - valid()));
  const Tensor chosen = argmax(concat(choices, -1));
  const Measure how{context_.spacing, options_.millimetres, integrate_.ignore < 0 ? -1 : channels() + 1};
  return {one_hot(chosen, classes(1), p.dtype()), border_distances(chosen, classes(1), how, p.dtype())};
}

Tensor LossInput::constant(const std::vector<double>& values) const {
  return from_vector({std::ssize(values)}, values).to(logits_.device());
}

Tensor LossInput::class_weights() const { return weights_.empty() ? Tensor() : constant(weights_); }

Tensor LossInput::mean_of_classes(const Tensor& f, const Tensor& G) const {
  Tensor weighted = f;
  if (!weights_.empty()) {
    const std::vector<double> w(weights_.begin() + (channels() == 1 || drops_background() ? 1 : 0), weights_.end());
    const double all = std::accumulate(w.begin(), w.end(), 0.0);  // those from data have mean 1 over these classes
    weighted = f * constant(w) * (options_.weights.word.empty() || all == 0 ? 1 : static_cast<double>(w.size()) / all);
  }
  if (options_.absent == "keep") return mean(weighted);
  const Tensor present = clamp(1e30 * G.detach(), 0, 1);  // also one with a part of a voxel
  const Tensor total = sum(weighted * present);
  return options_.absent == "zero" ? total / static_cast<double>(f.numel()) : mean_of_voxels(total, present);
}

Tensor LossInput::mean_of_voxels(const Tensor& total, const Tensor& count) const {
  return sum(total) / clamp(sum(count.detach()), 1e-30, kInfinity);
}

}  // namespace voxgrad::losses

#include "losses/core/inputs.h"

#include <algorithm>
#include <cmath>

#include "losses/terms/fields.h"

namespace voxgrad::losses {
namespace common {

Parameter background(bool standard) {
  return flag("background", standard, "whether channel 0 counts (one sigmoid channel always does)");
}
Parameter batch(bool standard) {
  return flag("batch", standard, "1: sums run over the whole batch, so a class absent from one image is fine");
}
Parameter pool_classes() {
  return flag("pool_classes", false, "1: sums run over the classes inside the ratio, as the survey's equations read");
}
Parameter absent() {
  return choice("absent", {"keep", "ignore", "zero"},
                "a class without truth: keep its loss, leave it out of the mean, or count it as 0");
}
Parameter weights(const std::string& meaning) {
  return list("weights", "none", {"none", "inverse", "sqrt", "median"}, 0, 1e12,
              meaning +
                  ": one number per class (2 for one sigmoid channel), or from the class fractions f of the "
                  "training set: inverse 1/f, sqrt 1/sqrt(f) (both with mean 1 over the voxels), median median(f)/f");
}
std::vector<Parameter> everywhere() {
  return {integer("ignore", -1, -1, 255, "label that is left out of everything; -1: the one the data names, if any")};
}

}  // namespace common

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
  if (options.weighting == "none") return {};
  const std::size_t classes = static_cast<std::size_t>(std::max(channels, 2));
  const bool given = options.weighting.empty();
  const std::vector<double>& source = given ? options.weights : context.class_fractions;
  if (source.size() != classes)
    throw Error(ErrorKind::usage,
                given ? text(options.loss, ": weights has ", source.size(), " values for ", classes, " classes")
                      : text(options.loss, ": weights=", options.weighting, " needs the fractions of ", classes,
                             " classes in the training set, ", source.size(), " are known"));
  return given ? source : weights_from(options.weighting, source);
}

integrands::Scope scope_of(Integrand kind) {
  switch (kind) {
#define VOXGRAD_CASE(name, scope, ...) \
  case Integrand::name: return integrands::Scope::scope;
    VOXGRAD_INTEGRAND_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
  return integrands::Scope::channel;
}

}  // namespace

CommonOptions::CommonOptions(const std::string& loss_name, const Parameters& parameters) : loss(loss_name) {
  if (parameters.has("background")) background = parameters.on("background");
  if (parameters.has("batch")) batch = parameters.on("batch");
  if (parameters.has("pool_classes")) pool_classes = parameters.on("pool_classes");
  if (parameters.has("absent")) absent = parameters.choice("absent");
  if (parameters.has("weights")) {
    weighting = parameters.list_word("weights");
    weights = parameters.list("weights");
  }
  ignore = parameters.integer("ignore");
  if (pool_classes && weighting != "none")
    throw Error(ErrorKind::usage,
                text(loss, ": weights have no meaning with pool_classes=1, no class is left to weigh"));
}

LossInput::LossInput(const Tensor& logits, const Tensor& labels, const Context& context, const CommonOptions& options)
    : logits_(logits), labels_(labels), context_(context), options_(options) {
  check(logits.defined() && logits.dims() >= 3, options.loss, ": logits must be [N, *S, C], got ", logits);
  integrate_.ignore = options.ignore >= 0 ? options.ignore : context.ignore;
  weights_ = weights_of(options, context, channels());
}

Tensor LossInput::field(const std::string& key) const {
  const auto given = context_.fields.find(key);
  if (given == context_.fields.end())
    return make_field(key, labels_, logits_.extent(-1), context_.spacing, logits_.dtype());
  const Tensor& field = given->second;
  check(field.defined() && field.dims() == logits_.dims() && field.shape().with(-1, 1) == logits_.shape().with(-1, 1) &&
            field.device() == logits_.device(),
        options_.loss, ": field ", key, " of the context is ", field, ", the logits are ", logits_);
  return field.to(logits_.dtype());
}

double LossInput::valid_voxels() const {
  if (integrate_.ignore < 0) return static_cast<double>(labels_.numel());
  const NoGrad constant;
  return sum(integrate_rows({to_row(Integrand::weight)})[0]).item();
}

LossInput LossInput::at_temperature(double temperature) const {
  LossInput result = *this;
  result.integrate_.temperature = temperature;
  return result;
}

std::vector<Tensor> LossInput::integrate_rows(const std::vector<Integral>& rows) const {
  Tensor sums = integrate(logits_, labels_, rows, integrate_);
  if (options_.batch) sums = sum(sums, {1}, true);
  const std::int64_t samples = sums.extent(1), channels = sums.extent(2);
  std::vector<Tensor> result;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const auto first = static_cast<std::int64_t>(k);
    Tensor one = reshape(slice(sums, 0, first, first + 1), {samples, channels});
    result.push_back(scope_of(rows[k].kind) == integrands::Scope::truth ? one : by_class(one));
  }
  return result;
}

// [N', C] without what does not count.
Tensor LossInput::by_class(Tensor sums) const {
  if (drops_background() && sums.extent(1) == channels()) sums = slice(sums, 1, 1, sums.extent(1));
  return options_.pool_classes ? sum(sums, {1}, true) : sums;
}

Tensor LossInput::foreground(const Tensor& f) const {
  return channels() > 1 && f.extent(1) == channels() ? slice(f, 1, 1, channels()) : f;
}

Tensor LossInput::map(const Integral& row) const { return integrand(logits_, labels_, row, integrate_); }

Tensor LossInput::hinge_errors() const {
  const Tensor errors = voxgrad::hinge_errors(logits_, labels_, integrate_);
  return channels() == 2 && !drops_background() ? concat({errors, errors}, -1) : errors;
}

Tensor LossInput::probabilities() const {
  const Tensor p = channels() == 1 ? sigmoid(logits_) : softmax(logits_);
  if (integrate_.ignore < 0 || soft_labels()) return p;
  std::vector<double> valid(256, 1.0);
  valid[static_cast<std::size_t>(integrate_.ignore)] = 0;
  return p * voxgrad::lookup(reshape(constant(valid), {256, 1}), labels_, logits_.dtype());
}

Tensor LossInput::truth(double smoothing) const {
  if (soft_labels()) {
    check(labels_.dtype() == logits_.dtype() && labels_.shape() == logits_.shape(), options_.loss,
          ": soft labels must be like the logits, ", logits_, ", got ", labels_);
    return labels_;
  }
  const std::int64_t width = channels(), classes = std::max<std::int64_t>(width, 2);
  std::vector<double> table(static_cast<std::size_t>(classes * width), smoothing / static_cast<double>(classes));
  for (std::int64_t c = 0; c < width; ++c)
    table[static_cast<std::size_t>((c + classes - width) * width + c)] += 1 - smoothing;
  return lookup(std::move(table), width);
}

Tensor LossInput::counted(const Tensor& map) const {
  return drops_background() && map.extent(-1) == channels() ? slice(map, map.dims() - 1, 1, channels()) : map;
}

Tensor LossInput::sums(const Tensor& map) const {
  std::vector<int> space;
  for (int axis = 1; axis <= map.dims() - 2; ++axis) space.push_back(axis);
  Tensor total = cast(sum(map, space), DType::f64);
  if (options_.batch) total = sum(total, {0}, true);
  return by_class(std::move(total));
}

Tensor LossInput::lookup(std::vector<double> table, std::int64_t width) const {
  const std::int64_t classes = std::max(channels(), 2);
  if (integrate_.ignore >= 0 && integrate_.ignore < classes)
    std::fill_n(table.begin() + integrate_.ignore * width, width, 0.0);
  return voxgrad::lookup(reshape(constant(table), {classes, width}), labels_, logits_.dtype());
}

Tensor LossInput::lovasz_slope(const Tensor& errors, bool per_image) const {
  return voxgrad::lovasz_slope(errors.detach(), labels_, per_image, integrate_.ignore);
}

// Channel 0 of what is compared stands for "none of them": it wins where no probability exceeds it, and where a voxel
// is ignored.
LossInput::Prediction LossInput::prediction(bool threshold) const {
  const NoGrad constants;
  const double least = threshold || channels() == 1 ? 0.5 : 0;
  const Tensor p = probabilities(), none = full(p.shape().with(-1, 1), least, p.dtype(), p.device());
  const Tensor chosen = argmax(concat({none, p}, -1));
  const std::int64_t width = channels();
  std::vector<double> table(static_cast<std::size_t>((width + 1) * width), 0.0);
  std::vector<int> classes;
  for (int c = 0; c < channels(); ++c) {
    table[static_cast<std::size_t>((c + 1) * width + c)] = 1;
    classes.push_back(c + 1);
  }
  return {voxgrad::lookup(reshape(constant(table), {width + 1, width}), chosen, p.dtype()),
          distance_transform(chosen, classes, context_.spacing, p.dtype())};
}

Tensor LossInput::constant(const std::vector<double>& values) const {
  return from_vector({std::ssize(values)}, values).to(logits_.device());
}

Tensor LossInput::class_weights() const { return weights_.empty() ? Tensor() : constant(weights_); }

Tensor LossInput::mean_of_classes(const Tensor& f, const Tensor& G) const {
  Tensor weighted = f;
  if (!weights_.empty()) {
    std::vector<double> w = weights_;
    if (channels() == 1 || drops_background()) w.erase(w.begin());
    weighted = f * constant(w);
  }
  if (options_.absent == "keep") return mean(weighted);
  const Tensor present = clamp(G.detach(), 0, 1);  // G counts voxels
  const Tensor total = sum(weighted * present);
  return options_.absent == "zero" ? total / static_cast<double>(f.numel()) : mean_of_voxels(total, present);
}

Tensor LossInput::mean_of_voxels(const Tensor& total, const Tensor& count) const {
  return sum(total) / clamp(sum(count.detach()), 1e-30, kInfinity);
}

}  // namespace voxgrad::losses

// What the tests of the losses share: inputs, one evaluation, and for every loss of the registry the texts that set
// each of its parameters to each kind of value it can have.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "engine/random.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"
#include "tests/test.h"

namespace voxgrad::test {

struct Sample {
  Tensor logits, labels;
};

inline Shape without_channels(const Shape& shape) {
  Shape space;
  for (int i = 0; i + 1 < shape.dims(); ++i) space.push_back(shape[i]);
  return space;
}

// Logits N(0, spread), labels uniform over the classes; the last class is absent from sample 0.
inline Sample draw_sample(Random& random, const Shape& shape, double spread = 1.5) {
  const std::int64_t classes = std::max<std::int64_t>(shape[-1], 2);
  const Shape space = without_channels(shape);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(space.numel()));
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = static_cast<std::uint8_t>(random.below(i < labels.size() / 2 && classes > 2 ? classes - 1 : classes));
  return {random_normal(shape, random.bits64(), 0, spread, DType::f64), from_vector(space, labels)};
}

struct Result {
  double value = 0;
  std::vector<double> gradient;  // with respect to the logits
};

inline Result evaluate(const losses::Loss& loss, const Tensor& logits, const Tensor& labels,
                       const losses::Context& context = {}) {
  Tensor z = logits.clone();
  z.set_requires_grad();
  const Tensor value = loss(z, labels, context);
  value.backward();
  return {value.item(), z.grad().to_vector<double>()};
}

// The largest |a - b|; NaN if one is NaN.
inline double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  check(a.size() == b.size(), "difference: ", a.size(), " and ", b.size(), " numbers");
  double result = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(a[i] - b[i]);
    if (!(d <= result)) result = d;
  }
  return result;
}

inline double largest(const std::vector<double>& values) {
  return largest_difference(values, std::vector<double>(values.size(), 0));
}

// Class fractions and spacing for losses that ask for them.
inline losses::Context context_for(const Shape& logits) {
  losses::Context context;
  const std::int64_t classes = std::max<std::int64_t>(logits[-1], 2);
  for (std::int64_t c = 0; c < classes; ++c)
    context.class_fractions.push_back(2.0 * static_cast<double>(classes - c) /
                                      static_cast<double>(classes * (classes + 1)));
  for (int i = 0; i < logits.spatial_dims(); ++i) context.spacing.push_back(1 + 0.5 * i);
  return context;
}

// Values of a parameter other than its default, all of them for a switch or a choice.
inline std::vector<std::string> other_values(const losses::Parameter& parameter, std::int64_t classes) {
  using losses::Kind;
  std::vector<std::string> values;
  if (parameter.kind == Kind::flag) values = {"0", "1"};
  if (parameter.kind == Kind::choice || parameter.kind == Kind::list) values = parameter.choices;
  if (parameter.kind == Kind::number) {
    const double standard = std::stod(parameter.standard);
    for (double value : {standard / 2, standard + 0.3, standard * 1.5, 1.0, parameter.low})
      if (value >= parameter.low && value <= parameter.high) values.push_back(losses::shortest_text(value));
  }
  if (parameter.kind == Kind::integer && parameter.low <= 255 && parameter.high >= 255) values = {"255"};
  if (parameter.name == "weights") {
    std::string list = "0.5";
    for (std::int64_t c = 1; c < classes; ++c) list += "/" + losses::shortest_text(0.5 + 0.75 * static_cast<double>(c));
    values.push_back(list);
  }
  if (parameter.name == "distances") {  // C x C, row by row
    std::string list;
    for (std::int64_t i = 0; i < classes * classes; ++i)
      list +=
          (i == 0 ? "" : "/") + losses::shortest_text(i % (classes + 1) == 0 ? 0 : 0.25 + 0.5 * static_cast<double>(i));
    values.push_back(list);
  }
  values.erase(std::remove(values.begin(), values.end(), parameter.standard), values.end());
  return values;
}

// The text of a variant with the setting under which its gradient is the slope of its value.
inline std::string exact(const losses::Spec& spec, const std::string& variant) {
  if (spec.exact_with.empty() || contains(variant, spec.exact_with)) return variant;
  const std::string name = spec.exact_with.substr(0, spec.exact_with.find('='));
  if (contains(variant, name + "=")) return spec.name + ":" + spec.exact_with;
  return variant + (contains(variant, ":") ? "," : ":") + spec.exact_with;
}

// The loss with its defaults, then with one parameter changed.
inline std::vector<std::string> variants(const losses::Spec& spec, std::int64_t classes) {
  std::vector<std::string> texts = {spec.name};
  for (const losses::Parameter& parameter : spec.parameters)
    for (const std::string& value : other_values(parameter, classes))
      texts.push_back(text(spec.name, ':', parameter.name, '=', value));
  return texts;
}

}  // namespace voxgrad::test

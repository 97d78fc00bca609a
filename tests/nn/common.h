// Functions that the tests of nn share.
#pragma once

#include "tests/test.h"
// The macros of the tests come first.
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/autograd.h"
#include "engine/gradcheck.h"
#include "engine/ops.h"
#include "nn/module.h"

namespace voxgrad::test {

inline bool near(double a, double b, double tolerance = 1e-9) {
  return std::fabs(a - b) <= tolerance * std::max(1.0, std::fabs(b));
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

// Element i is sin(1.3 i + phase). Another program can compute the same numbers without our random generator.
inline Tensor wave(const Shape& shape, double phase, DType dtype = DType::f64) {
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(1.3 * static_cast<double>(i) + phase);
  return from_vector(shape, values).to(dtype);
}

inline void overwrite(const Tensor& target, const Tensor& source) {
  REQUIRE(target.bytes() == source.bytes());
  std::memcpy(target.raw(), source.raw(), source.bytes());
}

// Checks the gradient of a module in f64, where y = f(x) is a function of x and of the flat parameters. backward()
// through the module runs inside the closure of one recorded operation.
template <class F>
GradcheckResult gradcheck_module(nn::Module& module, const Tensor& x, F&& f, std::int64_t most = 40) {
  module.to(DType::f64);
  const auto call = [&](const std::vector<Tensor>& inputs) {
    if (module.parameter_count() > 0) overwrite(module.flat_parameters(), inputs[1]);
    Tensor leaf = inputs[0].detach();
    leaf.set_requires_grad();
    const Tensor y = f(leaf);
    if (!grad_enabled()) return y;
    const auto sweep = [&module, leaf, y](const Tensor& dy) {
      module.zero_grad();
      y.backward(dy);
      return leaf.grad();
    };
    std::vector<Input> edges{{inputs[0], sweep}};
    if (module.parameter_count() > 0)
      edges.push_back({inputs[1], [&module](const Tensor&) { return module.flat_gradients().clone(); }});
    return record("module", y.detach(), std::move(edges));
  };
  std::vector<Tensor> inputs{x};
  if (module.parameter_count() > 0) inputs.push_back(module.flat_parameters());
  return gradcheck(call, std::move(inputs), {.most = most});
}

inline GradcheckResult gradcheck_module(nn::Module& module, const Tensor& x, std::int64_t most = 40) {
  return gradcheck_module(
      module, x, [&](const Tensor& input) { return module(input); }, most);
}

}  // namespace voxgrad::test

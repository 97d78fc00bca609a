// An operation on the card against the same on the CPU in f64, values and gradients.
#pragma once

#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/ops.h"
#include "tests/engine/kernel_cases.h"

namespace voxgrad::test {

// Leaves (f64 on the CPU, of values that bf16 has, or u8) and what is made of them.
struct DeviceCase {
  std::string op;
  std::vector<Tensor> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> run;
};

// Values that bf16 has, as f64: no type loses anything of them.
inline Tensor exact_noise(const Shape& shape, Random& random, double mean = 0, double deviation = 1) {
  return noise(shape, DType::f32, random, mean, deviation).to(DType::bf16).to(DType::f64);
}

// The result and the gradients of all leaves of floats, on the CPU in f64.
inline std::vector<Tensor> outcome(const DeviceCase& c, DType type, Device device) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : c.inputs) {
    Tensor leaf = (is_float(input.dtype()) ? input.to(type) : input).to(device);
    if (leaf.raw() == input.raw()) leaf = leaf.clone();
    if (is_float(leaf.dtype())) leaf.set_requires_grad();
    leaves.push_back(leaf);
  }
  const Tensor y = c.run(leaves);
  const auto home = [](const Tensor& x) { return x.to(Device::cpu).to(DType::f64); };
  std::vector<Tensor> all{home(y.detach())};
  if (!y.requires_grad()) return all;
  Random upstream(static_cast<std::uint64_t>(y.numel()));
  y.backward(exact_noise(y.shape(), upstream).to(y.dtype()).to(device));
  for (const Tensor& leaf : leaves)
    if (leaf.has_grad()) all.push_back(home(leaf.grad()));
  return all;
}

// Largest error over largest value; infinite if a NaN stands against a number.
inline double worst_error(const std::vector<Tensor>& got, const std::vector<Tensor>& expected) {
  if (got.size() != expected.size()) return INFINITY;
  double worst = 0;
  for (std::size_t k = 0; k < got.size(); ++k) {
    if (!(got[k].shape() == expected[k].shape())) return INFINITY;
    const std::vector<double> a = values(got[k]), b = values(expected[k]);
    double largest = 1e-3, error = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (std::isnan(a[i]) != std::isnan(b[i])) return INFINITY;
      if (std::isnan(a[i]) || a[i] == b[i]) continue;
      largest = std::max(largest, std::fabs(b[i]));
      error = std::max(error, std::fabs(a[i] - b[i]));
    }
    worst = std::max(worst, error / largest);
  }
  return worst;
}

// A result of bf16 is off by half of its last of 8 bits: 2^-9 of the largest value, once for each of the operations in
// a row, which are at most four.
constexpr double kHalf = 4 * 0x1p-9;

// One row per operation and type; printed at the end.
class ParityTable {
 public:
  ~ParityTable() {
    for (const auto& [row, worst] : worst_)
      std::printf("%-32s %-4s %5d cases  worst %.1e\n", row.first.c_str(), row.second, worst.first, worst.second);
  }
  // f64 within `exact`, f32 within `single`, bf16, if it is given, within `half`.
  void compare(const DeviceCase& c, double single = 1e-5, double exact = 1e-12, double half = kNone) {
    const std::vector<Tensor> expected = outcome(c, DType::f64, Device::cpu);
    check_error(c, DType::f64, expected, exact);
    check_error(c, DType::f32, expected, single);
    if (half != kNone) check_error(c, DType::bf16, expected, half);
  }

 private:
  static constexpr double kNone = -1;
  void check_error(const DeviceCase& c, DType type, const std::vector<Tensor>& expected, double tolerance) {
    const double error = worst_error(outcome(c, type, Device::cuda), expected);
    auto& [count, worst] = worst_[{c.op, name_of(type)}];
    ++count;
    worst = std::max(worst, error);
    CHECK_MESSAGE(error <= tolerance, c.op << " " << type << " " << shapes(c) << ": " << error);
  }
  static std::string shapes(const DeviceCase& c) {
    std::string all;
    for (const Tensor& input : c.inputs) all += text(input, " ");
    return all;
  }
  std::map<std::pair<std::string, const char*>, std::pair<int, double>> worst_;
};

}  // namespace voxgrad::test

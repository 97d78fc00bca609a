// What the checks of the exercises share: they compare the functions of a reader with the engine, and say in one line
// where the first difference is. A check can be told to use other functions than those of the reader, so that the tests
// can try right and wrong answers (exercises.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

struct Part {
  std::string name;     // of the function
  std::string problem;  // empty if it is right
  bool open = false;    // whether it is not filled yet
};

class Report {
 public:
  // Runs `body`, which throws at the first difference.
  template <class F>
  void part(const std::string& name, F&& body) {
    Part result{name, "", false};
    try {
      body();
    } catch (const NotFilled&) {
      result = {name, "not filled yet", true};
    } catch (const Error& error) {
      result.problem = error.message();
    } catch (const std::exception& error) {
      result.problem = error.what();
    }
    parts_.push_back(std::move(result));
  }
  const std::vector<Part>& parts() const { return parts_; }

 private:
  std::vector<Part> parts_;
};

template <class... Words>
void expect(bool ok, const Words&... words) {
  if (!ok) throw Error(ErrorKind::check, text(words...));
}

// Compares with what the engine has. An element may differ by `tolerance` times the largest element.
inline void same(const std::string& what, const Tensor& value, const Tensor& expected, double tolerance = 1e-9) {
  expect(value.defined(), what, ": the result is an undefined tensor, expected ", expected);
  expect(value.shape() == expected.shape() && value.dtype() == expected.dtype(), what, ": the result is ", value,
         ", expected ", expected);
  const std::vector<double> a = value.to_vector<double>(), b = expected.to_vector<double>();
  double largest = 1e-30;
  for (const double number : b)
    if (std::isfinite(number)) largest = std::max(largest, std::fabs(number));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || std::fabs(a[i] - b[i]) <= tolerance * largest) continue;
    Shape place = expected.shape();
    std::int64_t rest = static_cast<std::int64_t>(i);
    for (int axis = place.dims() - 1; axis >= 0; --axis) {
      const std::int64_t extent = place[axis];
      place[axis] = rest % extent;
      rest /= extent;
    }
    expect(false, what, ": element ", place, " is ", a[i], ", the engine has ", b[i]);
  }
}

inline Tensor numbers(const Shape& shape, std::uint64_t key) { return random_normal(shape, key, 0, 1, DType::f64); }
// A copy of x that collects a gradient.
inline Tensor leaf(const Tensor& x) { return x.clone().set_requires_grad(); }

}  // namespace voxgrad::learn

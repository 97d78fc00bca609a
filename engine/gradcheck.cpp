#include "engine/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/autograd.h"
#include "engine/ops.h"
#include "engine/random.h"

namespace voxgrad {
namespace {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

// Turns any output into one number: the sum of its elements with fixed random weights in +-[0.5, 1.5].
struct Weighting {
  std::uint64_t key;
  Tensor operator()(const Tensor& y) const {
    const Tensor u = random_uniform(y.shape(), key, -1, 1, DType::f64);
    std::vector<double> weights = u.to_vector<double>();
    for (double& w : weights) w += w < 0 ? -0.5 : 0.5;
    return sum(multiply(y, from_vector(y.shape(), weights)));
  }
};

std::vector<std::int64_t> chosen(std::int64_t numel, std::int64_t most, Random& random) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(numel));
  std::iota(all.begin(), all.end(), 0);
  if (numel <= most) return all;
  random.shuffle(all);
  all.resize(static_cast<std::size_t>(most));
  std::sort(all.begin(), all.end());
  return all;
}

struct Comparison {
  double error = 0, numeric = 0;
  bool kink = false;
};

// Compares with central differences and Richardson extrapolation, whose error is O(h^4). A step that crosses a nearby
// kink gives a wrong slope, and a smaller step does not. So up to three steps are tried; a wrong derivative disagrees
// with all of them. If the slopes to the left and to the right differ, and the difference does not shrink with h, there
// is no derivative.
Comparison compare(const std::function<double()>& value, double middle, double& x, double backward, double scale,
                   const GradcheckOptions& options) {
  const double before = x;
  Comparison result;
  double h = options.step * std::max(1.0, std::fabs(before));
  for (int attempt = 0; attempt < 3; ++attempt, h /= 10) {
    const auto at = [&](double offset) {
      x = before + offset;
      return value();
    };
    const double right = at(h), left = at(-h), right_half = at(h / 2), left_half = at(-h / 2);
    x = before;
    result.numeric = (4 * (right_half - left_half) / h - (right - left) / (2 * h)) / 3;
    result.error = std::fabs(result.numeric - backward) / scale;
    if (result.error <= options.tolerance) return result;
    const double bend = std::fabs((right - middle) - (middle - left)) / h;
    const double bend_half = std::fabs((right_half - middle) - (middle - left_half)) / (h / 2);
    result.kink = bend > 1e-3 * scale && bend_half > 0.75 * bend;
  }
  return result;
}

}  // namespace

GradcheckResult gradcheck(const Function& f, std::vector<Tensor> inputs, const GradcheckOptions& options) {
  Random random(options.seed);
  const Weighting weighting{random.fork(1).key()};
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    check(inputs[k].defined() && inputs[k].dtype() == DType::f64, "gradcheck: input ", k, " is ", inputs[k],
          ", f64 is needed: f32 differences prove nothing");
    inputs[k] = inputs[k].clone();  // the caller's elements are not touched
    inputs[k].set_requires_grad();
  }
  weighting(f(inputs)).backward();

  const auto value = [&] {
    const NoGrad guard;
    return weighting(f(inputs)).item();
  };
  GradcheckResult result;
  const double middle = value();
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    check(inputs[k].has_grad(), "gradcheck: the function does not depend on input ", k, ", or drops its gradient");
    const std::vector<double> analytic = inputs[k].grad().to_vector<double>();
    double scale = 1e-3;
    for (double g : analytic) scale = std::max(scale, std::fabs(g));
    double* x = inputs[k].data<double>();
    for (std::int64_t i : chosen(inputs[k].numel(), options.most, random)) {
      const Comparison met = compare(value, middle, x[i], nth(analytic, i), scale, options);
      if (met.kink) {
        ++result.kinks;
        continue;
      }
      ++result.checked;
      if (!(met.error <= result.worst) && !std::isnan(result.worst)) {  // NaN is worst, and stays
        result.worst = met.error;
        result.where =
            text("input ", k, ", element ", i, ": backward ", nth(analytic, i), ", differences ", met.numeric);
      }
    }
  }
  result.ok = result.checked > 0 && result.worst <= options.tolerance;
  return result;
}

}  // namespace voxgrad

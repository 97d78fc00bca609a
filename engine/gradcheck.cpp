#include "engine/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "engine/ops.h"
#include "engine/random.h"

namespace voxgrad {
namespace {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

// One number from any output: the sum of its elements with fixed random weights in +-[0.5, 1.5].
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
  for (std::int64_t i = 0; i < numel; ++i) all[static_cast<std::size_t>(i)] = i;
  if (numel <= most) return all;
  random.shuffle(all);
  all.resize(static_cast<std::size_t>(most));
  std::sort(all.begin(), all.end());
  return all;
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
    const Tensor y = weighting(f(inputs));
    return y.item();
  };
  GradcheckResult result;
  const double middle = value();
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor gradient = inputs[k].grad();
    check(gradient.defined(), "gradcheck: the function does not depend on input ", k, ", or drops its gradient");
    const std::vector<double> analytic = gradient.to_vector<double>();
    double scale = 1e-3;
    for (double g : analytic) scale = std::max(scale, std::fabs(g));
    double* x = inputs[k].data<double>();
    for (std::int64_t i : chosen(inputs[k].numel(), options.most, random)) {
      const double kept = x[i];
      const double h = options.step * std::max(1.0, std::fabs(kept));
      const auto at = [&](double offset) {
        x[i] = kept + offset;
        return value();
      };
      const double right = at(h), left = at(-h), right_half = at(h / 2), left_half = at(-h / 2);
      x[i] = kept;
      // Richardson extrapolation of the central difference: error O(h^4).
      const double wide = (right - left) / (2 * h);
      const double narrow = (right_half - left_half) / h;
      const double numeric = (4 * narrow - wide) / 3;
      // At a kink the one-sided slopes differ by a jump that does not shrink with h.
      const double bend = std::fabs((right - middle) - (middle - left)) / h;
      const double bend_half = std::fabs((right_half - middle) - (middle - left_half)) / (h / 2);
      const double here = analytic[static_cast<std::size_t>(i)];
      const double error = std::fabs(numeric - here) / scale;
      if (error > options.tolerance && bend > 1e-3 * scale && bend_half > 0.75 * bend) {
        ++result.kinks;
        continue;
      }
      ++result.checked;
      if (!(error <= result.worst)) {  // NaN counts as worst
        result.worst = error;
        result.where = text("input ", k, ", element ", i, ": backward ", here, ", differences ", numeric);
      }
    }
  }
  result.ok = result.checked > 0 && result.worst <= options.tolerance;
  return result;
}

}  // namespace voxgrad

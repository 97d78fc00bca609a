// Normalisation kernels are compared with plain loops in f64, for batch, instance, group and layer statistics.
#include "tests/test.h"

#include "tests/engine/kernel_cases.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct Case {
  Tensor x, gamma, beta, dy;
  std::int64_t maps = 1, groups = 1;
  double eps = 1e-5;
  Activation activation;
  double slope;

  Case(Random& random, double mean, double deviation) {
    const Shape shape = odd_shape(random);
    const DType dtype = float_type(random);
    x = noise(shape, dtype, random, mean, deviation);
    dy = noise(shape, dtype, random);
    if (random.chance(0.7)) gamma = noise({shape[-1]}, dtype, random, 1, 0.5);
    if (random.chance(0.7)) beta = noise({shape[-1]}, dtype, random);
    activation = static_cast<Activation>(random.below(3));
    slope = random.uniform(0.01, 0.3);
    maps = random.chance(0.3) ? 1 : shape[0];
    groups = shape[-1];
    if (maps == shape[0] && random.chance(0.5)) do
        groups = 1 + random.below(shape[-1]);
      while (shape[-1] % groups != 0);
  }
  Tensor statistic() const { return empty({maps, groups}, x.dtype()); }
  // The index of the mean that belongs to an element.
  std::size_t at(std::int64_t element) const {
    const std::int64_t channels = x.extent(-1), c = element % channels;
    return static_cast<std::size_t>(element / (x.numel() / maps) * groups + c / (channels / groups));
  }
};

struct Expected {
  std::vector<double> mean, rstd, y, dx, dgamma, dbeta;
};

void statistics(const Case& in, const std::vector<double>& x, Expected& out) {
  const auto count = static_cast<std::size_t>(in.maps * in.groups);
  out.mean.assign(count, 0);
  out.rstd.assign(count, 0);
  const double n = static_cast<double>(in.x.numel()) / static_cast<double>(count);
  for (std::size_t i = 0; i < x.size(); ++i) out.mean[in.at(static_cast<std::int64_t>(i))] += x[i] / n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t s = in.at(static_cast<std::int64_t>(i));
    out.rstd[s] += (x[i] - out.mean[s]) * (x[i] - out.mean[s]) / n;
  }
  for (double& r : out.rstd) r = 1 / std::sqrt(r + in.eps);
}

// With the given statistics: dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy act' gamma.
Expected naive(const Case& in, const Tensor& mean, const Tensor& rstd, bool constant) {
  const std::vector<double> x = values(in.x), dy = values(in.dy), mu = values(mean), r = values(rstd);
  const auto channels = static_cast<std::size_t>(in.x.extent(-1));
  const std::vector<double> gamma = in.gamma.defined() ? values(in.gamma) : std::vector<double>(channels, 1);
  const std::vector<double> beta = in.beta.defined() ? values(in.beta) : std::vector<double>(channels, 0);
  Expected out{{}, {}, x, x, std::vector<double>(channels), std::vector<double>(channels)};
  std::vector<double> xhat = x, g = x, mean_g(mu.size()), mean_gx(mu.size());
  const double n = static_cast<double>(x.size()) / static_cast<double>(mu.size());
  const double slope = in.activation == Activation::none ? 1 : in.activation == Activation::relu ? 0 : in.slope;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t s = in.at(static_cast<std::int64_t>(i)), c = i % channels;
    xhat[i] = (x[i] - mu[s]) * r[s];
    const double z = xhat[i] * gamma[c] + beta[c], dz = dy[i] * (z > 0 ? 1 : slope);
    out.y[i] = z > 0 ? z : slope * z;
    out.dgamma[c] += dz * xhat[i];
    out.dbeta[c] += dz;
    g[i] = dz * gamma[c];
    mean_g[s] += g[i] / n;
    mean_gx[s] += g[i] * xhat[i] / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t s = in.at(static_cast<std::int64_t>(i));
    out.dx[i] = r[s] * (constant ? g[i] : g[i] - mean_g[s] - xhat[i] * mean_gx[s]);
  }
  return out;
}

// Largest |a - b| relative to the largest |b|: for sums, in which digits cancel.
double relative(const Tensor& a, const std::vector<double>& b) {
  double worst = 0, scale = 1e-30;
  const std::vector<double> got = values(a);
  for (std::size_t i = 0; i < b.size(); ++i) {
    worst = std::max(worst, std::fabs(got[i] - b[i]));
    scale = std::max(scale, std::fabs(b[i]));
  }
  return worst / std::max(1.0, scale);
}

}  // namespace

TEST_CASE("statistics equal two-pass sums in f64 for batch, instance, group and layer norm") {
  Random random(21);
  for (int i = 0; i < 300; ++i) {
    const Case in(random, random.uniform(-3, 3), random.uniform(0.1, 4));
    const Tensor mean = in.statistic(), rstd = in.statistic();
    cpu_backend().norm_statistics(in.x, in.eps, mean, rstd);
    Expected expected;
    statistics(in, values(in.x), expected);
    // A single voxel has no variance. Its rstd is 316, so that the rounding in f32 matters.
    CHECK_MESSAGE(difference(values(mean), expected.mean) < tolerance(in.x.dtype()), "mean of " << in.x);
    CHECK_MESSAGE(difference(values(rstd), expected.rstd) < 100 * tolerance(in.x.dtype()),
                  "rstd of " << in.x << " in " << in.groups << " groups");
  }
}

TEST_CASE("normalisation with activation, and its gradient, equal the formula") {
  Random random(23);
  for (int i = 0; i < 300; ++i) {
    const Case in(random, random.uniform(-1, 1), random.uniform(0.5, 2));
    const bool constant = random.chance(0.3);
    const Tensor mean = in.statistic(), rstd = in.statistic(), y = empty_like(in.x), dx = empty_like(in.x);
    if (constant) {  // running statistics of another batch
      cpu_backend().random(Distribution::normal, random.bits64(), 0, 1, mean);
      cpu_backend().random(Distribution::uniform, random.bits64(), 0.5, 2, rstd);
    } else {
      cpu_backend().norm_statistics(in.x, 0.1, mean, rstd);
    }
    const Tensor dgamma = empty({in.x.extent(-1)}, in.x.dtype()), dbeta = empty_like(dgamma);
    const FeatureMap map = deferred(in.x, mean, rstd, in.gamma, in.beta, in.activation, in.slope);
    cpu_backend().norm(map, y);
    cpu_backend().norm_gradient(map, in.dy, constant, dx, dgamma, dbeta);
    const Expected expected = naive(in, mean, rstd, constant);
    const double allowed = 5 * tolerance(in.x.dtype());
    CHECK_MESSAGE(difference(values(y), expected.y) < allowed, "norm of " << in.x << ", " << in.groups << " groups");
    CHECK_MESSAGE(relative(dx, expected.dx) < allowed, "dx of " << in.x << ", " << in.groups << " groups");
    CHECK_MESSAGE(relative(dgamma, expected.dgamma) < allowed, "dgamma of " << in.x);
    CHECK_MESSAGE(relative(dbeta, expected.dbeta) < allowed, "dbeta of " << in.x);
  }
}

TEST_CASE("a mean of 10000 deviations costs no digits of the variance") {
  Random random(22);
  for (const DType dtype : {DType::f32, DType::f64})
    for (const std::int64_t channels : {1, 3, 32, 67}) {
      const Tensor x = noise({1, 30, 31, 20, channels}, dtype, random, 1e4, 1);
      const Tensor mean = empty({1, channels}, dtype), rstd = empty_like(mean);
      cpu_backend().norm_statistics(x, 0, mean, rstd);
      const std::vector<double> in = values(x), r = values(rstd);
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = 0, squares = 0, n = 0;
        for (auto i = static_cast<std::size_t>(c); i < in.size(); i += static_cast<std::size_t>(channels), ++n)
          sum += in[i] - 1e4;
        for (auto i = static_cast<std::size_t>(c); i < in.size(); i += static_cast<std::size_t>(channels))
          squares += (in[i] - 1e4 - sum / n) * (in[i] - 1e4 - sum / n);
        const double error = std::fabs(nth(r, c) * std::sqrt(squares / n) - 1);
        CHECK_MESSAGE(error < (dtype == DType::f32 ? 1e-7 : 1e-13),
                      dtype << ", " << channels << " channels: " << error);
      }
    }
}

TEST_CASE("normalising f32 far from zero stays within the rounding of the mean") {
  Random random(24);
  const Tensor x = noise({1, 50, 50, 5}, DType::f32, random, 1e4, 1), mean = empty({1, 5}), rstd = empty({1, 5});
  cpu_backend().norm_statistics(x, 1e-5, mean, rstd);
  const Tensor y = empty_like(x);
  cpu_backend().norm(deferred(x, mean, rstd), y);
  const std::vector<double> in = values(x), out = values(y), mu = values(mean), r = values(rstd);
  double worst = 0;
  for (std::size_t i = 0; i < in.size(); ++i)
    worst = std::max(worst, std::fabs(out[i] - (in[i] - mu[i % 5]) * r[i % 5]));
  CHECK(worst < 1e-6);  // x * scale + shift would lose 5e-4 here
}

TEST_CASE("only the outputs that are asked for are written") {
  Random random(25);
  const Tensor x = noise({2, 7, 6, 5}, DType::f64, random), dy = noise({2, 7, 6, 5}, DType::f64, random);
  const Tensor mean = empty({2, 5}, DType::f64), rstd = empty_like(mean), gamma = noise({5}, DType::f64, random);
  cpu_backend().norm_statistics(x, 1e-5, mean, rstd);
  const Tensor dx = empty_like(x), dgamma = empty_like(gamma), dbeta = empty_like(gamma);
  const FeatureMap map = deferred(x, mean, rstd, gamma);
  cpu_backend().norm_gradient(map, dy, false, dx, dgamma, dbeta);
  const Tensor only_dx = empty_like(x), only_dgamma = empty_like(gamma), only_dbeta = empty_like(gamma);
  cpu_backend().norm_gradient(map, dy, false, only_dx, {}, {});
  cpu_backend().norm_gradient(map, dy, false, {}, only_dgamma, {});
  cpu_backend().norm_gradient(map, dy, false, {}, {}, only_dbeta);
  cpu_backend().norm_gradient(map, dy, false, {}, {}, {});
  CHECK(same_bits(only_dx, dx));
  CHECK(same_bits(only_dgamma, dgamma));
  CHECK(same_bits(only_dbeta, dbeta));
}

TEST_CASE("a NaN is not hidden by a ReLU, and stays in its channel") {
  Random random(26);
  const Tensor x = noise({1, 9, 9, 3}, DType::f32, random), y = empty_like(x), mean = empty({1, 3}),
               rstd = empty({1, 3});
  x.data<float>()[31] = NAN;  // channel 1
  cpu_backend().norm_statistics(x, 1e-5, mean, rstd);
  cpu_backend().norm(deferred(x, mean, rstd, {}, {}, Activation::relu), y);
  const std::vector<double> out = values(y);
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(std::isnan(out[i]) == (i % 3 == 1));
}

TEST_CASE("normalisation does not depend on the number of threads") {
  Random random(27);
  for (const Shape& shape : {Shape{2, 60, 61, 33}, Shape{1, 40, 41, 42, 2}, Shape{3, 300, 5}})
    for (const std::int64_t maps : {std::int64_t{1}, shape[0]}) {
      const Tensor x = noise(shape, DType::f32, random), dy = noise(shape, DType::f32, random);
      CHECK(same_for_threads([&] {
        const Tensor mean = empty({maps, shape[-1]}), rstd = empty_like(mean), y = empty_like(x), dx = empty_like(x);
        const Tensor dgamma = empty({shape[-1]}), dbeta = empty({shape[-1]});
        const FeatureMap map = deferred(x, mean, rstd, {}, {}, Activation::leaky_relu);
        cpu_backend().norm_statistics(x, 1e-5, mean, rstd);
        cpu_backend().norm(map, y);
        cpu_backend().norm_gradient(map, dy, false, dx, dgamma, dbeta);
        return std::vector<Tensor>{mean, rstd, y, dx, dgamma, dbeta};
      }));
    }
}

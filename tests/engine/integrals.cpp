// integrate() against the definitions in engine/integrands.h, written down voxel by voxel in extended precision.
#include "tests/test.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "engine/backend.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/random.h"

using namespace voxgrad;

namespace {

using Real = long double;

struct Call {
  Tensor logits, labels;
  std::vector<Integral> rows;
  IntegrateOptions options;
};

Integral row_of(Integrand kind, double a = 0) { return {.kind = kind, .a = a, .weights = {}, .field = {}}; }

Shape space_of(const Shape& shape) {
  Shape space;
  for (int i = 0; i + 1 < shape.dims(); ++i) space.push_back(shape[i]);
  return space;
}

// Labels below `classes`; a share of them is 255, which is ignored.
std::vector<std::uint8_t> draw_labels(Random& random, const Shape& space, std::int64_t classes, double ignored) {
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(space.numel()));
  for (auto& y : labels)
    y = random.chance(ignored) ? std::uint8_t{255} : static_cast<std::uint8_t>(random.below(classes));
  return labels;
}

// Every integrand, with exponents that have a case of their own and some that have none.
std::vector<Integral> every_row() {
  std::vector<Integral> rows;
#define VOXGRAD_ROW(name, ...) rows.push_back(row_of(Integrand::name, 2));
  VOXGRAD_INTEGRAND_TABLE(VOXGRAD_ROW)
#undef VOXGRAD_ROW
  for (double a : {0.0, 0.3, 1.0, 1.7})
    for (Integrand kind : {Integrand::focal, Integrand::nll_power}) rows.push_back(row_of(kind, a));
  for (double a : {1.0, 1.5, 1.7})
    for (Integrand kind : {Integrand::miss_power, Integrand::alarm_power}) rows.push_back(row_of(kind, a));
  return rows;
}

template <class F>
void visit(Integrand kind, F&& f) {
  switch (kind) {
#define VOXGRAD_CASE(name, ...) \
  case Integrand::name: return f(integrands::name<Real>{});
    VOXGRAD_INTEGRAND_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
}

Real log_sum_exp(const std::vector<Real>& z, std::size_t without) {
  Real largest = -INFINITY, sum = 0;
  for (std::size_t c = 0; c < z.size(); ++c)
    if (c != without) largest = std::max(largest, z[c]);
  for (std::size_t c = 0; c < z.size(); ++c)
    if (c != without) sum += std::exp(z[c] - largest);
  return largest + std::log(sum);
}

Real softplus(Real x) { return std::max(x, Real{0}) + std::log1p(std::exp(-std::fabs(x))); }

// What integrate() and its gradient should give. Errors are measured against the sum of the absolute summands.
struct Reference {
  std::vector<Real> sums, magnitudes;  // [rows, N, C]
  std::vector<Real> dz, dz_magnitudes;
};

void add_voxel(const Call& call, const std::vector<double>& upstream, std::int64_t n, std::int64_t v,
               Reference& result) {
  const std::int64_t channels = call.logits.extent(-1), samples = call.logits.extent(0);
  const std::int64_t voxel = n * call.logits.shape().spatial_numel() + v;
  const auto y = static_cast<std::size_t>(call.labels.data<std::uint8_t>()[voxel]);
  if (static_cast<int>(y) == call.options.ignore) return;
  const std::int64_t first = channels == 1 ? 1 : 0;
  std::vector<Real> z(static_cast<std::size_t>(channels + first), 0);
  dispatch(call.logits.dtype(), [&]<class T>(T) {
    for (std::int64_t c = 0; c < channels; ++c)
      nth(z, c + first) =
          static_cast<Real>(call.logits.data<T>()[voxel * channels + c]) * Real{call.options.temperature};
  });
  std::vector<Real> rivals;  // -log p and -log(1 - p) keep all digits in terms of it
  for (std::size_t c = 0; c < z.size(); ++c) rivals.push_back(log_sum_exp(z, c));
  for (std::size_t k = 0; k < call.rows.size(); ++k) {
    const Integral& row = call.rows[k];
    visit(row.kind, [&]<class Row>(Row) {
      for (std::size_t c = 0; c < z.size(); ++c) {
        if (Row::scope == integrands::Scope::truth ? c != y : c < static_cast<std::size_t>(first)) continue;
        const Real l = softplus(rivals[c] - z[c]), k_log = softplus(z[c] - rivals[c]);
        const bool complement = Row::scope == integrands::Scope::complement;
        const Real p = std::exp(-(complement ? k_log : l)), q = std::exp(-(complement ? l : k_log));
        Real w = 1;
        if (row.weights.defined()) w = row.weights.data<double>()[row.weights.dims() == 2 ? y * z.size() + c : c];
        if (row.field.defined())
          dispatch(row.field.dtype(), [&]<class T>(T) {
            const std::int64_t width = row.field.extent(-1);
            const std::int64_t at = width == 1 ? voxel : voxel * width + static_cast<std::int64_t>(c) - first;
            w *= static_cast<Real>(row.field.data<T>()[at]);
          });
        const Real t = (c == y) != complement ? 1 : 0, a = row.a;
        const std::int64_t out = std::max<std::int64_t>(0, static_cast<std::int64_t>(c) - first);
        const auto entry = static_cast<std::size_t>((static_cast<std::int64_t>(k) * samples + n) * channels + out);
        const Real f = Row::value(p, q, complement ? k_log : l, t, w, a);
        result.sums[entry] += f;
        result.magnitudes[entry] += std::fabs(f);
        const Real h = Row::slope(p, q, complement ? k_log : l, t, w, a) * upstream[entry] * call.options.temperature;
        for (std::int64_t j = 0; j < channels; ++j) {
          const auto at = static_cast<std::size_t>(j + first);
          const Real share = at == c ? 0 : std::exp(z[at] - rivals[c]);  // of the rest: p_j = share * (1 - p_c)
          // d log p_c / dz_j, or d log(1 - p_c) / dz_j
          const Real slope = complement ? (at == c ? -q : q * share) : (at == c ? q : -q * share);
          nth(result.dz, voxel * channels + j) += h * slope;
          nth(result.dz_magnitudes, voxel * channels + j) += std::fabs(h * slope);
        }
      }
    });
  }
}

Reference reference_of(const Call& call, const std::vector<double>& upstream) {
  const auto logits = static_cast<std::size_t>(call.logits.numel());
  Reference result;
  result.sums.assign(upstream.size(), 0);
  result.magnitudes.assign(upstream.size(), 0);
  result.dz.assign(logits, 0);
  result.dz_magnitudes.assign(logits, 0);
  for (std::int64_t n = 0; n < call.logits.extent(0); ++n)
    for (std::int64_t v = 0; v < call.logits.shape().spatial_numel(); ++v) add_voxel(call, upstream, n, v, result);
  return result;
}

Call draw(Random& random, const Shape& shape, DType dtype, double spread, bool decorated) {
  Call call;
  const std::int64_t channels = shape[-1], classes = std::max<std::int64_t>(channels, 2);
  Shape space;
  for (int i = 0; i + 1 < shape.dims(); ++i) space.push_back(shape[i]);
  call.logits = random_normal(shape, random.bits64(), 0, spread, DType::f64).to(dtype);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(space.numel()));
  for (auto& label : labels)
    label = decorated && random.chance(0.2) ? 255 : static_cast<std::uint8_t>(random.below(classes));
  call.labels = from_vector(space, labels);
  call.rows = every_row();
  if (!decorated) return call;
  call.options = {.ignore = 255, .temperature = 1.5};
  for (Integral& row : call.rows) {
    const Shape weights = random.chance(0.5) ? Shape{classes} : Shape{classes, classes};  // also by label
    if (random.chance(0.5)) row.weights = random_uniform(weights, random.bits64(), 0, 2, DType::f64);
    if (random.chance(0.5))
      row.field = random_normal(shape.with(-1, random.chance(0.5) ? 1 : channels), random.bits64(), 0, 1, dtype);
  }
  return call;
}

struct Errors {
  double sums = 0, gradient = 0;
};

double worst_error(const std::vector<double>& got, const std::vector<Real>& expected, const std::vector<Real>& scale) {
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = static_cast<double>(std::fabs(got[i] - expected[i]) / std::max(scale[i], Real{1e-9}));
    if (!(error <= worst) && !std::isnan(worst)) worst = error;  // a NaN remains
  }
  return worst;
}

Errors errors_of(const Call& call, std::uint64_t seed) {
  Tensor logits = call.logits.clone();
  logits.set_requires_grad();
  const Tensor sums = integrate(logits, call.labels, call.rows, call.options);
  const Tensor upstream = random_normal(sums.shape(), seed, 0, 1, DType::f64);
  sums.backward(upstream);
  const Reference expected = reference_of(call, upstream.to_vector<double>());
  return {worst_error(sums.to_vector<double>(), expected.sums, expected.magnitudes),
          worst_error(logits.grad().to_vector<double>(), expected.dz, expected.dz_magnitudes)};
}

}  // namespace

TEST_CASE("every integrand equals its definition, for any number of channels and odd sizes") {
  Random random(11);
  Errors f64, f32;
  const std::vector<Shape> shapes = {{1, 1, 1},       {2, 3, 2},       {1, 63, 1},      {2, 65, 3},
                                     {3, 5, 7, 4},    {1, 7, 9, 5},    {2, 17, 31, 2},  {1, 3, 70},
                                     {1, 3, 5, 7, 6}, {2, 9, 3, 4, 1}, {1, 130, 65, 2}, {1, 2, 3, 256}};
  for (const Shape& shape : shapes)
    for (bool decorated : {false, true}) {
      const Errors wide = errors_of(draw(random, shape, DType::f64, 2, decorated), random.bits64());
      const Errors narrow = errors_of(draw(random, shape, DType::f32, 2, decorated), random.bits64());
      CHECK_MESSAGE(wide.sums <= 1e-12, shape << " decorated " << decorated << ": " << wide.sums);
      CHECK_MESSAGE(wide.gradient <= 1e-13, shape << " decorated " << decorated << ": " << wide.gradient);
      CHECK_MESSAGE(narrow.sums <= 2e-6, shape << " decorated " << decorated << ": " << narrow.sums);
      CHECK_MESSAGE(narrow.gradient <= 2e-6, shape << " decorated " << decorated << ": " << narrow.gradient);
      f64 = {std::max(f64.sums, wide.sums), std::max(f64.gradient, wide.gradient)};
      f32 = {std::max(f32.sums, narrow.sums), std::max(f32.gradient, narrow.gradient)};
    }
  MESSAGE("f64 sums " << f64.sums << " gradient " << f64.gradient << ", f32 sums " << f32.sums << " gradient "
                      << f32.gradient);
}

TEST_CASE("logits of 1e4 and differences below the last digit of 1 - p stay exact") {
  Random random(12);
  for (double spread : {30.0, 300.0, 1e4})
    for (const Shape& shape : {Shape{1, 40, 1}, Shape{1, 40, 2}, Shape{1, 40, 3}, Shape{1, 40, 6}}) {
      const Errors wide = errors_of(draw(random, shape, DType::f64, spread, false), random.bits64());
      const Errors narrow = errors_of(draw(random, shape, DType::f32, spread, false), random.bits64());
      CHECK_MESSAGE(wide.sums <= 1e-12, shape << " spread " << spread << ": " << wide.sums);
      CHECK_MESSAGE(wide.gradient <= 1e-12, shape << " spread " << spread << ": " << wide.gradient);
      CHECK_MESSAGE(narrow.sums <= 4e-6, shape << " spread " << spread << ": " << narrow.sums);
      CHECK_MESSAGE(narrow.gradient <= 4e-6, shape << " spread " << spread << ": " << narrow.gradient);
    }
}

TEST_CASE("sums and gradients have the same bits for 1, 2 and 3 threads") {
  Random random(13);
  const int before = threads();
  const Call call = draw(random, {2, 170, 111, 3}, DType::f32, 2, true);
  std::vector<double> sums;
  std::vector<float> gradient;
  for (int count : {1, 2, 3}) {
    set_threads(count);
    Tensor logits = call.logits.clone();
    logits.set_requires_grad();
    const Tensor result = integrate(logits, call.labels, call.rows, call.options);
    sum(result).backward();
    if (sums.empty()) {
      sums = result.to_vector<double>();
      gradient = logits.grad().to_vector<float>();
    }
    CHECK_MESSAGE(result.to_vector<double>() == sums, count << " threads");
    CHECK_MESSAGE(logits.grad().to_vector<float>() == gradient, count << " threads");
  }
  set_threads(before);
}

// One voxel per sample, so that every sum is one number: p of both classes, -log p and (1 - p)^2 of class 1.
TEST_CASE("f32 probabilities and logarithms are within a few units in the last place") {
  constexpr std::int64_t kCount = 40000;
  std::vector<float> logits(2 * kCount, 0.0f);
  for (std::int64_t i = 0; i < kCount; ++i) {
    const double u = static_cast<double>(i) / kCount;
    nth(logits, 2 * i + 1) = static_cast<float>(u < 0.5 ? 4 * u - 1 : 400 * (u - 0.75));
  }
  const Tensor labels = full({kCount, 1}, 1, DType::u8);
  const std::vector<Integral> rows = {row_of(Integrand::mass), row_of(Integrand::log_loss),
                                      row_of(Integrand::miss_power, 2), row_of(Integrand::alarm_log)};
  const Tensor z = from_vector({kCount, 1, 2}, logits);
  const std::vector<double> f32 = integrate(z, labels, rows).to_vector<double>();
  const std::vector<double> f64 = integrate(z.to(DType::f64), labels, rows).to_vector<double>();
  double worst = 0;
  for (std::size_t i = 0; i < f64.size(); ++i)
    if (f64[i] > 1e-37) worst = std::max(worst, std::fabs(f32[i] / f64[i] - 1));
  MESSAGE("worst relative error of f32: " << worst);
  CHECK(worst < 6e-7);
}

TEST_CASE("an ignored voxel has no influence, not even with NaN as its logits") {
  Random random(14);
  Call call = draw(random, {2, 9, 11, 3}, DType::f32, 2, true);
  std::vector<float> values = call.logits.to_vector<float>();
  const std::vector<std::uint8_t> labels = call.labels.to_vector<std::uint8_t>();
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] == 255) values[3 * i] = values[3 * i + 2] = NAN;
  Tensor spoilt = from_vector(call.logits.shape(), values);
  spoilt.set_requires_grad();
  const Tensor sums = integrate(spoilt, call.labels, call.rows, call.options);
  CHECK(sums.to_vector<double>() == integrate(call.logits, call.labels, call.rows, call.options).to_vector<double>());
  sum(sums).backward();
  const std::vector<float> gradient = spoilt.grad().to_vector<float>();
  for (std::size_t i = 0; i < labels.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c)
      CHECK_MESSAGE((labels[i] == 255 ? gradient[3 * i + c] == 0 : std::isfinite(gradient[3 * i + c])), i);
}

TEST_CASE("NaN in the logits of a voxel that counts reaches the sums and the gradient") {
  std::vector<Integral> rows;
  for (const double a : {0.5, 1.7}) {
#define VOXGRAD_ROW(name, ...) rows.push_back(row_of(Integrand::name, a));
    VOXGRAD_INTEGRAND_TABLE(VOXGRAD_ROW)
#undef VOXGRAD_ROW
  }
  std::erase_if(rows, [](const Integral& row) {
    // These count voxels, and one whose loss is NaN counts as above every threshold.
    return row.kind == Integrand::present || row.kind == Integrand::voxels || row.kind == Integrand::weight ||
           row.kind == Integrand::weight_above;
  });
  const Tensor labels = zeros({1, 5}, DType::u8);
  for (std::size_t channel : {0u, 1u, 2u})
    for (const float nan : {NAN, std::bit_cast<float>(0x7FFFFFFFu)})
      for (const Integral& row : rows) {
        std::vector<float> values(15, 0.5f);
        values[6 + channel] = nan;
        Tensor logits = from_vector({1, 5, 3}, values).set_requires_grad();
        const Tensor total = sum(integrate(logits, labels, {row}));
        CHECK_MESSAGE(std::isnan(total.item()), "row " << static_cast<int>(row.kind) << ", a " << row.a);
        total.backward();
        CHECK_MESSAGE(std::isnan(sum(logits.grad()).item()), "row " << static_cast<int>(row.kind) << ", a " << row.a);
      }
}

TEST_CASE("many small samples take about the memory of their logits") {
  const Tensor logits = zeros({512, 16, 16, 10}).set_requires_grad(), labels = zeros({512, 16, 16}, DType::u8);
  Pool& pool = cpu_backend().pool();
  pool.reset_peak();
  const std::size_t before = pool.statistics().in_use;
  const Tensor sums = integrate(logits, labels, {{.kind = Integrand::mass, .a = 0, .weights = {}, .field = {}}}, {});
  CHECK(pool.statistics().peak - before < 4 * logits.bytes());
  CHECK(std::fabs(sums.to_vector<double>()[0] - 25.6) < 1e-4);
}

TEST_CASE("wrong arguments are refused with the values in the message") {
  using test::contains;
  using test::error_of;
  const Tensor logits = zeros({1, 2, 3});
  const Tensor labels = from_vector<std::uint8_t>({1, 2}, {1, 7});
  const std::vector<Integral> mass = {row_of(Integrand::mass)};
  const std::string outside = error_of([&] { integrate(logits, labels, mass); });
  CHECK_MESSAGE(contains(outside, "label 7 outside 0..2"), outside);
  CHECK_MESSAGE(contains(outside, "ignore=7"), outside);
  CHECK(integrate(logits, labels, mass, {.ignore = 7}).defined());
  CHECK(contains(error_of([&] { integrate(zeros({1, 2, 1}), full({1, 2}, 2, DType::u8), mass); }), "outside 0..1"));
  CHECK(contains(error_of([&] { integrate(logits, zeros({1, 3}, DType::u8), mass); }), "labels must be u8 [1, 2]"));
  CHECK(contains(error_of([&] { integrate(logits, zeros({1, 2}), mass); }), "labels must be u8"));
  CHECK(contains(error_of([&] { integrate(logits, zeros({1, 2}, DType::u8), {}); }), "no rows"));
  const Tensor zero = zeros({1, 2}, DType::u8);
  CHECK(contains(error_of([&] { integrate(logits, zero, mass, {.ignore = -2}); }), "ignore"));
  CHECK(contains(error_of([&] { integrate(logits, zero, mass, {.ignore = -1, .temperature = 0}); }), "temperature"));
  Integral row = mass[0];
  row.weights = zeros({2}, DType::f64);
  CHECK(contains(error_of([&] { integrate(logits, zero, {row}); }), "weights of row 0 must be f64 [3] or [3, 3]"));
  row = mass[0];
  row.field = zeros({1, 2, 2});
  CHECK(contains(error_of([&] { integrate(logits, zero, {row}); }), "field of row 0"));
  row = row_of(Integrand::focal, NAN);
  CHECK(contains(error_of([&] { integrate(logits, zero, {row}); }), "parameter"));
}

TEST_CASE("the map of an integrand adds up to its integral, and is zero at ignored voxels") {
  Random random(97);
  for (const Shape& shape : {Shape{2, 300, 1}, Shape{2, 40, 50, 2}, Shape{1, 5, 6, 7, 4}}) {
    const std::int64_t channels = shape[-1], classes = std::max<std::int64_t>(channels, 2);
    const Shape space = space_of(shape);
    const std::vector<std::uint8_t> labels = draw_labels(random, space, classes, 0.2);
    const Tensor logits = random_normal(shape, random.bits64(), 0, 3, DType::f64), truth = from_vector(space, labels);
    for (Integral row : every_row()) {
      const Shape weights = random.chance(0.5) ? Shape{classes} : Shape{classes, classes};
      row.weights = random_uniform(weights, random.bits64(), 0.5, 2, DType::f64);
      row.field = random_normal(shape.with(-1, random.chance(0.5) ? 1 : channels), random.bits64(), 0, 1, DType::f64);
      const IntegrateOptions options{255, 1.5};
      const Tensor map = integrand(logits, truth, row, options);
      const double total = sum(integrate(logits, truth, {row}, options)).item(), added = sum(map).item();
      const double scale = sum(abs(map)).item();
      CHECK_MESSAGE(std::fabs(total - added) <= 1e-13 * scale, static_cast<int>(row.kind) << " " << shape);
      for (std::size_t v = 0; v < labels.size(); ++v)
        for (std::int64_t c = 0; c < map.extent(-1); ++c)
          if (labels[v] == 255 && map.data<double>()[static_cast<std::int64_t>(v) * map.extent(-1) + c] != 0)
            CHECK_MESSAGE(false, "an ignored voxel has a value");
    }
  }
}

TEST_CASE("hinge errors are those of the log-odds, in one go as in several, with their gradient") {
  Random random(98);
  for (const Shape& shape : {Shape{2, 300, 1}, Shape{2, 4, 50, 2}, Shape{1, 19, 27, 3}, Shape{1, 5, 6, 7, 9}}) {
    const std::int64_t channels = shape[-1], classes = std::max<std::int64_t>(channels, 2);
    const Shape space = space_of(shape);
    const std::vector<std::uint8_t> labels = draw_labels(random, space, classes, 0.2);
    const Tensor truth = from_vector(space, labels);
    Tensor logits = random_normal(shape, random.bits64(), 0, 5, DType::f64);
    logits.set_requires_grad();
    const IntegrateOptions options{255, 1.5};
    const Tensor errors = hinge_errors(logits, truth, options), y = errors.detach();
    const Tensor upstream = random_normal(y.shape(), 7, 0, 1, DType::f64);
    errors.backward(upstream);
    const Tensor odds = integrand(logits.detach(), truth, row_of(Integrand::rest_log), options) -
                        integrand(logits.detach(), truth, row_of(Integrand::log_loss), options);
    double worst = 0;
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      const std::int64_t width = y.extent(-1), c = i % width + (width == 1 ? 1 : 0), v = i / width;
      const int label = nth(labels, v);
      const double s = odds.data<double>()[channels == 1 ? v : v * channels + c];
      const double expected = label == 255 ? 1 : std::max(0.0, 1 - (label == c ? s : -s));
      worst = std::max(worst, std::fabs(y.data<double>()[i] - expected));
    }
    CHECK_MESSAGE(worst <= 1e-12, shape << " " << worst);
    const Tensor plain = empty_like(y), gradient = empty_like(logits);
    cpu_backend().Backend::hinge_errors(logits.detach(), truth, options, plain);
    cpu_backend().Backend::hinge_errors_gradient(logits.detach(), truth, options, plain, upstream, gradient);
    CHECK_MESSAGE(max(abs(plain - y)).item() <= 1e-12, shape);
    CHECK_MESSAGE(max(abs(gradient - logits.grad())).item() <= 1e-12, shape);
    std::vector<double> values = logits.to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i)
      if (labels[i / static_cast<std::size_t>(channels)] == 255) values[i] = i % 2 == 0 ? NAN : INFINITY;
    Tensor spoilt = from_vector(shape, values).set_requires_grad();
    const Tensor same = hinge_errors(spoilt, truth, options);
    same.backward(upstream);
    CHECK_MESSAGE(same.to_vector<double>() == y.to_vector<double>(), shape);
    CHECK_MESSAGE(spoilt.grad().to_vector<double>() == logits.grad().to_vector<double>(), shape);
  }
}

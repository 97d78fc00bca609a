// The integrals of the losses on the card, against the CPU: every integrand, few and many classes, odd sizes.
// ctest labels: gpu
#include "tests/test.h"

#include "tests/cuda/compare.h"

using namespace voxgrad;

namespace {

// Of f32. expf and powf of a card are off by up to 1 and 4 of the last bit, those of the C library by half of one.
#ifdef VOXGRAD_CUDA_EMULATED
constexpr double kSingle = 5e-6;
#else
constexpr double kSingle = 1e-5;
#endif

struct Case {
  test::Tensors inputs;  // logits, labels, upstream gradient; weights and field of every row
  std::vector<Integral> rows;
  IntegrateOptions options;

  // The rows with the tensors of a device.
  std::vector<Integral> rows_of(const test::Tensors& on) const {
    std::vector<Integral> result = rows;
    for (std::size_t k = 0; k < rows.size(); ++k) {
      result[k].weights = on[3 + 2 * k];
      result[k].field = on[4 + 2 * k];
    }
    return result;
  }
};

// Every integrand, and those with a parameter with exponents that are special and some that are not. decorated: class
// weights, fields, ignored voxels and a temperature.
Case draw(Random& random, const Shape& shape, DType dtype, double spread, bool decorated) {
  Case one;
#define VOXGRAD_ROW(name, ...) one.rows.push_back({.kind = Integrand::name, .a = 2});
  VOXGRAD_INTEGRAND_TABLE(VOXGRAD_ROW)
#undef VOXGRAD_ROW
  for (double a : {0.0, 0.3, 1.0, 1.7})
    for (Integrand kind : {Integrand::focal, Integrand::nll_power}) one.rows.push_back({.kind = kind, .a = a});
  const std::int64_t channels = shape[-1], classes = std::max<std::int64_t>(channels, 2);
  Shape space;
  for (int i = 0; i + 1 < shape.dims(); ++i) space.push_back(shape[i]);
  const Tensor labels = empty(space, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    labels.data<std::uint8_t>()[i] =
        decorated && random.chance(0.2) ? std::uint8_t{255} : static_cast<std::uint8_t>(random.below(classes));
  one.inputs = {test::noise(shape, dtype, random, 0, spread), labels,
                test::noise({std::ssize(one.rows), shape[0], channels}, DType::f64, random)};
  if (decorated) one.options = {.ignore = 255, .temperature = 1.5};
  for (std::size_t k = 0; k < one.rows.size(); ++k) {
    const Shape weights = random.chance(0.5) ? Shape{classes} : Shape{classes, classes};
    one.inputs.push_back(decorated && random.chance(0.5) ? test::noise(weights, DType::f64, random) : Tensor());
    const Shape field = shape.with(-1, random.chance(0.5) ? 1 : channels);
    one.inputs.push_back(decorated && random.chance(0.5) ? test::noise(field, dtype, random) : Tensor());
  }
  return one;
}

// Differences against the size of what is added up.
double sums_error(const Case& one, DType dtype) {
  const Shape& upstream = one.inputs[2].shape();
  const test::Parity result = test::compare(
      [&](Backend& backend, const test::Tensors& in, const test::Tensors& out) {
        backend.integrate(in[0], in[1], one.rows_of(in), one.options, false, out[0]);
      },
      one.inputs, {empty(upstream, DType::f64)});
  const double voxels = static_cast<double>(one.inputs[0].shape().spatial_numel());
  return result.difference() / (dtype == DType::f32 ? std::sqrt(voxels) : 1);
}
double gradient_error(const Case& one) {
  return test::compare(
             [&](Backend& backend, const test::Tensors& in, const test::Tensors& out) {
               backend.integrate_gradient(in[0], in[1], one.rows_of(in), one.options, Tensor(), in[2], out[0]);
             },
             one.inputs, {empty_like(one.inputs[0])})
      .difference();
}

}  // namespace

TEST_CASE("sums and gradients of every integrand are those of the CPU") {
  if (!has_device(Device::cuda)) return;
  Random random(21);
  double worst[2][2] = {};
  for (const Shape& shape :
       {Shape{1, 1, 1}, Shape{2, 3, 2}, Shape{1, 63, 1}, Shape{2, 65, 3}, Shape{3, 5, 7, 4}, Shape{1, 7, 9, 5},
        Shape{1, 9, 8}, Shape{1, 7, 9}, Shape{1, 3, 70}, Shape{2, 3, 5, 7, 6}, Shape{1, 47, 45, 2}, Shape{1, 2, 130}})
    for (DType dtype : {DType::f32, DType::f64})
      for (bool decorated : {false, true}) {
        const Case one = draw(random, shape, dtype, 2, decorated);
        const double sums = sums_error(one, dtype), gradient = gradient_error(one);
        const double limit = dtype == DType::f32 ? kSingle : 1e-12;
        CHECK_MESSAGE(sums <= limit, shape << " " << dtype << " decorated " << decorated << ": " << sums);
        CHECK_MESSAGE(gradient <= limit, shape << " " << dtype << " decorated " << decorated << ": " << gradient);
        worst[dtype == DType::f64][0] = std::max(worst[dtype == DType::f64][0], sums);
        worst[dtype == DType::f64][1] = std::max(worst[dtype == DType::f64][1], gradient);
      }
  MESSAGE("f32 sums " << worst[0][0] << " gradient " << worst[0][1] << ", f64 sums " << worst[1][0] << " gradient "
                      << worst[1][1]);
}

TEST_CASE("logits of 1e4 are exact, NaN in an ignored voxel does not matter, in another one it does") {
  if (!has_device(Device::cuda)) return;
  Random random(22);
  for (double spread : {300.0, 1e4})
    for (const Shape& shape : {Shape{1, 40, 1}, Shape{1, 40, 3}, Shape{1, 40, 6}, Shape{1, 40, 9}}) {
      const Case one = draw(random, shape, DType::f64, spread, false);
      CHECK_MESSAGE(sums_error(one, DType::f64) <= 1e-11, shape);
      CHECK_MESSAGE(gradient_error(one) <= 1e-11, shape);
    }
  for (bool ignored : {false, true}) {
    Case one = draw(random, {1, 9, 3}, DType::f32, 1, false);
    one.options.ignore = 255;
    one.inputs[0].data<float>()[4] = NAN;
    one.inputs[1].data<std::uint8_t>()[1] = ignored ? std::uint8_t{255} : std::uint8_t{1};
    const Tensor sums = empty({std::ssize(one.rows), 1, 3}, DType::f64, Device::cuda);
    cuda_backend().integrate(one.inputs[0].to(Device::cuda), one.inputs[1].to(Device::cuda), one.rows, one.options,
                             false, sums);
    double total = 0;
    for (double sum : test::values(sums)) total += sum;
    CHECK(std::isnan(total) == !ignored);
  }
}

TEST_CASE("the map of one row is that of the CPU") {
  if (!has_device(Device::cuda)) return;
  Random random(23);
  for (std::int64_t channels : {1, 2, 3, 7, 9})
    for (DType dtype : {DType::f32, DType::f64}) {
      const Shape shape{2, 11, channels};
      const Case one = draw(random, shape, dtype, 2, true);
      for (std::size_t k = 0; k < one.rows.size(); ++k) {
        bool truth = false;
        switch (one.rows[k].kind) {
#define VOXGRAD_CASE(name, scope, ...) \
  case Integrand::name: truth = integrands::Scope::scope == integrands::Scope::truth; break;
          VOXGRAD_INTEGRAND_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
        }
        const test::Parity result = test::compare(
            [&](Backend& backend, const test::Tensors& in, const test::Tensors& out) {
              backend.integrand(in[0], in[1], one.rows_of(in)[k], one.options, out[0]);
            },
            one.inputs, {empty(truth ? shape.with(-1, 1) : shape, dtype)});
        CHECK_MESSAGE(result.difference() <= (dtype == DType::f32 ? 2e-6 : 1e-13), shape << " row " << k);
      }
    }
}

// Exercises 1 to 5, with a right answer and wrong ones (exercises.h).
#include <cmath>

#include "tests/apps/examples/01_derivative.h"
#include "tests/apps/examples/02_broadcasting.h"
#include "tests/apps/examples/03_matrix_product.h"
#include "tests/apps/examples/04_convolution.h"
#include "tests/apps/examples/05_instance_norm.h"
#include "tests/apps/examples/exercises.h"

namespace voxgrad::learn {
namespace {

template <int mistake>
Tensor softplus_answer(const Tensor& input) {
  const Tensor x = mistake == 4 ? input : input.detach();
  const Tensor y = mistake == 1   ? log(1.0 + exp(x))                  // overflows
                   : mistake == 2 ? relu(x) + log(1.0 + exp(-abs(x)))  // loses the digits of e^-30
                                  : relu(x) + log1p(exp(-abs(x)));
  if (mistake == 4) return y;  // the steps are recorded, with a kink at 0
  return record("softplus", y, {{input, [x](const Tensor& dy) {
                                   return mistake == 3   ? sigmoid(x)  // lacks dy
                                          : mistake == 5 ? dy * (1.0 - sigmoid(x))
                                                         : dy * sigmoid(x);
                                 }}});
}

template <int mistake>
Tensor broadcast_answer(const Tensor& gradient, const Shape& shape) {
  const int missing = gradient.dims() - shape.dims();
  std::vector<int> axes;
  for (int axis = 0; axis < gradient.dims(); ++axis) {
    const int own = mistake == 1 ? axis : axis - missing;  // 1: aligned at the first axis
    const bool absent = own < 0 || own >= shape.dims();
    if (absent || (mistake != 2 && shape[own] == 1)) axes.push_back(axis);  // 2: forgets extents of 1
  }
  if (axes.empty()) return reshape(gradient, shape);
  Tensor result = mistake == 3 ? mean(gradient, axes) : sum(gradient, axes);  // 3: a mean
  if (mistake == 4)                                                           // the first copy alone
    for (result = gradient; result.numel() > shape.numel();)
      for (const int axis : axes) result = slice(result, axis, 0, 1);
  return reshape(result, shape);
}

template <int mistake>
Tensor matmul_answer(const Tensor& a, const Tensor& b) {
  const std::int64_t M = a.extent(0), K = a.extent(1), N = b.extent(1);
  const Tensor y = zeros({M, N}, DType::f64);
  for (std::int64_t i = 0; i < M; ++i)
    for (std::int64_t j = 0; j < N; ++j)
      for (std::int64_t k = 0; k < (mistake == 2 ? K - 1 : K); ++k)  // 2: one step too few
        y.data<double>()[i * N + j] +=
            a.data<double>()[i * K + k] * b.data<double>()[mistake == 1 ? k * K + j : k * N + j];  // 1: the wrong width
  return y;
}

template <int mistake>
ProductGradients matmul_gradients_answer(const Tensor& a, const Tensor& b, const Tensor& dy) {
  if (mistake == 3) return {matmul_answer<0>(transpose(b), dy), matmul_answer<0>(dy, transpose(a))};  // exchanged sides
  if (mistake == 4) return {zeros(a.shape(), DType::f64), matmul_answer<0>(transpose(a), dy)};
  return {matmul_answer<0>(dy, transpose(b)), matmul_answer<0>(transpose(a), dy)};
}

// Calls f(index of x, index of w, index of y) for every product of the convolution.
template <int mistake, class F>
void for_products_of(const Shape& x, const Shape& w, const Shape& y, std::int64_t stride, std::int64_t padding, F&& f) {
  const std::int64_t H = x[1], W = x[2], I = x[3], A = w[1], B = w[2], O = w[0];
  for (std::int64_t n = 0; n < x[0]; ++n)
    for (std::int64_t v = 0; v < y[1]; ++v)
      for (std::int64_t u = 0; u < y[2]; ++u)
        for (std::int64_t o = 0; o < O; ++o)
          for (std::int64_t a = 0; a < A; ++a)
            for (std::int64_t b = 0; b < B; ++b)
              for (std::int64_t i = 0; i < I; ++i) {
                const std::int64_t step = mistake == 2 ? 1 : stride;  // 2: forgets the stride
                const std::int64_t row = step * v + a - padding, column = step * u + b - padding;
                const bool outside = row < 0 || row >= H || column < 0 || column >= W;
                if (outside || (mistake == 3 && column >= H)) continue;                             // 3: H twice
                const std::int64_t tap = mistake == 1 ? (A - 1 - a) * B + (B - 1 - b) : a * B + b;  // 1: flipped
                f(((n * H + row) * W + column) * I + i, (o * A * B + tap) * I + i, ((n * y[1] + v) * y[2] + u) * O + o);
              }
}

template <int mistake>
Tensor conv_answer(const Tensor& x, const Tensor& w, std::int64_t stride, std::int64_t padding) {
  const auto out = [&](int axis) { return (x.extent(axis) + 2 * padding - w.extent(axis)) / stride + 1; };
  const Tensor y = zeros({x.extent(0), out(1), out(2), w.extent(0)}, DType::f64);
  for_products_of<mistake>(x.shape(), w.shape(), y.shape(), stride, padding, [&](auto i, auto k, auto o) {
    y.data<double>()[o] += x.data<double>()[i] * w.data<double>()[k];
  });
  return y;
}
template <int mistake>
Tensor conv_input_answer(const Tensor& dy, const Tensor& w, const Shape& x, std::int64_t stride, std::int64_t padding) {
  const Tensor dx = zeros(x, DType::f64);
  for_products_of<mistake>(x, w.shape(), dy.shape(), stride, padding, [&](auto i, auto k, auto o) {
    dx.data<double>()[i] += dy.data<double>()[o] * w.data<double>()[k];
  });
  return dx;
}
template <int mistake>
Tensor conv_weight_answer(const Tensor& x, const Tensor& dy, const Shape& w, std::int64_t stride,
                          std::int64_t padding) {
  const Tensor dw = zeros(w, DType::f64);
  for_products_of<mistake>(x.shape(), w, dy.shape(), stride, padding, [&](auto i, auto k, auto o) {
    double& sum = dw.data<double>()[k];
    sum = (mistake == 4 ? 0 : sum) + dy.data<double>()[o] * x.data<double>()[i];  // 4: forgets to add
  });
  return dw;
}

struct Normed {
  Tensor h, r;  // the normalised map, and r [N, 1, 1, C]
};
template <int mistake>
Normed normed(const Tensor& x, double eps) {
  const std::vector<int> axes = mistake == 3 ? std::vector<int>{0, 1, 2} : std::vector<int>{1, 2};  // 3: the batch
  const Tensor centred = x - mean(x, axes, true);
  const double M = static_cast<double>(x.extent(1) * x.extent(2));
  Tensor variance = mean(square(centred), axes, true);
  if (mistake == 1) variance = variance * (M / (M - 1));  // unbiased
  if (mistake == 2) variance = mean(square(x), axes, true) - square(mean(x, axes, true));
  const Tensor r = mistake == 4 ? 1.0 / (sqrt(variance) + eps) : 1.0 / sqrt(variance + eps);
  return {centred * r, r};
}
template <int mistake>
Tensor norm_answer(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps) {
  return normed<mistake>(x, eps).h * gamma + beta;
}
template <int mistake>
NormGradients norm_gradients_answer(const Tensor& x, const Tensor& gamma, double eps, const Tensor& dy) {
  const auto [h, r] = normed<0>(x, eps);
  Tensor dx = dy;
  if (mistake != 5) dx = dx - mean(dy, {1, 2}, true);                              // 5: the mean is a constant
  if (mistake != 6) dx = dx - h * mean(mistake == 7 ? dy : dy * h, {1, 2}, true);  // 6: the deviation is a constant
  return {gamma * r * dx, sum(dy * h, {0, 1, 2}), sum(dy, {0, 1, 2})};
}

}  // namespace

TEST_CASE("exercise 1, the derivative of an operation, tells right from wrong") {
  judge(hole1::check, hole1::Answer{softplus_answer<0>},
        {{softplus_answer<1>}, {softplus_answer<2>}, {softplus_answer<3>}, {softplus_answer<4>}, {softplus_answer<5>}});
}

TEST_CASE("exercise 2, the gradient of broadcasting, tells right from wrong") {
  judge(hole2::check, hole2::Answer{broadcast_answer<0>},
        {{broadcast_answer<1>}, {broadcast_answer<2>}, {broadcast_answer<3>}, {broadcast_answer<4>}});
}

TEST_CASE("exercise 3, the matrix product, tells right from wrong") {
  judge(hole3::check, hole3::Answer{matmul_answer<0>, matmul_gradients_answer<0>},
        {{matmul_answer<1>},
         {matmul_answer<2>},
         {.gradients = matmul_gradients_answer<3>},
         {.gradients = matmul_gradients_answer<4>}});
}

TEST_CASE("exercise 4, convolution, tells right from wrong") {
  judge(hole4::check, hole4::Answer{conv_answer<0>, conv_input_answer<0>, conv_weight_answer<0>},
        {{.conv = conv_answer<1>},
         {.conv = conv_answer<2>},
         {.conv = conv_answer<3>},
         {.input_gradient = conv_input_answer<1>},
         {.input_gradient = conv_input_answer<2>},
         {.input_gradient = conv_input_answer<3>},
         {.weight_gradient = conv_weight_answer<1>},
         {.weight_gradient = conv_weight_answer<2>},
         {.weight_gradient = conv_weight_answer<4>}});
}

TEST_CASE("exercise 5, instance norm, tells right from wrong") {
  judge(hole5::check, hole5::Answer{norm_answer<0>, norm_gradients_answer<0>},
        {{.norm = norm_answer<1>},
         {.norm = norm_answer<2>},
         {.norm = norm_answer<3>},
         {.norm = norm_answer<4>},
         {.gradients = norm_gradients_answer<5>},
         {.gradients = norm_gradients_answer<6>},
         {.gradients = norm_gradients_answer<7>}});
}

}  // namespace voxgrad::learn

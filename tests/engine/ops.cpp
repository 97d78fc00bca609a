// What operations check before they compute, and values known by hand. Their gradients: gradients.cpp.
#include "engine/ops.h"

#include <cmath>
#include <functional>
#include <limits>

#include "engine/integrands.h"
#include "tests/test.h"

using namespace voxgrad;
using test::contains;
using test::error_of;

namespace {
using Values = std::vector<double>;
Tensor row(Values list) { return from_vector({static_cast<std::int64_t>(list.size())}, list); }
Values of(const Tensor& x) { return x.to_vector<double>(); }
}  // namespace

TEST_CASE("stable where the plain formula overflows") {
  CHECK(of(softplus(row({-1e4, 0, 1e4}))) == Values({0, std::log(2.0), 1e4}));
  CHECK(of(sigmoid(row({-1e4, 0, 1e4}))) == Values({0, 0.5, 1}));
  CHECK(of(log_cosh(row({-1e4, 0, 1e4})))[2] == 1e4 - std::log(2.0));
  const double small = of(log_cosh(from_vector<float>({1}, {1e-3f})))[0];
  CHECK(std::fabs(small / (0.5e-6 - 1e-12 / 12) - 1) < 1e-6);
  CHECK(of(log_softmax(row({1e4, 0})))[1] == -1e4);
  CHECK(of(softmax(row({1e4, -1e4}))) == Values({1, 0}));
}

TEST_CASE("safe_pow is the power of the positive part, with slope 0 at and below zero") {
  Tensor x = row({-1, 0, 4}).set_requires_grad();
  const Tensor y = safe_pow(x, 0.5);
  CHECK(of(y) == Values({0, 0, 2}));
  sum(y).backward();
  CHECK(of(x.grad()) == Values({0, 0, 0.25}));
}

TEST_CASE("reductions over axes, kept or not, and ties") {
  const Tensor x = from_vector<double>({2, 3}, {1, 5, 5, 4, 2, 4});
  CHECK(of(sum(x, {0})) == Values({5, 7, 9}));
  CHECK(of(sum(x, {-1})) == Values({11, 10}));
  CHECK(sum(x, {1}, true).shape() == Shape({2, 1}));
  CHECK(sum(x).shape() == Shape());
  CHECK(of(mean(x)) == Values({3.5}));
  CHECK(of(max(x, {1})) == Values({5, 4}));
  CHECK(of(argmax(x)) == Values({1, 0}));
  Tensor leaf = x.clone().set_requires_grad();
  sum(max(leaf, {1})).backward();
  CHECK(of(leaf.grad()) == Values({0, 0.5, 0.5, 0.5, 0, 0.5}));
  CHECK(contains(error_of([&] { sum(x, {0, -2}); }), "named twice"));
  CHECK(contains(error_of([&] { mean(zeros({0, 2}, DType::f64)); }), "no elements"));
}

TEST_CASE("slices and concatenations are inverse") {
  const Tensor x = from_vector<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(of(slice(x, 1, 1, 3)) == Values({2, 3, 5, 6}));
  CHECK(of(concat({slice(x, 1, 0, 1), slice(x, 1, 1, 3)}, 1)) == of(x));
  CHECK(of(concat({slice(x, 0, 0, 1), slice(x, 0, 1, 2)}, 0)) == of(x));
  CHECK(contains(error_of([&] { slice(x, 1, 2, 4); }), "[2, 4) outside axis 1 of [2, 3]"));
  CHECK(contains(error_of([&] { concat({x, zeros({3, 3}, DType::f64)}, 1); }), "differ outside of axis 1"));
}

TEST_CASE("permute moves axes, transpose exchanges two") {
  const Tensor x = tensor({{{1, 2, 3}, {4, 5, 6}}, {{7, 8, 9}, {10, 11, 12}}});  // [2, 2, 3]
  const Tensor y = permute(x, {2, 0, -2});
  CHECK(y.shape() == Shape({3, 2, 2}));
  CHECK(of(y) == Values({1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12}));
  CHECK(y.at(2, 1, 0) == x.at(1, 0, 2));
  CHECK(of(transpose(x.to(DType::u8), 0, 1)) == Values({1, 2, 3, 7, 8, 9, 4, 5, 6, 10, 11, 12}));
  CHECK(of(transpose(tensor({{1, 2}, {3, 4}}))) == Values({1, 3, 2, 4}));
  CHECK(transpose(zeros({2, 0})).shape() == Shape({0, 2}));
  CHECK(contains(error_of([&] { permute(x, {0, 1}); }), "permute: 2 axes for f32 [2, 2, 3]"));
  CHECK(contains(error_of([&] { permute(x, {0, 1, -2}); }), "axis 1 of f32 [2, 2, 3] is named twice"));
}

TEST_CASE("a convolution known by hand, and its messages") {
  // Cross-correlation: the kernel is not flipped.
  const Tensor x = from_vector<double>({1, 4, 1}, {1, 2, 3, 4});
  const Tensor weight = from_vector<double>({1, 3, 1}, {1, 10, 100});
  CHECK(of(conv(x, weight)) == Values({321, 432}));
  CHECK(of(conv(x, weight, row({0.5}), {.stride = 2, .padding = 1})) == Values({210.5, 432.5}));
  CHECK(of(conv_transpose(x, from_vector<double>({1, 2, 1}, {1, 10}), {}, {.stride = 2})) ==
        Values({1, 10, 2, 20, 3, 30, 4, 40}));
  const Tensor image = zeros({1, 8, 8, 4});
  CHECK(contains(error_of([&] {
                   conv(image, zeros({64, 3, 3, 3}));
                 }),
                 "conv: weight [64, 3, 3, 3] takes 3 channels, x [1, 8, 8, 4] has 4"));
  CHECK(contains(error_of([] { conv(zeros({1, 3, 8, 8}), zeros({64, 3, 3, 3})); }), "has 8\nhint: channels are last"));
  CHECK(contains(error_of([&] { conv(image, zeros({2, 9, 9, 4})); }), "spans 9 voxels"));
  CHECK(contains(error_of([&] { conv(image, zeros({2, 3, 4})); }), "as many axes"));
  CHECK(contains(error_of([&] { conv(image, zeros({})); }), "as many axes"));
  CHECK(contains(error_of([&] { conv(image, zeros({2, 3, 3, 4}), zeros({3})); }), "for 2 output channels"));
  CHECK(contains(error_of([&] { conv(image, zeros({2, 3, 3, 4}, DType::f64)); }), "one dtype"));
  CHECK(contains(error_of([&] { conv(image, zeros({2, 3, 3, 4}), {}, {.stride = {1, 1, 1}}); }), "3 values for 2"));
  CHECK(contains(error_of([&] { conv(image, zeros({2, 3, 3, 4}), {}, {.stride = 0}); }), "stride 0 is below 1"));
  CHECK(contains(error_of([&] {
                   conv(image, zeros({2, 3, 3, 4}), {}, {.dilation = std::int64_t{1} << 62});
                 }),
                 "dilation 4611686018427387904 is above 1073741824"));
  CHECK(contains(error_of([&] { conv(image, zeros({2, 0, 3, 4})); }), "weight [2, 0, 3, 4] has no elements"));
  CHECK(contains(error_of([&] { conv(zeros({1, 4, 4, 0}), zeros({2, 3, 3, 0})); }), "has no elements"));
  CHECK(contains(error_of([&] { conv_transpose(zeros({1, 4, 4, 0}), zeros({0, 2, 2, 2})); }), "has no elements"));
}

TEST_CASE("max_pool hands NaN on and drops the rest at the end") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor y = max_pool(from_vector<double>({1, 5, 1}, {1, 3, nan, 2, 9}), 2);
  CHECK(y.extent(1) == 2);
  CHECK(of(y)[0] == 3);
  CHECK(std::isnan(of(y)[1]));
  const std::int64_t most = 1 << 30;  // whose cube is more than 64 bits hold
  CHECK(contains(error_of([&] { max_pool(zeros({1, 4, 4, 4, 1}), {most, most, most}); }), "larger than axis 1"));
}

TEST_CASE("a power of 0 is constant, also at 0") {
  Tensor x = row({-1, 0, 4}).set_requires_grad();
  sum(pow(x, 0)).backward();
  CHECK(of(x.grad()) == Values({0, 0, 0}));
}

TEST_CASE("batch norm moves its running statistics as PyTorch does") {
  // x = 1, 3 per channel: mean 2, biased variance 1, unbiased 2. momentum 0.1 from (0, 1).
  const Tensor x = from_vector<double>({2, 1, 1}, {1, 3});
  const Tensor mean = zeros({1}, DType::f64), variance = full({1}, 1, DType::f64);
  const Tensor y = normalise(x, {.eps = 0, .running_mean = mean, .running_var = variance});
  CHECK(std::fabs(mean.item() - 0.2) < 1e-12);
  CHECK(std::fabs(variance.item() - 1.1) < 1e-12);
  CHECK(std::fabs(of(y)[1] - 1) < 1e-12);
  const Tensor z = normalise(x, {.running_mean = mean, .running_var = variance, .training = false});
  CHECK(std::fabs(of(z)[0] - 0.8 / std::sqrt(1.1 + 1e-5)) < 1e-12);
  CHECK(mean.item() == 0.2 * 1.0);
}

TEST_CASE("the gradient of a batch norm in evaluation is that of its statistics, whatever trains afterwards") {
  const Tensor x = random_normal({2, 5, 3}, 1, 0, 1, DType::f64), other = random_normal({2, 5, 3}, 2, 4, 1, DType::f64);
  const auto gradients = [&](bool train) {
    Tensor gamma = random_normal({3}, 3, 1, 0.1, DType::f64);
    gamma.set_requires_grad();
    NormOptions options;
    options.gamma = gamma;
    options.running_mean = full({3}, 0.5, DType::f64);
    options.running_var = full({3}, 2, DType::f64);
    options.activation = Activation::relu;
    options.training = false;
    const Tensor y = normalise(x, options);
    options.training = true;
    if (train) normalise(other, options);
    sum(square(y)).backward();
    return gamma.grad().to_vector<double>();
  };
  CHECK(gradients(true) == gradients(false));
}

TEST_CASE("group norm refuses channels that do not divide") {
  CHECK(contains(error_of([] {
                   normalise(zeros({1, 2, 6}), {.groups = 4});
                 }),
                 "6 channels do not divide into 4 groups"));
}

TEST_CASE("dropout keeps the mean, is a function of its key, and probability 0 is the identity") {
  const Tensor x = full({4, 50, 50, 8}, 1);
  const Tensor y = dropout(x, 0.3, 7);
  CHECK(std::fabs(mean(y).item() - 1) < 0.01);
  CHECK(of(y) == of(dropout(x, 0.3, 7)));
  CHECK(of(y) != of(dropout(x, 0.3, 8)));
  CHECK(dropout(x, 0, 7).raw() == x.raw());
  for (double value : of(sum(dropout(x, 0.5, 7, true), {1, 2}))) CHECK((value == 0 || value == 5000));
  CHECK(contains(error_of([&] { dropout(x, 1, 7); }), "outside [0, 1)"));
}

TEST_CASE("an undefined tensor is refused by every operation, by name") {
  const Tensor none, map = zeros({1, 4, 4, 2}), labels = zeros({1, 4, 4}, DType::u8), w = zeros({2, 3, 3, 2});
  const std::vector<std::pair<const char*, std::function<void()>>> calls{
      {"exp", [&] { exp(none); }},
      {"affine", [&] { affine(none, 1, 0); }},
      {"cast", [&] { cast(none, DType::f64); }},
      {"add", [&] { add(none, map); }},
      {"add", [&] { add(map, none); }},
      {"sum", [&] { sum(none); }},
      {"mean", [&] { mean(none); }},
      {"max", [&] { max(none); }},
      {"sum_to", [&] { sum_to(none, {}); }},
      {"softmax", [&] { softmax(none); }},
      {"argmax", [&] { argmax(none); }},
      {"reshape", [&] { reshape(none, {1}); }},
      {"slice", [&] { slice(none, 0, 0, 1); }},
      {"concat", [&] { concat({none}, 0); }},
      {"concat",
       [&] {
         concat({map, none}, 0);
       }},
      {"permute", [&] { permute(none, {}); }},
      {"transpose", [&] { transpose(none); }},
      {"matmul", [&] { matmul(none, none); }},
      {"conv", [&] { conv(none, w); }},
      {"conv", [&] { conv(map, none); }},
      {"conv",
       [&] {
         conv(std::vector<FeatureMap>{map, none}, w);
       }},
      {"conv_norm", [&] { conv_norm({none}, w, {}, {}, {.groups = 1}); }},
      {"conv_transpose", [&] { conv_transpose(none, w); }},
      {"conv_transpose", [&] { conv_transpose(map, none); }},
      {"max_pool", [&] { max_pool(none); }},
      {"upsample", [&] { upsample(none, Upsampling::linear); }},
      {"normalise", [&] { normalise(none, {.groups = 1}); }},
      {"normalise", [&] { normalise(map, {}); }},
      {"dropout", [&] { dropout(none, 0.5, 1); }},
      {"integrate", [&] { integrate(none, labels, {{Integrand::mass}}); }},
      {"integrate", [&] { integrate(map, none, {{Integrand::mass}}); }},
      {"integrand", [&] { integrand(none, labels, {Integrand::mass}); }},
      {"hinge_errors", [&] { hinge_errors(map, none); }},
      {"lookup", [&] { lookup(none, labels); }},
      {"lookup",
       [&] {
         lookup(zeros({2, 2}, DType::f64), none);
       }},
      {"distance_transform", [&] { distance_transform(none, {}); }},
      {"dilate", [&] { dilate(none, {1}); }},
      {"select_largest", [&] { select_largest(none, 1); }},
      {"lovasz_slope", [&] { lovasz_slope(map, none); }},
  };
  for (const auto& call : calls) {
    const std::string message = error_of(call.second);
    CHECK_MESSAGE(message.starts_with(std::string(call.first) + ": "), call.first << ": " << message);
  }
}

TEST_CASE("a deferred normalisation that does not fit its map is refused") {
  const Tensor x = zeros({2, 4, 4, 4}), w = zeros({1, 1, 1, 4}), good = full({2, 4}, 1);
  const auto refusal = [&](const Tensor& mean, const Tensor& rstd, const Tensor& gamma = {}) {
    FeatureMap map(x);
    map.mean = mean, map.rstd = rstd, map.gamma = gamma;
    const std::string message = error_of([&] { conv({map}, w); });
    CHECK(error_of([&] { conv({x, map}, zeros({1, 1, 1, 8})); }) == message);
    CHECK(error_of([&] { max_pool(map); }) == (message.empty() ? "" : "max_pool" + message.substr(4)));
    CHECK(error_of([&] { map.tensor(); }).empty() == message.empty());
    return message;
  };
  CHECK(refusal(good, good, full({4}, 1)).empty());
  CHECK(refusal(full({1, 2}, 1), full({1, 2}, 1)).empty());
  CHECK(
      contains(refusal(good, Tensor()), "has mean f32 [2, 4] and rstd undefined tensor, must be f32 [1 or 2, groups]"));
  CHECK(contains(refusal(full({2, 3}, 1), full({2, 3}, 1)), "has mean f32 [2, 3]"));
  CHECK(contains(refusal(full({3, 4}, 1), full({3, 4}, 1)), "has mean f32 [3, 4]"));
  CHECK(contains(refusal(good, good.to(DType::f64)), "rstd f64 [2, 4]"));
  CHECK(contains(refusal(good, good, full({3}, 1)), "has a parameter f32 [3], must be f32 [4]"));
}

TEST_CASE("operands of different type or shape are refused with both") {
  CHECK(contains(error_of([] { add(zeros({2}), zeros({2}, DType::f64)); }), "f64 [2]"));
  CHECK(contains(error_of([] { add(zeros({2, 3}), zeros({2, 4})); }), "[2, 3] and [2, 4] do not broadcast"));
  CHECK(contains(error_of([] { exp(zeros({2}, DType::u8)); }), "takes floats"));
  CHECK(contains(error_of([] { matmul(zeros({2, 3}), zeros({4, 5})); }), "inner extents 3 and 4"));
  CHECK(contains(error_of([] { reshape(zeros({2, 3}), {4}); }), "6 elements"));
}

TEST_CASE("a number that is no integrand, and an eps that makes NaN, are refused") {
  const Tensor x = zeros({1, 2, 2, 2}), labels = zeros({1, 2, 2}, DType::u8);
  for (const int kind : {-1, 999}) {
    CHECK(contains(error_of([&] { integrate(x, labels, {{Integrand{kind}}}); }), text("no integrand ", kind)));
    CHECK(contains(error_of([&] { integrand(x, labels, {Integrand{kind}}); }), text("no integrand ", kind)));
  }
  for (const double eps : {-1.0, std::numeric_limits<double>::quiet_NaN()})
    CHECK(contains(error_of([&] { normalise(x, {.groups = 1, .eps = eps}); }), "normalise: eps is "));
}

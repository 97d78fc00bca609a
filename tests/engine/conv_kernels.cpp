// The convolution kernels of the CPU against the sums that define them, over several hundred generated shapes.
#include "tests/test.h"

#include "tests/engine/conv_reference.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// Shapes that hit every tail: channels 1 .. 70, extents from 1, kernels {1, 2, 3, 5} mixed over the axes, any stride,
// padding and dilation up to 3. `budget` bounds the products, so that the reference stays quick.
ConvCase generate(Random& random, double budget) {
  const auto one_of = [&](std::initializer_list<std::int64_t> values) {
    return values.begin()[random.below(static_cast<std::int64_t>(values.size()))];
  };
  while (true) {
    ConvCase c = point_case(static_cast<int>(1 + random.below(3)), 1 + random.below(3));
    c.cin = random.chance(0.5) ? 1 + random.below(8) : 1 + random.below(70);
    c.cout = random.chance(0.5) ? 1 + random.below(8) : 1 + random.below(70);
    for (int axis = 3 - c.dims; axis < 3; ++axis) {
      c.in[axis] = 1 + random.below(c.dims == 3 ? 9 : 17);
      c.kernel[axis] = one_of({1, 1, 2, 3, 3, 3, 5});
      c.stride[axis] = one_of({1, 1, 1, 2, 2, 3});
      c.padding[axis] = one_of({0, 0, 1, 1, 2, 3});
      c.dilation[axis] = one_of({1, 1, 1, 2, 3});
    }
    if (c.valid() && c.products() <= budget) return c;
  }
}

// Whole numbers: the products and sums of the general path are exact, also in f32.
template <class T>
void compare(const ConvCase& c, const Random& random, bool with_bias) {
  const ConvTensors tensors = whole_conv_tensors<T>(c, random);
  const ConvResults reference = define_conv(c, tensors, with_bias), result = run_conv(c, tensors, with_bias);
  CHECK_MESSAGE(normalised_error(result.y, reference.y) == 0, "forward ", c.name());
  CHECK_MESSAGE(normalised_error(result.dx, reference.dx) == 0, "input gradient ", c.name());
  CHECK_MESSAGE(normalised_error(result.dweight, reference.dweight) == 0, "weight gradient ", c.name());
}

}  // namespace

TEST_CASE("convolution, general path: generated shapes are exact in f32") {
  const Setting kernel("VOXGRAD_CONV", "gemm");
  Random random(1);
  for (std::uint64_t i = 0; i < 300; ++i) compare<float>(generate(random, 3e6), random.fork(i), i % 2 == 0);
}

TEST_CASE("convolution, general path: generated shapes are exact in f64") {
  Random random(2);
  for (std::uint64_t i = 0; i < 150; ++i) compare<double>(generate(random, 2e6), random.fork(i), i % 2 == 0);
}

TEST_CASE("convolution, direct kernel: generated shapes are exact") {
  const Setting kernel("VOXGRAD_CONV", "direct");
  Random random(6);
  for (std::uint64_t i = 0; i < 200; ++i) {
    ConvCase c = generate(random, 3e6);
    if (random.chance(0.7)) c.cin = 1 + random.below(4);
    if (i % 4 == 0)
      compare<double>(c, random.fork(i), i % 8 == 0);
    else
      compare<float>(c, random.fork(i), i % 2 == 0);
  }
}

TEST_CASE("convolution: the kernel of the plan is right for the layers of a network") {
  Random random(7);
  for (std::uint64_t i = 0; i < 60; ++i) {
    ConvCase c = generate(random, 2e6);
    if (i % 3 == 0) c.cin = 1 + random.below(6);
    const ConvTensors tensors = uniform_conv_tensors(c, random.fork(i));
    const ConvResults reference = define_conv(c, tensors), result = run_conv(c, to_type(tensors, DType::f32));
    CHECK_MESSAGE(normalised_error(result.y, reference.y) <= 5e-5, "forward ", c.name());
    CHECK_MESSAGE(normalised_error(result.dx, reference.dx) <= 5e-5, "input gradient ", c.name());
    CHECK_MESSAGE(normalised_error(result.dweight, reference.dweight) <= 5e-5, "weight gradient ", c.name());
  }
}

TEST_CASE("convolution, general path and direct kernel: the same bits for 1, 2 and 3 threads") {
  Random random(3);
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Setting kernel("VOXGRAD_CONV", i % 2 == 0 ? "gemm" : "direct");
    // Large enough for several blocks and slices.
    ConvCase c = point_case(2, 2);
    c.in = {1, 40 + random.below(30), 33 + random.below(30)};
    c.kernel = {1, 1 + random.below(3), 3};
    c.stride = {1, 1 + random.below(2), 1 + random.below(2)};
    c.padding = {0, random.below(2), 1};
    c.cin = 1 + random.below(40);
    c.cout = 1 + random.below(40);
    check_same_bits(c, to_type(uniform_conv_tensors(c, random.fork(i)), DType::f32));
  }
}

TEST_CASE("convolution: an empty batch has a weight gradient of zero") {
  ConvCase c = point_case(2, 0);
  c.in = {1, 8, 8};
  c.kernel = {1, 3, 3};
  c.cin = c.cout = 4;
  const ConvResults r = run_conv(c, whole_conv_tensors<float>(c, Random(4)));
  CHECK(normalised_error(r.dweight, zeros(c.weight())) == 0);
}

TEST_CASE("convolution: VOXGRAD_CONV with an unknown value is an error that lists the values") {
  const Setting kernel("VOXGRAD_CONV", "fft");
  ConvCase c = point_case(2, 1);
  const ConvTensors tensors = whole_conv_tensors<float>(c, Random(5));
  const std::string message = error_of([&] { run_conv(c, tensors); });
  CHECK_MESSAGE(contains(message, "VOXGRAD_CONV=fft"), message);
  CHECK_MESSAGE(contains(message, "winograd"), message);
}

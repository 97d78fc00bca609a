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
    ConvCase c{static_cast<int>(1 + random.below(3)),
               1 + random.below(3),
               1,
               1,
               {1, 1, 1},
               {1, 1, 1},
               {1, 1, 1},
               {0, 0, 0},
               {1, 1, 1}};
    c.cin = random.chance(0.5) ? 1 + random.below(8) : 1 + random.below(70);
    c.cout = random.chance(0.5) ? 1 + random.below(8) : 1 + random.below(70);
    const bool plain = random.chance(0.3);  // what a U-Net is made of
    for (std::size_t axis = static_cast<std::size_t>(3 - c.dims); axis < 3; ++axis) {
      c.in[axis] = 1 + random.below(c.dims == 3 ? 9 : 17);
      c.kernel[axis] = plain ? 3 : one_of({1, 1, 2, 3, 3, 3, 5});
      c.stride[axis] = plain ? 1 : one_of({1, 1, 1, 2, 2, 3});
      c.padding[axis] = plain ? 1 : one_of({0, 0, 1, 1, 2, 3});
      c.dilation[axis] = plain ? 1 : one_of({1, 1, 1, 2, 3});
    }
    if (!c.valid()) continue;
    const double products = static_cast<double>(c.y().numel()) * static_cast<double>(c.weight().numel() / c.cout);
    if (products <= budget) return c;
  }
}

template <class T>
void compare(const ConvCase& c, const Random& random, bool with_bias) {
  const ConvTensors tensors = whole_conv_tensors<T>(c, random);
  const ConvResults reference = define_conv(c, tensors, with_bias), result = run_conv(c, tensors, with_bias);
  CHECK_MESSAGE(normalised_error(result.y, reference.y) <= 2e-6, "forward ", c.name());
  CHECK_MESSAGE(normalised_error(result.dx, reference.dx) <= 2e-6, "input gradient ", c.name());
  CHECK_MESSAGE(normalised_error(result.dweight, reference.dweight) <= 2e-6, "weight gradient ", c.name());
}

}  // namespace

TEST_CASE("convolution: generated shapes, f32") {
  Random random(1);
  for (int i = 0; i < 300; ++i)
    compare<float>(generate(random, 3e6), random.fork(static_cast<std::uint64_t>(i)), i % 2);
}

TEST_CASE("convolution: generated shapes, f64") {
  Random random(2);
  for (int i = 0; i < 100; ++i)
    compare<double>(generate(random, 1e6), random.fork(static_cast<std::uint64_t>(i)), i % 2);
}

// Winograd's convolution in f32 against the general path in f64 (which conv_kernels.cpp compares with the definition).
#include "tests/test.h"

#include "tests/engine/conv_reference.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

constexpr double kTolerance = 5e-5;  // largest error over largest value

// Images and volumes with 3x3 kernels of any depth, any number of channels, and extents around and below the tile of 4.
ConvCase generate(Random& random) {
  while (true) {
    ConvCase c = point_case(random.chance(0.5) ? 2 : 3, 1 + random.below(3));
    c.kernel = {c.dims == 3 ? 1 + random.below(4) : 1, 3, 3};
    c.cin = 1 + random.below(70);
    c.cout = 1 + random.below(70);
    c.in = {c.dims == 3 ? 1 + random.below(8) : 1, 1 + random.below(19), 1 + random.below(19)};
    c.padding = {c.dims == 3 ? random.below(3) : 0, random.below(3), random.below(3)};
    if (c.valid()) return c;
  }
}

void compare(const ConvCase& c, const Random& random, bool with_bias) {
  const ConvTensors tensors = uniform_conv_tensors(c, random);
  const ConvResults reference = run_conv(c, tensors, with_bias);
  const ConvResults result = run_conv(c, to_type(tensors, DType::f32), with_bias);
  CHECK_MESSAGE(normalised_error(result.y, reference.y) <= kTolerance, "forward ", c.name());
  CHECK_MESSAGE(normalised_error(result.dx, reference.dx) <= kTolerance, "input gradient ", c.name());
  CHECK_MESSAGE(normalised_error(result.dweight, reference.dweight) <= kTolerance, "weight gradient ", c.name());
}

// The sizes of these layers lead to each way of dividing the work: few channels, many channels, many tiles, both (sums
// of the weight gradient that wait for more tiles), deep volumes.
//
// The last two have many channels and two blocks of tiles that are kept: of 300 tiles, the second from the middle of a
// sample on, and of 17 planes.
std::vector<ConvCase> layers() {
  ConvCase deep = layer(3, 1, 150, 82, 6);
  deep.in[0] = 17;
  return {layer(2, 2, 32, 32, 50),    layer(2, 1, 200, 180, 21),
          layer(2, 3, 300, 270, 8),   layer(2, 1, 520, 70, 33),
          layer(2, 1, 1030, 110, 32), layer(3, 1, 16, 24, 35),
          layer(3, 2, 96, 80, 9),     layer(3, 1, 150, 140, 6),
          layer(2, 3, 520, 72, 37),   deep};
}

}  // namespace

TEST_CASE("winograd: generated shapes") {
  const Setting kernel("VOXGRAD_CONV", "winograd");
  Random random(1);
  for (std::uint64_t i = 0; i < 300; ++i) {
    ConvCase c = generate(random);
    if (i % 5 == 0) c.padding[1] = 3;  // more than 2: the input gradient has a negative padding, dy is cropped
    if (i % 7 == 0) c.padding[2] = 4;
    compare(c, random.fork(i), i % 2 == 0);
  }
}

// The transforms divide by 24 along each axis. Weights and output gradients that are multiples of 24 x 24 stay whole
// numbers, and so does every sum; only a quotient that a multiplication by 1/6 gives may be off by a rounding. Rounded
// to the nearest multiple of 576, nothing may differ from the definition.
TEST_CASE("winograd: whole numbers give the whole numbers of the definition") {
  const Setting kernel("VOXGRAD_CONV", "winograd");
  Random random(5);
  for (std::uint64_t i = 0; i < 250; ++i) {
    ConvCase c = generate(random);
    if (i % 2 == 0) c.cin = 1 + random.below(9), c.cout = 1 + random.below(9);
    while (c.products() > 1e6) c.in[2] = (c.in[2] + 1) / 2, c.in[1] = (c.in[1] + 1) / 2, c.cout = (c.cout + 1) / 2;
    if (!c.valid()) continue;
    const auto signs = [&](const Shape& shape, std::uint64_t stream, double unit) {
      std::vector<double> list = whole_numbers<double>(shape, random.fork(4 * i + stream)).to_vector<double>();
      for (double& value : list) value = value > 0 ? unit : value < 0 ? -unit : 0;
      return from_vector<double>(shape, list);
    };
    const ConvTensors t{signs(c.x(), 0, 1), signs(c.weight(), 1, 576), signs({c.cout}, 2, 576), signs(c.y(), 3, 576)};
    const ConvResults reference = define_conv(c, t), result = run_conv(c, to_type(t, DType::f32));
    const auto same = [](const Tensor& found, const Tensor& expected, double unit) {
      const std::vector<double> a = found.to_vector<double>(), b = expected.to_vector<double>();
      return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                        [unit](double x, double y) { return std::round(x / unit) == y / unit; });
    };
    CHECK_MESSAGE(same(result.y, reference.y, 576), "forward ", c.name());
    CHECK_MESSAGE(same(result.dx, reference.dx, 576.0 * 576), "input gradient ", c.name());
    CHECK_MESSAGE(same(result.dweight, reference.dweight, 576), "weight gradient ", c.name());
  }
}

TEST_CASE("winograd: layers of every size class") {
  const Setting kernel("VOXGRAD_CONV", "winograd");
  for (const ConvCase& c : layers()) compare(c, Random(2), true);
}

TEST_CASE("winograd: kernels so deep that one channel has many numbers") {
  const Setting kernel("VOXGRAD_CONV", "winograd");
  for (const std::int64_t depth : {128, 129, 300}) {
    ConvCase c = layer(3, 1, 1, 8, 10);
    c.kernel = {depth, 3, 3};
    c.in = {depth, 10, 10};
    c.padding = {0, 1, 1};
    compare(c, Random(6), true);
  }
}

TEST_CASE("winograd: the same bits for 1, 2 and 3 threads") {
  const Setting kernel("VOXGRAD_CONV", "winograd");
  for (const ConvCase& c : layers()) check_same_bits(c, to_type(uniform_conv_tensors(c, Random(3)), DType::f32));
}

TEST_CASE("winograd: NaN and infinity reach the outputs that they touch") {
  const Setting kernel("VOXGRAD_CONV", "winograd");
  const ConvCase c = layer(2, 1, 3, 5, 12);
  ConvTensors tensors = to_type(uniform_conv_tensors(c, Random(4)), DType::f32);
  tensors.x.data<float>()[(5 * 12 + 6) * 3] = INFINITY;
  const std::vector<float> y = run_conv(c, tensors).y.to_vector<float>();
  CHECK(!std::isfinite(y[(5 * 12 + 6) * 5]));
  CHECK(std::isfinite(y[0]));
}

#include "nn/init.h"

#include "nn/unet.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using test::contains;
using test::error_of;
using test::near;

namespace {

// Largest deviation of the rows of m (columns if `transposed`) from orthonormal ones.
double orthonormality(const Tensor& m, bool transposed) {
  const std::int64_t rows = m.extent(0);
  const Tensor matrix = reshape(m, {rows, m.numel() / rows});
  const Tensor gram = matmul(matrix, matrix, {.transpose_a = transposed, .transpose_b = !transposed});
  const std::vector<double> values = gram.to_vector<double>();
  const std::size_t n = static_cast<std::size_t>(gram.extent(0));
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) worst = std::max(worst, std::fabs(values[i * n + j] - (i == j ? 1 : 0)));
  return worst;
}

}  // namespace

TEST_CASE("gain: sqrt(2) for a ReLU, 1 for a linear layer") {
  CHECK(near(nn::gain_of(0), 1.4142135623730951, 1e-15));
  CHECK(near(nn::gain_of(0.01), 1.4141428569978354, 1e-15));
  CHECK(near(nn::gain_of(1), 1, 1e-15));
}

TEST_CASE("He: mean 0 and standard deviation gain / sqrt(fan_in)") {
  const Tensor weight = nn::he_normal({64, 3, 3, 32}, 288, nn::gain_of(0), Random(1));
  double total = 0, square = 0;
  for (const double w : weight.to_vector<double>()) total += w, square += w * w;
  const double n = static_cast<double>(weight.numel());
  const double expected = std::sqrt(2.0 / 288);
  CHECK(std::fabs(total / n) < 4 * expected / std::sqrt(n));
  CHECK(std::fabs(std::sqrt(square / n) / expected - 1) < 4 / std::sqrt(2 * n));
}

TEST_CASE("He: a function of the key alone") {
  Random used(3);
  used.bits();
  const Tensor a = nn::he_normal({5, 3, 2}, 6, 1, Random(3));
  CHECK(test::same_bits(a, nn::he_normal({5, 3, 2}, 6, 1, used)));
  CHECK(!test::same_bits(a, nn::he_normal({5, 3, 2}, 6, 1, Random(4))));
  CHECK(contains(error_of([] { nn::he_normal({5}, 0, 1, Random(3)); }), "fan_in must be at least 1, got 0"));
}

TEST_CASE("orthogonal: orthonormal rows, or columns where there are more rows, times the gain") {
  const Tensor wide = nn::orthogonal({16, 3, 3, 4}, 1, Random(1)), tall = nn::orthogonal({40, 3, 3, 1}, 1, Random(1)),
               square = nn::orthogonal({24, 24}, 1, Random(1));
  CHECK(orthonormality(wide, false) < 1e-14);
  CHECK(orthonormality(tall, true) < 1e-14);
  CHECK(orthonormality(square, false) < 1e-14);
  CHECK(orthonormality(square, true) < 1e-13);
  CHECK(orthonormality(wide, true) > 0.1);  // proves that the measure can fail
  const Tensor scaled = nn::orthogonal({24, 24}, 3, Random(1));
  CHECK(near(scaled.data<double>()[5], 3 * square.data<double>()[5], 1e-15));
  CHECK(contains(error_of([] { nn::orthogonal({4}, 1, Random(1)); }), "two axes or more, got [4]"));
}

TEST_CASE("every parameter has its own numbers, and a further layer changes nothing for the others") {
  nn::UNetConfig config{.base = 4, .depth = 3};
  const std::vector<NamedTensor> plain = nn::UNet(config, Random(7)).state();
  config.deep_supervision = true;
  config.residual = true;
  const std::vector<NamedTensor> more = nn::UNet(config, Random(7)).state();
  REQUIRE(more.size() > plain.size());
  std::size_t met = 0;
  for (const NamedTensor& a : plain)
    for (const NamedTensor& b : more)
      if (a.name == b.name) {
        ++met;
        CHECK_MESSAGE(test::same_bits(a.tensor, b.tensor), a.name);
      }
  CHECK(met == plain.size());
  // conv2 of two blocks of the same shape: decoder.1.conv2 and encoder.1.conv2 are both [8, 8, 3, 3].
  std::vector<Tensor> same_shape;
  for (const NamedTensor& a : plain)
    if (a.tensor.shape() == Shape({8, 8, 3, 3})) same_shape.push_back(a.tensor);
  REQUIRE(same_shape.size() == 2);
  CHECK(!test::same_bits(same_shape[0], same_shape[1]));
  const std::vector<NamedTensor> other_seed = nn::UNet(config, Random(8)).state();
  CHECK(!test::same_bits(other_seed[0].tensor, more[0].tensor));
}

TEST_CASE("the weights that a seed gives stay what they are, because runs are to be repeated") {
  const auto checksum = [](const nn::UNetConfig& config, std::uint64_t seed) {
    double sum = 0;
    std::size_t i = 0;
    for (const NamedTensor& entry : nn::UNet(config, Random(seed)).state())
      for (const float w : entry.tensor.to_vector<float>()) sum += w * std::sin(1.3 * static_cast<double>(i++));
    return sum;
  };
  nn::UNetConfig config{.in_channels = 2, .classes = 3, .base = 4, .depth = 3};
  config.transposed = false;
  config.deep_supervision = true;
  CHECK(near(checksum(config, 7), -6.793371872, 1e-5));
  config.dims = 3;
  config.residual = true;
  config.transposed = true;
  config.init = nn::Init::orthogonal;
  CHECK(near(checksum(config, 22), 0.290336204, 1e-5));
}

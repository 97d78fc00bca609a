// Selection and the slope of the Lovasz extension on the card: the bits of the CPU, equal values included.
// ctest labels: gpu
#include "tests/test.h"

#include "tests/cuda/compare.h"

using namespace voxgrad;

namespace {

Tensor draw(const Shape& shape, DType dtype, Random& random, bool ties) {
  const Tensor x = test::noise(shape, DType::f64, random, 0, 2);
  if (ties)
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data<double>()[i] = std::floor(x.data<double>()[i]);
  return x.to(dtype);
}

bool same_selection(const Tensor& x, std::int64_t count) {
  return test::compare([&](Backend& backend, const test::Tensors& in,
                           const test::Tensors& out) { backend.select_largest(in[0], count, out[0]); },
                       {x}, {empty_like(x)})
      .equal();
}

}  // namespace

TEST_CASE("select_largest, with and without ties, infinities, zeros of both signs and NaN") {
  if (!has_device(Device::cuda)) return;
  Random random(51);
  for (DType dtype : {DType::f32, DType::f64})
    for (std::int64_t n : {1, 2, 63, 256, 257, 9000})
      for (bool ties : {false, true}) {
        const Tensor x = draw({n}, dtype, random, ties);
        for (std::int64_t count : {std::int64_t{0}, std::int64_t{1}, n / 3, n - 1, n})
          CHECK_MESSAGE(same_selection(x, count), dtype << " " << count << " of " << n << ", ties " << ties);
      }
  const Tensor special = from_vector<double>({7}, {-INFINITY, 0.0, -0.0, INFINITY, NAN, -1, -NAN});
  for (DType dtype : {DType::f32, DType::f64})
    for (std::int64_t count = 0; count <= 7; ++count) CHECK(same_selection(special.to(dtype), count));
}

TEST_CASE("lovasz_slope per class over the batch and per image, with ties and ignored voxels") {
  if (!has_device(Device::cuda)) return;
  Random random(52);
  for (DType dtype : {DType::f32, DType::f64})
    for (const Shape& shape : {Shape{1, 1, 1}, Shape{2, 7, 1}, Shape{2, 5, 6, 2}, Shape{3, 9, 11, 5}, Shape{1, 900, 3}})
      for (bool per_image : {false, true})
        for (bool ties : {false, true}) {
          Shape space;
          for (int i = 0; i + 1 < shape.dims(); ++i) space.push_back(shape[i]);
          const Tensor labels = empty(space, DType::u8);
          for (std::int64_t i = 0; i < labels.numel(); ++i)
            labels.data<std::uint8_t>()[i] =
                random.chance(0.1) ? std::uint8_t{9} : static_cast<std::uint8_t>(random.below(shape[-1] == 1 ? 2 : 3));
          const test::Parity result = test::compare(
              [&](Backend& backend, const test::Tensors& in, const test::Tensors& out) {
                backend.lovasz_slope(in[0], in[1], per_image, 9, out[0]);
                backend.lovasz_slope(in[0], in[1], per_image, -1, out[1]);
              },
              {draw(shape, dtype, random, ties), labels}, {empty(shape, dtype), empty(shape, dtype)});
          CHECK_MESSAGE(result.equal(), shape << " " << dtype << " per image " << per_image << ", ties " << ties);
        }
}

// The distance transform on the card: the bits of the CPU where squares are whole, to rounding elsewhere.
// ctest labels: gpu
#include "tests/test.h"

#include "tests/cuda/compare.h"

using namespace voxgrad;

namespace {

// From single voxels everywhere to one region with a few others in it: distances of every size.
Tensor draw_labels(const Shape& shape, Random& random) {
  const double other = std::pow(10.0, random.uniform(-3, 0));
  const Tensor labels = empty(shape, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(random.chance(other) ? random.below(3) : 1);
  return labels;
}

test::Parity distances(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                       DType dtype) {
  Shape shape = labels.shape();
  shape.push_back(std::max<std::int64_t>(1, std::ssize(classes)));
  return test::compare([&](Backend& backend, const test::Tensors& in,
                           const test::Tensors& out) { backend.distance(in[0], classes, spacing, out[0]); },
                       {labels}, {empty(shape, dtype)});
}

}  // namespace

TEST_CASE("distances of all sizes, to any label and of classes, are those of the CPU") {
  if (!has_device(Device::cuda)) return;
  Random random(41);
  for (const Shape& shape : {Shape{1, 1}, Shape{2, 31}, Shape{1, 32}, Shape{1, 33}, Shape{1, 400}, Shape{2, 1, 4},
                             Shape{1, 4, 1}, Shape{2, 40, 37}, Shape{1, 3, 130}, Shape{1, 130, 3}, Shape{2, 12, 13, 14},
                             Shape{1, 1, 40, 33}, Shape{1, 33, 1, 40}, Shape{1, 60, 2, 2}})
    for (bool whole : {true, false})
      for (DType dtype : {DType::f32, DType::f64})
        for (const std::vector<int>& classes : {std::vector<int>{}, {1}, {0, 2, 7}}) {
          std::vector<double> spacing;
          for (int axis = 1; axis < shape.dims(); ++axis)
            spacing.push_back(whole ? static_cast<double>(1 + random.below(3)) : std::exp(random.uniform(-3, 3)));
          const test::Parity result = distances(draw_labels(shape, random), classes, spacing, dtype);
          if (whole)
            CHECK_MESSAGE(result.equal(), shape << " " << dtype);
          else
            CHECK_MESSAGE(result.difference() <= (dtype == DType::f32 ? 3e-7 : 1e-14),
                          shape << " " << dtype << ": " << result.difference());
        }
}

TEST_CASE("one voxel far away, and no other side at all") {
  if (!has_device(Device::cuda)) return;
  for (const Shape& shape : {Shape{1, 300}, Shape{1, 70, 50}, Shape{1, 18, 17, 19}})
    for (double spacing : {1.0, 0.37}) {
      const std::vector<double> all(static_cast<std::size_t>(shape.dims() - 1), spacing);
      const Tensor labels = zeros(shape, DType::u8);
      CHECK(distances(labels, {0}, all, DType::f32).equal());
      labels.data<std::uint8_t>()[labels.numel() / 3] = 1;
      CHECK(distances(labels, {1}, all, DType::f64).difference() <= 1e-14);
    }
}

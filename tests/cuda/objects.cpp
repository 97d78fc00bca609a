// Components, nearest components, skeletons and sums over segments on the card: the numbers of the CPU.
// ctest labels: gpu
#include "tests/test.h"

#include "engine/ops.h"
#include "tests/cuda/compare.h"

using namespace voxgrad;

namespace {

Tensor draw_mask(const Shape& shape, Random& random) {
  const Tensor labels = empty(shape, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(random.chance(0.4) ? random.below(3) : 0);
  return labels;
}

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {{1, 1}, {2, 40}, {2, 13, 37}, {1, 9, 8, 11}, {2, 1, 5, 6}};
  return all;
}

}  // namespace

TEST_CASE("components, their cells and skeletons are those of the CPU") {
  if (!has_device(Device::cuda)) return;
  Random random(51);
  for (const Shape& shape : shapes())
    for (const bool whole : {true, false}) {
      const Tensor labels = draw_mask(shape, random), ids = empty(shape + Shape{2}, DType::i32);
      std::vector<double> spacing;
      for (int axis = 1; axis < shape.dims(); ++axis)
        spacing.push_back(whole ? static_cast<double>(1 + random.below(3)) : random.uniform(0.3, 3));
      const test::Parity result = test::compare(
          [&](Backend& backend, const test::Tensors& in, const test::Tensors& out) {
            backend.components(in[0], {1, 2}, 1, out[0]);
            backend.nearest(out[0], spacing, out[1]);
            backend.skeleton(in[0], out[2]);
          },
          {labels}, {ids, empty_like(ids), empty_like(labels)});
      CHECK_MESSAGE(result.equal(), shape);
    }
}

TEST_CASE("sums over segments are those of the CPU to rounding, their gradient to the bit") {
  if (!has_device(Device::cuda)) return;
  Random random(52);
  for (const Shape& shape : {Shape{2, 5, 3}, Shape{1, 70, 90, 1}, Shape{2, 9, 8, 7, 2}})
    for (const bool one_channel : {true, false})
      for (DType dtype : {DType::f32, DType::f64}) {
        const Tensor ids = empty(shape, DType::i32), sums = empty({shape[0], 5, shape[-1]}, DType::f64);
        for (std::int64_t i = 0; i < ids.numel(); ++i)
          ids.data<std::int32_t>()[i] = static_cast<std::int32_t>(random.below(7)) - 1;
        const Tensor x = test::noise(one_channel ? shape.with(-1, 1) : shape, dtype, random);
        const test::Parity total =
            test::compare([](Backend& backend, const test::Tensors& in,
                             const test::Tensors& out) { backend.segment_sum(in[0], in[1], out[0]); },
                          {x, ids}, {sums});
        CHECK_MESSAGE(total.difference() <= 1e-12, shape << ": " << total.difference());
        const test::Parity slope =
            test::compare([](Backend& backend, const test::Tensors& in,
                             const test::Tensors& out) { backend.segment_sum_gradient(in[0], in[1], out[0]); },
                          {ids, test::noise(sums.shape(), DType::f64, random)}, {empty_like(x)});
        CHECK_MESSAGE(slope.equal(), shape);
      }
}

TEST_CASE("no columns of ids on the card: every sum is empty, and the gradient is 0") {
  if (!has_device(Device::cuda)) return;
  const Tensor ids = empty({1, 4, 4, 0}, DType::i32, Device::cuda),
               dx = full({1, 4, 4, 1}, 7, DType::f32, Device::cuda);
  CHECK(segment_sum(dx, ids, 2).numel() == 0);
  dx.backend().segment_sum_gradient(ids, empty({1, 2, 0}, DType::f64, Device::cuda), dx);
  CHECK(dx.to(Device::cpu).to_vector<double>() == std::vector<double>(16, 0.0));
}

// What depends on labels and neighbours, on the card: the bits of the CPU.
// ctest labels: gpu
#include "tests/test.h"

#include "tests/cuda/compare.h"

using namespace voxgrad;

namespace {

Tensor draw_labels(const Shape& shape, Random& random, std::int64_t classes) {
  const Tensor labels = empty(shape, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    labels.data<std::uint8_t>()[i] =
        random.chance(0.1) ? std::uint8_t{255} : static_cast<std::uint8_t>(random.below(classes));
  return labels;
}

// Few different values, so that many are equal.
Tensor draw_ties(const Shape& shape, DType dtype, Random& random) {
  const Tensor x = empty(shape, dtype);
  dispatch_float(dtype, "draw_ties", [&]<class T>(T) {
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data<T>()[i] = static_cast<T>(random.below(4));
  });
  return x;
}

}  // namespace

TEST_CASE("argmax: the first maximum, NaN above all") {
  if (!has_device(Device::cuda)) return;
  Random random(31);
  for (std::int64_t channels : {1, 2, 3, 9, 256})
    for (DType dtype : {DType::f32, DType::f64}) {
      Tensor x = draw_ties({3, 41, channels}, dtype, random);
      if (dtype == DType::f32) x.data<float>()[x.numel() / 2] = NAN;
      const test::Parity result = test::compare(
          [](Backend& backend, const test::Tensors& in, const test::Tensors& out) { backend.argmax(in[0], out[0]); },
          {x}, {empty({3, 41}, DType::u8)});
      CHECK_MESSAGE(result.equal(), channels << " channels");
    }
}

TEST_CASE("largest_label: -1 if every voxel is ignored") {
  if (!has_device(Device::cuda)) return;
  Random random(32);
  for (std::int64_t n : {1, 31, 700, 70000})
    for (int ignore : {-1, 0, 255}) {
      const Tensor labels = draw_labels({1, n}, random, 2 + random.below(200));
      const test::Guarded card(labels);
      CHECK(cuda_backend().largest_label(card.tensor(), ignore) == cpu_backend().largest_label(labels, ignore));
    }
  CHECK(cuda_backend().largest_label(full({2, 9}, 255, DType::u8).to(Device::cuda), 255) == -1);
  CHECK(cuda_backend().largest_label(empty({0, 9}, DType::u8, Device::cuda), 255) == -1);
}

TEST_CASE("lookup: the row of the label, zeros where the table has none") {
  if (!has_device(Device::cuda)) return;
  Random random(33);
  for (const Shape& table : {Shape{1, 1}, Shape{3, 2}, Shape{300, 5}})
    for (DType dtype : {DType::f32, DType::f64}) {
      const test::Parity result =
          test::compare([](Backend& backend, const test::Tensors& in,
                           const test::Tensors& out) { backend.lookup(in[0], in[1], out[0]); },
                        {test::noise(table, DType::f64, random), draw_labels({2, 7, 9}, random, 4)},
                        {empty({2, 7, 9, table[1]}, dtype)});
      CHECK_MESSAGE(result.equal(), table << " " << dtype);
    }
}

TEST_CASE("the extreme of neighbours and its gradient, with many equal ones") {
  if (!has_device(Device::cuda)) return;
  Random random(34);
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{2, 9, 3}, Shape{2, 2, 40, 1}, Shape{1, 5, 6, 7, 2}})
    for (int axis = 1; axis < shape.dims() - 1; ++axis)
      for (DType dtype : {DType::f32, DType::f64})
        for (ReduceOp op : {ReduceOp::max, ReduceOp::min}) {
          const Tensor x = draw_ties(shape, dtype, random), dy = draw_ties(shape, dtype, random);
          const test::Parity result = test::compare(
              [&](Backend& backend, const test::Tensors& in, const test::Tensors& out) {
                backend.neighbours(op, axis, in[0], out[0]);
                backend.neighbours_gradient(op, axis, in[0], in[1], out[1]);
              },
              {x, dy}, {empty_like(x), empty_like(x)});
          CHECK_MESSAGE(result.equal(), shape << " axis " << axis << " " << dtype);
        }
}

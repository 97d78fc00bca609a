// The handle: sharing, conversion, aliases, and what misuse says.
#include "engine/tensor.h"

#include "engine/backend.h"
#include "tests/test.h"

using namespace voxgrad;

TEST_CASE("a copy of a tensor is a handle on the same memory, a clone is not") {
  const Tensor x = from_vector<float>({2, 2}, {1, 2, 3, 4});
  const Tensor handle = x;
  const Tensor copy = x.clone();
  x.data<float>()[0] = 9;
  CHECK(handle.data<float>()[0] == 9);
  CHECK(copy.data<float>()[0] == 1);
  CHECK(!x.unique());
  CHECK(copy.unique());
}

TEST_CASE("conversion between all element types keeps what fits") {
  const Tensor x = from_vector<double>({3}, {0, 3, 200});
  for (DType type : {DType::f32, DType::f64, DType::i32, DType::u8}) {
    const Tensor y = x.to(type);
    CHECK(y.dtype() == type);
    CHECK(y.to_vector<double>() == std::vector<double>({0, 3, 200}));
    CHECK(y.to(type).raw() == y.raw());  // nothing to do: the same handle
  }
}

TEST_CASE("an alias is a window on the flat buffer") {
  const Tensor flat = from_vector<float>({6}, {0, 1, 2, 3, 4, 5});
  const Tensor window = flat.alias(2, {2, 2});
  CHECK(window.to_vector<float>() == std::vector<float>({2, 3, 4, 5}));
  window.data<float>()[0] = 7;
  CHECK(flat.data<float>()[2] == 7);
  CHECK_THROWS_AS(flat.alias(3, Shape({2, 2})), Error);
}

TEST_CASE("scalars and empty tensors") {
  CHECK(full({}, 2.5, DType::f64).item() == 2.5);
  CHECK(full({}, 2.5).numel() == 1);
  CHECK(zeros({0, 3}).numel() == 0);
  CHECK(zeros({0, 3}).to_vector<float>().empty());
}

TEST_CASE("misuse is named with the values") {
  const Tensor x = zeros({2, 3});
  CHECK(test::contains(test::error_of([&] { x.item(); }), "f32 [2, 3]"));
  CHECK(test::contains(test::error_of([&] { x.data<double>(); }), "f64 asked of f32"));
  CHECK(test::contains(test::error_of([&] { x.extent(2); }), "axis 2 outside [2, 3]"));
  CHECK(test::contains(test::error_of([&] { from_vector<float>({2}, {1}); }), "1 values for [2]"));
  CHECK(test::contains(test::error_of([] { Tensor().backend(); }), "undefined"));
}

TEST_CASE("a device that this build or machine lacks is refused with the remedy") {
  if (has_device(Device::cuda)) return;
  CHECK(test::contains(test::error_of([] { zeros({1}).to(Device::cuda); }), "hint: use device cpu"));
}

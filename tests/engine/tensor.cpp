// The handle: sharing, conversion, aliases, and what misuse says.
#include "engine/tensor.h"

#include <cmath>
#include <limits>

#include "engine/backend.h"
#include "engine/ops.h"
#include "tests/test.h"

using namespace voxgrad;

TEST_CASE("a shape that no memory holds is an error, not a small block") {
  const auto kind = [](const Shape& shape, DType type) {
    try {
      static_cast<void>(empty(shape, type));
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::check;
  };
  const std::int64_t large = std::int64_t{1} << 31;
  CHECK(kind({large, large}, DType::f32) == ErrorKind::memory);     // 2^64 bytes
  CHECK(kind({large, large, 4}, DType::f32) == ErrorKind::memory);  // 2^64 elements
  CHECK(kind({large * 2, large - 1}, DType::u8) ==
        ErrorKind::memory);  // the address space holds them, the memory does not
  CHECK(kind({large, large / 2}, DType::f64) == ErrorKind::memory);  // 2^64 bytes
  CHECK(test::contains(test::error_of([&] {
                         static_cast<void>(empty({large, large}));
                       }),
                       "f32 [2147483648, 2147483648] takes more bytes"));
}

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
    CHECK(y.to(type).raw() == y.raw());  // the type is the same already, and so is the memory
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

TEST_CASE("numbers in nested braces are a tensor") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(describe(x) == "f32 [2, 3]");
  CHECK(x.to_vector<float>() == std::vector<float>({1, 2, 3, 4, 5, 6}));
  CHECK(describe(tensor({1, 2}, DType::u8)) == "u8 [2]");
  CHECK(describe(tensor({{{1}}, {{2}}}, DType::f64)) == "f64 [2, 1, 1]");
  CHECK(tensor(2.5).item() == 2.5);
  CHECK(tensor({}).shape() == Shape{0});
  CHECK(test::contains(test::error_of([] {
                         tensor({{1, 2}, {3}});
                       }),
                       "braces of shape [1] beside braces of shape [2]"));
}

TEST_CASE("one element is read and written, an index may count from the end") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(x.at(1, 0) == 4);
  CHECK(x.at(-1, -1) == 6);
  CHECK(x.to(DType::u8).at(0, 2) == 3);
  CHECK(x.to(DType::bf16).at(0, 1) == 2);
  x.set({0, -2}, 9);
  CHECK(x.to_vector<float>() == std::vector<float>({1, 9, 3, 4, 5, 6}));
  CHECK(test::contains(test::error_of([&] { x.at(2, 0); }), "index [2, 0] outside of f32 [2, 3]"));
  CHECK(test::contains(test::error_of([&] { x.at(0, -4); }), "index [0, -4] outside of f32 [2, 3]"));
  CHECK(test::contains(test::error_of([&] { x.at(1); }), "index [1] outside of f32 [2, 3]"));
  CHECK(test::contains(test::error_of([] { Tensor().at(0); }), "index [0] outside of undefined tensor"));
}

TEST_CASE("from a pointer and to a pointer: copies") {
  float numbers[] = {1, 2, 3, 4, 5, 6};
  const Tensor x = from_data(numbers, {2, 3});
  numbers[0] = 9;
  CHECK(x.at(0, 0) == 1);
  double out[6] = {};
  x.copy_to(out, 6);
  CHECK(out[5] == 6);
  CHECK(test::contains(test::error_of([&] { x.copy_to(out, 5); }), "copy_to: room for 5 elements of f32 [2, 3]"));
}

TEST_CASE("a null pointer is refused unless there is nothing to copy") {
  const float* const null = nullptr;
  CHECK(test::contains(test::error_of([&] { static_cast<void>(from_data(null, {2})); }),
                       "from_data: a null pointer for f32 [2]"));
  CHECK(from_data(null, {0}).numel() == 0);
}

TEST_CASE("borrowed memory is used in place and given back once, with the last tensor on it") {
  std::vector<double> numbers{1, 2, 3, 4};
  int released = 0;
  Tensor x = borrow(numbers.data(), {2, 2}, [&](void* data) {
    CHECK(data == numbers.data());
    ++released;
  });
  CHECK(x.raw() == numbers.data());
  x.set({0, 0}, 7);
  CHECK(numbers[0] == 7);
  Tensor part = x.alias(2, {2});
  CHECK(sum(square(x)).item() == 49 + 4 + 9 + 16);
  x = Tensor();
  CHECK(released == 0);
  part = Tensor();
  CHECK(released == 1);
  borrow(numbers.data(), {4});  // without a deleter the caller still owns the memory
  CHECK(numbers[3] == 4);
  CHECK(
      test::contains(test::error_of([] { borrow(static_cast<float*>(nullptr), {2}); }), "a null pointer for f32 [2]"));
  CHECK(
      test::contains(test::error_of([&] { borrow(reinterpret_cast<std::byte*>(numbers.data()) + 1, {1}, DType::f64); }),
                     "not aligned for f64"));
}

TEST_CASE("copy_into overwrites the elements, whatever their type, and refuses another shape") {
  const Tensor target = zeros({2, 2}), whole = target;
  copy_into(target, tensor({{1, 2}, {3, 4}}, DType::f64));
  CHECK(whole.to_vector<float>() == std::vector<float>({1, 2, 3, 4}));
  CHECK(test::contains(test::error_of([&] { copy_into(target, zeros({4})); }), "f32 [4] does not fit into f32 [2, 2]"));
  CHECK(test::contains(test::error_of([&] { copy_into(target, {}); }), "undefined tensor does not fit"));
}

TEST_CASE("allclose: within a part of b, and NaN is close to nothing") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Tensor a = tensor({1, 2}, DType::f64);
  CHECK(allclose(a, tensor({1, 2.00001})));
  CHECK(!allclose(a, tensor({1, 2.0001})));
  CHECK(allclose(a, tensor({1, 2.0001}), 0, 1e-3));
  CHECK(!allclose(a, tensor({{1, 2}})));
  CHECK(!allclose(tensor(NAN), tensor(NAN)));
  CHECK(allclose(tensor(kInfinity), tensor(kInfinity)));
  CHECK(!allclose(tensor(1), tensor(kInfinity)));
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
  CHECK(test::contains(test::error_of([] { Tensor().raw(); }), "an undefined tensor was used"));
  CHECK(test::contains(test::error_of([] { Tensor().item(); }), "item: needs one element, this is undefined tensor"));
  CHECK(test::contains(test::error_of([] { Tensor().extent(1); }), "extent 1 of an undefined tensor"));
  CHECK(test::contains(test::error_of([] { Tensor().to_vector<float>(); }), "undefined tensor"));
  CHECK(test::contains(test::error_of([&] { x.data<double>(); }), "f64 asked of f32"));
  CHECK(test::contains(test::error_of([&] { x.extent(2); }), "axis 2 outside [2, 3]"));
  CHECK(test::contains(test::error_of([&] { from_vector<float>({2}, {1}); }), "1 values for [2]"));
  CHECK(test::contains(test::error_of([] { Tensor().backend(); }), "undefined"));
}

TEST_CASE("a device that this build or machine lacks is refused with the remedy") {
  if (has_device(Device::cuda)) return;
  CHECK(test::contains(test::error_of([] { zeros({1}).to(Device::cuda); }), "hint: use device cpu"));
}

TEST_CASE("a null target and elements beyond the end are refused") {
  const Tensor x = zeros({2, 3}, DType::u8);
  CHECK(
      test::contains(test::error_of([&] { x.copy_to<float>(nullptr, 6); }), "copy_to: a null pointer with room for 6"));
  zeros({0}).copy_to<float>(nullptr, 0);
  const std::int64_t far = std::numeric_limits<std::int64_t>::max();
  CHECK(test::contains(test::error_of([&] { x.alias(far, {1}); }), "of u8 [2, 3]"));
  CHECK(test::contains(test::error_of([&] { x.alias(5, {2}); }), "alias: 2 elements from 5 on of u8 [2, 3]"));
}

TEST_CASE("numbers that a type does not hold become the same in copy_to() and to()") {
  const Tensor x = tensor({std::nan(""), 1e30, -1e30, 300, -1, 1.5});
  CHECK(x.to_vector<int>() == x.to(DType::i32).to_vector<int>());
  CHECK(x.to_vector<std::uint8_t>() == std::vector<std::uint8_t>({0, 255, 0, 255, 0, 1}));
  CHECK(tensor({1.5, -2}).to(DType::bf16).to_vector<double>() == std::vector<double>({1.5, -2}));
  CHECK(tensor({1.5, -2}).to_vector<std::int64_t>() == std::vector<std::int64_t>({1, -2}));
}

TEST_CASE("a negative extent that was written into a shape is refused") {
  for (const std::int64_t other : {0, 2, -2})
    CHECK(test::contains(test::error_of([&] {
                           static_cast<void>(zeros(Shape{1, 1}.with(0, other).with(1, -3)));
                         }),
                         "negative extent"));
}

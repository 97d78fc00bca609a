// Shapes, broadcasting and extents.
#include "tests/test.h"

#include <span>
#include <vector>

#include "engine/shape.h"

using namespace voxgrad;
using test::contains;
using test::error_of;

TEST_CASE("extents, axes from both ends, products") {
  const Shape s{2, 3, 4, 5};
  CHECK(s.dims() == 4);
  CHECK(s.numel() == 120);
  CHECK(s[-1] == 5);
  CHECK(s[0] == 2);
  CHECK(s.spatial_dims() == 2);
  CHECK(s.spatial_numel() == 12);
  CHECK(s.with(-1, 7) == Shape{2, 3, 4, 7});
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{3, 0}.numel() == 0);
  CHECK(Shape::filled(3, 2) == Shape{2, 2, 2});
  CHECK(text(s) == "[2, 3, 4, 5]");
  CHECK(text(Shape{}) == "[]");
  CHECK(Shape{2, 3} != Shape{2, 3, 1});
  CHECK(Shape{7} + Shape{2, 3} + Shape{} == Shape{7, 2, 3});
}

TEST_CASE("a shape is made from a vector or a part of a shape, and loops write to it") {
  const std::vector<std::int64_t> vector{4, 5};
  CHECK(Shape(vector) == Shape{4, 5});
  CHECK(Shape(std::span(vector).first(1)) == Shape{4});
  Shape s(vector);
  for (std::int64_t& extent : s) ++extent;
  CHECK(s == Shape{5, 6});
  CHECK(contains(error_of([] { Shape(std::vector<std::int64_t>(7, 2)); }),
                 "at most 6 extents, got a further one, 2, after"));
  CHECK(contains(error_of([] { Shape(std::vector<std::int64_t>{3, -1}); }), "negative extent -1 after [3]"));
}

TEST_CASE("an axis is left out") {
  const Shape s{2, 3, 4};
  CHECK(s.without(-1) == Shape{2, 3});
  CHECK(s.without(0) == Shape{3, 4});
  CHECK(Shape{1, 2, 3, 4, 5, 6}.without(2) == Shape{1, 2, 4, 5, 6});
  CHECK(contains(error_of([&] { static_cast<void>(s.without(3)); }), "axis 3 outside [2, 3, 4]"));
}

TEST_CASE("wrong axes and extents are refused with the values") {
  const Shape s{2, 3};
  CHECK(contains(error_of([&] { static_cast<void>(s[2]); }), "axis 2 outside [2, 3]"));
  CHECK(contains(error_of([&] { static_cast<void>(s[-3]); }), "axis -3"));
  CHECK(contains(error_of([] { Shape{2, -1}; }), "-1"));
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1}), Error);
  CHECK_THROWS_AS(Shape(std::vector<std::int64_t>(7, 1)), Error);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1} + Shape{1, 1, 1}), Error);
}

TEST_CASE("elements that cannot be counted are an error, not a wrapped number") {
  const std::int64_t large = std::int64_t{1} << 32;
  CHECK(Shape{large, large / 4}.numel() == large / 4 * large);
  CHECK(Shape{large, large, 0}.numel() == 0);
  CHECK(Shape{0, large, large}.numel() == 0);
  CHECK(contains(error_of([&] {
                   static_cast<void>(Shape{large, large}.numel());
                 }),
                 "[4294967296, 4294967296] has more"));
  CHECK(contains(error_of([&] { static_cast<void>(Shape{large / 2, large}.numel()); }), "more elements"));
  CHECK(contains(error_of([&] { static_cast<void>(Shape{1, large, large, 1}.spatial_numel()); }), "more elements"));
}

TEST_CASE("broadcasting follows the numpy rule") {
  CHECK(broadcast({2, 3}, {3}, "add") == Shape{2, 3});
  CHECK(broadcast({3}, {2, 1}, "add") == Shape{2, 3});
  CHECK(broadcast({2, 1, 4}, {1, 3, 1}, "add") == Shape{2, 3, 4});
  CHECK(broadcast({}, {5}, "add") == Shape{5});
  CHECK(broadcast({1, 0}, {7, 1}, "add") == Shape{7, 0});
  const std::string message = error_of([] { broadcast({2, 3}, {4, 3}, "add"); });
  CHECK(contains(message, "add: shapes [2, 3] and [4, 3] do not broadcast"));
  CHECK(contains(message, "2 and 4"));
}

TEST_CASE("a map with its channels first is met with the way to turn it") {
  CHECK(channels_hint({1, 3, 8, 8}, 3) == "channels are last, x has them on axis 1: take permute(x, {0, 2, 3, 1})");
  CHECK(contains(channels_hint({1, 3, 8, 8, 4}, 3), "permute(x, {0, 2, 3, 4, 1})"));
  CHECK(channels_hint({1, 4, 8, 8}, 3).empty());
}

TEST_CASE("one number of an Extents counts for every axis") {
  const Extents uniform = 3, plane{1, 3, 3};
  CHECK(uniform[0] == 3);
  CHECK(uniform[2] == 3);
  CHECK(plane[0] == 1);
  CHECK(plane[2] == 3);
  CHECK_THROWS_AS((Extents{1, 2, 3, 4}), Error);
}

TEST_CASE("element types have sizes and names") {
  CHECK(size_of(DType::bf16) == 2);
  CHECK(size_of(DType::f64) == 8);
  CHECK(size_of(DType::u8) == 1);
  CHECK(text(DType::f32) == "f32");
  CHECK(is_float(DType::bf16));
  CHECK(!is_float(DType::i32));
}

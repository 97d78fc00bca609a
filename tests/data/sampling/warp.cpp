// Rotation, scaling and elastic deformation: image and label go the same way, lengths are respected, rims are right.
#include "data/sampling/warp.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/sampling/augment.h"
#include "data/sampling/orientation.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

constexpr double kRight = std::numbers::pi / 2;

// An image [*S, 1] of a function of the place in voxels (z, y, x).
template <class F>
Tensor image_of(const Shape& shape, F&& value) {
  const Tensor image = empty(shape + Shape{1});
  const std::int64_t height = shape[-2], width = shape[-1];
  for (std::int64_t i = 0; i < image.numel(); ++i)
    image.data<float>()[i] =
        static_cast<float>(value(static_cast<double>(i / width / height), static_cast<double>(i / width % height),
                                 static_cast<double>(i % width)));
  return image;
}

Tensor label_of(const Tensor& image, float threshold) {
  const Tensor label = empty(image.shape().without(-1), DType::u8);
  for (std::int64_t i = 0; i < label.numel(); ++i)
    label.data<std::uint8_t>()[i] = image.data<float>()[i] > threshold ? 1 : 0;
  return label;
}

Tensor sampled(const Warp& warp, const Tensor& from, const Extents& corner, const Shape& patch) {
  const Tensor result = empty(from.dtype() == DType::f32 ? patch + Shape{from.extent(-1)} : patch, from.dtype());
  warp.sample(from, corner, result);
  return result;
}

Warp drawn(const std::string& list, const std::vector<double>& spacing, std::uint64_t seed) {
  const int dims = static_cast<int>(spacing.size());
  return draw_warp(Shape::filled(dims, 16), spacing, augment_options(list, dims), Random(seed));
}

constexpr const char* kEverything = "rotate=1,scale=1,elastic=1";

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a.data<float>()[i]) - b.data<float>()[i]));
  return largest;
}

}  // namespace

TEST_CASE("warp: an identical one cuts the patch bit for bit, and pads it") {
  for (const std::vector<double>& spacing : {std::vector<double>{1, 0.7}, std::vector<double>{3, 0.7, 1}}) {
    const int dims = static_cast<int>(spacing.size());
    const Shape shape = dims == 2 ? Shape{9, 7} : Shape{5, 9, 7}, patch = Shape::filled(dims, 6);
    const Case one = random_case(shape, 2, 4, Random(1));
    const Warp warp(spacing);
    CHECK(warp.identity());
    for (const std::int64_t first : {0, 1, -3, 4}) {
      const Tensor image = sampled(warp, one.image, first, patch), label = sampled(warp, one.label, first, patch);
      int wrong = 0;
      for (std::int64_t i = 0; i < label.numel(); ++i) {
        std::int64_t rest = i, from = 0, stride = 1;
        bool inside = true;
        for (int axis = dims - 1; axis >= 0; --axis) {
          const std::int64_t place = rest % 6 + first;
          rest /= 6;
          inside = inside && place >= 0 && place < shape[axis];
          from += place * stride;
          stride *= shape[axis];
        }
        wrong += label.data<std::uint8_t>()[i] != (inside ? one.label.data<std::uint8_t>()[from] : 0);
        for (std::int64_t c = 0; c < 2; ++c)
          wrong += image.data<float>()[2 * i + c] != (inside ? one.image.data<float>()[2 * from + c] : 0);
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("warp: a right angle is the exact turn, in every plane") {
  for (const int dims : {2, 3})
    for (const std::int64_t extent : {7, 8})
      for (int a = 0; a < dims; ++a)
        for (int b = 0; b < dims; ++b) {
          if (a == b) continue;
          const Case one = random_case(Shape::filled(dims, 14), 1, 5, Random(2));
          const Shape patch = Shape::filled(dims, extent);
          Warp warp(std::vector<double>(static_cast<std::size_t>(dims), 0.8));
          const Tensor image = sampled(warp, one.image, 3, patch), label = sampled(warp, one.label, 3, patch);
          warp.rotate(a, b, kRight);
          CHECK(!warp.identity());
          Orientation turn(dims);
          turn.rotate(a, b, 1);
          turn.apply(image);
          turn.apply(label);
          CHECK(largest_difference(sampled(warp, one.image, 3, patch), image) < 1e-2);
          CHECK(same<std::uint8_t>(sampled(warp, one.label, 3, patch), label));
        }
}

TEST_CASE("warp: rotations and scalings follow one another as on the picture") {
  const Tensor image = image_of({40, 40}, [](double, double y, double x) { return y * y + 3 * x - x * y; });
  Warp both({1, 1}), back({1, 1});
  both.rotate(0, 1, kRight);
  both.scale(0, 2);  // after the rotation: along y, where x was
  const Tensor found = sampled(both, image, 10, {20, 20});
  for (std::int64_t y = 0; y < 20; ++y)
    for (std::int64_t x = 0; x < 20; ++x) {
      const double from_y = (static_cast<double>(y) - 9.5) / 2, from_x = static_cast<double>(x) - 9.5;
      const double at_y = 19.5 + from_x, at_x = 19.5 - from_y;
      CHECK(std::abs(found.data<float>()[y * 20 + x] - (at_y * at_y + 3 * at_x - at_x * at_y)) < 0.3);
    }
  back.rotate(0, 1, 0.3);
  back.rotate(0, 1, -0.3);
  CHECK(largest_difference(sampled(back, image, 10, {20, 20}), sampled(Warp({1, 1}), image, 10, {20, 20})) < 1e-2);
}

TEST_CASE("warp: a rotation keeps lengths") {
  // A bar of 20 along y and 4 along x; voxels are 1 high and 2 wide.
  const Tensor bar = image_of({60, 30}, [](double, double y, double x) {
    return std::abs(y - 29.5) < 10 && std::abs(x - 14.5) < 1 ? 1.0 : 0.0;
  });
  Warp warp({1, 2});
  warp.rotate(0, 1, kRight);
  const Tensor found = sampled(warp, label_of(bar, 0.5f), {10, 0}, {40, 30});
  std::int64_t rows = 0, columns = 0, voxels = 0;
  for (std::int64_t y = 0; y < 40; ++y) rows += found.data<std::uint8_t>()[y * 30 + 14];
  for (std::int64_t x = 0; x < 30; ++x) columns += found.data<std::uint8_t>()[19 * 30 + x];
  for (std::int64_t i = 0; i < found.numel(); ++i) voxels += found.data<std::uint8_t>()[i];
  CHECK(rows == 4);
  CHECK(columns == 10);
  CHECK(voxels == 40);
}

TEST_CASE("warp: what is seen becomes larger by the factor, along the axis alone") {
  const Tensor dot = image_of({41, 41}, [](double, double y, double x) {
    return std::max(std::abs(y - 20), std::abs(x - 20)) < 3 ? 1.0 : 0.0;
  });
  Warp warp({1, 1});
  warp.scale(1, 3);
  const Tensor found = sampled(warp, label_of(dot, 0.5f), 0, {41, 41});
  std::int64_t rows = 0, columns = 0;
  for (std::int64_t i = 0; i < 41; ++i) {
    rows += found.data<std::uint8_t>()[i * 41 + 20];
    columns += found.data<std::uint8_t>()[20 * 41 + i];
  }
  CHECK(rows == 5);
  CHECK(columns == 15);
}

TEST_CASE("warp: labels stay on the image, under everything together") {
  for (const std::vector<double>& spacing :
       {std::vector<double>{1, 1}, std::vector<double>{1, 1.7}, std::vector<double>{1, 1.5, 1}})
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const int dims = static_cast<int>(spacing.size());
      const Tensor image = image_of(Shape::filled(dims, 40), [](double z, double y, double x) {
        return std::sin(0.4 * y + 0.2 * z) + std::cos(0.3 * x - 0.3 * z);
      });
      const Warp warp = drawn(kEverything, spacing, seed);
      CHECK(!warp.identity());
      const Shape patch = Shape::filled(dims, 24);
      const Tensor found = sampled(warp, image, 8, patch), label = sampled(warp, label_of(image, 0.2f), 8, patch);
      std::int64_t wrong = 0, foreground = 0;
      for (std::int64_t i = 0; i < label.numel(); ++i) {
        const float value = found.data<float>()[i];
        const bool inside = label.data<std::uint8_t>()[i] == 1;
        foreground += inside;
        // From one voxel to the next the image changes by less than 0.9.
        wrong += !std::isfinite(value) || (inside != (value > 0.2f) && std::abs(value - 0.2f) > 0.3f);
      }
      CHECK(wrong == 0);
      CHECK(foreground > label.numel() / 8);
    }
}

TEST_CASE("warp: votes against a naive sum of weights; equal ones go to the nearest") {
  const Case one = random_case({30, 30}, 1, 4, Random(5));
  Warp warp({1, 1});
  warp.rotate(0, 1, 0.4);
  const Tensor found = sampled(warp, one.label, 9, {12, 12});
  std::vector<Tensor> shares;  // of every class
  for (int c = 0; c < 4; ++c) {
    const Tensor mask = empty({30, 30, 1});
    for (std::int64_t i = 0; i < mask.numel(); ++i)
      mask.data<float>()[i] = one.label.data<std::uint8_t>()[i] == c ? 1.0f : 0.0f;
    shares.push_back(sampled(warp, mask, 9, {12, 12}));
  }
  for (std::int64_t i = 0; i < found.numel(); ++i) {
    float most = 0;
    for (const Tensor& share : shares) most = std::max(most, share.data<float>()[i]);
    CHECK(nth(shares, found.data<std::uint8_t>()[i]).data<float>()[i] > most - 1e-4f);
  }
  // Between four voxels of four classes each class has the weight of its voxel, so the nearest wins.
  const Tensor four = from_vector<std::uint8_t>({2, 2}, {6, 7, 8, 9});
  Warp larger({1, 1});
  larger.scale(0, 1.6);
  larger.scale(1, 1.6);
  CHECK(sampled(larger, four, 0, {2, 2}).to_vector<int>() == std::vector<int>{6, 7, 8, 9});
}

TEST_CASE("warp: corners show the case, or its mirror image where it ends; a padded box has zeros as without a warp") {
  const Tensor image = full({60, 60, 3}, 5), label = full({60, 60}, 2, DType::u8);
  Warp warp({1, 1});
  warp.rotate(0, 1, kRight / 2);
  for (const float value : sampled(warp, image, 20, {20, 20}).to_vector<float>()) CHECK(value == 5);
  for (const float value : sampled(warp, label, 20, {20, 20}).to_vector<float>()) CHECK(value == 2);
  // The patch is the whole case: there is no empty corner.
  for (const float value : sampled(warp, image, 0, {60, 60}).to_vector<float>()) CHECK(value == 5);
  for (const float value : sampled(warp, label, 0, {60, 60}).to_vector<float>()) CHECK(value == 2);
  // A patch larger than the case: the case is padded to the patch, and mirrored beyond that.
  const Tensor image_around = sampled(warp, image, -20, {100, 100}), around = sampled(warp, label, -20, {100, 100});
  std::int64_t seen = 0;
  for (std::int64_t i = 0; i < around.numel(); ++i) {
    const bool outside = around.data<std::uint8_t>()[i] == 0;
    seen += !outside;
    for (std::int64_t c = 0; c < 3; ++c) CHECK(image_around.data<float>()[3 * i + c] == (outside ? 0 : 5));
  }
  CHECK(std::abs(static_cast<double>(seen) - 3600) < 60);
}

TEST_CASE("warp: what is mirrored is the neighbourhood of the rim, as often as it is needed") {
  const Tensor row = from_vector<float>({1, 4, 1}, {1, 2, 3, 4});
  Warp smaller({1, 1});
  smaller.scale(1, 1.0 / 3);
  const std::vector<float> found = sampled(smaller, row, 0, {1, 4}).to_vector<float>();
  // The voxels come from 1.5 - 4.5, 1.5 - 1.5, 1.5 + 1.5 and 1.5 + 4.5.
  CHECK(found == std::vector<float>{3, 1, 4, 2});
  Warp far({1, 1});
  far.scale(1, 0.1);
  const std::vector<float> more = sampled(far, row, 0, {1, 4}).to_vector<float>();
  // From 1.5 - 15, 1.5 - 5, 1.5 + 5 and 1.5 + 15; every eight voxels the row comes again.
  CHECK(more == std::vector<float>{3.5f, 3.5f, 1.5f, 1.5f});
  // With a margin the box and what is beyond it are the same.
  const Case one = random_case({12, 12}, 1, 3, Random(1));
  Warp turned({1, 1});
  turned.rotate(0, 1, 0.7);
  for (const std::int64_t corner : {-3, 0, 4}) {
    const Tensor box = sampled(turned, one.label, corner, {8, 16}), large = empty({12, 22}, DType::u8);
    turned.sample(one.label, corner, large, {2, 3});
    int wrong = 0;
    for (std::int64_t y = 0; y < 8; ++y)
      for (std::int64_t x = 0; x < 16; ++x)
        wrong += box.data<std::uint8_t>()[y * 16 + x] != large.data<std::uint8_t>()[(y + 2) * 22 + x + 3];
    CHECK(wrong == 0);
  }
}

TEST_CASE("warp: an ignore label stays one, and no value appears that was not there") {
  const Tensor label = empty({40, 40}, DType::u8);
  for (std::int64_t i = 0; i < label.numel(); ++i)
    label.data<std::uint8_t>()[i] = i % 40 < 20 ? 255 : i / 40 < 20 ? 3 : 0;
  const std::vector<int> found = sampled(drawn(kEverything, {1, 1}, 3), label, 8, {24, 24}).to_vector<int>();
  for (const int value : found) CHECK((value == 255 || value == 3 || value == 0));
  for (const int value : {255, 3, 0}) CHECK(std::count(found.begin(), found.end(), value) > 20);
}

TEST_CASE("warp: extents of one voxel") {
  for (const Shape& shape : {Shape{1, 1}, Shape{1, 9}, Shape{1, 1, 1}, Shape{1, 9, 9}}) {
    const Case one = random_case(shape, 2, 2, Random(1));
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Warp warp = drawn(kEverything, std::vector<double>(static_cast<std::size_t>(shape.dims()), 1.0), seed);
      for (const Shape& patch : {Shape::filled(shape.dims(), 1), Shape::filled(shape.dims(), 4)})
        for (const float value : sampled(warp, one.image, 0, patch).to_vector<float>())
          CHECK((value >= 0 && value <= 255));
    }
  }
}

TEST_CASE("warp: an elastic field folds nowhere, moves what it may, and is the same in a larger patch") {
  const Tensor at_x = image_of({64, 64}, [](double, double, double x) { return x; });
  double largest = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Warp warp({1, 1});
    warp.bend({0, 1}, 10, 0.4, Random(seed));
    const Tensor found = sampled(warp, at_x, 16, {32, 32}), more = sampled(warp, at_x, 8, {48, 48});
    for (std::int64_t y = 0; y < 32; ++y)
      for (std::int64_t x = 0; x < 32; ++x) {
        const float here = found.data<float>()[y * 32 + x];
        largest = std::max(largest, std::abs(static_cast<double>(here) - static_cast<double>(x + 16)));
        if (x > 0) CHECK(here > found.data<float>()[y * 32 + x - 1]);
        CHECK(std::abs(here - more.data<float>()[(y + 8) * 48 + x + 8]) < 1e-4);
      }
  }
  CHECK(largest <= 4);
  CHECK(largest > 1);
  Warp here({1, 1}), wide({3, 3});  // with three times the cell: the same nodes and shifts in voxels
  here.bend({0, 1}, 10, 0.4, Random(2));
  wide.bend({0, 1}, 30, 0.4, Random(2));
  CHECK(largest_difference(sampled(here, at_x, 16, {32, 32}), sampled(wide, at_x, 16, {32, 32})) < 1e-4);
  Warp along({1, 1, 1});
  along.bend({1}, 10, 0.4, Random(1));
  const Tensor cube = image_of({20, 20, 20}, [](double z, double, double x) { return z * 20 + x; });
  CHECK(largest_difference(sampled(along, cube, 5, {10, 10, 10}), sampled(Warp({1, 1, 1}), cube, 5, {10, 10, 10})) <
        1e-4);
}

TEST_CASE("warp: what is drawn has its probability, and its own random numbers") {
  const Tensor image = image_of({40, 40}, [](double, double y, double x) { return y * 3 + x; });
  for (const std::string name : {"rotate", "scale", "elastic"}) {
    int moved = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
      CHECK(drawn(name + "=0", {1, 1}, seed).identity());
      CHECK(!drawn(name + "=1", {1, 1}, seed).identity());
      moved += !drawn(name + "=0.3", {1, 1}, seed).identity();
    }
    CHECK(std::abs(moved / 400.0 - 0.3) < 0.09);
  }
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const auto patch_of = [&](const std::string& list) {
      return sampled(drawn(list, {1, 1}, seed), image, 12, {16, 16});
    };
    const Tensor rotated = patch_of("rotate=1"), scaled = patch_of("scale=1"), bent = patch_of("elastic=1");
    CHECK(same<float>(rotated, patch_of("rotate=1,scale=1,scale_range=1,elastic=1,elastic_amount=0,noise=1,flip=1")));
    CHECK(same<float>(scaled, patch_of("rotate=1,rotate_angle=0,scale=1,elastic=1,elastic_amount=0,gamma=1")));
    CHECK(same<float>(bent, patch_of("rotate=1,rotate_angle=0,scale=1,scale_range=1,elastic=1,turn=1")));
  }
}

TEST_CASE("warp: angles and factors fill their ranges") {
  double least = 1e9, most = -1e9, smallest = 1e9, largest = 0;
  const Tensor image = image_of({64, 64}, [](double, double, double x) { return x; });
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Tensor turned = sampled(drawn("rotate=1", {1, 1}, seed), image, 24, {16, 16});
    const double along_x = turned.data<float>()[8 * 16 + 9] - turned.data<float>()[8 * 16 + 8];
    const double along_y = turned.data<float>()[9 * 16 + 8] - turned.data<float>()[8 * 16 + 8];
    least = std::min(least, std::atan2(along_y, along_x));
    most = std::max(most, std::atan2(along_y, along_x));
    const Tensor scaled = sampled(drawn("scale=1", {1, 1}, seed), image, 24, {16, 16});
    const double factor = 1 / (scaled.data<float>()[9] - scaled.data<float>()[8]);
    smallest = std::min(smallest, factor);
    largest = std::max(largest, factor);
  }
  CHECK(least < -0.97 * std::numbers::pi);
  CHECK(most > 0.97 * std::numbers::pi);
  CHECK(smallest == doctest::Approx(1 / 1.4).epsilon(0.02));
  CHECK(largest == doctest::Approx(1.4).epsilon(0.02));
}

TEST_CASE("warp: thick slices are not mixed, others are") {
  const auto mixed_axes = [](const std::vector<double>& spacing) {
    std::vector<int> mixed;
    for (int axis = 0; axis < 3; ++axis) {
      const Tensor image = image_of({24, 24, 24}, [&](double z, double y, double x) {
        return axis == 0 ? z : axis == 1 ? y : x;
      });
      for (std::uint64_t seed = 0; seed < 5; ++seed) {
        const Tensor found = sampled(drawn(kEverything, spacing, seed), image, 8, {8, 8, 8});
        if (!same<float>(found, sampled(Warp(spacing), image, 8, {8, 8, 8}))) mixed.push_back(axis);
      }
    }
    mixed.erase(std::unique(mixed.begin(), mixed.end()), mixed.end());
    return mixed;
  };
  CHECK(mixed_axes({4, 1, 1}) == std::vector<int>{1, 2});
  CHECK(mixed_axes({1, 1, 3.5}) == std::vector<int>{0, 1});
  CHECK(mixed_axes({3, 1, 1}) == std::vector<int>{0, 1, 2});
  CHECK(mixed_axes({0.4, 1, 1}) == std::vector<int>{0, 1, 2});  // thin slices, none of whose axes is thick
  CHECK(mixed_axes({0.3, 1, 1}) == std::vector<int>{1, 2});     // the patch is 4.8 x 16 x 16
  const Warp nothing = draw_warp({1, 1}, {1, 1}, augment_options("elastic,elastic=1", 2), Random(1));
  CHECK(nothing.identity());
}

TEST_CASE("warp: a stack of few slices is not turned out of its plane, whatever its spacing") {
  const Tensor image = image_of({6, 48, 48}, [](double z, double, double) { return z; });
  const auto stays = [&](const std::vector<double>& spacing, std::uint64_t seed) {
    const Warp warp = draw_warp({6, 32, 32}, spacing, augment_options(kEverything, 3), Random(seed));
    CHECK(!warp.identity());
    const Tensor cut = sampled(Warp(spacing), image, {0, 8, 8}, {6, 32, 32});
    return same<float>(sampled(warp, image, {0, 8, 8}, {6, 32, 32}), cut);
  };
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    CHECK(stays({1, 1, 1}, seed));
    CHECK(stays({1.7, 1, 1}, seed));
    CHECK(!stays({2, 1, 1}, seed));  // 12 x 32 x 32
  }
}

TEST_CASE("warp: what does not fit") {
  Warp warp({1, 1});
  CHECK_THROWS_AS(Warp({1}), Error);
  CHECK_THROWS_AS(warp.rotate(0, 2, 1), Error);
  CHECK_THROWS_AS(warp.rotate(1, 1, 1), Error);
  CHECK_THROWS_AS(warp.scale(2, 1), Error);
  CHECK_THROWS_AS(warp.scale(0, 0), Error);
  CHECK_THROWS_AS(warp.bend({0}, 4, 0.5, Random(1)), Error);
  CHECK_THROWS_AS(warp.sample(zeros({4, 4, 1}), 0, zeros({4, 4, 2})), Error);
  CHECK_THROWS_AS(warp.sample(zeros({4, 4, 1}), 0, zeros({4, 4}, DType::u8)), Error);
}

// Patch, levels and poolings from the shapes of the cases: each rule at the sizes where it begins to act.
#include "apps/training/geometry.h"

#include <random>

#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;

namespace {

Geometry plan(const std::vector<Shape>& shapes, const std::vector<double>& spacing, const GeometryWish& wish = {}) {
  return plan_geometry(shapes, std::vector<std::vector<double>>(shapes.size(), spacing), wish);
}

}  // namespace

TEST_CASE("small cases are taken whole, rounded up to what the poolings divide") {
  const Geometry nuclei = plan({{256, 256}, {256, 256}}, {1, 1});
  CHECK(nuclei.patch == Shape{256, 256});
  CHECK(nuclei.depth == 5);
  const Geometry hippocampus = plan({{40, 56, 40}}, {1, 1, 1});
  CHECK(hippocampus.patch == Shape{40, 56, 40});
  CHECK(hippocampus.depth == 3);
  CHECK(hippocampus.divisor() == Shape{4, 4, 4});
  CHECK(plan({{35, 51, 35}}, {1, 1, 1}).patch == Shape{36, 52, 36});
  CHECK(plan({{30, 40}, {20, 60}}, {1, 1}).patch == Shape{30, 60});  // the largest along each axis, not the first
  CHECK(plan({{64, 64}, {64, 64}, {256, 256}}, {1, 1}).patch == Shape{64, 64});  // else most of a patch were padding
  CHECK(plan({{64, 64}, {64, 64}, {96, 80}}, {1, 1}).patch == Shape{96, 80});
}

TEST_CASE("large cases are cut along their longest axis, and rounded down there") {
  const Geometry wide = plan({{512, 300}}, {1, 1});
  CHECK(wide.patch[0] * wide.patch[1] <= 256 * 256);
  CHECK(wide.patch == Shape{256, 256});
  const Geometry volume = plan({{20, 512, 512}}, {5, 0.7, 0.7});
  CHECK(volume.patch[0] * volume.patch[1] * volume.patch[2] <= 64 * 64 * 64);
  CHECK(volume.patch[0] >= 20);
  for (int axis = 0; axis < 3; ++axis) CHECK(volume.patch[axis] % volume.divisor()[axis] == 0);
}

TEST_CASE("thick slices are not pooled before voxels are cubes") {
  const Geometry thick = plan({{24, 96, 96}}, {4, 1, 1});
  REQUIRE(thick.strides.size() == 3);
  CHECK(thick.strides[0] == Extents{1, 2, 2});
  CHECK(thick.strides[1] == Extents{1, 2, 2});
  CHECK(thick.strides[2] == Extents{2, 2, 2});
  CHECK(plan({{24, 48, 48}}, {1.5, 1, 1}).strides[0] == Extents{2, 2, 2});
}

TEST_CASE("a kernel looks along thick slices once the voxels are cubes") {
  const Geometry thick = plan({{24, 48, 48}}, {4, 1, 1});
  CHECK(thick.kernels == std::vector<Extents>{{1, 3, 3}, {1, 3, 3}, {3, 3, 3}, {3, 3, 3}});
  CHECK(plan({{24, 48, 48}}, {1.9, 1, 1}).kernels.front() == Extents{3, 3, 3});
  CHECK(plan({{24, 48, 48}}, {4, 1, 1}, {.full_kernels = true}).kernels.front() == Extents{3, 3, 3});
  CHECK(plan({{32, 32}}, {1, 2.5}).kernels.front() == Extents{3, 1});
  CHECK(plan({{7, 7}}, {1, 1}).kernels.size() == 1);
  // Slices that are thinner than pixels, but too few to be pooled: the pixels would never become as small.
  CHECK(plan({{1, 96, 96}}, {1, 2.2, 2.2}).kernels.front() == Extents{1, 3, 3});
  CHECK(plan({{4, 96, 96}}, {0.5, 1, 1}).kernels.front() == Extents{3, 3, 3});
}

TEST_CASE("volumes can be segmented slice by slice") {
  const Geometry slices = plan({{10, 96, 80}, {12, 96, 96}}, {1, 1, 1}, {.slices = true});
  CHECK(slices.patch == Shape{1, 96, 96});
  CHECK(slices.depth == 4);
  for (const Extents& kernel : slices.kernels) CHECK(kernel == Extents{1, 3, 3});
  for (const Extents& stride : slices.strides) CHECK(stride == Extents{1, 2, 2});
  CHECK(plan({{10, 512, 512}}, {1, 1, 1}, {.slices = true}).patch == Shape{1, 256, 256});
  const auto thin = [](std::int64_t slices_of_case, double thickness) {
    return thin_stacks({{slices_of_case, 96, 96}}, {{thickness, 1, 1}});
  };
  CHECK(thin(7, 3));
  CHECK(!thin(8, 3));
  CHECK(!thin(7, 2.9));
  CHECK(!thin_stacks({{4, 96}}, {{3, 1}}));
}

TEST_CASE("eight voxels are left along every axis, unless more levels are asked for") {
  CHECK(plan({{24, 24}}, {1, 1}).depth == 2);
  CHECK(plan({{32, 32}}, {1, 1}).depth == 3);
  CHECK(plan({{7, 7}}, {1, 1}).depth == 1);
  CHECK(plan({{16, 16}}, {1, 1}, {{}, 5}).depth == 5);
  const std::string message = test::error_of([] { plan({{16, 16}}, {1, 1}, {{}, 7}); });
  CHECK_MESSAGE(test::contains(message, "--depth 7: a patch of 16x16 can be halved 4 times only"), message);
  CHECK(test::contains(message, "hint: use --depth 5"));
}

TEST_CASE("a wished patch is taken as it is or refused with one that fits") {
  CHECK(plan({{256, 256}}, {1, 1}, {{64, 96}, 0}).patch == Shape{64, 96});
  CHECK(plan({{20, 20}}, {1, 1}, {{64, 64}, 0}).patch == Shape{64, 64});  // larger than the case: padded
  const std::string message = test::error_of([] { plan({{256, 256}}, {1, 1}, {{100, 100}, 0}); });
  CHECK_MESSAGE(test::contains(message, "--patch 100x100: the poolings of depth 4 need multiples of 8x8"), message);
  CHECK(test::contains(message, "use --patch 96x96"));
}

TEST_CASE(
    "patch and depth that the rules chose give the same network when they are asked for, as by a run that goes on") {
  const auto same = [](const std::vector<Shape>& shapes, const std::vector<double>& spacing, const GeometryWish& wish) {
    const Geometry first = plan(shapes, spacing, wish);
    GeometryWish again = wish;
    again.patch = first.patch;
    again.depth = first.depth;
    const Geometry second = plan(shapes, spacing, again);
    CHECK(second.patch == first.patch);
    CHECK(second.strides == first.strides);
    CHECK(second.kernels == first.kernels);
  };
  same({{32, 96}}, {1, 1}, {});  // one axis has no room for the last pooling
  same({{20, 96}}, {1, 1}, {});
  same({{10, 216, 256}}, {10, 1.56, 1.56}, {});
  std::mt19937 draw(7);
  const auto number = [&](int from, int to) { return std::uniform_int_distribution<int>(from, to)(draw); };
  for (int i = 0; i < 2000; ++i) {
    Shape shape;
    std::vector<double> spacing;
    for (int dims = number(2, 3); shape.dims() < dims; spacing.push_back(0.5 * number(1, 12)))
      shape.push_back(number(1, number(0, 1) == 0 ? 40 : 600));
    CAPTURE(shape);
    same({shape, shape}, spacing, {.slices = shape.dims() == 3 && number(0, 3) == 0});
  }
}

// Images that are made coarser so that the predictions at the end leave time for the training.
#include "apps/training/resolution.h"

#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

// Volumes of 20 x 48 x 48 voxels; the organs of the phantom lie in slices that are thicker than their pixels.
data::Dataset volumes(const Folder& folder) {
  return data::Dataset::open(phantom_file(folder, "organ3d", 12, {20, 48, 48}));
}

TrainConfig in_small_patches() {
  TrainConfig config;
  config.base = 4;
  config.depth = 2;
  config.patch = "16x16x16";
  return config;
}

// The spacing that a plan resamples to, and the extents of its first training case then.
Shape extents_of(const Plan& plan, const data::Dataset& dataset, const std::vector<double>& spacing) {
  const std::int64_t index = plan.loader.cases.front();
  Shape result = nth(dataset.info().shapes, index);
  for (int axis = 0; axis < result.dims(); ++axis)
    result[axis] = std::llround(static_cast<double>(result[axis]) * nth(nth(dataset.info().spacings, index), axis) /
                                nth(spacing, axis));
  return result;
}

struct Coarsened {
  Plan plan;
  std::optional<Reason> why;
};

Coarsened coarsened(const data::Dataset& dataset, double share, TrainConfig config = in_small_patches(),
                    double kept = 1) {
  Coarsened result{make_plan(dataset, config), {}};
  const double allowed = share * voxels_at_end(result.plan, dataset.info(), 1);
  result.why = coarsen(result.plan, dataset.info(), kept, allowed, "57 % of 1min", [&](const std::string& spacing) {
    TrainConfig coarser = config;
    coarser.spacing = spacing;
    return make_plan(dataset, coarser);
  });
  return result;
}

}  // namespace

TEST_CASE("images become as coarse as the time asks for, thick slices last, and a resumed run has the same plan") {
  const Folder folder;
  const data::Dataset dataset = volumes(folder);
  const std::vector<double> usual = dataset.info().spacings.front();
  REQUIRE(usual[0] > 1.5 * usual[1]);
  CHECK(!coarsened(dataset, 1).why);

  const Coarsened half = coarsened(dataset, 0.6);
  REQUIRE(half.why);
  CHECK(voxels_at_end(half.plan, dataset.info(), 1) <=
        0.6 * voxels_at_end(make_plan(dataset, in_small_patches()), dataset.info(), 1));
  CHECK(!coarsened(dataset, 0.6, in_small_patches(), 0.5).why);  // half of each case is cropped away
  CHECK(half.why->setting == "spacing");
  CHECK_MESSAGE(contains(half.why->why, "would take 57 % of 1min: images are made coarser by a factor of "),
                half.why->why);
  const std::vector<double> spacing = half.plan.model.preparation.spacing;
  CHECK(spacing[0] == usual[0]);
  CHECK(spacing[1] > 1.2 * usual[1]);
  CHECK(spacing[1] == spacing[2]);
  const Plan again = make_plan(dataset, half.plan.config);
  CHECK(nn::to_text(again.model) == nn::to_text(half.plan.model));
  CHECK(to_json(again.config) == to_json(half.plan.config));
}

TEST_CASE("images are not made coarser than one window for a case") {
  const Folder folder;
  const data::Dataset dataset = volumes(folder);
  const Coarsened most = coarsened(dataset, 0);
  REQUIRE(most.why);
  const std::vector<double> spacing = most.plan.model.preparation.spacing;
  for (const std::int64_t extent : extents_of(most.plan, dataset, spacing)) CHECK(extent <= 16);
  CHECK(extents_of(most.plan, dataset, spacing)[1] > 8);
}

TEST_CASE("slices that are seen one by one stay, and become no coarser than one window for each") {
  const Folder folder;
  const data::Dataset dataset = volumes(folder);
  TrainConfig config = in_small_patches();
  config.dims = 2;
  config.patch = "48";
  CHECK(!coarsened(dataset, 0, config).why);
  config.patch = "16";
  const Coarsened most = coarsened(dataset, 0, config);
  REQUIRE(most.why);
  CHECK(most.plan.model.preparation.spacing[0] == dataset.info().spacings.front()[0]);
  CHECK(extents_of(most.plan, dataset, most.plan.model.preparation.spacing)[1] <= 16);
}

TEST_CASE("a case that cannot be made coarser ends the search and not the training") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("organ3d", {12, {20, 48, 48}, 1});
  contents.cases.back().spacing = {0.02, 0.02, 0.02};  // a unit is wrong, so nothing is resampled
  data::write_dataset(folder.file("unit.h5"), contents);
  const data::Dataset dataset = data::Dataset::open(folder.file("unit.h5"));
  const Coarsened none = coarsened(dataset, 0);
  CHECK(!none.why);
  CHECK(none.plan.config.spacing == "none");
}

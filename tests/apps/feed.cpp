// The feed: the batches of the loader, one truth for every resolution that the loss sees.
#include "apps/training/feed.h"

#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

Plan small_plan(const data::Dataset& dataset, bool deep_supervision) {
  TrainConfig config;
  config.data = dataset.info().path;
  config.base = 4;
  config.depth = 3;
  config.batch = 2;
  config.patch = "16";
  config.deep_supervision = deep_supervision;
  return make_plan(dataset, config);
}

}  // namespace

TEST_CASE("a batch is that of the loader, in any order and after looking ahead") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  const Plan plan = small_plan(dataset, false);
  Feed feed(dataset, plan, Device::cpu);
  data::Loader loader(dataset, plan.loader);
  for (const std::int64_t step : {0, 1, 1, 7, 2}) {
    const data::Batch expected = loader.batch(step);
    const TrainingBatch& batch = feed.batch(step);
    CHECK(batch.images.to_vector<float>() == expected.images.to_vector<float>());
    REQUIRE(batch.truths.size() == 1);
    CHECK(batch.truths[0].labels.to_vector<int>() == expected.labels.to_vector<int>());
    CHECK(batch.truths[0].spacing == expected.spacing);
    feed.look_ahead(step + 1);
  }
}

TEST_CASE("with deep supervision every further truth is coarser, and its voxels are larger") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  Feed feed(dataset, small_plan(dataset, true), Device::cpu);
  const std::vector<Truth>& truths = feed.batch(0).truths;
  REQUIRE(truths.size() == 2);  // depth 3: the bottleneck has no logits
  CHECK(truths[0].labels.shape() == Shape{2, 16, 16});
  CHECK(truths[1].labels.shape() == Shape{2, 8, 8});
  CHECK(truths[1].labels.to_vector<int>() == coarser(truths[0].labels, {2, 2}).to_vector<int>());
  REQUIRE(truths[0].spacing.size() == 4);  // two samples, two axes
  for (std::size_t i = 0; i < 4; ++i) CHECK(truths[1].spacing[i] == 2 * truths[0].spacing[i]);
}

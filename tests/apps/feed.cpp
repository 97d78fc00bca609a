// The feed: the batches of the loader, one truth for every resolution that the loss sees.
#include "apps/training/feed.h"

#include <cmath>

#include "apps/training/collapse.h"
#include "data/writer.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

Plan small_plan(const data::Dataset& dataset, bool deep_supervision, int depth = 3, const std::string& patch = "16") {
  TrainConfig config;
  config.data = dataset.info().path;
  config.base = 4;
  config.depth = depth;
  config.batch = 2;
  config.patch = patch;
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

TEST_CASE("each coarser truth is cut from the finest one, and its spacing grows along each axis by its own strides") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  for (data::Case& one : contents.cases) one.spacing = {1, 2};
  data::write_dataset(folder.file("d.h5"), contents);
  const data::Dataset dataset = data::Dataset::open(folder.file("d.h5"));
  const Plan plan = small_plan(dataset, true, 4, "32");
  REQUIRE(plan.model.net.strides.at(0) == Extents{2, 1});
  REQUIRE(plan.model.net.strides.at(1) == Extents{2, 2});
  Feed feed(dataset, plan, Device::cpu);
  for (const std::int64_t step : {0, 1, 2}) {
    const std::vector<Truth>& truths = feed.batch(step).truths;
    REQUIRE(truths.size() == 3);
    CHECK(truths[1].labels.to_vector<int>() == coarser(truths[0].labels, {2, 1}).to_vector<int>());
    CHECK(truths[2].labels.to_vector<int>() == coarser(truths[0].labels, {4, 2}).to_vector<int>());
    for (std::size_t i = 0; i < 4; ++i) {  // two samples, two axes
      CHECK(truths[1].spacing[i] == truths[0].spacing[i] * (i % 2 == 0 ? 2 : 1));
      CHECK(truths[2].spacing[i] == truths[0].spacing[i] * (i % 2 == 0 ? 4 : 2));
    }
  }
}

TEST_CASE("the loss of several resolutions is their mean, each with half the weight of the next finer one") {
  const losses::Loss loss = losses::make_loss("ce");
  std::vector<Tensor> logits;
  std::vector<Truth> truths;
  std::vector<double> alone;
  for (const std::int64_t side : {8, 4, 2}) {
    logits.push_back(random_normal({2, side, side, 2}, static_cast<std::uint64_t>(side)));
    Truth& truth = truths.emplace_back();
    truth.labels = zeros({2, side, side}, DType::u8);
    truth.labels.data<std::uint8_t>()[1] = 1;
    alone.push_back(loss(logits.back(), truth.labels, {}).item());
  }
  const double value = batch_loss(loss, logits, truths, {}).item();
  CHECK(std::abs(value - (4 * alone[0] + 2 * alone[1] + alone[2]) / 7) < 1e-6);
  CHECK(batch_loss(loss, {logits[0]}, {truths[0]}, {}).item() == alone[0]);
}

// Probabilities of labels in the batches of a loader: they go where the labels go.
#include <cmath>

#include "data/sampling/loader.h"
#include "engine/ops.h"
#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

constexpr std::int64_t kClasses = 3;
constexpr int kIgnored = 255;

// Images whose channels are the probabilities of the labels, in eighths. With `certain` these are 1 and 0, and some
// voxels are ignored.
Dataset probable_dataset(const Folder& folder, const std::vector<Shape>& shapes, bool certain) {
  DatasetContents contents = random_contents(shapes, kClasses, kClasses);
  for (Case& one : contents.cases) {
    one.probabilities = zeros(one.label.shape() + Shape{kClasses});
    float* voxel = one.probabilities.data<float>();
    std::uint8_t* label = one.label.data<std::uint8_t>();
    for (std::int64_t v = 0; v < one.label.numel(); ++v, voxel += kClasses) {
      if (certain && v % 7 == 0) label[v] = kIgnored;
      if (label[v] == kIgnored) continue;
      voxel[label[v]] += certain ? 1.0f : 0.625f;
      if (!certain) voxel[v % kClasses] += 0.375f;
    }
    std::copy_n(one.probabilities.data<float>(), one.image.numel(), one.image.data<float>());
  }
  write_dataset(folder.file("p.h5"), contents);
  return Dataset::open(folder.file("p.h5"));
}

LoaderOptions options_of(const Dataset& dataset, const Shape& patch, const std::string& augment) {
  LoaderOptions options;
  options.cases = dataset.split("all");
  options.patch = patch;
  options.batch = 2;
  options.prefetch = 0;
  options.probabilities = true;
  options.augment = augment_options(augment, patch.dims());
  return options;
}

}  // namespace

TEST_CASE("loader: certain probabilities are the labels, in crops, paddings, flips and turns") {
  const Folder folder;
  for (const auto& [shapes, patch] : std::vector<std::pair<std::vector<Shape>, Shape>>{
           {{{9, 12}, {20, 7}, {16, 16}}, {12, 12}}, {{{5, 9, 8}, {8, 8, 8}}, {6, 6, 6}}}) {
    const Dataset dataset = probable_dataset(folder, shapes, true);
    Loader loader(dataset, options_of(dataset, patch, "none,flip=0.5,turn=1"));
    LoaderOptions without = options_of(dataset, patch, "none,flip=0.5,turn=1");
    without.probabilities = false;
    Loader labels(dataset, without);
    for (std::int64_t step = 0; step < 12; ++step) {
      const Batch batch = loader.batch(step), same_labels = labels.batch(step);
      REQUIRE(batch.probabilities.shape() == batch.labels.shape() + Shape{kClasses});
      std::vector<float> expected;
      for (const int label : batch.labels.to_vector<int>())
        for (int c = 0; c < kClasses; ++c) expected.push_back(label == c ? 1.0f : 0.0f);
      CHECK(batch.probabilities.to_vector<float>() == expected);
      CHECK(!same_labels.probabilities.defined());
      CHECK(same<int>(batch.labels, same_labels.labels));
      CHECK(same<float>(batch.images, same_labels.images));
    }
  }
}

TEST_CASE("loader: probabilities are interpolated as the image is, and outside a case is background") {
  const Folder folder;
  const Dataset dataset = probable_dataset(folder, {{20, 24}, {30, 17}}, false);
  for (const std::string augment : {"none", "none,rotate=1", "none,elastic=1,scale=1,flip=0.5"}) {
    Loader loader(dataset, options_of(dataset, {18, 18}, augment));
    for (std::int64_t step = 0; step < 6; ++step) {
      const Batch batch = loader.batch(step);
      const float *p = batch.probabilities.data<float>(), *image = batch.images.data<float>();
      double worst = 0;
      for (std::int64_t i = 0; i < batch.probabilities.numel(); i += kClasses) {
        worst = std::max<double>(worst, std::abs(p[i] - (1 - image[i + 1] - image[i + 2])));
        for (std::int64_t c = 1; c < kClasses; ++c) worst = std::max<double>(worst, std::abs(p[i + c] - image[i + c]));
      }
      CHECK(worst < 1e-6);
      if (augment == "none") CHECK(worst == 0);
    }
  }
}

TEST_CASE("loader: warped probabilities add up to 1, or to 0 where most is ignored") {
  const Folder folder;
  const Dataset dataset = probable_dataset(folder, {{20, 24}, {30, 17}}, true);
  Loader loader(dataset, options_of(dataset, {18, 18}, "none,rotate=1,scale=1"));
  std::int64_t ignored = 0, between = 0;
  for (std::int64_t step = 0; step < 6; ++step) {
    const Tensor p = loader.batch(step).probabilities;
    for (const double sum : voxgrad::sum(p, {p.dims() - 1}).to_vector<double>()) {
      CHECK((sum == 0 || std::abs(sum - 1) < 1e-6));
      ignored += sum == 0 ? 1 : 0;
    }
    for (const float value : p.to_vector<float>()) between += value > 0.1f && value < 0.9f ? 1 : 0;
  }
  CHECK(ignored > 0);
  CHECK(between > 0);
}

TEST_CASE("loader: probabilities have the same bits for every number of threads and size of the cache") {
  const Folder folder;
  const Dataset dataset = probable_dataset(folder, {{20, 24}, {30, 17}, {18, 18}}, false);
  LoaderOptions options = options_of(dataset, {18, 18}, "default,elastic=0.5");
  Loader first(dataset, options);
  options.prefetch = 3;
  options.threads = 3;
  options.cache_bytes = 0;
  Loader second(dataset, options);
  for (std::int64_t step = 0; step < 8; ++step)
    CHECK(same<float>(first.batch(step).probabilities, second.batch(step).probabilities));
}

TEST_CASE("loader: probabilities that the dataset does not have") {
  const Folder folder;
  write_dataset(folder.file("d.h5"), random_contents({{8, 8}}, 1, 2));
  const Dataset dataset = Dataset::open(folder.file("d.h5"));
  CHECK(contains(error_of([&] { Loader(dataset, options_of(dataset, {8, 8}, "none")); }), "no label probabilities"));
}

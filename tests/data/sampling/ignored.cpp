// Cases of which a part is ignored: where their patches lie.
#include <cmath>
#include <set>

#include "data/sampling/loader.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// Two pictures whose values are the indices of their pixels. All is ignored but a box with two classes.
Dataset sparse_dataset(const Folder& folder, std::int64_t extent, std::int64_t first, std::int64_t last) {
  DatasetContents contents = random_contents({{extent, extent}, {extent, extent}}, 1, 2);
  for (Case& one : contents.cases)
    for (std::int64_t v = 0; v < one.label.numel(); ++v) {
      const std::int64_t y = v / extent, x = v % extent;
      const bool known = y >= first && y < last && x >= first && x < last;
      one.image.data<float>()[v] = static_cast<float>(v);
      one.label.data<std::uint8_t>()[v] = static_cast<std::uint8_t>(!known ? 255 : y % 2);
    }
  contents.ignore_label = 255;
  write_dataset(folder.file("d.h5"), contents);
  return Dataset::open(folder.file("d.h5"));
}

LoaderOptions sparse_options(const Dataset& dataset, const Shape& patch) {
  LoaderOptions options;
  options.cases = dataset.split("all");
  options.patch = patch;
  options.batch = 1;
  options.prefetch = 0;
  return options;
}

}  // namespace

TEST_CASE("loader: every patch shows a voxel that counts, also where most are ignored") {
  const Folder folder;
  const Dataset dataset = sparse_dataset(folder, 400, 100, 120);
  for (const double foreground : {0.0, 0.33, 1.0}) {
    LoaderOptions options = sparse_options(dataset, {16, 16});
    options.foreground = foreground;
    Loader loader(dataset, options);
    for (std::int64_t step = 0; step < 20; ++step) {
      const std::vector<int> labels = loader.batch(step).labels.to_vector<int>();
      CHECK(labels[8 * 16 + 8] != 255);
    }
  }
}

TEST_CASE("loader: in a case with ignored voxels, patches come from all over the others") {
  const Folder folder;
  const Dataset dataset = sparse_dataset(folder, 100, 10, 90);  // more known voxels than the list of centres takes
  LoaderOptions options = sparse_options(dataset, {1, 1});
  options.foreground = 0;
  Loader loader(dataset, options);
  std::set<float> places;
  double sum = 0, background = 0;
  for (std::int64_t step = 0; step < 1000; ++step) {
    const Batch batch = loader.batch(step);
    const int label = batch.labels.data<std::uint8_t>()[0];
    CHECK(label != 255);
    background += label == 0 ? 1 : 0;
    sum += batch.images.data<float>()[0];
    places.insert(batch.images.data<float>()[0]);
  }
  CHECK(places.size() > 800);
  CHECK(std::abs(sum / 1000 - 5000) < 300);
  CHECK(std::abs(background - 500) < 80);
}

TEST_CASE("loader: of a case in which all is ignored, any patch is taken") {
  const Folder folder;
  const Dataset dataset = sparse_dataset(folder, 20, 0, 0);
  Loader loader(dataset, sparse_options(dataset, {4, 4}));
  std::set<float> corners;
  for (std::int64_t step = 0; step < 100; ++step) corners.insert(loader.batch(step).images.data<float>()[0]);
  CHECK(corners.size() > 50);
}

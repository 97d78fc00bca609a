// The loader: batches are pure functions of (seed, step), patches lie where they should, errors and threads end well.
#include "data/sampling/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "engine/moments.h"
#include "engine/ops.h"
#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// Cases whose image tells where a patch came from: case * 10^5 + voxel index. The label is 1 at the given voxels.
Dataset tracing_dataset(const Folder& folder, const std::vector<Shape>& shapes,
                        const std::vector<std::map<std::int64_t, int>>& labels, std::int64_t classes = 3) {
  DatasetContents contents = random_contents(shapes, 1, classes);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    Case& one = contents.cases[i];
    for (std::int64_t v = 0; v < one.label.numel(); ++v) {
      one.image.data<float>()[v] = static_cast<float>(static_cast<std::int64_t>(i) * 100000 + v);
      one.label.data<std::uint8_t>()[v] = 0;
    }
    for (const auto& [voxel, value] : labels[i])
      one.label.data<std::uint8_t>()[voxel] = static_cast<std::uint8_t>(value);
  }
  write_dataset(folder.file("d.h5"), contents);
  return Dataset::open(folder.file("d.h5"));
}

LoaderOptions plain(const Dataset& dataset, const Shape& patch) {
  LoaderOptions options;
  options.cases = dataset.split("all");
  options.patch = patch;
  options.prefetch = 0;
  return options;
}

// Mean 0 and deviation 1 in all channels together.
void standardise(Case& one) {
  const Tensor& image = one.image;
  const Moments all = channel_moments(image.data<float>(), image.numel(), 1)[0];
  for (std::int64_t i = 0; i < image.numel(); ++i)
    image.data<float>()[i] = static_cast<float>((image.data<float>()[i] - all.mean) / all.deviation());
}

std::vector<float> bits_of(const Batch& batch) {
  std::vector<float> bits = batch.images.to_vector<float>();
  for (const float label : batch.labels.to_vector<float>()) bits.push_back(label);
  for (const std::string& id : batch.ids) bits.push_back(std::stof(id.substr(4)));
  return bits;
}

Dataset random_dataset(const Folder& folder) {
  write_dataset(folder.file("d.h5"), random_contents({{20, 30}, {33, 21}, {24, 24}, {10, 40}, {25, 25}}, 2, 3));
  return Dataset::open(folder.file("d.h5"));
}

LoaderOptions busy(const Dataset& dataset) {
  LoaderOptions options = plain(dataset, {16, 16});
  options.batch = 3;
  options.augment = augment_options("elastic,rotate=0.5,scale=0.5,noise=1,blur=1", 2);
  options.prepare = standardise;
  return options;
}

}  // namespace

TEST_CASE("loader: the same bits for every prefetch depth, number of threads, order of asking and cache size") {
  const Folder folder;
  const Dataset dataset = random_dataset(folder);
  std::vector<std::vector<float>> expected;
  {
    Loader loader(dataset, busy(dataset));
    for (std::int64_t step = 0; step < 12; ++step) expected.push_back(bits_of(loader.batch(step)));
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(expected[i] != expected[j]);
  std::vector<std::int64_t> orders[3]{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
                                      {11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
                                      {4, 5, 6, 0, 1, 1, 2, 9, 10, 11, 3, 3, 7, 8}};
  for (const auto& [prefetch, threads] : {std::pair{0, 0}, {1, 1}, {4, 1}, {1, 2}, {2, 5}})
    for (const std::size_t cache : {std::size_t{0}, std::size_t{20000}, std::size_t{1} << 30})
      for (const std::vector<std::int64_t>& order : orders) {
        LoaderOptions options = busy(dataset);
        options.prefetch = prefetch;
        options.threads = threads;
        options.cache_bytes = cache;
        Loader loader(dataset, options);
        for (const std::int64_t step : order)
          CHECK(bits_of(loader.batch(step)) == expected[static_cast<std::size_t>(step)]);
      }
  LoaderOptions other = busy(dataset);
  other.seed = 2;
  CHECK(bits_of(Loader(dataset, other).batch(0)) != expected[0]);
}

TEST_CASE("loader: every case once per epoch, in a new order") {
  const Folder folder;
  const Dataset dataset = random_dataset(folder);
  LoaderOptions options = busy(dataset);
  options.cases = {0, 2, 3, 4};
  options.batch = 1;
  Loader loader(dataset, options);
  CHECK(loader.steps_per_epoch() == 4);
  std::set<std::vector<std::string>> orders;
  for (std::int64_t epoch = 0; epoch < 12; ++epoch) {
    std::vector<std::string> ids;
    for (std::int64_t step = 0; step < 4; ++step) ids.push_back(loader.batch(epoch * 4 + step).ids.at(0));
    orders.insert(ids);
    std::sort(ids.begin(), ids.end());
    CHECK(ids == std::vector<std::string>{"img_000", "img_002", "img_003", "img_004"});
  }
  CHECK(orders.size() > 4);
  options.batch = 3;
  CHECK(Loader(dataset, options).steps_per_epoch() == 2);
  options.batch = 9;
  CHECK(Loader(dataset, options).steps_per_epoch() == 1);
}

TEST_CASE("loader: patches lie inside the case, everywhere, image and label from the same place") {
  const Folder folder;
  const Dataset dataset = tracing_dataset(folder, {{9, 7}, {9, 7}}, {{{31, 1}}, {{3, 2}}});
  LoaderOptions options = plain(dataset, {4, 5});
  options.foreground = 0;
  Loader loader(dataset, options);
  std::map<std::int64_t, int> corners;
  for (std::int64_t step = 0; step < 300; ++step) {
    const Batch batch = loader.batch(step);
    CHECK(batch.images.shape() == Shape{2, 4, 5, 1});
    CHECK(batch.labels.shape() == Shape{2, 4, 5});
    CHECK(batch.spacing == std::vector<double>{1, 1, 1, 1});
    for (std::int64_t n = 0; n < 2; ++n) {
      const float* image = batch.images.data<float>() + n * 20;
      const std::uint8_t* label = batch.labels.data<std::uint8_t>() + n * 20;
      const std::int64_t first = static_cast<std::int64_t>(image[0]), index = first / 100000, corner = first % 100000;
      CHECK(batch.ids[static_cast<std::size_t>(n)] == dataset.info().case_ids[static_cast<std::size_t>(index)]);
      CHECK(corner / 7 <= 5);
      CHECK(corner % 7 <= 2);
      ++corners[corner];
      int wrong = 0;
      for (std::int64_t y = 0; y < 4; ++y)
        for (std::int64_t x = 0; x < 5; ++x) {
          const std::int64_t voxel = corner + y * 7 + x;
          wrong += image[y * 5 + x] != static_cast<float>(index * 100000 + voxel);
          wrong += label[y * 5 + x] != (index == 0 ? (voxel == 31 ? 1 : 0) : (voxel == 3 ? 2 : 0));
        }
      CHECK(wrong == 0);
    }
  }
  CHECK(corners.size() == 18);  // 6 x 3 places
  for (const auto& [corner, count] : corners) CHECK(std::abs(count - 600.0 / 18) < 25);
}

TEST_CASE("loader: the share of samples on the foreground, the same in every stretch of steps") {
  const Folder folder;
  // One voxel in the middle of a large case: a patch of one voxel holds it by chance once in 10^6.
  const std::map<std::int64_t, int> centre{{500500, 1}};
  const Dataset dataset = tracing_dataset(folder, {{1000, 1000}, {1000, 1000}}, {centre, centre});
  for (const double share : {0.0, 0.25, 0.33, 0.5, 1.0})
    for (const std::int64_t batch : {1, 2, 4}) {
      LoaderOptions options = plain(dataset, {1, 1});
      options.foreground = share;
      options.batch = batch;
      Loader loader(dataset, options);
      for (std::int64_t first = 0; first < 300; first += 100) {
        std::int64_t found = 0;
        for (std::int64_t step = first; step < first + 100; ++step) {
          const std::vector<std::int64_t> labels = loader.batch(step).labels.to_vector<std::int64_t>();
          const std::int64_t here = std::accumulate(labels.begin(), labels.end(), std::int64_t{0});
          CHECK(std::abs(static_cast<double>(here) - share * static_cast<double>(batch)) < 1);
          found += here;
        }
        CHECK(std::abs(static_cast<double>(found) - share * static_cast<double>(100 * batch)) <= 1);
      }
    }
}

TEST_CASE("loader: a foreground patch is centred on its voxel as far as the case reaches") {
  const Folder folder;
  const Dataset dataset =
      tracing_dataset(folder, {{6, 11, 9}, {6, 11, 9}}, {{{(2 * 11 + 5) * 9 + 4, 1}}, {{(5 * 11 + 10) * 9 + 0, 2}}});
  LoaderOptions options = plain(dataset, {2, 5, 4});
  options.foreground = 1;
  Loader loader(dataset, options);
  for (std::int64_t step = 0; step < 10; ++step) {
    const Batch batch = loader.batch(step);
    for (std::int64_t n = 0; n < 2; ++n) {
      const std::int64_t corner = static_cast<std::int64_t>(batch.images.data<float>()[n * 40]);
      const std::int64_t inner = (1 * 11 + 3) * 9 + 2, outer = 100000 + (4 * 11 + 6) * 9 + 0;
      CHECK(corner == (corner < 100000 ? inner : outer));
    }
  }
}

TEST_CASE("loader: a rare class is drawn as often as a common one, ignored voxels never") {
  const Folder folder;
  std::map<std::int64_t, int> labels{{0, 2}};
  for (std::int64_t v = 1000; v < 9000; ++v) labels[v] = 1;  // more than the list of centres takes
  for (std::int64_t v = 9000; v < 9500; ++v) labels[v] = 255;
  const Dataset dataset = tracing_dataset(folder, {{100, 100}}, {labels});
  LoaderOptions options = plain(dataset, {1, 1});
  options.foreground = 1;
  options.batch = 8;
  Loader loader(dataset, options);
  std::map<int, int> drawn;
  double voxels = 0;
  for (std::int64_t step = 0; step < 100; ++step) {
    const Batch batch = loader.batch(step);
    for (std::int64_t n = 0; n < 8; ++n) {
      ++drawn[batch.labels.data<std::uint8_t>()[n]];
      voxels += batch.images.data<float>()[n];
    }
  }
  CHECK(drawn.size() == 2);
  CHECK(std::abs(drawn[1] - 400) < 60);
  CHECK(std::abs(drawn[2] - 400) < 60);
  CHECK(std::abs(voxels / drawn[1] - 5000) < 500);  // from all over the class
}

TEST_CASE("loader: small cases are padded on both sides, with zeros and background") {
  const Folder folder;
  const Dataset dataset = tracing_dataset(folder, {{3, 8}}, {{{0, 1}, {23, 2}}});
  for (const double share : {0.0, 1.0}) {
    LoaderOptions options = plain(dataset, {6, 8});
    options.foreground = share;
    options.batch = 1;
    const Batch batch = Loader(dataset, options).batch(0);
    for (std::int64_t y = 0; y < 6; ++y)
      for (std::int64_t x = 0; x < 8; ++x) {
        const std::int64_t from = y - 1;  // one row of three before
        const bool inside = from >= 0 && from < 3;
        CHECK(batch.images.data<float>()[y * 8 + x] == (inside ? static_cast<float>(from * 8 + x) : 0.0f));
        const int expected = !inside ? 0 : from == 0 && x == 0 ? 1 : from == 2 && x == 7 ? 2 : 0;
        CHECK(batch.labels.data<std::uint8_t>()[y * 8 + x] == expected);
      }
  }
  // Larger and smaller at the same time: in one axis the patch moves, in the other it is padded.
  LoaderOptions options = plain(dataset, {5, 4});
  Loader loader(dataset, options);
  for (std::int64_t step = 0; step < 20; ++step) {
    const Batch batch = loader.batch(step);
    CHECK(batch.images.data<float>()[0] == 0);
    CHECK(batch.images.data<float>()[4] < 5);
    CHECK(batch.images.data<float>()[4 + 3] == batch.images.data<float>()[4] + 3);
  }
}

TEST_CASE("loader: an error of the thread reaches the caller, and the next step still comes") {
  const Folder folder;
  // The second case has a label that is no class; without the verification it is found only when it is read.
  const Dataset dataset =
      open_recipe(folder, [](Recipe& r) { r.label_values[7] = 9; }, {.label_map = {}, .verify = false});
  for (const auto& [prefetch, threads] : {std::pair{0, 0}, {1, 1}, {3, 1}, {1, 2}, {3, 4}}) {
    LoaderOptions options = plain(dataset, {2, 2});
    options.batch = 1;
    options.prefetch = prefetch;
    options.threads = threads;
    Loader loader(dataset, options);
    int good = 0, bad = 0;
    for (std::int64_t step = 0; step < 20; ++step) {
      std::string id;
      const std::string found = error_of([&] { id = loader.batch(step).ids.at(0); });
      ++(found.empty() ? good : bad);
      if (found.empty()) CHECK(id == "img_000");
      if (!found.empty()) CHECK(contains(found, "labels: case 1 (\"img_001\"): value 9 outside 0..1"));
      if (!found.empty()) CHECK(error_of([&] { loader.batch(step); }) == found);  // asked again, the same
    }
    CHECK(good == 10);
    CHECK(bad == 10);
  }
}

TEST_CASE("loader: it ends at any moment, with batches waiting, in the making, or never asked for") {
  const Folder folder;
  const Dataset dataset = random_dataset(folder);
  for (int i = 0; i < 150; ++i) {
    LoaderOptions options = busy(dataset);
    options.prefetch = 1 + i % 4;
    options.threads = i % 3;
    Loader loader(dataset, options);
    for (int step = 0; step < i % 5; ++step) loader.batch(step * (1 + i % 3));
    if (i % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(100 * i));
  }
  CHECK(true);  // it came here
}

TEST_CASE("loader: a case is prepared as a whole, before patches are cut") {
  const Folder folder;
  const Dataset dataset = random_dataset(folder);
  LoaderOptions options = plain(dataset, {8, 8});
  options.cases = {0};
  options.batch = 1;
  int calls = 0;
  options.prepare = [&](Case& one) {
    ++calls;
    CHECK(one.image.shape() == Shape{20, 30, 2});
    for (std::int64_t i = 0; i < one.image.numel(); ++i) one.image.data<float>()[i] = static_cast<float>(i);
  };
  Loader loader(dataset, options);
  for (std::int64_t step = 0; step < 3; ++step) {
    const std::vector<float> patch = loader.batch(step).images.to_vector<float>();
    for (std::size_t i = 1; i < 16; ++i) CHECK(patch[i] == patch[0] + static_cast<float>(i));
    CHECK(patch[16] == patch[0] + 60);
  }
  CHECK(calls == 1);
}

TEST_CASE("loader: a preparation may change the extents and the spacing of a case") {
  const Folder folder;
  const Dataset dataset = random_dataset(folder);
  LoaderOptions options = plain(dataset, {10, 15});
  options.cases = {0};
  options.batch = 1;
  options.foreground = 0.5;
  options.prepare = [&](Case& one) {  // the upper left quarter, of voxels that are twice as large
    const auto quarter = [](const Tensor& x) { return slice(slice(x, 0, 0, 10), 1, 0, 15); };
    one.image = quarter(one.image);
    one.label = quarter(one.label);
    one.spacing = {2, 6};
  };
  const Case whole = dataset.read(0);
  Loader loader(dataset, options);
  for (std::int64_t step = 0; step < 4; ++step) {
    const Batch batch = loader.batch(step);
    CHECK(batch.spacing == std::vector<double>{2, 6});
    bool equal = true;
    for (std::int64_t y = 0; y < 10; ++y)
      for (std::int64_t x = 0; x < 15; ++x)
        equal = equal && batch.labels.at(0, y, x) == whole.label.at(y, x) &&
                batch.images.at(0, y, x, 1) == whole.image.at(y, x, 1);
    CHECK(equal);
  }
}

TEST_CASE("loader: threads share the cases that they read") {
  const Folder folder;
  const Dataset dataset = random_dataset(folder);
  LoaderOptions options = busy(dataset);
  std::atomic<int> calls = 0;
  options.prepare = [&](Case&) {
    ++calls;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the others ask for the same cases meanwhile
  };
  options.prefetch = 2;
  options.threads = 4;
  options.batch = 5;  // all cases in every batch
  Loader loader(dataset, options);
  for (std::int64_t step = 0; step < 6; ++step) loader.batch(step);
  CHECK(calls == 5);
}

TEST_CASE("loader: a warped patch shows what lies around it, finite and with its own labels") {
  const Folder folder;
  // The image is 1000 in the foreground and 100 elsewhere, so that labels can be told from it.
  DatasetContents contents = random_contents({{60, 50}, {48, 64}}, 1, 2);
  for (Case& one : contents.cases)
    for (std::int64_t v = 0; v < one.label.numel(); ++v) {
      const std::int64_t width = one.label.extent(1);
      const bool inside = (v / width / 8 + v % width / 8) % 2 == 0;
      one.label.data<std::uint8_t>()[v] = inside ? 1 : 0;
      one.image.data<float>()[v] = inside ? 1000 : 100;
    }
  write_dataset(folder.file("d.h5"), contents);
  const Dataset dataset = Dataset::open(folder.file("d.h5"));
  LoaderOptions options = plain(dataset, {32, 32});
  options.augment = augment_options("rotate=1,scale=1,elastic=1", 2);
  Loader loader(dataset, options);
  std::int64_t empty_voxels = 0, voxels = 0;
  for (std::int64_t step = 0; step < 50; ++step) {
    const Batch batch = loader.batch(step);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < batch.labels.numel(); ++i) {
      const float value = batch.images.data<float>()[i];
      const int label = batch.labels.data<std::uint8_t>()[i];
      wrong += !std::isfinite(value) || (std::abs(value - 550) > 1 && label != (value > 550 ? 1 : 0));
      empty_voxels += value == 0;
      ++voxels;
    }
    CHECK(wrong == 0);
  }
  CHECK(empty_voxels * 20 < voxels);  // a rotation of the patch alone would leave an eighth of it empty
}

TEST_CASE("loader: options that do not fit") {
  const Folder folder;
  const Dataset dataset = random_dataset(folder);
  const auto refusal_of = [&](const std::function<void(LoaderOptions&)>& change) {
    LoaderOptions options = busy(dataset);
    change(options);
    return error_of([&] { Loader loader(dataset, options); });
  };
  CHECK(refusal_of([](LoaderOptions&) {}) == "");
  CHECK(contains(refusal_of([](LoaderOptions& o) { o.cases = {}; }), "loader: there are no cases"));
  CHECK(contains(refusal_of([](LoaderOptions& o) { o.cases = {5}; }), "case 5 of 5"));
  CHECK(contains(refusal_of([](LoaderOptions& o) { o.patch = {8}; }), "patch has 1 extents, d has 2"));
  CHECK(contains(refusal_of([](LoaderOptions& o) { o.patch = {8, 0}; }), "patch extent 0"));
  CHECK(contains(refusal_of([](LoaderOptions& o) { o.batch = 0; }), "batch 0"));
  CHECK(contains(refusal_of([](LoaderOptions& o) { o.foreground = 1.5; }), "foreground share 1.5"));
  CHECK(contains(refusal_of([](LoaderOptions& o) { o.prefetch = -1; }), "prefetch -1"));
  CHECK(contains(refusal_of([](LoaderOptions& o) { o.threads = -1; }), "threads -1"));
  CHECK_THROWS_AS(Loader(dataset, busy(dataset)).batch(-1), Error);
}

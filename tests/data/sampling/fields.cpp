// Maps of labels: cut, flipped and turned with their sample; made once, kept in a file, and made again where they must.
#include "data/sampling/fields.h"

#include <set>

#include "data/h5/h5_writer.h"
#include "data/sampling/loader.h"
#include "engine/ops.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// What became of the calls of a maker.
struct Log {
  std::vector<Shape> made;
  std::vector<std::string> warnings;
  int progress = 0;
};

// Two maps: "place", the index of a voxel and its negative; "sum", the label plus ten times the first spacing.
FieldMaker logged_maker(Log& log, const std::string& variant = "variant 1") {
  FieldMaker maker;
  maker.keys = {"place", "sum"};
  maker.variant = variant;
  maker.make = [&log](const std::string& key, const Tensor& labels, const std::vector<double>& spacing) {
    log.made.push_back(labels.shape());
    Shape shape = labels.shape();
    shape.push_back(key == "place" ? 2 : 1);
    const Tensor map = empty(shape);
    float* values = map.data<float>();
    for (std::int64_t i = 0; i < labels.numel(); ++i)
      if (key == "place") {
        values[2 * i] = static_cast<float>(i);
        values[2 * i + 1] = -static_cast<float>(i);
      } else {
        values[i] = static_cast<float>(labels.data<std::uint8_t>()[i] + 10 * spacing[0]);
      }
    return map;
  };
  return maker;
}

// Images whose values are the indices of their voxels.
Dataset numbered_dataset(const Folder& folder, const std::vector<Shape>& shapes) {
  DatasetContents contents = random_contents(shapes, 1, 3);
  for (Case& one : contents.cases)
    for (std::int64_t v = 0; v < one.image.numel(); ++v) one.image.data<float>()[v] = static_cast<float>(v);
  write_dataset(folder.file("d.h5"), contents);
  return Dataset::open(folder.file("d.h5"));
}

LoaderOptions options_for(const Dataset& dataset, const Shape& patch, Log& log) {
  LoaderOptions options;
  options.cases = dataset.split("all");
  options.patch = patch;
  options.fields = std::make_shared<Fields>(logged_maker(log));
  return options;
}

void prepare(Fields& fields, const Dataset& dataset, Log& log) {
  const Shape& first = dataset.info().shapes[0];
  fields.prepare(
      dataset, dataset.split("all"), Shape::filled(first.dims(), 1), {}, [&] { ++log.progress; },
      [&](const std::string& message) { log.warnings.push_back(message); });
}

// Every map of every case, one after the other.
std::vector<float> all_values(const Fields& fields, const Dataset& dataset) {
  std::vector<float> values;
  for (const std::int64_t index : dataset.split("all"))
    for (const Tensor& map : fields.of(dataset.read(index), {1, 1}))
      for (const float value : map.to_vector<float>()) values.push_back(value);
  return values;
}

const std::vector<Shape> kShapes{{9, 7}, {6, 12}, {8, 8}};
constexpr std::size_t kMaps = 6;  // two for each of three cases

}  // namespace

TEST_CASE("fields: every flip and turn moves a map as it moves the image, and intensities leave it alone") {
  for (const Shape& patch : {Shape{5, 5}, Shape{4, 4, 4}}) {
    const Folder folder;
    const Dataset dataset = numbered_dataset(
        folder, patch.dims() == 2 ? std::vector<Shape>{{11, 9}, {8, 13}} : std::vector<Shape>{{7, 9, 8}, {6, 6, 7}});
    Log log;
    LoaderOptions options = options_for(dataset, patch, log);
    options.augment = augment_options("flip=0.5,turn=0.5", patch.dims());
    Loader loader(dataset, options);
    options.augment = augment_options("intensity,flip=0.5,turn=0.5", patch.dims());
    Loader noisy(dataset, options);
    std::set<float> steps;  // from the first voxel of a patch to the next: tells the orientations apart
    for (std::int64_t step = 0; step < 150; ++step) {
      const Batch batch = loader.batch(step);
      const std::vector<float> image = batch.images.to_vector<float>(),
                               place = batch.fields.at("place").to_vector<float>();
      REQUIRE(place.size() == 2 * image.size());
      bool equal = true;
      for (std::size_t i = 0; i < image.size(); ++i)
        equal = equal && place[2 * i] == image[i] && place[2 * i + 1] == -image[i];
      CHECK(equal);
      steps.insert(image[1] - image[0]);
      const std::vector<float> labels = batch.labels.to_vector<float>(),
                               sum = batch.fields.at("sum").to_vector<float>();
      for (std::size_t i = 0; i < labels.size(); ++i) equal = equal && sum[i] == labels[i] + 10;
      CHECK(equal);
      CHECK(noisy.batch(step).fields.at("place").to_vector<float>() == place);
    }
    CHECK(steps.size() >= 6);  // both ways along each axis, in cases of different extents
  }
}

TEST_CASE("fields: the maps of a warped sample are made of its labels and those around it") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, {{40, 30}});
  Log log;
  LoaderOptions options = options_for(dataset, {16, 24}, log);
  options.prefetch = 0;
  options.augment = augment_options("rotate=1,scale=1,elastic=1,flip=0.5", 2);
  Loader loader(dataset, options);
  for (std::int64_t step = 0; step < 10; ++step) {
    const Batch batch = loader.batch(step);
    const std::vector<float> labels = batch.labels.to_vector<float>(), sum = batch.fields.at("sum").to_vector<float>();
    REQUIRE(labels.size() == sum.size());
    for (std::size_t i = 0; i < labels.size(); ++i) CHECK(sum[i] == labels[i] + 10);
  }
  CHECK(log.made.back() == Shape{1, 20, 30});  // an eighth more on either side
}

TEST_CASE("fields: a case that is smaller than the patch is padded before its maps are made") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, {{3, 8}});
  Log log;
  LoaderOptions options = options_for(dataset, {6, 5}, log);
  Loader loader(dataset, options);
  for (std::int64_t step = 0; step < 10; ++step) {
    const Batch batch = loader.batch(step);
    const std::vector<float> labels = batch.labels.to_vector<float>(), sum = batch.fields.at("sum").to_vector<float>();
    for (std::size_t i = 0; i < labels.size(); ++i) CHECK(sum[i] == labels[i] + 10);
    const std::vector<float> place = batch.fields.at("place").to_vector<float>();
    CHECK(place[2 * 5] == place[0] + 8);  // the row below, in a map of 6 x 8
    CHECK(static_cast<int>(place[0]) < 8);
  }
  CHECK(log.made == std::vector<Shape>{{1, 6, 8}, {1, 6, 8}});  // once, though it was asked for in every sample
}

TEST_CASE("fields: the second time they come from the cache beside the dataset, which is left as it is") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, kShapes);
  const std::string before = bytes_of(folder.file("d.h5")), cache = cache_path(folder.file("d.h5"));
  CHECK(cache == folder.file("d.cache.h5"));
  Log first, second;
  Fields made(logged_maker(first), cache);
  prepare(made, dataset, first);
  CHECK(first.made.size() == kMaps);
  CHECK(first.progress == static_cast<int>(kMaps));
  CHECK(std::filesystem::exists(cache));
  Fields read(logged_maker(second), cache);
  prepare(read, dataset, second);
  CHECK(second.progress == 0);
  const std::vector<float> values = all_values(read, dataset);
  CHECK(second.made.empty());
  CHECK(values == all_values(Fields(logged_maker(first)), dataset));  // without a cache
  CHECK(first.made.size() == 2 * kMaps);
  CHECK(bytes_of(folder.file("d.h5")) == before);
  CHECK((first.warnings.empty() && second.warnings.empty()));
}

TEST_CASE("fields: labels, spacing or definition that changed are not taken from the cache") {
  const Folder folder;
  const std::string path = folder.file("d.h5"), cache = cache_path(path);
  DatasetContents contents = random_contents(kShapes, 1, 3);
  const auto made_for = [&](const std::string& variant) {
    write_dataset(path, contents);
    const Dataset dataset = Dataset::open(path);
    Log log, reference;
    Fields fields(logged_maker(log, variant), cache);
    prepare(fields, dataset, log);
    const std::size_t made = log.made.size();
    CHECK(all_values(fields, dataset) == all_values(Fields(logged_maker(reference)), dataset));
    CHECK(log.made.size() == made);
    CHECK(log.warnings.empty());
    return made;
  };
  CHECK(made_for("variant 1") == kMaps);
  CHECK(made_for("variant 1") == 0);
  std::uint8_t& changed = contents.cases[1].label.data<std::uint8_t>()[5];
  changed = static_cast<std::uint8_t>((changed + 1) % 3);
  CHECK(made_for("variant 1") == 2);
  contents.cases[2].spacing = {1, 0.5};
  CHECK(made_for("variant 1") == 2);
  CHECK(made_for("variant 2") == kMaps);
  CHECK(made_for("variant 1") == 0);  // what was there stays there
}

TEST_CASE("fields: maps are those of the prepared case, and a cache keeps those of each preparation") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, kShapes);
  const std::string cache = cache_path(folder.file("d.h5"));
  const auto made_for = [&](const CasePreparation& change) {
    Log log, reference;
    Fields fields(logged_maker(log), cache);
    fields.prepare(
        dataset, {0, 1, 2}, {1, 1}, change, [] {}, [](const std::string&) {});
    const std::size_t made = log.made.size();
    LoaderOptions options = options_for(dataset, {4, 3}, reference);
    options.prepare = change;
    options.batch = 3;
    Loader without_cache(dataset, options);
    options.fields = std::make_shared<Fields>(std::move(fields));
    Loader with_cache(dataset, options);
    for (std::int64_t step = 0; step < 4; ++step)
      CHECK(with_cache.batch(step).fields.at("sum").to_vector<float>() ==
            without_cache.batch(step).fields.at("sum").to_vector<float>());
    CHECK(log.made.size() == made);
    return made;
  };
  CHECK(made_for({}) == kMaps);
  const CasePreparation smaller = [](Case& one) {
    one.image = slice(one.image, 0, 1, 5);
    one.label = slice(one.label, 0, 1, 5);
  };
  CHECK(made_for(smaller) == kMaps);
  CHECK(made_for([](Case& one) { one.spacing = {3, 1}; }) == kMaps);
  CHECK(made_for(smaller) == 0);
  CHECK(made_for({}) == 0);
}

TEST_CASE("fields: a damaged cache is made again") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, kShapes);
  const std::string cache = folder.file("d.cache.h5");
  Log log;
  const std::vector<float> expected = all_values(Fields(logged_maker(log)), dataset);
  Fields(logged_maker(log), cache);
  const auto prepared = [&] {
    log = Log();
    Fields fields(logged_maker(log), cache);
    prepare(fields, dataset, log);
    CHECK(all_values(fields, dataset) == expected);
  };
  prepared();
  const std::string whole = bytes_of(cache);
  write_bytes(cache, whole.substr(0, whole.size() / 2));
  prepared();
  CHECK(log.made.size() == kMaps);
  REQUIRE(log.warnings.size() == 1);
  CHECK_MESSAGE(contains(log.warnings[0], "d.cache.h5"), log.warnings[0]);
  write_bytes(cache, "something else");
  prepared();
  CHECK(log.warnings.size() == 1);
  CHECK(bytes_of(cache) == whole);
  // A byte of what is compressed, which begins as zlib begins: if it is in a map, that one alone is made again.
  std::size_t alone = 0, all = 0;
  for (std::size_t i = whole.find("\x78\x5e"); i != std::string::npos; i = whole.find("\x78\x5e", i + 1)) {
    std::string bytes = whole;
    bytes[i + 10] = static_cast<char>(bytes[i + 10] ^ 0x55);
    write_bytes(cache, bytes);
    prepared();
    alone += log.made.size() == 1 && log.warnings.empty();
    all += log.made.size() == kMaps && log.warnings.size() == 1;  // the names
  }
  CHECK(alone == kMaps);
  CHECK(all == 1);
}

TEST_CASE("fields: a file of others in the place of the cache stays as it is") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, kShapes);
  const std::string cache = folder.file("d.cache.h5");
  Log log;
  const std::vector<float> expected = all_values(Fields(logged_maker(log)), dataset);
  const auto stays = [&] {
    const std::string theirs = bytes_of(cache);
    log = Log();
    Fields fields(logged_maker(log), cache);
    prepare(fields, dataset, log);
    CHECK(all_values(fields, dataset) == expected);
    CHECK(bytes_of(cache) == theirs);
    REQUIRE(log.warnings.size() == 1);
    CHECK_MESSAGE(contains(log.warnings[0], "d.cache.h5 is no cache of maps"), log.warnings[0]);
    CHECK_MESSAGE(contains(log.warnings[0], "kept in memory"), log.warnings[0]);
  };
  std::filesystem::copy(folder.file("d.h5"), cache);  // a dataset, which has a format of its own
  stays();
  h5::Writer other(cache);
  other.attribute("/", "format", std::int64_t{1});
  other.save();
  stays();
  h5::Writer nameless(cache);
  nameless.array("/x", h5::Element::f32, {1}, expected.data());
  nameless.save();
  stays();
}

TEST_CASE("fields: without a place for the cache there is one warning, and nothing else is different") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, kShapes);
  Log log, reference;
  const std::vector<float> expected = all_values(Fields(logged_maker(reference)), dataset);
  Fields nowhere(logged_maker(log), folder.file("no/such/folder/d.cache.h5"));
  prepare(nowhere, dataset, log);
  CHECK(log.warnings.size() == 1);
  CHECK(log.progress == 0);
  CHECK(all_values(nowhere, dataset) == expected);
  // The file cannot be put in place: its name belongs to a folder that is not empty.
  log = Log();
  std::filesystem::create_directories(folder.file("d.cache.h5/full"));
  Fields taken(logged_maker(log), folder.file("d.cache.h5"));
  prepare(taken, dataset, log);
  CHECK(!log.warnings.empty());
  CHECK_MESSAGE(contains(log.warnings.back(), "kept in memory"), log.warnings.back());
  CHECK(all_values(taken, dataset) == expected);
}

TEST_CASE("fields: a cache that would be too large is given up after the first case; one that fits is written") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, kShapes);
  const std::string cache = folder.file("d.cache.h5");
  Log reference;
  const std::vector<float> expected = all_values(Fields(logged_maker(reference)), dataset);
  const auto made_within = [&](std::size_t most_bytes) {
    Log log;
    Fields fields(logged_maker(log), cache, most_bytes);
    prepare(fields, dataset, log);
    const std::size_t made = log.made.size();
    CHECK(std::filesystem::exists(cache) == log.warnings.empty());
    if (!log.warnings.empty()) CHECK(contains(log.warnings[0], "would hold more than"));
    CHECK(all_values(fields, dataset) == expected);
    return made;
  };
  // A voxel has 12 bytes of maps; the cases have 63, 72 and 64 voxels.
  CHECK(made_within(12 * 150) == 2);
  CHECK(made_within(12 * 199 - 1) == kMaps);  // nearly fits
  CHECK(made_within(12 * 199) == kMaps);
  CHECK(made_within(12 * 199) == 0);
}

TEST_CASE("fields: work that is interrupted leaves no cache, a map of the wrong form is refused") {
  const Folder folder;
  const Dataset dataset = numbered_dataset(folder, kShapes);
  Log log;
  Fields fields(logged_maker(log), folder.file("d.cache.h5"));
  const auto stop = [&] {
    if (++log.progress == 3) throw Error(ErrorKind::usage, "stopped");
  };
  CHECK(error_of([&] {
          fields.prepare(dataset, {0, 1, 2}, {1, 1}, {}, stop, [](const std::string&) {});
        }) == "stopped");
  CHECK(log.made.size() == 2);
  CHECK(!std::filesystem::exists(folder.file("d.cache.h5")));
  FieldMaker wrong = logged_maker(log);
  wrong.make = [](const std::string&, const Tensor& labels, const std::vector<double>&) { return labels; };
  CHECK(contains(error_of([&] { Fields(wrong).of(dataset.read(0), {1, 1}); }), "fields: place is"));
}

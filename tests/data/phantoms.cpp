// ctest labels: unsanitized
#include "data/phantoms.h"

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "engine/parallel.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using voxgrad::test::bytes_of;
using voxgrad::test::contains;
using voxgrad::test::error_of;
using voxgrad::test::same;

namespace {

// What data/phantoms/README.md promises of each class but the background: mean share of all voxels in per cent, and the
// Dice of the best band of grey values, the floor that a network has to beat.
struct Promise {
  std::string name;
  std::vector<double> percent, floor;
};
const std::vector<Promise> kPromises{{"lesions2d", {1.09}, {0.213}},
                                     {"vessels2d", {7.83}, {0.37}},
                                     {"organs2d", {8.96, 1.32, 1.58, 0.875}, {0.696, 0.325, 0.461, 0.13}},
                                     {"nuclei2d", {31.6}, {0.758}},
                                     {"tumour3d", {2.3, 0.8, 0.61}, {0.406, 0.433, 0.065}},
                                     {"organ3d", {8.52}, {0.192}}};

std::string bundled(const std::string& name) {
  return std::string(VOXGRAD_SOURCE_DIR) + "/data/bundled/" + name + ".h5";
}

// Made once: several tests look at the same pictures.
const DatasetContents& contents_of(const std::string& name) {
  static std::map<std::string, DatasetContents> made;
  const auto found = made.find(name);
  return found != made.end() ? found->second : made.emplace(name, make_phantom(name)).first->second;
}

bool same_case(const Case& a, const Case& b) {
  return a.id == b.id && a.group == b.group && a.spacing == b.spacing && same<float>(a.image, b.image) &&
         same<std::uint8_t>(a.label, b.label);
}

std::vector<std::int64_t> histogram(const Case& one, std::size_t classes) {
  std::vector<std::int64_t> counts(classes);
  for (const std::uint8_t label : one.label.to_vector<std::uint8_t>()) ++counts.at(label);
  return counts;
}

// Voxels of one channel with a grey value below v, for v = 0 .. 256, those of `label` and all.
struct Cumulated {
  std::vector<double> label = std::vector<double>(257), all = std::vector<double>(257);
};
Cumulated cumulate(const Case& one, std::int64_t channel, std::uint8_t label) {
  Cumulated sums;
  const std::int64_t channels = one.image.extent(-1);
  const float* image = one.image.data<float>();
  const std::uint8_t* labels = one.label.data<std::uint8_t>();
  for (std::int64_t i = 0; i < one.label.numel(); ++i) {
    const std::size_t value = static_cast<std::size_t>(image[i * channels + channel]) + 1;
    sums.all[value] += 1;
    if (labels[i] == label) sums.label[value] += 1;
  }
  for (std::size_t v = 1; v < 257; ++v) {
    sums.all[v] += sums.all[v - 1];
    sums.label[v] += sums.label[v - 1];
  }
  return sums;
}

// Dice of "low <= grey value < high", the mean over the cases that have the class; the best band of any channel.
double best_band_dice(const DatasetContents& contents, std::uint8_t label) {
  double best = 0;
  for (std::int64_t channel = 0; channel < contents.cases[0].image.extent(-1); ++channel) {
    std::vector<Cumulated> sums;
    for (const Case& one : contents.cases) {
      sums.push_back(cumulate(one, channel, label));
      if (sums.back().label[256] == 0) sums.pop_back();
    }
    for (std::size_t low = 0; low < 256; ++low)
      for (std::size_t high = low + 1; high <= 256; ++high) {
        double dice = 0;
        for (const Cumulated& s : sums)
          dice += 2 * (s.label[high] - s.label[low]) / (s.all[high] - s.all[low] + s.label[256]);
        best = std::max(best, dice / static_cast<double>(sums.size()));
      }
  }
  return best;
}

}  // namespace

TEST_CASE("the bundled files are what the generator makes, byte for byte") {
  std::uintmax_t total = 0;
  const voxgrad::test::Folder folder;
  REQUIRE(phantoms().size() == kPromises.size());
  for (const Phantom& phantom : phantoms()) {
    INFO(phantom.name);
    const DatasetContents& made = contents_of(phantom.name);
    const Dataset stored = Dataset::open(bundled(phantom.name));
    REQUIRE(stored.size() == phantom.cases);
    bool equal = stored.info().splits == made.splits && stored.info().class_names == made.class_names;
    for (std::int64_t i = 0; i < stored.size(); ++i)
      equal = equal && same_case(stored.read(i), made.cases[static_cast<std::size_t>(i)]);
    CHECK(equal);
    const std::string path = folder.file(phantom.name);
    write_dataset(path, made);
    const bool same_bytes = bytes_of(path) == bytes_of(bundled(phantom.name));
    if (std::string(::zlibVersion()) == "1.2.13")
      CHECK(same_bytes);
    else if (!same_bytes)
      MESSAGE(phantom.name, ": the same pictures in other bytes: zlib ", ::zlibVersion(), ", bundled with 1.2.13");
    total += std::filesystem::file_size(bundled(phantom.name));
  }
  CHECK(total <= 12'000'000);
}

TEST_CASE("the pictures are what the chapter says: shapes, classes, shares, and no help from thresholds") {
  for (const Promise& promise : kPromises) {
    const DatasetContents& contents = contents_of(promise.name);
    const auto phantom =
        std::find_if(phantoms().begin(), phantoms().end(), [&](const Phantom& p) { return p.name == promise.name; });
    REQUIRE(phantom != phantoms().end());
    CHECK(contents.attributes.at("license") == "Apache-2.0 (synthetic)");
    CHECK(contents.attributes.at("source") == "voxgrad synth " + promise.name);
    CHECK(contents.class_names == phantom->class_names);
    const std::size_t classes = phantom->class_names.size();
    REQUIRE(promise.percent.size() + 1 == classes);
    std::vector<std::int64_t> counts(classes);
    std::int64_t voxels = 0;
    for (const Case& one : contents.cases) {
      const std::vector<std::int64_t> own = histogram(one, classes);
      for (std::size_t k = 0; k < classes; ++k) counts[k] += own[k];
      voxels += one.label.numel();
      CHECK(one.label.shape() == phantom->size);
    }
    for (std::size_t k = 1; k < classes; ++k) {
      const double percent = 100.0 * static_cast<double>(counts[k]) / static_cast<double>(voxels);
      const double floor = best_band_dice(contents, static_cast<std::uint8_t>(k));
      CHECK_MESSAGE(std::abs(percent / promise.percent[k - 1] - 1) < 0.01, promise.name, " class ", k, ": ", percent,
                    " %");
      CHECK_MESSAGE(std::abs(floor - promise.floor[k - 1]) < 0.001, promise.name, " class ", k, ": band Dice ", floor);
    }
  }
}

TEST_CASE("lesions are few in every slice, and organs are absent from some") {
  for (const Case& one : contents_of("lesions2d").cases) {
    const double share = static_cast<double>(histogram(one, 2)[1]) / static_cast<double>(one.label.numel());
    CHECK_MESSAGE((share > 0.003 && share < 0.02), one.id, ": ", share);
  }
  std::vector<int> absent(5);
  for (const Case& one : contents_of("organs2d").cases) {
    const std::vector<std::int64_t> counts = histogram(one, 5);
    for (std::size_t k = 0; k < 5; ++k) absent[k] += counts[k] == 0 ? 1 : 0;
  }
  CHECK(absent[0] == 0);
  for (std::size_t k = 2; k < 5; ++k) CHECK_MESSAGE((absent[k] > 8 && absent[k] < 60), k, ": ", absent[k]);
  // The necrosis lies in the rim: no voxel of it touches healthy tissue.
  const Case& one = contents_of("tumour3d").cases[0];
  const std::uint8_t* labels = one.label.data<std::uint8_t>();
  int inner = 0, exposed = 0;
  for (std::int64_t i = 48 * 48; i < one.label.numel() - 48 * 48; ++i) {
    if (labels[i] != 3) continue;
    ++inner;
    for (const std::int64_t step : {std::int64_t{1}, std::int64_t{48}, std::int64_t{48 * 48}})
      exposed += labels[i + step] == 0 || labels[i - step] == 0 ? 1 : 0;
  }
  CHECK(inner > 50);
  CHECK(exposed < inner / 5);
}

TEST_CASE("a case depends on name, seed, size and its number only") {
  const int before = threads();
  for (const Phantom& phantom : phantoms()) {
    INFO(phantom.name);
    const DatasetContents& all = contents_of(phantom.name);
    set_threads(1);
    const DatasetContents few = make_phantom(phantom.name, {.cases = 3, .size = phantom.size, .seed = 1});
    set_threads(3);
    const DatasetContents again = make_phantom(phantom.name, {.cases = 2, .size = {}, .seed = 1});
    const DatasetContents other = make_phantom(phantom.name, {.cases = 2, .size = {}, .seed = 2});
    REQUIRE(few.cases.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(same_case(few.cases[i], all.cases[i]));
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(same_case(again.cases[i], all.cases[i]));
      CHECK(!same<float>(other.cases[i].image, all.cases[i].image));
    }
    CHECK(!same<float>(all.cases[0].image, all.cases[1].image));
  }
  set_threads(before);
}

TEST_CASE("splits hold every case once and keep groups together") {
  for (const Phantom& phantom : phantoms()) {
    INFO(phantom.name);
    const DatasetContents& contents = contents_of(phantom.name);
    std::map<std::string, std::string> split_of_group;
    std::set<std::int64_t> seen;
    for (const auto& [split, cases] : contents.splits)
      for (const std::int64_t i : cases) {
        CHECK(seen.insert(i).second);
        const std::string& group = contents.cases.at(static_cast<std::size_t>(i)).group;
        CHECK(split_of_group.emplace(group, split).first->second == split);
      }
    CHECK(static_cast<std::int64_t>(seen.size()) == phantom.cases);
    CHECK(contents.splits.at("train").size() >= 14);
    CHECK(contents.splits.at("val").size() >= 4);
    CHECK(contents.splits.at("test").size() >= 6);
  }
}

TEST_CASE("another size shows the same at another resolution") {
  const DatasetContents fine = make_phantom("vessels2d", {.cases = 6, .size = {192, 240}, .seed = 1});
  CHECK(fine.cases[0].image.shape() == Shape{192, 240, 1});
  CHECK(fine.cases[0].spacing == std::vector<double>{0.75, 0.75});
  const DatasetContents volume = make_phantom("organ3d", {.cases = 1, .size = {12, 24, 24}, .seed = 1});
  CHECK(volume.cases[0].spacing == std::vector<double>{6, 2.5, 2.5});
  const double share = static_cast<double>(histogram(volume.cases[0], 2)[1]) / (12 * 24 * 24);
  const double usual = static_cast<double>(histogram(contents_of("organ3d").cases[0], 2)[1]) / (24 * 48 * 48);
  CHECK_MESSAGE(std::abs(share - usual) < 0.02, share, " at half the resolution, ", usual, " else");
}

TEST_CASE("wrong wishes are named") {
  const auto message = [](const std::string& name, const PhantomOptions& options = {}) {
    return error_of([&] { make_phantom(name, options); });
  };
  CHECK(contains(message("lesion2d"), "unknown name \"lesion2d\""));
  CHECK(contains(message("lesion2d"), "did you mean \"lesions2d\"?"));
  CHECK(contains(message("organ3d", {.cases = -1, .size = {}, .seed = 1}), "organ3d: -1 cases"));
  CHECK(contains(message("organ3d", {.cases = 1, .size = {48, 48}, .seed = 1}), "2 extents given, it has 3 axes"));
  CHECK(contains(message("nuclei2d", {.cases = 1, .size = {96, 4}, .seed = 1}), "extent 4; expected at least 8"));
  CHECK(contains(message("nuclei2d", {.cases = 1, .size = {1 << 20, 1 << 20}, .seed = 1}), "expected at least 8, and"));
}

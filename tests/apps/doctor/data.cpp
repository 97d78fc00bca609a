// ctest labels: unsanitized
// Datasets with one fault each, planted in a good one: the check of this fault speaks, and no other. Good ones give
// nothing.
#include <cmath>
#include <cstring>

#include "apps/doctor/data_checks.h"
#include "tests/apps/support.h"
#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Finding;
using data::DatasetContents;

namespace {

const std::string kBundled = std::string(VOXGRAD_SOURCE_DIR) + "/data/bundled/";

// The first cases of a bundled dataset, without groups, in splits of 4:1:1.
DatasetContents good(const std::string& name, std::int64_t cases) {
  const Dataset dataset = Dataset::open(kBundled + name + ".h5");
  DatasetContents contents;
  contents.class_names = dataset.info().class_names;
  for (std::int64_t i = 0; i < cases; ++i) {
    // Spread over the file, whose neighbours may be slices of one patient.
    contents.cases.push_back(dataset.read(i * dataset.size() / cases));
    contents.cases.back().group.clear();
    contents.splits[i % 6 == 4 ? "val" : i % 6 == 5 ? "test" : "train"].push_back(i);
  }
  return contents;
}

// A copy with memory of its own.
DatasetContents copy_of(DatasetContents contents) {
  for (data::Case& one : contents.cases) {
    one.image = one.image.clone();
    one.label = one.label.clone();
  }
  return contents;
}

struct Found {
  std::string names;  // "leakage, splits"; of remarks with a question mark: "channels?"
  std::vector<Finding> findings;
  std::string words() const { return apps::report_of(findings); }
};

Found examine(const apps::DataQuestion& question) {
  Found found;
  found.findings = apps::examine_data(question, [](double) {}).findings;
  for (const Finding& finding : found.findings)
    found.names += (found.names.empty() ? "" : ", ") + finding.check + (finding.failure ? "" : "?");
  return found;
}

Found examine(const DatasetContents& contents, const std::string& loss = "") {
  const Folder folder;
  data::write_dataset(folder.file("d.h5"), contents);
  return examine({.path = folder.file("d.h5"), .label_map = "", .loss = loss, .pictures = ""});
}

// Arrays as a program of somebody else may have written them, of cases that have one shape. `more` may change them.
Found examine_raw(const DatasetContents& contents, const std::function<void(Recipe&)>& more) {
  Recipe recipe;
  const Shape shape = contents.cases.front().label.shape();
  recipe.images = Shape{std::ssize(contents.cases)} + shape + Shape{1};
  recipe.labels = recipe.images.without(-1);
  recipe.image_element = h5::Element::f32;
  recipe.label_values.clear();
  recipe.case_ids.clear();
  recipe.class_names = contents.class_names;
  for (const data::Case& one : contents.cases) {
    const std::vector<float> image = one.image.to_vector<float>();
    const std::uint8_t* label = one.label.data<std::uint8_t>();
    recipe.image_values.insert(recipe.image_values.end(), image.begin(), image.end());
    recipe.label_values.insert(recipe.label_values.end(), label, label + one.label.numel());
    recipe.case_ids.push_back(one.id);
  }
  more(recipe);
  const Folder folder;
  recipe.write(folder.file("raw.h5"));
  return examine({.path = folder.file("raw.h5"), .label_map = "", .loss = "", .pictures = ""});
}

void move_masks(DatasetContents& contents, const apps::Move& move) {
  for (data::Case& one : contents.cases) one.label = apps::moved(one.label, move);
}

// The value of an image after a change of every value.
void change(const Tensor& image, const std::function<float(float)>& f) {
  float* values = image.data<float>();
  for (std::int64_t i = 0; i < image.numel(); ++i) values[i] = f(values[i]);
}

std::uint8_t* mask(data::Case& one) { return one.label.data<std::uint8_t>(); }

void check_found(const std::string& expected, const Found& found, const std::string& where = "") {
  CHECK_MESSAGE(found.names == expected, where, " expected ", expected, ", found ", found.names, "\n", found.words());
}

}  // namespace

TEST_CASE("nothing is said about good datasets") {
  for (const char* name : {"lesions2d", "nuclei2d", "organ3d", "organs2d", "tumour3d", "vessels2d"}) {
    const Found found = examine({.path = kBundled + name + ".h5", .label_map = "", .loss = "dice_ce", .pictures = ""});
    CHECK_MESSAGE(found.findings.empty(), name, "\n", found.words());
  }
  for (const char* name : {"nuclei2d", "organs2d", "lesions2d", "vessels2d"}) {
    const Found few = examine(good(name, 24));
    CHECK_MESSAGE(few.findings.empty(), name, "\n", few.words());
  }
  if (real_data().empty()) {
    MESSAGE("the real ones were skipped: no data in VOXGRAD_REAL_DATA");
    return;
  }
  for (const char* name : {"nuclei.h5", "hippocampus.h5", "hippocampus_full.h5"}) {
    const Found found = examine({.path = real_data() + "/" + name, .label_map = "", .loss = "dice_ce", .pictures = ""});
    CHECK_MESSAGE(found.findings.empty(), name, "\n", found.words());
  }
}

TEST_CASE("masks that are shifted, flipped or transposed are found, with the way back") {
  for (const char* name : {"nuclei2d", "organs2d", "vessels2d", "lesions2d"}) {
    DatasetContents shifted = good(name, 18), flipped = copy_of(shifted), transposed = copy_of(shifted);
    move_masks(shifted, {.shift = {0, 5, 0}});
    Found found = examine(shifted);
    check_found("displaced_masks", found, name);
    CHECK_MESSAGE(contains(found.words(), "when the masks are shifted by -5 along y, give"), found.words());
    move_masks(flipped, {.shift = {}, .axis = {0, 1, 2}, .backwards = {false, false, true}});
    found = examine(flipped);
    check_found("displaced_masks", found, name);
    CHECK_MESSAGE(contains(found.words(), "when the masks are flipped along x ("), found.words());
    move_masks(transposed, {.shift = {}, .axis = {0, 2, 1}});
    found = examine(transposed);
    check_found("displaced_masks", found, name);
    CHECK_MESSAGE(contains(found.words(), "when the masks are with y and x exchanged ("), found.words());
  }
  DatasetContents volumes = good("tumour3d", 12);
  move_masks(volumes, {.shift = {3, 0, -2}});
  const Found found = examine(volumes);
  check_found("displaced_masks", found);
  CHECK_MESSAGE(contains(found.words(), "shifted by -3 along z, shifted by 2 along x"), found.words());
}

TEST_CASE("a shift of large images, of which a part of the voxels is looked at, is named in voxels") {
  constexpr std::int64_t kSide = 1456, kRadius = 60;  // more than 2^21 voxels
  DatasetContents large = good("nuclei2d", 4);
  for (std::size_t i = 0; i < large.cases.size(); ++i) {  // discs and noise
    data::Case& one = large.cases[i];
    one.image = zeros({kSide, kSide, 1});
    one.label = zeros({kSide, kSide}, DType::u8);
    Random random(i + 1);
    for (int disc = 0; disc < 20; ++disc) {
      const std::int64_t centre =
          (kSide + 1) * kRadius + random.below(kSide - 2 * kRadius) * kSide + random.below(kSide - 2 * kRadius);
      for (std::int64_t y = -kRadius; y <= kRadius; ++y)
        for (std::int64_t x = -kRadius; x <= kRadius; ++x)
          if (y * y + x * x <= kRadius * kRadius) mask(one)[centre + y * kSide + x] = 1;
    }
    for (std::int64_t k = 0; k < one.label.numel(); ++k)
      one.image.data<float>()[k] = static_cast<float>(random.below(20)) + (mask(one)[k] == 1 ? 100.0f : 0.0f);
  }
  move_masks(large, {.shift = {0, 0, 6}});
  const Found found = examine(large);
  CHECK_MESSAGE(contains(found.words(), "the masks are shifted by -6 along x, give or take 2 voxels"), found.words());
}

TEST_CASE("masks of other cases are found, and one mask for all") {
  for (const char* name : {"nuclei2d", "organs2d", "vessels2d", "lesions2d"}) {
    DatasetContents mixed = good(name, 24), repeated = copy_of(mixed);
    for (std::size_t i = 1; i < mixed.cases.size(); ++i) std::swap(mixed.cases[i].label, mixed.cases[i - 1].label);
    Found found = examine(mixed);
    check_found("mixed_pairs", found, name);
    for (data::Case& one : repeated.cases) one.label = repeated.cases[0].label;
    found = examine(repeated);
    CHECK(contains(found.names, "repeated_masks"));
    CHECK(!contains(found.names, "mixed_pairs"));
  }
}

TEST_CASE("masks whose values are no classes are named for what they look like") {
  const DatasetContents nuclei = good("nuclei2d", 12), organs = good("organs2d", 12);
  Found found = examine_raw(nuclei, [](Recipe& r) {
    for (std::uint8_t& label : r.label_values) label = label == 1 ? 255 : 0;
  });
  check_found("label_values", found);
  CHECK_MESSAGE(contains(found.words(), "--label-map 0:0,255:1"), found.words());
  found = examine_raw(organs, [](Recipe& r) {
    for (std::uint8_t& label : r.label_values) label = label == 4 ? 7 : label;
  });
  check_found("label_values", found);
  CHECK_MESSAGE(contains(found.words(), "--label-map 0:0,1:1,2:2,3:3,7:4"), found.words());
  found = examine_raw(nuclei, [](Recipe& r) {  // resized: values between at the borders
    const std::vector<std::uint8_t> sharp = r.label_values;
    for (std::size_t i = 1; i + 1 < sharp.size(); ++i)
      r.label_values[i] = static_cast<std::uint8_t>(63 * sharp[i - 1] + 129 * sharp[i] + 63 * sharp[i + 1] -
                                                    (sharp[i] != sharp[i - 1] ? i % 7 * sharp[i] : 0));
  });
  check_found("label_values", found);
  CHECK_MESSAGE(contains(found.words(), "resized, smoothed or compressed"), found.words());
  CHECK_MESSAGE(contains(found.words(), "--threshold"), found.words());
  found = examine_raw(nuclei, [](Recipe& r) {
    for (std::size_t i = 0; i < r.label_values.size(); ++i)
      r.label_values[i] = static_cast<std::uint8_t>(Random(i).below(200));
  });
  check_found("label_values", found);
  CHECK_MESSAGE(contains(found.words(), "look like images"), found.words());
  found = examine_raw(nuclei, [](Recipe& r) {
    for (std::uint8_t& label : r.label_values) label = label == 1 ? 255 : 0;
    r.more = [](h5::Writer& out) { out.attribute("/", "ignore_label", std::int64_t{255}); };
  });
  check_found("label_values", found);
}

TEST_CASE("images and masks that are exchanged are found") {
  const Found found = examine_raw(good("nuclei2d", 12), [](Recipe& r) {
    for (std::size_t i = 0; i < r.label_values.size(); ++i) {
      const float image = r.image_values[i];
      r.image_values[i] = static_cast<float>(r.label_values[i]);
      r.label_values[i] = static_cast<std::uint8_t>(image);
    }
  });
  check_found("exchanged", found);
}

TEST_CASE("what the reader refuses is a finding, and the rest is still looked at") {
  DatasetContents nuclei = good("nuclei2d", 12);
  move_masks(nuclei, {.shift = {0, 5, 0}});
  Found found = examine_raw(nuclei, [](Recipe& r) { r.image_values[96 * 96 + 3] = std::nanf(""); });
  check_found("reading, displaced_masks", found);
  CHECK_MESSAGE(contains(found.words(), "case 1"), found.words());
  found = examine_raw(
      nuclei, [](Recipe& r) { r.more = [](h5::Writer& out) { out.attribute("/labels", "crc32", std::int64_t{1}); }; });
  check_found("reading, displaced_masks", found);
  found = examine_raw(nuclei, [](Recipe& r) { r.spacing = {1}; });
  check_found("reading", found);
}

TEST_CASE("masks that are empty, inverted or full are found, and classes that are not there") {
  DatasetContents nuclei = good("nuclei2d", 12), empty = copy_of(nuclei), inverted = copy_of(nuclei),
                  cut = copy_of(nuclei), full = copy_of(nuclei), named = nuclei;
  for (data::Case& one : empty.cases) one.label = zeros(one.label.shape(), DType::u8);
  check_found("empty_masks", examine(empty));
  for (data::Case& one : inverted.cases) {
    // Nuclei that are cut by the rim would be background on it.
    for (std::int64_t i = 0; i < one.label.numel(); ++i) {
      const std::int64_t y = i / 96, x = i % 96;
      mask(one)[i] = y < 2 || x < 2 || y > 93 || x > 93 || mask(one)[i] == 0 ? 1 : 0;
    }
  }
  check_found("inverted_masks", examine(inverted));
  // Where nuclei are cut by the rim it is not certain.
  for (data::Case& one : cut.cases)
    for (std::int64_t i = 0; i < one.label.numel(); ++i) mask(one)[i] ^= 1;
  check_found("inverted_masks?", examine(cut));
  for (data::Case& one : full.cases) std::fill_n(mask(one), one.label.numel(), std::uint8_t{1});
  CHECK(contains(examine(full).names, "inverted_masks"));
  named.class_names = {"background", "nucleus", "debris"};
  const Found found = examine(named);
  check_found("unused_classes", found);
  CHECK(contains(found.words(), "2 (\"debris\")"));
}

TEST_CASE("classes that a split lacks, and splits that are absent") {
  DatasetContents organs = good("organs2d", 24), lacking = copy_of(organs), unvalidated = organs;
  for (std::size_t i = 0; i < lacking.cases.size(); ++i) {
    const std::string split = i % 6 == 4 ? "val" : i % 6 == 5 ? "test" : "train";
    for (std::int64_t v = 0; v < lacking.cases[i].label.numel(); ++v)
      if (std::uint8_t& label = mask(lacking.cases[i])[v]; label == 4 && split == "train") label = 0;
  }
  Found found = examine(lacking);
  check_found("training_classes", found);
  CHECK(contains(found.words(), "class 4 (\"pancreas\")"));
  unvalidated.splits.erase("val");
  unvalidated.splits.erase("test");
  check_found("splits?, splits?", examine(unvalidated));
  unvalidated.splits = {{"test", organs.splits.at("test")}};
  CHECK(!contains(examine(unvalidated).names, "training_classes"));
}

TEST_CASE("copies in two splits are found, exact ones and those that were changed a little") {
  const DatasetContents nuclei = good("nuclei2d", 18);
  DatasetContents copied = nuclei, near = nuclei, contradicting = nuclei;
  copied.cases[4].image = copied.cases[0].image;
  copied.cases[4].label = copied.cases[0].label;
  Found found = examine(copied);
  check_found("leakage", found);
  CHECK_MESSAGE(contains(found.words(), "1 have the same image and 0 nearly"), found.words());
  CHECK_MESSAGE(contains(found.words(), "case 0 (\"" + nuclei.cases[0].id + "\") of train and case 4"), found.words());
  near.cases[5].label = near.cases[0].label;
  near.cases[5].image = near.cases[0].image.clone();
  Random random(7);
  change(near.cases[5].image,
         [&](float v) { return 1.05f * v + 3 + static_cast<float>(random.below(5)); });  // another save, another noise
  found = examine(near);
  check_found("leakage", found);
  CHECK_MESSAGE(contains(found.words(), "0 have the same image and 1 nearly"), found.words());
  contradicting.cases[1].image = contradicting.cases[0].image;
  found = examine(contradicting);
  check_found("contradictions", found);
}

TEST_CASE("images that are constant, coarse or dwarfed by a voxel are found") {
  const DatasetContents nuclei = good("nuclei2d", 12);
  DatasetContents constant = nuclei, coarse = copy_of(nuclei), dwarfed = copy_of(nuclei);
  constant.cases[3].image = full(constant.cases[3].image.shape(), 7);
  const Found found = examine(constant);
  check_found("constant_images", found);
  CHECK_MESSAGE(contains(found.words(), "case 3"), found.words());
  for (data::Case& one : coarse.cases) change(one.image, [](float v) { return std::round(v / 255); });
  check_found("few_values", examine(coarse));
  dwarfed.cases[2].image.data<float>()[1000] = 1e6f * 255;
  check_found("outliers", examine(dwarfed));
  DatasetContents last = copy_of(nuclei);  // a slice at the end of a volume
  last.cases[2].label = zeros(last.cases[2].label.shape(), DType::u8);
  for (std::int64_t v = 0; v < last.cases[2].image.numel(); ++v)
    last.cases[2].image.data<float>()[v] = v < 1000 || v > 1008 ? 0 : static_cast<float>(20 * (v - 999));
  check_found("", examine(last));
}

TEST_CASE("channels that say nothing are remarks") {
  DatasetContents tumour = good("tumour3d", 12), equal = copy_of(tumour), empty = copy_of(tumour);
  for (data::Case& one : equal.cases)
    for (std::int64_t v = 0; v < one.label.numel(); ++v)
      one.image.data<float>()[2 * v + 1] = one.image.data<float>()[2 * v];
  check_found("channels?", examine(equal));
  for (std::int64_t v = 0; v < empty.cases[5].label.numel(); ++v) empty.cases[5].image.data<float>()[2 * v + 1] = 0;
  const Found found = examine(empty);
  check_found("channels?", found);
  CHECK(contains(found.words(), "case 5"));
}

TEST_CASE("spacings in the wrong unit or far apart, and volumes that do not say how they lie") {
  const DatasetContents organ = good("organ3d", 12);
  DatasetContents slip = organ, metres = organ, apart = organ, turned = organ;
  for (double& step : slip.cases[2].spacing) step *= 0.001;
  Found found = examine(slip);
  check_found("spacing_unit", found);
  for (double& step : slip.cases[2].spacing) step *= 100;  // a tenth of the others
  check_found("spacing_unit?", examine(slip));
  CHECK_MESSAGE(contains(found.words(), "0.003 x 0.00125 x 0.00125 mm"), found.words());
  for (data::Case& one : metres.cases)
    for (double& step : one.spacing) step *= 0.001;
  check_found("spacing_unit?", examine(metres));
  apart.cases[2].spacing = {3, 5, 1.25};  // a training resamples the cases
  check_found("", examine(apart));
  apart.cases[2].spacing = {3, 50, 1.25};
  found = examine(apart);
  check_found("mixed_spacing?", found);
  CHECK_MESSAGE(contains(found.words(), "along y the spacing is 1.25 in"), found.words());
  for (std::size_t i = 1; i < turned.cases.size(); ++i) {
    data::Case& one = turned.cases[i];
    one.orientation = "LAS";
    one.affine = data::Affine{{{1.25, 0, 0, 0}, {0, 1.25, 0, 0}, {0, 0, 3, 0}}};
  }
  check_found("orientations?", examine(turned));
}

TEST_CASE("rare and tiny classes, and patches without foreground") {
  DatasetContents nuclei = good("nuclei2d", 24), rare = copy_of(nuclei), seldom = nuclei;
  for (std::size_t i = 0; i < rare.cases.size(); ++i) {
    data::Case& one = rare.cases[i];
    const auto first = std::find(mask(one), mask(one) + one.label.numel(), 1) - mask(one);
    std::fill_n(mask(one), one.label.numel(), std::uint8_t{0});
    for (const std::ptrdiff_t k : {0, 1, 96}) mask(one)[std::min<std::ptrdiff_t>(first + k, 9215)] = 1;
  }
  check_found("tiny_objects?", examine(rare));
  const Found found = examine(rare, "ce");
  check_found("imbalance, tiny_objects?", found);
  CHECK(contains(found.words(), "ce:weights=inverse"));
  check_found("tiny_objects?", examine(rare, "ce:weights=inverse"));
  check_found("tiny_objects?", examine(rare, "dice_ce"));
  for (std::size_t i = 0; i < seldom.cases.size(); ++i)
    if (i != 0 && i % 6 < 4) seldom.cases[i].label = zeros(seldom.cases[i].label.shape(), DType::u8);
  check_found("patches?", examine(seldom));
}

TEST_CASE("the verb ends with 8 after a failure, writes JSON and draws what it found") {
  const Folder folder;
  DatasetContents nuclei = good("nuclei2d", 12);
  move_masks(nuclei, {.shift = {0, 0, 4}});
  data::write_dataset(folder.file("d.h5"), nuclei);
  Outcome outcome = program({"doctor", folder.file("d.h5"), "--json", "--pictures", folder.file("pictures")});
  CHECK(outcome.code == 8);
  const apps::Json json = apps::Json::parse(outcome.out);
  REQUIRE(json["findings"].size() == 1);
  CHECK(json["findings"][0]["check"] == "displaced_masks");
  const std::string picture = json["findings"][0]["picture"];
  CHECK_MESSAGE(bytes_of(picture).substr(1, 3) == "PNG", picture);
  CHECK(json["checks"].size() == apps::data_checks().size() + 1);
  outcome = program({"doctor", folder.file("d.h5")});
  CHECK(outcome.code == 8);
  CHECK_MESSAGE(contains(outcome.out, "--pictures DIR"), outcome.out);
  CHECK(contains(outcome.out, "1 failed, 0 remarks"));
  outcome = program({"doctor", kBundled + "nuclei2d.h5", "--data-only"});
  CHECK(outcome.code == 0);
  CHECK(contains(outcome.out, "nothing was found"));
  outcome = program({"doctor", "--list"});
  CHECK(outcome.code == 0);
  for (const apps::DataCheck& check : apps::data_checks()) CHECK(contains(outcome.out, check.name));
  CHECK(program({"doctor"}).code == 2);
  CHECK(program({"doctor", folder.file("d.h5"), "--loss", "dise"}).code == 2);
  CHECK(program({"doctor", folder.file("absent.h5")}).code == 5);
}

TEST_CASE("a label map makes classes of the values before they are looked at") {
  const Folder folder;
  Recipe recipe;
  recipe.label_values = {0, 255, 255, 0, 0, 255, 0, 0, 0, 0, 255, 255};
  recipe.write(folder.file("m.h5"));
  CHECK(contains(examine({.path = folder.file("m.h5"), .label_map = "", .loss = "", .pictures = ""}).names,
                 "label_values"));
  CHECK(!contains(examine({.path = folder.file("m.h5"), .label_map = "0:0,255:1", .loss = "", .pictures = ""}).names,
                  "label_values"));
}

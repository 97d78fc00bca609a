// The fingerprint of a dataset whose numbers are known, and of the real ones.
#include "data/fingerprint.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "data/writer.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-9 * (1 + std::abs(b)); }

// Components by repeated relabelling until nothing changes: slow and plain.
std::vector<std::int64_t> naive_components(const Tensor& label, std::uint8_t value) {
  const std::uint8_t* v = label.data<std::uint8_t>();
  std::vector<std::int64_t> owner(static_cast<std::size_t>(label.numel()));
  std::iota(owner.begin(), owner.end(), 0);
  for (bool changed = true; changed;) {
    changed = false;
    for (std::int64_t i = 0; i < label.numel(); ++i) {
      std::int64_t stride = 1;
      for (int axis = label.dims() - 1; axis >= 0; --axis) {
        const std::int64_t j = i + stride;
        if (i / stride % label.extent(axis) + 1 < label.extent(axis) && v[i] == value && v[j] == value) {
          std::int64_t &a = owner[static_cast<std::size_t>(i)], &b = owner[static_cast<std::size_t>(j)];
          changed = changed || a != b;
          a = b = std::min(a, b);
        }
        stride *= label.extent(axis);
      }
    }
  }
  std::vector<std::int64_t> sizes;
  for (std::int64_t i = 0; i < label.numel(); ++i)
    if (v[i] == value && owner[static_cast<std::size_t>(i)] == i)
      sizes.push_back(std::count(owner.begin(), owner.end(), i));
  return sizes;
}

}  // namespace

TEST_CASE("fingerprint: components are joined by faces, not by corners") {
  const Tensor label = from_vector<std::uint8_t>({3, 5}, {1, 1, 0, 2, 1,  //
                                                          0, 0, 1, 2, 1,  //
                                                          1, 0, 1, 1, 0});
  CHECK(component_sizes(label, 1) == std::vector<std::int64_t>{2, 2, 3, 1});
  CHECK(component_sizes(label, 2) == std::vector<std::int64_t>{2});
  CHECK(component_sizes(label, 3).empty());
  const Tensor rows = from_vector<std::uint8_t>({2, 2, 2}, {1, 0, 0, 1, 1, 0, 0, 1});
  CHECK(component_sizes(rows, 1) == std::vector<std::int64_t>{2, 2});
}

TEST_CASE("fingerprint: components of random labels against a slow count") {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const Shape shape = seed % 2 == 0 ? Shape{17, 13} : Shape{5, 7, 6};
    const Tensor label = random_case(shape, 1, 2 + static_cast<std::int64_t>(seed % 3), Random(seed)).label;
    for (const std::uint8_t value : std::vector<std::uint8_t>{0, 1, 2})
      CHECK(component_sizes(label, value) == naive_components(label, value));
  }
}

TEST_CASE("fingerprint: every number of a small dataset") {
  const Folder folder;
  DatasetContents contents = random_contents({{2, 3}, {4, 3}}, 2, 3);
  contents.cases[0].group = contents.cases[1].group = "p";
  contents.cases[0].spacing = {0.5, 2};
  contents.cases[0].label = from_vector<std::uint8_t>({2, 3}, {1, 0, 1, 0, 0, 255});
  contents.cases[1].label = zeros({4, 3}, DType::u8);
  for (Case& one : contents.cases)
    for (std::int64_t i = 0; i < one.label.numel(); ++i) {
      one.image.data<float>()[2 * i] = static_cast<float>(i);
      one.image.data<float>()[2 * i + 1] = -7;
    }
  write_dataset(folder.file("d.h5"), contents);
  const Dataset dataset = Dataset::open(folder.file("d.h5"));
  const Fingerprint found = take_fingerprint(dataset, dataset.split("all"));
  CHECK(found.cases == 2);
  CHECK(found.groups == 1);
  CHECK(found.voxels == 18);
  CHECK(found.dims == 2);
  CHECK(found.shape[0].min == 2);
  CHECK(found.shape[0].median == 3);
  CHECK(found.shape[0].max == 4);
  CHECK(found.shape[1].mean == 3);
  CHECK(found.spacing[0].min == 0.5);
  CHECK(found.spacing[1].max == 2);
  CHECK(near(found.ignored_fraction, 1.0 / 18));
  CHECK(near(found.foreground_fraction, 2.0 / 17));
  CHECK(found.empty_cases == 1);
  CHECK(found.classes[0].voxels == 15);
  CHECK(found.classes[0].objects == 0);
  CHECK(found.classes[0].cases == 2);
  CHECK(found.classes[1].name == "class 1");
  CHECK(near(found.classes[1].fraction, 2.0 / 17));
  CHECK(found.classes[1].objects == 2);
  CHECK(found.classes[1].object_voxels.max == 1);
  CHECK(found.classes[1].object_size.median == 1);  // 0.5 mm by 2 mm
  CHECK(found.classes[2].voxels == 0);
  CHECK(found.classes[2].cases == 0);
  const ChannelFingerprint& ramp = found.channels[0];
  CHECK(ramp.min == 0);
  CHECK(ramp.max == 11);
  CHECK(near(ramp.mean, (15 + 66) / 18.0));
  CHECK(near(ramp.deviation, std::sqrt((55 + 506) / 18.0 - std::pow((15 + 66) / 18.0, 2))));
  CHECK(ramp.median == 4);  // of 0 0 1 1 2 2 3 3 4 4 5 5 6 .. 11
  CHECK(ramp.percentile_99_5 == 11);
  CHECK(near(ramp.foreground_mean, 1));  // voxels 0 and 2
  CHECK(near(ramp.foreground_deviation, 1));
  CHECK(found.channels[1].deviation == 0);
  CHECK(found.channels[1].mean == -7);

  const Fingerprint second = take_fingerprint(dataset, {1});
  CHECK(second.cases == 1);
  CHECK(second.foreground_fraction == 0);
  CHECK(second.channels[0].foreground_mean == 0);
}

TEST_CASE("fingerprint: the real datasets are as they are described") {
  const std::string folder = real_data();
  if (folder.empty()) {
    MESSAGE("skipped: no real data in VOXGRAD_REAL_DATA");
    CHECK(true);
    return;
  }
  const Dataset nuclei_file = Dataset::open(folder + "/nuclei.h5");
  const Fingerprint nuclei = take_fingerprint(nuclei_file, nuclei_file.split("all"));
  CHECK(nuclei.cases == 96);
  CHECK(std::abs(nuclei.foreground_fraction - 0.08) < 0.005);  // "8 % foreground"
  CHECK(nuclei.classes[1].objects > 1000);
  const Dataset brain_file = Dataset::open(folder + "/hippocampus.h5");
  const Fingerprint brain = take_fingerprint(brain_file, brain_file.split("all"));
  for (const std::size_t c : {1u, 2u}) {
    CHECK(std::abs(brain.classes[c].fraction - 0.019) < 0.002);  // "1.9 % each"
    CHECK(brain.classes[c].cases == 48);
    CHECK(brain.classes[c].objects >= 48);
  }
}

TEST_CASE("fingerprint: a sample is not taken from a single column") {
  CHECK(data::spread_step(256, {256, 256, 256}) == 257);
  CHECK(data::spread_step(4, {1024, 1024}) == 5);
  CHECK(data::spread_step(6, {35, 11}) == 6);
  CHECK(data::spread_step(1, {16, 16}) == 1);
}

TEST_CASE("fingerprint: classes that no case has, and no cases") {
  const Folder folder;
  DatasetContents contents = random_contents({{2, 2}, {2, 2}, {2, 2}}, 1, 4);
  contents.cases[0].label = from_vector<std::uint8_t>({2, 2}, {0, 1, 0, 0});
  contents.cases[1].label = from_vector<std::uint8_t>({2, 2}, {3, 255, 0, 0});
  contents.cases[2].label = from_vector<std::uint8_t>({2, 2}, {2, 2, 2, 2});
  write_dataset(folder.file("d.h5"), contents);
  const Dataset dataset = Dataset::open(folder.file("d.h5"));
  CHECK(absent_classes(dataset, {0, 1, 2}).empty());
  CHECK(absent_classes(dataset, {0, 1}) == std::vector<std::int64_t>{2});
  CHECK(absent_classes(dataset, {}) == std::vector<std::int64_t>{1, 2, 3});
  CHECK(contains(error_of([&] { take_fingerprint(dataset, {}); }), "there are no cases"));
}

TEST_CASE("fingerprint: discs and balls have a thinness of about 1, long lines far more, whatever their number") {
  const Folder folder;
  const auto thinness_of = [&](const Shape& space, const std::function<bool(double, double, double)>& inside,
                               double thickness = 1) {
    std::vector<std::uint8_t> labels;
    const std::int64_t depth = space.dims() == 3 ? space[0] : 1, height = space[-2], width = space[-1];
    for (std::int64_t z = 0; z < depth; ++z)
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
          labels.push_back(inside(static_cast<double>(z - depth / 2), static_cast<double>(y - height / 2),
                                  static_cast<double>(x - width / 2)));
    DatasetContents contents;
    contents.class_names = {"background", "one"};
    contents.cases.resize(1);
    contents.cases[0].id = "a";
    contents.cases[0].image = zeros(space + Shape{1}, DType::f32);
    contents.cases[0].label = from_vector(space, labels);
    contents.cases[0].spacing = std::vector<double>(static_cast<std::size_t>(space.dims()), 1.0);
    contents.cases[0].spacing[0] = thickness;
    const std::string path = folder.file("thin.h5");
    write_dataset(path, contents);
    return take_fingerprint(Dataset::open(path), {0}).classes[1].thinness;
  };
  const double disc = thinness_of({64, 64}, [](double, double y, double x) { return x * x + y * y < 400; });
  const double ball =
      thinness_of({40, 40, 40}, [](double z, double y, double x) { return x * x + y * y + z * z < 225; });
  CHECK_MESSAGE(std::abs(disc - 1) < 0.1, disc);
  CHECK_MESSAGE(std::abs(ball - 1) < 0.1, ball);
  CHECK(thinness_of({64, 64}, [](double, double y, double) { return std::abs(y) < 2; }) > 2);
  CHECK(thinness_of({64, 64}, [](double, double y, double x) {
          return std::fmod(y + 32, 8) < 1 && std::fmod(x + 32, 8) < 1;
        }) == 1);
  // In thick slices a ball in millimetres and an object of three slices are compact, and a vessel is thin.
  const double cut = thinness_of(
      {12, 48, 48}, [](double z, double y, double x) { return x * x + y * y + 16 * z * z < 400; }, 4);
  CHECK_MESSAGE(std::abs(cut - 1) < 0.1, cut);
  const auto three_slices = [](double z, double y, double x) { return std::abs(z) <= 1 && x * x + y * y < 400; };
  CHECK(thinness_of({12, 64, 64}, three_slices, 10) < 1.3);
  CHECK(thinness_of({12, 64, 64}, three_slices, 3) > 2);  // not thicker than three pixels
  CHECK(thinness_of(
            {20, 64, 64}, [](double, double y, double x) { return x * x + y * y < 10; }, 10) > 2);
}

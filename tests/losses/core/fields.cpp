// The maps that boundary losses weigh voxels with, against their definitions on small masks.
#include "tests/test.h"

#include <cmath>

#include "engine/ops.h"
#include "engine/random.h"
#include "losses/core/fields.h"
#include "losses/core/inputs.h"

using namespace voxgrad;
using losses::make_field;

namespace {

using Values = std::vector<double>;

Tensor line(const std::vector<std::uint8_t>& labels) { return from_vector({1, std::ssize(labels)}, labels); }

Values field(const std::string& key, const Tensor& labels, std::int64_t channels, const Values& spacing = {}) {
  return make_field(key, labels, channels, spacing, DType::f64).to_vector<double>();
}

Tensor random_labels(const Shape& shape, std::uint64_t classes, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(shape.numel()));
  for (std::uint8_t& label : labels) label = static_cast<std::uint8_t>(random.below(classes));
  return from_vector(shape, labels);
}

bool is_distance(const std::string& key) {
  return key == "distance" || key.rfind("signed", 0) == 0 || key.rfind("penalty", 0) == 0;
}

}  // namespace

TEST_CASE("the fields of a line are those that the definitions say") {
  const Tensor labels = line({0, 0, 1, 1, 1, 0, 0, 0});
  CHECK(field("distance", labels, 1) == Values{2, 1, 1, 2, 1, 1, 2, 3});
  CHECK(field("signed:plain", labels, 1) == Values{2, 1, -1, -2, -1, 1, 2, 3});
  CHECK(field("signed:kervadec", labels, 1) == Values{2, 1, 0, -1, 0, 1, 2, 3});
  CHECK(field("signed:zero_inner", labels, 1) == Values{2, 1, 0, -2, 0, 1, 2, 3});
  CHECK(field("border", labels, 1) == Values{0, 0, 1, 0, 1, 0, 0, 0});
  CHECK(field("region", labels, 1) == Values{1, 1, -0.5, -1, -0.5, 1, 1, 1});
  // Background: d = 2 1 . . . 1 2 3, so max 3 and min 1; foreground: 1 2 1.
  CHECK(field("penalty:none", labels, 1) == Values{1, 2, 1, 0, 1, 2, 1, 0});
  CHECK(field("penalty:range", labels, 1) == Values{0.5, 1, 1, 0, 1, 1, 0.5, 0});
  const Values by_max = field("penalty:max", labels, 1);
  const Values expected = {1.0 / 3, 2.0 / 3, 0.5, 0, 0.5, 2.0 / 3, 1.0 / 3, 0};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::fabs(by_max[i] - expected[i]) < 1e-15);
}

TEST_CASE("components and cells have the numbers of their classes, and skeletons are those of all foreground") {
  const Tensor labels = line({0, 1, 1, 0, 0, 0, 1, 2, 0, 1});
  CHECK(field("components", labels, 1) == Values{0, 1, 1, 0, 0, 0, 2, 0, 0, 3});
  CHECK(field("cells", labels, 1) == Values{1, 1, 1, 1, 1, 2, 2, 2, 3, 3});  // the smaller number at a tie: voxel 4
  CHECK(slice(make_field("cells", labels, 3, {}, DType::f64), 2, 2, 3).to_vector<double>() == Values(10, 1));
  // A bar of 3 x 7; class 2 is its right part.
  std::vector<std::uint8_t> bar(5 * 9, 0);
  for (std::size_t y = 1; y < 4; ++y)
    for (std::size_t x = 1; x < 8; ++x) bar[y * 9 + x] = x < 5 ? 1 : 2;
  const Tensor image = from_vector({1, 5, 9}, bar);
  const Tensor thin = make_field("skeleton:line", image, 3, {}, DType::f64);
  const Tensor tube = make_field("skeleton:tube", image, 3, {}, DType::f64);
  for (const std::int64_t c : {1, 2}) {
    const Values in_thin = slice(thin, 3, c, c + 1).to_vector<double>();
    const Values in_tube = slice(tube, 3, c, c + 1).to_vector<double>();
    double length = 0, area = 0;
    for (std::size_t i = 0; i < bar.size(); ++i) {
      CHECK((in_thin[i] == 0 || (bar[i] == c && in_tube[i] == 1)));
      CHECK((in_tube[i] == 0 || bar[i] == c));
      length += in_thin[i];
      area += in_tube[i];
    }
    CHECK(length >= 2);
    CHECK(area > 2 * length);
  }
}

TEST_CASE("distances count voxels, the spacing is in those in mm, and the 1 of kervadec is one voxel") {
  const Tensor labels = line({0, 0, 1, 1, 1, 0, 0, 0});
  for (const std::string& key : losses::field_keys())
    CHECK_MESSAGE(field(key, labels, 1, {2.5}) == field(key, labels, 1), key);
  CHECK(field("distance:mm", labels, 1, {2.5}) == Values{5, 2.5, 2.5, 5, 2.5, 2.5, 5, 7.5});
  CHECK(field("signed:kervadec:mm", labels, 1, {2.5}) == Values{5, 2.5, 0, -2.5, 0, 2.5, 5, 7.5});
  CHECK(field("penalty:none:mm", labels, 1, {2.5}) == Values{2.5, 5, 2.5, 0, 2.5, 5, 2.5, 0});
  CHECK(field("penalty:range:mm", labels, 1, {2.5}) == Values{0.5, 1, 1, 0, 1, 1, 0.5, 0});
}

TEST_CASE("of voxels that are no cubes the geometric mean of the sides is 1, and the ratios are kept") {
  const Tensor labels = from_vector({1, 2, 2}, std::vector<std::uint8_t>{1, 0, 0, 0});
  const Values d = field("distance", labels, 1, {8, 2});  // sides 2 and 1/2 in voxels
  for (const auto& [got, expected] : {std::pair{d[0], 0.5}, {d[1], 0.5}, {d[2], 2.0}, {d[3], std::sqrt(4.25)}})
    CHECK(std::fabs(got - expected) <= 1e-15);
}

TEST_CASE("no voxel inside is positive, whatever the spacing of the axes") {
  // A column that touches the background along the thick axis only at its ends, and along the thin axis everywhere.
  const Tensor labels = from_vector({1, 5, 3}, std::vector<std::uint8_t>{0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0});
  CHECK(field("signed:kervadec:mm", labels, 1, {4, 0.5}) == Values{std::sqrt(16.25), 4, std::sqrt(16.25), 0.5, 0, 0.5,
                                                                   0.5, 0, 0.5, 0.5, 0, 0.5, std::sqrt(16.25), 4,
                                                                   std::sqrt(16.25)});
  CHECK(field("signed:kervadec", reshape(labels, {1, 3, 5}), 1, {4, 0.5})[7] <= 0);
}

TEST_CASE("another unit of length changes no map, and multiplies those in mm unless they are ratios") {
  const Tensor labels = random_labels({2, 4, 5, 6}, 3, 8);
  for (const std::string& key : losses::field_keys())
    for (const std::string unit : {"", ":mm"})
      for (const double factor : {0.01, 0.05, 1e-6, 3.0, 100.0, 1e6}) {
        const Values first = field(key + unit, labels, 3, {3, 1, 0.7});
        const Values other = field(key + unit, labels, 3, {3 * factor, factor, 0.7 * factor});
        const bool constant = unit.empty() || key == "penalty:range" || key == "penalty:max" || !is_distance(key);
        const double scale = constant ? 1 : factor;
        for (std::size_t i = 0; i < first.size(); ++i) {
          CHECK_MESSAGE(std::fabs(other[i] - first[i] * scale) <= 1e-12 * scale, key << unit << ' ' << factor);
          CHECK_MESSAGE((other[i] > 1e-12 * scale) == (first[i] > 1e-12), key << unit << ' ' << factor);
        }
      }
}

TEST_CASE("every sample is measured with its own spacing") {
  const Tensor labels = random_labels({2, 4, 5}, 3, 9);
  for (const std::string& key : losses::field_keys())
    for (const std::string unit : {"", ":mm"}) {
      Values both = field(key + unit, slice(labels, 0, 0, 1), 3, {3, 1});
      const Values second = field(key + unit, slice(labels, 0, 1, 2), 3, {0.5, 2});
      both.insert(both.end(), second.begin(), second.end());
      CHECK_MESSAGE(field(key + unit, labels, 3, {3, 1, 0.5, 2}) == both, key << unit);
    }
}

TEST_CASE("the rim of zero_inner are the voxels that share a face with the other side, whatever the spacing") {
  // A block of 3 x 4 in 5 x 6; its two inner voxels are deep.
  std::vector<std::uint8_t> labels(30, 0);
  for (std::size_t y = 1; y < 4; ++y)
    for (std::size_t x = 1; x < 5; ++x) labels[y * 6 + x] = 1;
  for (const Values& spacing : {Values{1, 1}, Values{3, 0.5}}) {
    const Values phi = field("signed:zero_inner", from_vector({1, 5, 6}, labels), 1, spacing);
    for (std::size_t i = 0; i < phi.size(); ++i) {
      const bool deep = i == 14 || i == 15;
      CHECK_MESSAGE((deep ? phi[i] < 0 : labels[i] == 1 ? phi[i] == 0 : phi[i] > 0), "voxel " << i << ": " << phi[i]);
    }
  }
}

TEST_CASE("a class that is absent or fills the image is 0 everywhere") {
  const Tensor none = zeros({2, 4, 5}, DType::u8), all = full({2, 4, 5}, 1, DType::u8);
  for (const std::string& key : losses::field_keys())
    for (const Tensor& labels : {none, all})
      for (std::int64_t channels : {1, 2, 3})
        if (is_distance(key))
          for (double value : field(key, labels, channels)) CHECK_MESSAGE(value == 0, key << " " << channels);
  CHECK(field("region", none, 1) == Values(40, 1));
  CHECK(field("region", all, 1) == Values(40, 0));
  CHECK(field("border", none, 1) == Values(40, 0));
  CHECK(field("border", full({1, 3, 4}, 1, DType::u8), 1) == Values{1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1});
}

TEST_CASE("a region whose voxels are all as near to others has the penalty 1") {
  for (const double spacing : {1.0, 1e-9, 1e20})
    for (double value : field("penalty:range", line({0, 1, 2, 1, 0}), 3, {spacing})) CHECK(value == 1);
}

TEST_CASE("every field has one channel per class, one for a sigmoid channel, and one for a penalty") {
  const Tensor labels = random_labels({2, 3, 4, 5}, 3, 3);
  for (const std::string& key : losses::field_keys()) {
    const bool penalty = key.rfind("penalty", 0) == 0;
    for (std::int64_t channels : {1, 3}) {
      const Tensor made = make_field(key, labels, channels, {2, 1, 1}, DType::f32);
      CHECK(made.shape() == Shape{2, 3, 4, 5, penalty ? 1 : channels});
      CHECK(made.dtype() == DType::f32);
    }
  }
}

TEST_CASE("one sigmoid channel has the fields of class 1, and classes do not see each other") {
  const Tensor labels = random_labels({2, 5, 6}, 2, 4);
  for (const char* key : {"distance", "signed:kervadec", "signed:plain", "signed:zero_inner"}) {
    const Tensor two = make_field(key, labels, 2, {1, 2}, DType::f64);
    CHECK(slice(two, 3, 1, 2).to_vector<double>() == field(key, labels, 1, {1, 2}));
  }
  CHECK(field("penalty:range", labels, 2) == field("penalty:range", labels, 1));
}

TEST_CASE("a sample has the fields that it has alone") {
  const Tensor labels = random_labels({3, 4, 5}, 3, 5);
  for (const std::string& key : losses::field_keys()) {
    const Tensor together = make_field(key, labels, 3, {}, DType::f64);
    for (std::int64_t n = 0; n < 3; ++n)
      CHECK(slice(together, 0, n, n + 1).to_vector<double>() == field(key, slice(labels, 0, n, n + 1), 3));
  }
}

TEST_CASE("ignored voxels are on no side of a border") {
  const auto without = [](const std::string& key, const Tensor& labels, std::int64_t channels, int ignore) {
    return make_field(key, labels, channels, {2, 1}, DType::f64, ignore).to_vector<double>();
  };
  Tensor labels = random_labels({2, 6, 7}, 2, 10);
  for (std::int64_t i = 0; i < labels.numel(); i += 3) labels.data<std::uint8_t>()[i] = 200;
  const std::uint8_t* label = labels.data<std::uint8_t>();
  const Values d = without("distance:mm", labels, 2, 200);
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    double nearest = 1e30;
    for (std::int64_t j = i / 42 * 42; j < i / 42 * 42 + 42; ++j)
      if (label[j] == 1 - label[i])
        nearest =
            std::min(nearest, std::hypot(2.0 * static_cast<double>(i / 7 - j / 7), static_cast<double>(i % 7 - j % 7)));
    for (std::int64_t c = 0; c < 2; ++c)
      CHECK_MESSAGE(std::fabs(nth(d, 2 * i + c) - (label[i] == 200 ? 0 : nearest)) <= 1e-12, "voxel " << i);
  }
  // What is ignored changes nothing else: an object that is cut by it keeps its own border.
  for (const std::string& key : losses::field_keys())
    for (const std::int64_t channels : {1, 2}) {
      if (!is_distance(key) && key != "region") continue;
      const Values whole = field(key, line({0, 1, 1, 1, 1, 1, 0}), channels);
      const Values hidden =
          make_field(key, line({0, 1, 200, 1, 1, 1, 0}), channels, {}, DType::f64, 200).to_vector<double>();
      for (std::size_t i = 0; i < whole.size(); ++i)
        if (i / (whole.size() / 7) != 2) CHECK_MESSAGE(hidden[i] == whole[i], key << ' ' << i);
    }
  // Any label may be the ignored one: the first class as well as one beyond the classes.
  const Tensor first = random_labels({2, 6, 7}, 3, 11), beyond = first.clone();
  for (std::int64_t i = 0; i < first.numel(); ++i)
    if (first.data<std::uint8_t>()[i] == 0) beyond.data<std::uint8_t>()[i] = 200;
  for (const std::string& key : losses::field_keys())
    CHECK_MESSAGE(without(key, first, 3, 0) == without(key, beyond, 3, 200), key);
  for (const double value : without("signed:kervadec", full({1, 3, 3}, 200, DType::u8), 2, 200)) CHECK(value == 0);
}

TEST_CASE("a loss takes the field of the context, in the type of its logits, and makes what is missing") {
  const Tensor labels = random_labels({1, 4, 5}, 2, 6), logits = zeros({1, 4, 5, 2}, DType::f64);
  const losses::CommonOptions options{.loss = "test"};
  losses::Context context;
  context.spacing = {2, 3};
  CHECK(losses::LossInput(logits, labels, context, options).field("distance").to_vector<double>() ==
        field("distance", labels, 2, {2, 3}));
  context.fields["distance"] = full({1, 4, 5, 2}, 0.5, DType::f32);
  const losses::LossInput given(logits, labels, context, options);
  CHECK(given.field("distance").dtype() == DType::f64);
  CHECK(given.field("distance").to_vector<double>() == Values(40, 0.5));
  context.fields["distance"] = full({1, 4, 4, 2}, 0.5, DType::f32);
  CHECK_THROWS_AS(losses::LossInput(logits, labels, context, options).field("distance"), Error);
}

TEST_CASE("an unknown field names the nearest known one") {
  const std::string message = test::error_of([] {
    return make_field("signed:kervadek", zeros({1, 3}, DType::u8), 2, {}, DType::f32);
  });
  CHECK_MESSAGE(test::contains(message, "did you mean \"signed:kervadec\"?"), message);
  CHECK_THROWS_AS(make_field("distance", zeros({1, 3}, DType::u8), 0, {}, DType::f32), Error);
  CHECK_THROWS_AS(make_field("distance", zeros({1, 3}, DType::f32), 2, {}, DType::f32), Error);
  CHECK_THROWS_AS(make_field("distance", zeros({1, 3}, DType::u8), 2, {1, 1}, DType::f32), Error);
}

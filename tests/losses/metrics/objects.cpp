// Measures of whole objects against an independent implementation (tests/golden/objects.py) on 100 random pairs of
// masks with anisotropic voxels, and by hand where the rules decide: empty masks, ties, ignored voxels, quarters by
// size.
#include "losses/metrics/objects.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

#include "engine/parallel.h"
#include "engine/random.h"
#include "losses/metrics/metrics.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::losses;

namespace {

bool close(double a, double b) { return std::isnan(b) ? std::isnan(a) : std::fabs(a - b) <= 1e-12; }

// Four voxels per hexadecimal digit.
Tensor unpacked(const std::string& digits, const Shape& shape) {
  std::vector<std::uint8_t> voxels;
  for (const char digit : digits)
    for (int bit = 3; bit >= 0; --bit)
      voxels.push_back(static_cast<std::uint8_t>((digit <= '9' ? digit - '0' : digit - 'a' + 10) >> bit & 1));
  voxels.resize(static_cast<std::size_t>(shape.numel()));
  return from_vector(shape, voxels);
}

std::vector<double> split_numbers(std::string text, char separator) {
  for (char& c : text)
    if (c == separator) c = ' ';
  std::istringstream words(text);
  std::vector<double> result;
  for (double x = 0; words >> x;) result.push_back(x);
  return result;
}

ClassScores scores_of(const Tensor& prediction, const Tensor& truth, const std::vector<double>& spacing = {}) {
  return score(prediction, truth, {.classes = 2, .spacing = spacing})[1];
}

// "recall@2": of the third quarter of the objects by size.
double value_of_objects(const ClassScores& scores, const std::string& name) {
  const std::size_t at = name.find('@');
  if (at == std::string::npos) return scores[metric_index(name)];
  const SizeGroup group = by_size(scores.objects)[static_cast<std::size_t>(name[at + 1] - '0')];
  return name.starts_with("recall") ? group.recall : group.dice;
}

Tensor row(const std::string& digits) {
  std::vector<std::uint8_t> voxels;
  for (const char digit : digits) voxels.push_back(static_cast<std::uint8_t>(digit - '0'));
  return from_vector(Shape{1, std::ssize(voxels)}, voxels);
}

double measure(const char* name, const std::string& prediction, const std::string& truth) {
  return scores_of(row(prediction), row(truth))[metric_index(name)];
}

}  // namespace

TEST_CASE("every measure of objects equals the reference for 100 random pairs of masks") {
  std::ifstream file(std::string(VOXGRAD_SOURCE_DIR) + "/tests/golden/objects.txt");
  int pairs = 0, values = 0, undefined = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    std::string extents, spacing, truth, prediction;
    words >> extents >> spacing >> truth >> prediction;
    Shape shape;
    for (const double extent : split_numbers(extents, 'x')) shape.push_back(static_cast<std::int64_t>(extent));
    const ClassScores scores =
        scores_of(unpacked(prediction, shape), unpacked(truth, shape), split_numbers(spacing, '/'));
    for (std::string word; words >> word; ++values) {
      const std::size_t equals = word.find('=');
      const double want = std::stod(word.substr(equals + 1)), got = value_of_objects(scores, word.substr(0, equals));
      undefined += std::isnan(want) ? 1 : 0;
      CHECK_MESSAGE(close(got, want), "pair ", pairs, ", ", word, ", found ", got);
    }
    ++pairs;
  }
  CHECK(pairs == 100);
  CHECK(values > 1900);
  CHECK(undefined > 50);
}

TEST_CASE("empty masks: 0/0 is undefined, one empty mask is 0, counts are numbers") {
  const std::string some = "0110010", none = "0000000";
  for (const char* name : {"object_recall", "detection_f1", "lesion_dice", "cc_dice", "panoptic_quality",
                           "recognition_quality", "boundary_iou"}) {
    CHECK_MESSAGE(std::isnan(measure(name, none, none)), std::string(name));
    CHECK_MESSAGE(measure(name, none, some) == 0, std::string(name));
    if (std::string(name) == "object_recall")
      CHECK(std::isnan(measure(name, some, none)));
    else
      CHECK_MESSAGE(measure(name, some, none) == 0, std::string(name));
  }
  for (const auto& [prediction, truth] : {std::pair{none, none}, {none, some}, {some, none}})
    CHECK(std::isnan(measure("segmentation_quality", prediction, truth)));
  CHECK(measure("false_positive_objects", some, none) == 2);
  CHECK(measure("false_positive_objects", none, some) == 0);
  CHECK(measure("false_positive_objects", none, none) == 0);
  CHECK(measure("betti0_error", none, none) == 0);
  CHECK(measure("betti0_error", some, none) == 2);
}

TEST_CASE("small objects that are missed hardly show in Dice") {
  // One large object is found, three of a single voxel are not.
  const std::string truth = "11111111111111111111001001001", prediction = "11111111111111111111000000000";
  CHECK(measure("dice", prediction, truth) > 0.9);
  CHECK(measure("object_recall", prediction, truth) == 0.25);
  CHECK(measure("lesion_dice", prediction, truth) == 0.25);
  CHECK(measure("cc_dice", prediction, truth) == 0.25);
  CHECK(measure("detection_f1", prediction, truth) == 0.4);
}

TEST_CASE("an IoU of exactly 1/2 is no pair, and a voxel between two objects belongs to the first one") {
  CHECK(measure("recognition_quality", "1100", "1000") == 0);
  CHECK(measure("recognition_quality", "1110", "1100") == 1);
  // The cells are 0 to 2 and 3 to 4. In the first one is a false voxel at 2.
  CHECK(measure("cc_dice", "10101", "10001") == (2.0 / 3 + 1) / 2);
}

TEST_CASE("voxels that the truth ignores belong to no object, and may part one") {
  const ClassScores scores = score(row("1111111"), row("1119111"), {.classes = 2, .ignore = 9})[1];
  REQUIRE(scores.objects.size() == 2);
  CHECK(scores.objects[0].size == 3);
  const ClassScores wide = score(row("1111111"), row("1119111"), {.classes = 2, .ignore = 9, .spacing = {0.5, 3}})[1];
  CHECK(wide.objects.at(0).size == 3 * 1.5);  // mm^2
  CHECK(scores[metric_index("panoptic_quality")] == 1);
}

TEST_CASE("quarters by size: limits are quartiles, equal sizes stay together, no objects are undefined") {
  std::vector<TrueObject> objects;
  for (const double size : {8.0, 1.0, 3.0, 2.0, 5.0, 4.0, 7.0, 6.0}) objects.push_back({size, size > 2 ? 0.5 : 0});
  const auto groups = by_size(objects);
  CHECK(groups[0].objects == 2);
  CHECK(groups[0].largest == 2);
  CHECK(groups[0].recall == 0);
  CHECK(groups[3].smallest == 7);
  CHECK(groups[3].dice == 0.5);
  const auto equal = by_size({{3, 1}, {3, 0}, {3, 1}});
  CHECK(equal[0].objects == 3);
  CHECK(equal[1].objects == 0);
  CHECK(std::isnan(equal[1].recall));
  for (const SizeGroup& group : by_size({})) CHECK(std::isnan(group.dice));
}

TEST_CASE("a hundred thousand objects take time in proportion to the voxels, and have the same bits with any threads") {
  Random random(3);
  const Shape shape{96, 96, 96};
  std::vector<std::uint8_t> truth(static_cast<std::size_t>(shape.numel())), prediction(truth);
  for (std::int64_t z = 0; z < 96; ++z)
    for (std::int64_t y = 0; y < 96; ++y)
      for (std::int64_t x = 0; x < 96; ++x) {
        const std::size_t at = static_cast<std::size_t>((z * 96 + y) * 96 + x);
        truth[at] = z % 2 == 0 && y % 2 == 0 && x % 2 == 0;
        prediction[at] = truth[at] != 0 && random.chance(0.7);
      }
  const Tensor s = from_vector(shape, prediction), g = from_vector(shape, truth);
  const auto start = std::chrono::steady_clock::now();
  const ClassScores scores = scores_of(s, g, {2, 1, 1});
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));  // 48^6 pairs would take hours
  CHECK(scores.objects.size() == 48 * 48 * 48);
  CHECK(std::fabs(scores[metric_index("cc_dice")] - scores[metric_index("object_recall")]) < 1e-12);
  const int before = threads();
  set_threads(before == 1 ? 2 : 1);
  const ClassScores again = scores_of(s, g, {2, 1, 1});
  set_threads(before);
  CHECK(again.values == scores.values);
}

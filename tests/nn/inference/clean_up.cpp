// The largest connected component, against a flood fill, and what a model says to clean up.
#include "nn/inference/clean_up.h"

#include <chrono>

#include "nn/inference/windows.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using namespace voxgrad::nn;
using test::contains;
using test::error_of;

namespace {

Tensor labels_of(const Shape& shape, const std::vector<std::uint8_t>& values) {
  return from_vector<std::uint8_t>(shape, values);
}

std::vector<std::uint8_t> bytes(const Tensor& labels) { return labels.to_vector<std::uint8_t>(); }

// What keep_largest_component leaves, found by filling from each voxel, with every neighbour looked at.
std::vector<std::uint8_t> by_flood(const Tensor& labels, const std::vector<std::int64_t>& chosen) {
  Shape shape = labels.shape();
  while (shape.dims() < 3) shape = Shape{1} + shape;
  std::vector<std::uint8_t> values = bytes(labels);
  std::vector<int> component(values.size(), -1);
  std::vector<std::int64_t> sizes;
  const auto inside = [&](std::int64_t v) {
    const auto label = static_cast<std::size_t>(nth(values, v));
    return label < chosen.size() && chosen[label] != 0;
  };
  for (std::int64_t first = 0; first < std::ssize(values); ++first) {
    if (!inside(first) || nth(component, first) >= 0) continue;
    std::vector<std::int64_t> open{first};
    nth(component, first) = static_cast<int>(sizes.size());
    sizes.push_back(0);
    while (!open.empty()) {
      const std::int64_t v = open.back();
      open.pop_back();
      ++sizes.back();
      const std::int64_t z = v / (shape[1] * shape[2]), y = v / shape[2] % shape[1], x = v % shape[2];
      for (std::int64_t c = std::max<std::int64_t>(0, z - 1); c < std::min(z + 2, shape[0]); ++c)
        for (std::int64_t b = std::max<std::int64_t>(0, y - 1); b < std::min(y + 2, shape[1]); ++b)
          for (std::int64_t a = std::max<std::int64_t>(0, x - 1); a < std::min(x + 2, shape[2]); ++a) {
            const std::int64_t near = (c * shape[1] + b) * shape[2] + a;
            if (!inside(near) || nth(component, near) >= 0) continue;
            nth(component, near) = nth(component, first);
            open.push_back(near);
          }
    }
  }
  const auto largest = std::max_element(sizes.begin(), sizes.end()) - sizes.begin();
  for (std::size_t v = 0; v < values.size(); ++v)
    if (component[v] >= 0 && component[v] != largest) values[v] = 0;
  return values;
}

}  // namespace

TEST_CASE("all components but the largest become background; corners connect") {
  const Tensor labels = labels_of({4, 6}, {1, 0, 0, 0, 2, 0,  //
                                           0, 1, 0, 0, 0, 0,  //
                                           0, 0, 1, 0, 1, 1,  //
                                           3, 0, 0, 0, 0, 0});
  const Tensor one = labels.clone();
  keep_largest_component(one, {0, 1});
  CHECK(bytes(one) == std::vector<std::uint8_t>{1, 0, 0, 0, 2, 0,  //
                                                0, 1, 0, 0, 0, 0,  //
                                                0, 0, 1, 0, 0, 0,  //
                                                3, 0, 0, 0, 0, 0});
  const Tensor all = labels.clone();
  keep_largest_component(all, {0, 1, 1, 1});
  CHECK(bytes(all) == std::vector<std::uint8_t>{1, 0, 0, 0, 0, 0,  //
                                                0, 1, 0, 0, 0, 0,  //
                                                0, 0, 1, 0, 0, 0,  //
                                                0, 0, 0, 0, 0, 0});
  const Tensor equal = labels_of({5}, {2, 0, 2, 0, 2});
  keep_largest_component(equal, {0, 0, 1});
  CHECK(bytes(equal) == std::vector<std::uint8_t>{2, 0, 0, 0, 0});  // of equal ones the first
}

TEST_CASE("the largest component is that of a flood fill, in masks of every density") {
  std::uint64_t seed = 1;
  for (const Shape& shape : {Shape{40}, Shape{23, 17}, Shape{1, 30}, Shape{30, 1}, Shape{7, 9, 11}, Shape{12, 1, 8}})
    for (const double share : {0.05, 0.3, 0.5, 0.7, 1.0})
      for (int repeat = 0; repeat < 6; ++repeat) {
        const Tensor noise = random_uniform(shape, ++seed);
        const Tensor labels = empty(shape, DType::u8);
        for (std::int64_t i = 0; i < labels.numel(); ++i) {
          const double value = noise.data<float>()[i];
          labels.data<std::uint8_t>()[i] = value >= share ? 0 : value < share / 2 ? 1 : 2;
        }
        for (const std::vector<std::int64_t>& chosen : {std::vector<std::int64_t>{0, 1}, {0, 0, 1}, {0, 1, 1}}) {
          const Tensor kept = labels.clone();
          keep_largest_component(kept, chosen);
          CHECK(bytes(kept) == by_flood(labels, chosen));
        }
      }
}

TEST_CASE("shapes that join late, and masks without voxels, are handled") {
  // A comb: its teeth meet in the last line only.
  const Tensor comb = zeros({64, 65}, DType::u8);
  for (std::int64_t y = 0; y < 64; ++y)
    for (std::int64_t x = 0; x < 65; ++x) comb.data<std::uint8_t>()[y * 65 + x] = x % 2 == 0 || y == 63 ? 1 : 0;
  const Tensor kept = comb.clone();
  keep_largest_component(kept, {0, 1});
  CHECK(bytes(kept) == bytes(comb));
  const Tensor none = zeros({3, 4}, DType::u8);
  keep_largest_component(none, {0, 1});
  keep_largest_component(none, {});
  CHECK(bytes(none) == std::vector<std::uint8_t>(12, 0));
  keep_largest_component(zeros({0, 4}, DType::u8), {0, 1});
  CHECK(contains(error_of([&] { keep_largest_component(zeros({2, 2}), {0, 1}); }), "must be u8"));
  CHECK(contains(error_of([&] { keep_largest_component(Tensor(), {0, 1}); }), "must be u8"));
  CHECK(contains(error_of([&] { keep_largest_component(zeros({1, 1, 1, 1}, DType::u8), {}); }), "1 to 3 axes"));
}

TEST_CASE("the time grows with the voxels alone, for the worst of masks, too") {
  const auto seconds = [](std::int64_t side) {
    const Tensor labels = empty({side, side, side}, DType::u8);
    for (std::int64_t i = 0; i < labels.numel(); ++i)  // as many runs as there can be
      labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>((i % side + i / side % side + i / side / side) % 2);
    const auto start = std::chrono::steady_clock::now();
    keep_largest_component(labels, {0, 1});
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  CHECK(seconds(96) < 2);  // a quadratic method takes minutes
}

TEST_CASE("foreground is cleaned up before the classes, and predict does it to labels and not to probabilities") {
  const std::vector<std::uint8_t> before{1, 2, 0, 2, 2, 2, 0, 1};
  const auto after = [&](const CleanUp& how) {
    const Tensor labels = labels_of({8}, before);
    clean_up(labels, how, 3);
    return bytes(labels);
  };
  using Labels = std::vector<std::uint8_t>;
  CHECK(after({}) == before);
  CHECK(after({.foreground = true}) == Labels{0, 0, 0, 2, 2, 2, 0, 0});
  CHECK(after({.classes = {0, 1, 0}}) == Labels{1, 2, 0, 2, 2, 2, 0, 0});
  CHECK(after({.classes = {0, 0, 1}}) == Labels{1, 0, 0, 2, 2, 2, 0, 1});
  CHECK(after({.foreground = true, .classes = {0, 1, 1}}) == Labels{0, 0, 0, 2, 2, 2, 0, 0});
  const Tensor ordered = labels_of({6}, {1, 1, 0, 2, 2, 1});  // class 1 first would leave 1 1 0 2 2 0, then 1 1 0 0 0 0
  clean_up(ordered, {.foreground = true, .classes = {0, 1, 0}}, 3);
  CHECK(bytes(ordered) == Labels{0, 0, 0, 2, 2, 1});

  Model model;
  model.spec.net = {.in_channels = 1, .classes = 3, .base = 4, .depth = 2};
  model.spec.window = {8, 8};
  model.spec.class_names = {"a", "b", "c"};
  model.net = std::make_unique<UNet>(model.spec.net, Random(5));
  model.net->train(false);
  const Tensor image = random_normal({24, 20, 1}, 6);
  const Prediction raw = predict_probabilities(model, image);
  model.spec.clean_up = {.foreground = true, .classes = {0, 1, 1}};
  const Prediction clean = predict_probabilities(model, image);
  const Tensor expected = raw.labels.clone();
  clean_up(expected, model.spec.clean_up, 3);
  CHECK(bytes(clean.labels) == bytes(expected));
  CHECK(bytes(clean.labels) != bytes(raw.labels));
  CHECK(test::same_bits(clean.probabilities, raw.probabilities));
}

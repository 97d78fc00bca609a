// The sliding window: the positions of windows, averages in which each voxel counts, padding, and the order of slabs.
#include "nn/inference/windows.h"

#include <cmath>
#include <thread>

#include "tests/nn/common.h"

using namespace voxgrad;
using namespace voxgrad::nn;
using test::contains;
using test::error_of;
using test::same_bits;

namespace {

UNet small_net(int dims, std::int64_t channels) {
  UNetConfig config;
  config.dims = dims;
  config.in_channels = channels;
  config.classes = 3;
  config.base = 4;
  config.depth = 2;
  return UNet(config, Random(1));
}

// The probabilities of the whole image, joined from the slabs. They must come in order and without gaps.
Tensor collect(UNet& net, const Tensor& image, const Shape& window, int* slabs = nullptr) {
  std::vector<Tensor> parts;
  std::int64_t next = 0;
  sliding_window(net, image, window, [&](std::int64_t row, const Tensor& logits) {
    CHECK(row == next);
    next += logits.extent(0);
    parts.push_back(softmax(logits));
  });
  if (slabs != nullptr) *slabs = static_cast<int>(parts.size());
  return concat(parts, 0);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return max(abs(a - b)).item();
}

}  // namespace

TEST_CASE("windows overlap by half at least and reach both ends") {
  for (const std::int64_t window : {1, 2, 7, 32})
    for (std::int64_t extent = 1; extent < 130; ++extent) {
      const auto starts = window_starts(extent, window);
      CHECK(starts.front() == 0);
      CHECK(starts.back() == std::max<std::int64_t>(0, extent - window));
      for (std::size_t i = 1; i < starts.size(); ++i) {
        CHECK(starts[i] > starts[i - 1]);
        CHECK(starts[i] - starts[i - 1] <= std::max<std::int64_t>(1, window / 2));
      }
    }
}

TEST_CASE("a case as large as the window is one pass of the network") {
  UNet net = small_net(2, 1);
  net.train(false);
  const Tensor image = random_normal({16, 24, 1}, 1);
  const Tensor direct = softmax(net(reshape(image, {1, 16, 24, 1})));
  const Tensor slid = collect(net, image, {16, 24});
  CHECK(largest_difference(slid, reshape(direct.detach(), {16, 24, 3})) < 1e-6);
}

TEST_CASE("a network of 1x1 receptive field gives the same whatever the windows") {
  // Without norm, and with weights that read the centre voxel only, the borders of windows have no effect.
  UNetConfig config;
  config.dims = 3;
  config.in_channels = 2;
  config.classes = 3;
  config.base = 4;
  config.depth = 1;
  config.norm = Norm::none;
  UNet net(config, Random(2));
  for (const NamedTensor& parameter : net.parameters()) {
    const Shape& shape = parameter.tensor.shape();
    if (shape.dims() != 5 || shape[1] != 3) continue;
    for (std::int64_t i = 0; i < parameter.tensor.numel(); ++i)
      if (i / shape[-1] % 27 != 13) parameter.tensor.data<float>()[i] = 0;
  }
  net.train(false);
  const Tensor image = random_normal({11, 9, 14, 2}, 3);
  const Tensor whole = collect(net, image, {11, 9, 14});
  int slabs = 0;
  for (const Shape& window : {Shape{4, 4, 4}, {3, 9, 5}, {11, 2, 14}, {16, 16, 16}, {4, 16, 6}})
    CHECK(largest_difference(collect(net, image, window, &slabs), whole) < 1e-5);
  collect(net, image, {4, 9, 14}, &slabs);
  CHECK(slabs == 5);  // rows are emitted when no later window overlaps them: the starts are 0, 2, 4 (of 3.5), 5, 7
}

TEST_CASE("a small case lies in the middle of zeros") {
  UNet net = small_net(2, 1);
  net.train(false);
  const Tensor image = random_normal({5, 6, 1}, 4), padded = zeros({8, 8, 1});
  for (std::int64_t y = 0; y < 5; ++y)
    for (std::int64_t x = 0; x < 6; ++x) padded.data<float>()[(y + 1) * 8 + x + 1] = image.data<float>()[y * 6 + x];
  const Tensor expected = slice(slice(collect(net, padded, {8, 8}), 0, 1, 6), 1, 1, 7);
  CHECK(largest_difference(collect(net, image, {8, 8}), expected) == 0);
}

namespace {

Model small_model(const Shape& window, int depth = 2) {
  Model model;
  model.spec.net = {.in_channels = 1, .classes = 3, .base = 4, .depth = depth};
  model.spec.window = window;
  model.spec.class_names = {"a", "b", "c"};
  model.net = std::make_unique<UNet>(model.spec.net, Random(5));
  model.net->train(false);
  return model;
}

}  // namespace

TEST_CASE("overlapping windows are averaged with Gaussian weights, whose sigma is an eighth of the window") {
  UNet net = small_net(2, 1);
  net.train(false);
  const Tensor image = random_normal({8, 12, 1}, 7);  // two windows, at the columns 0 and 4
  const auto alone = [&](std::int64_t first) {
    return net(reshape(slice(image, 1, first, first + 8), {1, 8, 8, 1})).detach();
  };
  const Tensor left = alone(0), right = alone(4);
  const auto weight = [](std::int64_t y, std::int64_t x) {  // sigma is 1; nowhere below 1e-4
    const auto along = [](std::int64_t i) { return std::exp(-std::pow(static_cast<double>(i) - 3.5, 2) / 2); };
    return std::max(along(y) * along(x), 1e-4);
  };
  int compared = 0;
  sliding_window(net, image, {8, 8}, [&](std::int64_t, const Tensor& logits) {
    REQUIRE(logits.shape() == Shape{8, 12, 3});
    for (std::int64_t y = 0; y < 8; ++y)
      for (std::int64_t x = 4; x < 8; ++x)
        for (std::int64_t c = 0; c < 3; ++c, ++compared) {
          const double a = weight(y, x), b = weight(y, x - 4);
          const double expected = (a * left.at(0, y, x, c) + b * right.at(0, y, x - 4, c)) / (a + b);
          CHECK(std::abs(logits.at(y, x, c) - expected) < 1e-5);
        }
  });
  CHECK(compared == 96);
}

TEST_CASE("labels are the most probable classes, and the image is left alone") {
  const Model model = small_model({8, 8});
  const Tensor image = random_normal({12, 10, 1}, 6);
  const std::vector<float> before = image.to_vector<float>();
  const Prediction prediction = predict_probabilities(model, image);
  CHECK(image.to_vector<float>() == before);  // a copy was normalised
  CHECK(prediction.labels.shape() == Shape{12, 10});
  CHECK(same_bits(prediction.labels, argmax(prediction.probabilities)));
  CHECK(same_bits(predict(model, image), prediction.labels));
  CHECK(std::abs(sum(prediction.probabilities).item() - 120) < 1e-3);
}

TEST_CASE("an image of any element type is taken") {
  const Model model = small_model({8, 8});
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 96; ++i) pixels.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  const Tensor image = from_vector<std::uint8_t>({8, 12, 1}, pixels);
  CHECK(same_bits(predict(model, image), predict(model, image.to(DType::f32))));
  CHECK(same_bits(predict(model, image), predict(model, image.to(DType::f64))));
}

TEST_CASE("what a model cannot segment is refused") {
  Model model = small_model({8, 8});
  for (const Shape& wrong : {Shape{12, 10, 2}, Shape{12, 10}, Shape{3, 12, 10, 1}, Shape{0, 10, 1}, Shape{12, 0, 1}})
    CHECK_MESSAGE(contains(error_of([&] { predict(model, zeros(wrong)); }), "2 spatial axes"), text(wrong));
  CHECK(contains(error_of([&] { predict(model, Tensor()); }), "predict: image undefined tensor"));
  CHECK(contains(error_of([&] { predict_probabilities(model, Tensor()); }), "predict: image undefined tensor"));
  CHECK(contains(error_of([&] { predict(Model(), zeros({8, 8, 1})); }), "the model has no network"));
  model.net->train();
  CHECK(contains(error_of([&] { predict(model, zeros({8, 8, 1})); }), "training mode"));
}

TEST_CASE("a sliding window refuses images, windows and networks that do not fit") {
  UNet net = small_net(2, 1);
  net.train(false);
  const auto refusal = [](UNet& with, const Tensor& image, const Shape& window) {
    return error_of([&] { sliding_window(with, image, window, [](std::int64_t, const Tensor&) {}); });
  };
  CHECK(contains(refusal(net, Tensor(), {8, 8}), "must be f32 [*S, C] on the host, got undefined tensor"));
  CHECK(contains(refusal(net, zeros({8, 8, 1}, DType::u8), {8, 8}), "got u8 [8, 8, 1]"));
  CHECK(contains(refusal(net, zeros({8, 8, 1}), {8}), "the window [8] does not fit"));
  CHECK(contains(refusal(net, zeros({8, 8, 1}), {8, 0}), "the window [8, 0] does not fit"));
  CHECK(contains(refusal(net, zeros({0, 8, 1}), {8, 8}), "does not fit the image f32 [0, 8, 1]"));
  UNet single({.classes = 1, .base = 4, .depth = 2}, Random(1));
  single.train(false);
  CHECK(contains(refusal(single, zeros({8, 8, 1}), {8, 8}), "one output channel"));
}

TEST_CASE("a small image has a small window, of what the network divides") {
  const Model model = small_model({64, 48}, 4);  // windows are multiples of 8 and at least 32
  CHECK(window_for(model, {64, 48, 1}) == Shape{64, 48});
  CHECK(window_for(model, {500, 48, 1}) == Shape{64, 48});
  CHECK(window_for(model, {63, 40, 1}) == Shape{64, 40});
  CHECK(window_for(model, {74, 49, 1}) == Shape{80, 56});  // a little larger than the window
  CHECK(window_for(model, {81, 57, 1}) == Shape{64, 48});
  CHECK(window_for(model, {33, 41, 1}) == Shape{40, 48});
  CHECK(window_for(model, {17, 1, 1}) == Shape{32, 32});
  const Tensor image = random_normal({17, 41, 1}, 8), input = image.clone();
  model.spec.normalisation.apply(input);
  CHECK(same_bits(predict_probabilities(model, image).probabilities, collect(*model.net, input, {32, 48})));
  CHECK(predict(model, random_normal({1, 1, 1}, 9)).shape() == Shape{1, 1});
  // A smaller window of the training does not change.
  CHECK(window_for(small_model({16, 16}, 4), {1, 9, 1}) == Shape{16, 16});
}

TEST_CASE("images at least as large as the window have the bits of the training's window") {
  const Model model = small_model({16, 24});
  for (const Shape& shape : {Shape{16, 24, 1}, Shape{23, 24, 1}, Shape{40, 31, 1}}) {
    const Tensor image = random_normal(shape, 2), input = image.clone();
    model.spec.normalisation.apply(input);
    CHECK(same_bits(predict_probabilities(model, image).probabilities, collect(*model.net, input, {16, 24})));
  }
}

TEST_CASE("threads that share a model get the bits of one that has it alone") {
  const Model model = small_model({16, 16}, 3);
  std::vector<Tensor> images, alone;
  for (std::uint64_t i = 0; i < 4; ++i) {
    images.push_back(random_normal({20, 24, 1}, i));
    alone.push_back(predict_probabilities(model, images.back()).probabilities);
  }
  std::vector<Tensor> together(images.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < images.size(); ++i)
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 5; ++repeat) together[i] = predict_probabilities(model, images[i]).probabilities;
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < images.size(); ++i) CHECK(same_bits(together[i], alone[i]));
}

TEST_CASE("an image with an element that is no number in f32 is refused, and so is a model without a network") {
  const Model model = small_model({16, 16}, 3);
  for (const double wrong : {std::nan(""), HUGE_VAL, 1e300}) {
    const Tensor image = zeros({4, 4, 1}, DType::f64);
    image.set({1, 2, 0}, wrong);
    CHECK(contains(error_of([&] { predict(model, image); }), "at element 6"));
  }
  CHECK(contains(error_of([] { window_for(Model{}, {4, 4, 1}); }), "window_for: the model has no network"));
}

namespace {

// The image, or its labels or probabilities, in reverse order along an axis.
Tensor reversed(const Tensor& x, int axis) {
  std::vector<Tensor> parts;
  for (std::int64_t i = x.extent(axis); i > 0; --i) parts.push_back(slice(x, axis, i - 1, i));
  return concat(parts, axis);
}

}  // namespace

TEST_CASE("mirroring averages the probabilities over all subsets of the axes along which the training mirrored") {
  Model model = small_model({16, 24});
  const Tensor image = random_normal({16, 24, 1}, 9);
  const auto plain = [&](const Tensor& x) { return predict_probabilities(model, x).probabilities; };
  const Tensor once = plain(image), y = reversed(plain(reversed(image, 0)), 0),
               x = reversed(plain(reversed(image, 1)), 1),
               both = reversed(reversed(plain(reversed(reversed(image, 0), 1)), 0), 1);
  const auto mirrored = [&](const std::vector<std::int64_t>& axes) {
    model.spec.mirror_axes = axes;
    return predict_probabilities(model, image, {.mirror = true});
  };
  CHECK(largest_difference(once, x) > 1e-3);  // the network sees the difference
  CHECK(same_bits(mirrored({}).probabilities, once));
  CHECK(same_bits(mirrored({0, 0}).probabilities, once));
  CHECK(largest_difference(mirrored({0, 1}).probabilities, (once + x) * 0.5) < 1e-6);
  CHECK(largest_difference(mirrored({1, 0}).probabilities, (once + y) * 0.5) < 1e-6);
  const Prediction all = mirrored({1, 1});
  CHECK(largest_difference(all.probabilities, (once + x + y + both) * 0.25) < 1e-6);
  CHECK(same_bits(all.labels, argmax(all.probabilities)));
  CHECK(same_bits(predict(model, image), argmax(once)));
  model.spec.mirror = true;  // from here on it is done unless somebody asks for the opposite
  CHECK(same_bits(predict_probabilities(model, image).probabilities, all.probabilities));
  CHECK(same_bits(predict_probabilities(model, image, {.mirror = false}).probabilities, once));
}

TEST_CASE("with mirroring, many windows of a volume give the mirrored result for the mirrored volume") {
  Model model;
  model.spec.net = {.dims = 3, .in_channels = 1, .classes = 2, .base = 4, .depth = 2};
  model.spec.window = {8, 8, 8};
  model.spec.class_names = {"a", "b"};
  model.spec.mirror_axes = {0, 1, 1};
  model.net = std::make_unique<UNet>(model.spec.net, Random(5));
  model.net->train(false);
  const Tensor image = random_normal({9, 12, 20, 1}, 3);
  const auto found = [&](const Tensor& x) { return predict_probabilities(model, x, {.mirror = true}).probabilities; };
  CHECK(largest_difference(reversed(found(reversed(image, 2)), 2), found(image)) < 1e-5);
  CHECK(largest_difference(reversed(found(reversed(image, 1)), 1), found(image)) < 1e-5);
  CHECK(largest_difference(reversed(found(reversed(image, 0)), 0), found(image)) > 1e-3);
  model.spec.mirror_axes = {1};
  CHECK(contains(error_of([&] { found(image); }), "1 mirror axes for 3 spatial axes"));
}

TEST_CASE("an output that is not finite is found with mirroring, too") {
  Model model = small_model({8, 8});
  model.spec.mirror_axes = {1, 1};
  for (const NamedTensor& parameter : model.net->parameters())
    if (parameter.name == "heads.0.bias") parameter.tensor.data<float>()[1] = NAN;
  CHECK(contains(error_of([&] { predict(model, zeros({8, 8, 1}), {.mirror = true}); }), "is not finite"));
}

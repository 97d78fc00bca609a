// The sliding window: where windows lie, that each voxel is covered and averaged, padding, slabs in order.
#include "apps/training/inference.h"

#include "engine/ops.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;

namespace {

nn::UNet small_net(int dims, std::int64_t channels) {
  nn::UNetConfig config;
  config.dims = dims;
  config.in_channels = channels;
  config.classes = 3;
  config.base = 4;
  config.depth = 2;
  return nn::UNet(config, Random(1));
}

// Probabilities of the whole case, put together from the slabs; checks that they come in order and without gaps.
Tensor collect(nn::UNet& net, const Tensor& image, const std::vector<std::int64_t>& window, int* slabs = nullptr) {
  std::vector<Tensor> parts;
  std::int64_t next = 0;
  sliding_window(net, image, window, [&](std::int64_t row, const Tensor& probabilities) {
    CHECK(row == next);
    next += probabilities.extent(0);
    parts.push_back(probabilities);
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
  nn::UNet net = small_net(2, 1);
  net.train(false);
  const Tensor image = random_normal({16, 24, 1}, 1);
  const Tensor direct = softmax(net(reshape(image, {1, 16, 24, 1})));
  const Tensor slid = collect(net, image, {16, 24});
  CHECK(largest_difference(slid, reshape(direct.detach(), {16, 24, 3})) < 1e-6);
}

TEST_CASE("a network of 1x1 receptive field gives the same whatever the windows") {
  // No norm and weights that only look at the centre voxel: then no window border can be seen.
  nn::UNetConfig config;
  config.dims = 3;
  config.in_channels = 2;
  config.classes = 3;
  config.base = 4;
  config.depth = 1;
  config.norm = nn::Norm::none;
  nn::UNet net(config, Random(2));
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
  for (const std::vector<std::int64_t>& window :
       {std::vector<std::int64_t>{4, 4, 4}, {3, 9, 5}, {11, 2, 14}, {16, 16, 16}, {4, 16, 6}})
    CHECK(largest_difference(collect(net, image, window, &slabs), whole) < 1e-5);
  collect(net, image, {4, 9, 14}, &slabs);
  CHECK(slabs == 5);  // rows leave as soon as no window reaches them any more: starts 0, 2, 4 (of 3.5), 5, 7
}

TEST_CASE("a small case lies in the middle of zeros") {
  nn::UNet net = small_net(2, 1);
  net.train(false);
  const Tensor image = random_normal({5, 6, 1}, 4), padded = zeros({8, 8, 1});
  for (std::int64_t y = 0; y < 5; ++y)
    for (std::int64_t x = 0; x < 6; ++x) padded.data<float>()[(y + 1) * 8 + x + 1] = image.data<float>()[y * 6 + x];
  const Tensor expected = slice(slice(collect(net, padded, {8, 8}), 0, 1, 6), 1, 1, 7);
  CHECK(largest_difference(collect(net, image, {8, 8}), expected) == 0);
}

TEST_CASE("labels are the most probable classes, and an image of other channels is refused") {
  Model model;
  model.net =
      std::make_unique<nn::UNet>(nn::UNetConfig{.in_channels = 1, .classes = 3, .base = 4, .depth = 2}, Random(5));
  model.spec.net = model.net->config();
  model.spec.patch = {8, 8};
  const Tensor image = random_normal({12, 10, 1}, 6);
  const std::vector<float> before = image.to_vector<float>();
  const Prediction prediction = predict_probabilities(model, image);
  CHECK(image.to_vector<float>() == before);  // normalised on a copy
  CHECK(prediction.labels.to_vector<int>() == argmax(prediction.probabilities).to_vector<int>());
  CHECK(predict_labels(model, image).to_vector<int>() == prediction.labels.to_vector<int>());
  CHECK(std::abs(sum(prediction.probabilities).item() - 120) < 1e-3);
  const std::string message = test::error_of([&] { predict_labels(model, random_normal({12, 10, 2}, 7)); });
  CHECK_MESSAGE(test::contains(message, "1 channels"), message);
}

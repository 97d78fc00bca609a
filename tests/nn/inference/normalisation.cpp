// Normalisation by case and by data set, and what is refused.
#include "nn/inference/normalisation.h"

#include <cmath>
#include <limits>

#include "tests/nn/common.h"

using namespace voxgrad;
using nn::Normalisation;
using test::contains;
using test::error_of;
using test::near;
using test::wave;

namespace {

Moments moments_of(const Tensor& image, std::size_t channel) {
  return channel_moments(image.data<float>(), image.numel() / image.extent(-1), image.extent(-1))[channel];
}

}  // namespace

TEST_CASE("by case: every channel gets mean 0 and deviation 1, a channel of one value becomes 0") {
  const Tensor image = (wave({5, 7, 3}, 0.4) * 100.0 + 40.0).to(DType::f32);
  for (std::int64_t i = 2; i < image.numel(); i += 3) image.data<float>()[i] = 5;
  Normalisation().apply(image);
  for (std::size_t channel = 0; channel < 2; ++channel) {
    CHECK(near(moments_of(image, channel).mean, 0, 1e-6));
    CHECK(near(moments_of(image, channel).deviation(), 1, 1e-6));
  }
  for (std::int64_t i = 2; i < image.numel(); i += 3) CHECK(image.data<float>()[i] == 0);
}

TEST_CASE("the unit of the intensities does not matter, from the smallest to the largest numbers of f32") {
  const Tensor image = (wave({5, 7, 2}, 0.4) * 0.2 + 1.0).to(DType::f32);
  const Tensor expected = image.clone();
  Normalisation().apply(expected);
  for (const double unit : {1e-37, 1e-9, 1e9, 2.8e38}) {
    const Tensor other = (image.to(DType::f64) * unit).to(DType::f32);
    const Normalisation dataset = Normalisation::of_dataset({moments_of(other, 0), moments_of(other, 1)});
    const Tensor again = other.clone();
    Normalisation().apply(other);
    dataset.apply(again);
    for (std::int64_t i = 0; i < image.numel(); ++i) {
      CHECK_MESSAGE(near(other.data<float>()[i], expected.data<float>()[i], 1e-4), unit << " voxel " << i);
      CHECK_MESSAGE(near(again.data<float>()[i], expected.data<float>()[i], 1e-4), unit << " voxel " << i);
    }
  }
}

TEST_CASE("a channel of one value becomes 0, however small or large the value is") {
  for (const float value : {0.0f, 1e-38f, 1e-9f, -3.0f, 1e9f, 3e38f}) {
    const Tensor image = full({4, 5, 1}, value);
    Normalisation().apply(image);
    CHECK(image.to_vector<float>() == std::vector<float>(20, 0));
  }
}

TEST_CASE("by data set: the same numbers for every image") {
  Moments first{10, 2, 0}, second{10, 7, 0};
  first.squares = 10 * 4.0;  // deviation 2
  const Normalisation normalisation = Normalisation::of_dataset({first, second});
  CHECK(normalisation.kind == Normalisation::Kind::zscore_dataset);
  CHECK(normalisation.mean == std::vector<double>{2, 7});
  CHECK(normalisation.deviation == std::vector<double>{2, 1});  // a channel of one value is only shifted
  const Tensor image = from_vector<float>({1, 2, 2}, {4, 7, 0, 8});
  normalisation.apply(image);
  CHECK(image.to_vector<float>() == std::vector<float>{1, 0, -1, 1});
  CHECK(contains(error_of([&] { normalisation.apply(zeros({4, 4, 3})); }), "means and deviations of 2 channels"));
}

TEST_CASE("by data set: values are clipped first if there is a range") {
  const Normalisation normalisation{Normalisation::Kind::zscore_dataset, {2, 0}, {2, 1}, {0, -1}, {6, 1}};
  const Tensor image = from_vector<float>({1, 3, 2}, {-5, -5, 4, 0.5, 90, 3});
  normalisation.apply(image);
  CHECK(image.to_vector<float>() == std::vector<float>{-1, -1, 1, 0.5, 2, 1});
}

TEST_CASE("by mask: the voxels that are not 0 in every channel get mean 0 and deviation 1, the others stay 0") {
  const Tensor image = zeros({6, 7, 2}), inside = (wave({3, 4, 2}, 0.4) * 100.0 + 40.0).to(DType::f32);
  inside.set({1, 1, 0}, 0);  // a voxel of which one channel is 0 belongs to the mask
  for (std::int64_t y = 0; y < 3; ++y)
    for (std::int64_t x = 0; x < 4; ++x)
      for (std::int64_t c = 0; c < 2; ++c) image.set({y + 2, x + 1, c}, inside.at(y, x, c));
  Normalisation{Normalisation::Kind::zscore_mask, {}, {}}.apply(image);
  Normalisation().apply(inside);
  for (std::int64_t y = 0; y < 6; ++y)
    for (std::int64_t x = 0; x < 7; ++x)
      for (std::int64_t c = 0; c < 2; ++c) {
        const bool within = y >= 2 && y < 5 && x >= 1 && x < 5;
        CHECK(image.at(y, x, c) == (within ? inside.at(y - 2, x - 1, c) : 0));
      }
  const Tensor nothing = zeros({3, 3, 1});
  Normalisation{Normalisation::Kind::zscore_mask, {}, {}}.apply(nothing);
  CHECK(nothing.to_vector<float>() == std::vector<float>(9, 0));
}

TEST_CASE("rgb: values are divided by 255") {
  const Tensor image = from_vector<float>({1, 1, 3}, {0, 51, 255});
  Normalisation{Normalisation::Kind::rgb, {}, {}}.apply(image);
  CHECK(image.to_vector<float>() == std::vector<float>{0, 0.2f, 1});
}

TEST_CASE("none leaves the values") {
  const Tensor image = from_vector<float>({1, 2, 1}, {4, -7});
  Normalisation{Normalisation::Kind::none, {}, {}}.apply(image);
  CHECK(image.to_vector<float>() == std::vector<float>{4, -7});
}

TEST_CASE("an image without channels is refused") {
  CHECK(contains(error_of([] { Normalisation().apply(zeros({2, 2, 0})); }), "f32 [2, 2, 0] has no channels"));
}

TEST_CASE("numbers that nothing can be divided by are refused") {
  const auto refusal = [](double mean, double deviation, std::int64_t channels = 1) {
    const Normalisation normalisation{Normalisation::Kind::zscore_dataset, {mean}, {deviation}};
    return error_of([&] { normalisation.require_valid(channels); });
  };
  CHECK(refusal(0, 1e-30).empty());
  for (const double wrong : {0.0, -1.0, std::nan(""), HUGE_VAL})
    CHECK(contains(refusal(3, wrong), "channel 0 has mean 3 and deviation"));
  for (const auto& [low, high] : {std::pair{1.0, 0.0}, std::pair{std::nan(""), 1.0}, std::pair{0.0, HUGE_VAL}}) {
    const Normalisation range{Normalisation::Kind::zscore_dataset, {0}, {1}, {low}, {high}};
    CHECK(contains(error_of([&] { range.require_valid(1); }), "channel 0 is clipped to"));
  }
  const Normalisation half{Normalisation::Kind::zscore_dataset, {0}, {1}, {0}, {}};
  CHECK(contains(error_of([&] { half.require_valid(1); }), "1 lower and 0 upper ends"));
  CHECK(contains(refusal(std::nan(""), 1), "must be finite"));
  CHECK(contains(refusal(0, 1, 2), "1 means and 1 deviations, must be 2"));
  CHECK(error_of([] { Normalisation().require_valid(4); }).empty());
}

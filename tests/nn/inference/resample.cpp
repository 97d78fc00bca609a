// Resampling, against values of scipy.ndimage.zoom (1.17; mode="nearest", grid_mode=True), which nnU-Net calls through
// scikit-image, and against what must hold for any image.
#include "nn/inference/resample.h"

#include <algorithm>
#include <cmath>

#include "tests/nn/common.h"

using namespace voxgrad;
using namespace voxgrad::nn;
using test::error_of;
using test::same_bits;

namespace {

// 60 values that scipy was given, too.
const std::vector<float> kVolume{20,  52,  66,  50,  6,   -38, -45, -30, -41, -9,  50,  29,  62,  -5,  0,
                                 -56, -55, -12, -5,  13,  46,  56,  35,  -1,  -28, -31, -11, 19,  37,  33,
                                 27,  29,  -13, -65, -32, -41, 11,  25,  64,  21,  29,  -17, -66, -50, -11,
                                 20,  39,  44,  31,  3,   -25, -38, -30, -14, -5,  18,  64,  43,  -5,  -3};

void check_values(const Tensor& found, const std::vector<float>& expected) {
  REQUIRE(found.numel() == std::ssize(expected));
  for (std::int64_t i = 0; i < found.numel(); ++i)
    CHECK_MESSAGE(std::abs(found.data<float>()[i] - nth(expected, i)) < 5e-4, i);  // six digits were written down
}

std::vector<Order> all(Order order, int dims) { return std::vector<Order>(static_cast<std::size_t>(dims), order); }

}  // namespace

TEST_CASE("resampling: a volume has the values of scipy, in each order and with a thick axis") {
  const Tensor volume = from_vector<float>({3, 4, 5, 1}, kVolume);
  check_values(
      resample_image(volume, {4, 3, 7}, all(Order::cubic, 3)),
      {5.04313,  21.1928,  41.0301,  48.9717,  44.2893,  22.7862,  3.27881,  13.8673,  -5.412,   -2.79752, 15.0328,
       -20.6574, -27.9089, -5.16144, -37.0221, -46.344,  -31.8859, 0.969613, -3.78594, -1.24714, 13.1409,  23.2398,
       37.5932,  51.2146,  48.553,   33.1208,  6.8578,   -12.5985, 2.85572,  -0.16322, 2.89938,  1.89017,  -25.1118,
       -22.0218, 0.998755, -38.5924, -21.2049, -1.43971, 11.7857,  29.8255,  26.1289,  11.2946,  34.6655,  33.2752,
       22.2251,  3.52703,  -7.89993, -13.941,  -16.7556, -6.67568, -1.10434, 3.68612,  0.473069, -7.4975,  -4.9775,
       2.70203,  -17.5726, 14.4085,  34.7193,  24.6513,  29.6421,  20.9585,  4.00497,  30.951,   11.4018,  -24.7039,
       -53.125,  -48.7255, -24.3753, -6.14753, -7.7452,  -7.54601, -1.01359, 11.8195,  19.2831,  10.7392,  -1.29926,
       10.6404,  34.4096,  50.1049,  30.1425,  -4.20181, -12.9712, -3.38827});
  check_values(
      resample_image(volume, {4, 3, 7}, {Order::nearest, Order::cubic, Order::cubic}),
      {6.66329,  22.8096,  42.3158,  49.4138,  43.6591,   21.4836,  1.80292,   12.9149,   -4.8993,  -2.26041, 13.7894,
       -21.2725, -27.5277, -4.58978, -37.3975, -44.318,   -29.3576, 1.86759,   -0.565332, 1.42977,  13.0422,  32.1805,
       41.0725,  45.1335,  34.324,   16.9793,  -4.35095,  -18.5787, -3.37459,  1.08839,   4.82432,  -2.42597, -20.906,
       -14.9477, 3.34732,  -32.47,   -2.64129, 18.8584,   19.003,   39.671,    32.5749,   8.4669,   32.1805,  41.0725,
       45.1335,  34.324,   16.9793,  -4.35095, -18.5787,  -3.37459, 1.08839,   4.82432,   -2.42597, -20.906,  -14.9477,
       3.34732,  -32.47,   -2.64129, 18.8584,  19.003,    39.671,   32.5749,   8.4669,    31.429,   13.4502,  -20.5204,
       -48.1822, -45.2553, -23.5988, -7.20788, -7.74485,  -6.93923, -0.555116, 10.7178,   16.9073,  9.41668,  -0.897855,
       8.16381,  32.8757,  49.0188,  29.7544,  -0.962872, -9.77746, -2.75835});
  check_values(
      resample_image(volume, {4, 3, 7}, all(Order::linear, 3)),
      {10.3333,  24.9048,  39.881,   50,       39.1667,  21.4048,   3.5,      6,        -2,      -1.14286, 16,
       -11.8571, -15.0714, -4.5,     -38.3333, -39.8571, -29.1905,  0.333333, -3.47619, 1.78571, 10.8333,  24.6042,
       34.2351,  40.744,   38.9583,  22.8423,  5.15476,  -9.83333,  1,        1.92857,  4.125,   7.875,    -10.1607,
       -10.5179, -1.375,   -32.9167, -17.8929, -1.3631,  11.7917,   21.003,   19.1071,  11.6667, 31.0417,  27.6726,
       18.628,   2.33333,  -6.72917, -12.0863, -14.3958, -2.1875,   2.38393,  5.4375,   4.5,     -2.6875,  -3.20536,
       -0.0625,  -14.4792, 8.86607,  25.4762,  23.2292,  23.869,    16.5089,  6.35417,  27.5,    7.40476,  -19.0952,
       -47.6667, -39.6905, -24.5714, -8.66667, -2.5,     -0.785714, 2.35714,  7,        8.07143, 4.42857,  -1,
       10.8333,  31.5,     42.381,   30.8333,  4.16667,  -5.14286,  -3.33333});
}

TEST_CASE("resampling: an edge overshoots as that of scipy, but not beyond the range of the channel") {
  const Tensor step = from_vector<float>({10, 1}, {0, 0, 0, 0, 0, 100, 100, 100, 100, 100});
  const std::vector<float> scipy{-0.0525485, 0.0596917, 0.20628, -0.0274779, -0.680021, -0.405887, 1.89138, 2.54973,
                                 -4.10231,   -10.7747,  4.58136, 50,         95.4186,   110.775,   104.102, 97.4503,
                                 98.1086,    100.406,   100.68,  100.027,    99.7937,   99.9403,   100.053};
  check_values(resample_axis(step, 0, {10, 23}, Order::cubic), scipy);
  std::vector<float> clipped = scipy;
  for (float& value : clipped) value = std::clamp(value, 0.0f, 100.0f);
  check_values(resample_image(step, {23}, {Order::cubic}), clipped);
}

TEST_CASE("resampling: channels and lines do not mix, whatever their number") {
  for (const std::int64_t channels : {1, 2, 5, 33, 70})
    for (const Order order : {Order::nearest, Order::linear, Order::cubic}) {
      const Tensor image = random_normal({6, 5, channels}, 7);
      const Tensor all_of_it = resample_image(image, {9, 4}, all(order, 2));
      for (std::int64_t c = 0; c < channels; ++c)
        CHECK(
            same_bits(slice(all_of_it, 2, c, c + 1), resample_image(slice(image, 2, c, c + 1), {9, 4}, all(order, 2))));
    }
}

TEST_CASE("resampling: constants, straight lines and the same extents stay what they are") {
  const Tensor constant = full({4, 3, 5, 1}, 0.3f);
  CHECK(same_bits(resample_image(constant, {7, 8, 2}, all(Order::cubic, 3)), full({7, 8, 2, 1}, 0.3f)));
  const Tensor image = random_normal({5, 6, 2}, 3);
  CHECK(resample_image(image, {5, 6}, all(Order::cubic, 2)).raw() == image.raw());
  // A ramp, away from its ends, where it goes on with a constant.
  std::vector<float> ramp;
  for (int i = 0; i < 40; ++i) ramp.push_back(static_cast<float>(i));
  for (const Order order : {Order::linear, Order::cubic}) {
    const Tensor longer = resample_axis(from_vector<float>({40, 1}, ramp), 0, {40, 100}, order);
    for (std::int64_t j = 30; j < 70; ++j)
      CHECK(std::abs(longer.data<float>()[j] - ((static_cast<float>(j) + 0.5f) * 0.4f - 0.5f)) < 1e-4f);
  }
}

TEST_CASE("resampling: a part of the samples is the same part of all") {
  const Tensor x = random_normal({11, 3, 2}, 5);
  for (const std::int64_t to : {4, 11, 12, 29})
    for (const Order order : {Order::nearest, Order::linear}) {
      const Line whole{11, to};
      const Tensor all_of_it = resample_axis(x, 0, whole, order);
      for (std::int64_t begin = 0; begin < to; ++begin)
        for (std::int64_t end = begin + 1; end <= to; ++end) {
          const std::int64_t low = lowest_source(whole, begin, order), high = highest_source(whole, end - 1, order);
          const Line part{.from = 11, .to = to, .begin = begin, .end = end, .first = low};
          CHECK(same_bits(resample_axis(slice(x, 0, low, high + 1), 0, part, order), slice(all_of_it, 0, begin, end)));
        }
    }
}

TEST_CASE("resampling: labels are those of the largest weight of scipy") {
  const Tensor labels = from_vector<std::uint8_t>({4, 5}, {0, 0, 1, 1, 1, 0, 2, 2, 1, 1, 0, 2, 2, 2, 0, 3, 3, 2, 0, 0});
  const Tensor found = resample_labels(labels, {7, 8}, all(Order::linear, 2), -1);
  // The weights of each class by scipy; 9 where two are equal.
  const std::vector<int> scipy{0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 2, 2, 2, 1, 1, 1, 0, 0, 2, 2,
                               2, 2, 1, 9, 0, 0, 2, 2, 2, 2, 0, 0, 3, 3, 3, 2, 2, 0, 0, 0, 3, 3, 3, 2, 2, 0, 0, 0};
  int compared = 0;
  for (std::int64_t i = 0; i < found.numel(); ++i) {
    if (nth(scipy, i) == 9) continue;
    ++compared;
    CHECK_MESSAGE(found.data<std::uint8_t>()[i] == nth(scipy, i), i);
  }
  CHECK(compared > 45);
}

TEST_CASE("resampling: labels of a volume are the argmax of the weights of each class, and of equal ones the nearest") {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Shape from{4 + static_cast<std::int64_t>(seed % 3), 5, 3}, to{7, 4 + static_cast<std::int64_t>(seed), 5};
    const Tensor labels = empty(from, DType::u8), random = random_uniform(from, seed, 0, 4);
    for (std::int64_t i = 0; i < labels.numel(); ++i)
      labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(random.data<float>()[i]);
    std::vector<Order> orders = all(Order::linear, 3);
    if (seed % 2 == 1) orders[0] = Order::nearest;
    const Tensor found = resample_labels(labels, to, orders, -1);
    const Tensor near = resample_labels(labels, to, all(Order::nearest, 3), -1);
    std::vector<Tensor> weights;
    for (int c = 0; c < 4; ++c) {
      const Tensor one = zeros(from + Shape{1});
      for (std::int64_t i = 0; i < labels.numel(); ++i)
        one.data<float>()[i] = labels.data<std::uint8_t>()[i] == c ? 1.0f : 0.0f;
      weights.push_back(resample_image(one, to, orders));
    }
    for (std::int64_t i = 0; i < found.numel(); ++i) {
      const auto weight = [&](std::int64_t c) { return nth(weights, c).data<float>()[i]; };
      float most = 0;
      for (int c = 0; c < 4; ++c) most = std::max(most, weight(c));
      const std::uint8_t one = found.data<std::uint8_t>()[i], nearest = near.data<std::uint8_t>()[i];
      CHECK(weight(one) > most - 1e-5f);
      if (weight(nearest) == most) CHECK(one == nearest);
    }
  }
}

TEST_CASE("resampling: an ignored voxel is neither interpolated nor does it spread") {
  const Tensor labels = from_vector<std::uint8_t>({1, 6}, {0, 0, 255, 255, 1, 1});
  const Tensor twice = resample_labels(labels, {1, 12}, all(Order::linear, 2), 255);
  CHECK(twice.to_vector<int>() == std::vector<int>{0, 0, 0, 0, 255, 255, 255, 255, 1, 1, 1, 1});
  // Of 255 255 1 0 the third voxel of six lies at 1.17 and is ignored, the fourth at 1.83; it gets the only class that
  // has a weight.
  const Tensor mixed = from_vector<std::uint8_t>({1, 4}, {255, 255, 1, 0});
  CHECK(resample_labels(mixed, {1, 6}, all(Order::linear, 2), 255).to_vector<int>() ==
        std::vector<int>{255, 255, 255, 1, 0, 0});
  // Of 3 x 3 voxels to 4 x 4, the nearest voxel of the inner four is the middle one, whose weight is 0.39.
  for (const auto& [middle, others] : {std::pair{255, 1}, std::pair{1, 255}}) {
    const Tensor labels3 = full({3, 3}, others, DType::u8), expected = full({4, 4}, others, DType::u8);
    labels3.set({1, 1}, middle);
    for (const std::int64_t y : {1, 2})
      for (const std::int64_t x : {1, 2}) expected.set({y, x}, middle);
    CHECK(same_bits(resample_labels(labels3, {4, 4}, all(Order::linear, 2), 255), expected));
  }
}

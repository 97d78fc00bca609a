// Augmentation: image and label stay aligned, and every change of intensity follows its formula.
#include "data/sampling/augment.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "data/sampling/orientation.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// Index of the voxel at (z, y, x) of a volume with these extents.
std::size_t at(const Shape& s, std::int64_t z, std::int64_t y, std::int64_t x) {
  return static_cast<std::size_t>((z * s[1] + y) * s[2] + x);
}

// A sample in which the image is the label as a number, in every channel.
struct Sample {
  Tensor image, label;
};
Sample aligned_sample(const Shape& shape, std::int64_t channels, std::uint64_t seed) {
  const Case one = random_case(shape, channels, 256, Random(seed));
  Sample sample{one.image, one.label};
  for (std::int64_t i = 0; i < one.image.numel(); ++i)
    one.image.data<float>()[i] = one.label.data<std::uint8_t>()[i / channels];
  return sample;
}

double deviation_of(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / n);
}

// What `options` makes of a random image without its geometry.
struct Change {
  Tensor before, after;
};
Change change(const AugmentOptions& options, const Shape& shape, std::int64_t channels, const Random& random) {
  const Case one = random_case(shape, channels, 2, Random(99));
  const Tensor before = one.image.clone(), label = one.label.clone();
  augment(one.image, one.label, one.spacing, options, random);
  CHECK(same<std::uint8_t>(one.label, label));
  return {before, one.image};
}

}  // namespace

TEST_CASE("augment: image and label stay together under every geometry") {
  int moved = 0;
  for (const Shape& shape : {Shape{6, 6}, Shape{5, 8}, Shape{4, 4, 4}, Shape{3, 5, 5}, Shape{2, 3, 4}})
    for (const std::int64_t channels : {1, 2, 3})
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const Sample sample = aligned_sample(shape, channels, seed);
        const Tensor before = sample.label.clone();
        const std::vector<double> spacing(static_cast<std::size_t>(shape.dims()), 1.0);
        augment(sample.image, sample.label, spacing, augment_options("geometry", 2), Random(seed));
        moved += !same<std::uint8_t>(sample.label, before);
        int wrong = 0;
        for (std::int64_t i = 0; i < sample.image.numel(); ++i)
          wrong += sample.image.data<float>()[i] != sample.label.data<std::uint8_t>()[i / channels];
        CHECK(wrong == 0);
      }
  CHECK(moved > 200);
}

TEST_CASE("augment: turns only in planes of equal extents and equal spacing") {
  AugmentOptions turns;
  turns.turn = 1;
  const auto moved = [&](const Shape& shape, const std::vector<double>& spacing) {
    std::set<std::vector<float>> seen;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const Sample sample = aligned_sample(shape, 1, 5);
      augment(sample.image, sample.label, spacing, turns, Random(seed));
      seen.insert(sample.image.to_vector<float>());
    }
    return seen.size();
  };
  CHECK(moved({4, 4}, {1, 1}) == 3);
  CHECK(moved({4, 4}, {1, 2}) == 1);
  CHECK(moved({4, 4}, {1, 1.0005}) == 3);  // rounded, of an oblique slice
  CHECK(moved({4, 4}, {1, 1.01}) == 1);
  CHECK(moved({4, 5}, {1, 1}) == 1);
  CHECK(moved({3, 4, 4}, {1, 1, 1}) == 3);
  CHECK(moved({4, 4, 4}, {5, 1, 1}) == 3);
  CHECK(moved({4, 4, 4}, {1, 1, 1}) > 10);
}

TEST_CASE("augment: nothing by default, and a change does not depend on the others") {
  const Random random(7);
  const Change none = change({}, {9, 9}, 2, random);
  CHECK(same<float>(none.before, none.after));
  AugmentOptions gain, more;
  gain.gain = more.gain = more.flip_y = more.flip_x = 1;
  const Tensor only = change(gain, {9, 9}, 1, random).after;
  const Case both = random_case({9, 9}, 1, 2, Random(99));
  augment(both.image, both.label, both.spacing, more, random);
  Orientation back(2);
  back.flip(0);
  back.flip(1);
  back.apply(both.image);
  for (std::int64_t i = 0; i < only.numel(); ++i)
    CHECK(std::abs(both.image.data<float>()[i] - only.data<float>()[i]) < 1e-3);
  CHECK(!same<float>(only, none.before));
}

TEST_CASE("augment: gain and bias about the mean, each channel its own") {
  AugmentOptions options;
  options.gain = options.bias = 1;
  std::set<double> factors;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Change found = change(options, {16, 16}, 2, Random(seed));
    for (std::size_t c = 0; c < 2; ++c) {
      std::vector<double> x, y;
      for (std::size_t i = c; i < 512; i += 2) {
        x.push_back(found.before.data<float>()[i]);
        y.push_back(found.after.data<float>()[i]);
      }
      const double factor = deviation_of(y) / deviation_of(x);
      const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / 256;
      const double shift = (std::accumulate(y.begin(), y.end(), 0.0) / 256 - mean_x) / deviation_of(x);
      CHECK(factor > 1 / options.gain_range - 1e-4);
      CHECK(factor < options.gain_range + 1e-4);
      CHECK(std::abs(shift) < options.bias_range + 1e-4);
      for (std::size_t i = 0; i < x.size(); ++i)
        CHECK(std::abs(y[i] - ((x[i] - mean_x) * factor + mean_x + shift * deviation_of(x))) < 1e-2);
      factors.insert(std::round(factor * 1e6));
    }
  }
  CHECK(factors.size() == 40);
}

TEST_CASE("augment: every change of intensity draws its own numbers, whatever else is switched on") {
  // All changes happen, but with amounts that change nothing; then one of them alone has its usual amount.
  const std::string all =
      "blur=1,blur_sigma=0,low_resolution=1,low_resolution_least=1,gain=1,gain_range=1,bias=1,bias_range=0,"
      "brightness=1,brightness_range=1,gamma=1,gamma_range=1,noise=1,noise_sigma=0";
  for (const std::string own :
       {"blur=1,blur_sigma=2", "low_resolution=1,low_resolution_least=0.3", "gain=1,gain_range=2",
        "bias=1,bias_range=1", "brightness=1,brightness_range=2", "gamma=1,gamma_range=2", "noise=1,noise_sigma=1"})
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Change alone = change(augment_options(own, 2), {12, 12}, 2, Random(seed));
      const Change among = change(augment_options(all + "," + own, 2), {12, 12}, 2, Random(seed));
      CHECK(!same<float>(alone.before, alone.after));
      double largest = 0;
      for (std::int64_t i = 0; i < alone.after.numel(); ++i)
        largest = std::max(largest, std::abs(static_cast<double>(alone.after.data<float>()[i]) -
                                             static_cast<double>(among.after.data<float>()[i])));
      CHECK_MESSAGE(largest < 2e-3, own);
    }
}

TEST_CASE("augment: brightness multiplies all values of a channel by one factor") {
  AugmentOptions options;
  options.brightness = 1;
  std::set<double> factors;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Change found = change(options, {8, 8}, 2, Random(seed));
    for (std::int64_t c = 0; c < 2; ++c) {
      double least = 1e9, most = 0;
      for (std::int64_t i = c; i < found.before.numel(); i += 2) {
        if (found.before.data<float>()[i] == 0) continue;
        const double factor = static_cast<double>(found.after.data<float>()[i] / found.before.data<float>()[i]);
        least = std::min(least, factor);
        most = std::max(most, factor);
      }
      CHECK(most - least < 1e-5);
      CHECK(least > 1 / options.brightness_range - 1e-5);
      CHECK(most < options.brightness_range + 1e-5);
      factors.insert(std::round(most * 1e6));
    }
  }
  CHECK(factors.size() == 20);
}

TEST_CASE("augment: inverted gamma is gamma of the negative image") {
  AugmentOptions options;
  options.inverted_gamma = 1;
  const Random random(4);
  const Change found = change(options, {16, 16}, 1, random);
  Random own = random.fork(kInvertedGamma);
  own.uniform();  // whether
  const double exponent = std::exp(own.uniform(-1, 1) * std::log(options.gamma_range));
  const std::vector<double> x = found.before.to_vector<double>(), y = found.after.to_vector<double>();
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  for (std::size_t i = 0; i < x.size(); ++i)
    CHECK(y[i] == doctest::Approx(*high - (*high - *low) * std::pow((*high - x[i]) / (*high - *low), exponent))
                      .epsilon(1e-4)
                      .scale(255));
}

TEST_CASE("augment: a low resolution has the voxels of a larger spacing, along the axes that are finer than it") {
  AugmentOptions options;
  options.low_resolution = 1;
  options.low_resolution_least = 0.4;
  const Shape shape{4, 10, 15};
  const std::vector<double> spacing{2.6, 1, 1};
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Random random(seed);
    const Case one = random_case(shape, 1, 2, Random(1));
    std::vector<double> expected = one.image.to_vector<double>();
    Random own = random.fork(kLowResolution);
    own.uniform();
    const double share = own.uniform(options.low_resolution_least, 1);
    augment(one.image, one.label, spacing, options, random);
    for (int axis = 1; axis < 3; ++axis) {  // the first has a larger spacing already
      const std::vector<double> source = expected;
      const std::int64_t length = shape[axis];
      const std::int64_t count = std::llround(static_cast<double>(length) * share);
      for (std::int64_t z = 0; z < 4; ++z)
        for (std::int64_t y = 0; y < 10; ++y)
          for (std::int64_t x = 0; x < 15; ++x) {
            const std::int64_t k = axis == 1 ? y : x;
            const auto kept = [&](std::int64_t i) {  // the voxel at the centre of voxel i of the larger ones
              const std::int64_t from = static_cast<std::int64_t>(std::floor(
                  (static_cast<double>(i) + 0.5) * static_cast<double>(length) / static_cast<double>(count) + 1e-9));
              return source[axis == 1 ? at(shape, z, from, x) : at(shape, z, y, from)];
            };
            const double place = std::clamp(
                (static_cast<double>(k) + 0.5) * static_cast<double>(count) / static_cast<double>(length) - 0.5, 0.0,
                static_cast<double>(count - 1));
            const std::int64_t before = static_cast<std::int64_t>(place);
            const double behind = place - static_cast<double>(before);
            expected[at(shape, z, y, x)] =
                count < length ? (1 - behind) * kept(before) + behind * kept(std::min(before + 1, count - 1))
                               : source[at(shape, z, y, x)];
          }
    }
    double largest = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      largest = std::max(largest, std::abs(expected[i] - static_cast<double>(one.image.data<float>()[i])));
    CHECK(largest < 1e-2);
  }
}

TEST_CASE("augment: gamma keeps the range and the order of the values") {
  AugmentOptions options;
  options.gamma = 1;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Change found = change(options, {16, 16}, 1, Random(seed));
    const std::vector<float> x = found.before.to_vector<float>(), y = found.after.to_vector<float>();
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    // One exponent for all values: log of the relative value after, by that before.
    double smallest = 1e9, largest = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double before = (x[i] - *low) / (*high - *low), after = (y[i] - *low) / (*high - *low);
      if (before < 0.02 || before > 0.98) continue;
      smallest = std::min(smallest, std::log(after) / std::log(before));
      largest = std::max(largest, std::log(after) / std::log(before));
    }
    CHECK(largest - smallest < 1e-3);
    CHECK(smallest > 1 / options.gamma_range - 1e-3);
    CHECK(largest < options.gamma_range + 1e-3);
    CHECK(*std::min_element(y.begin(), y.end()) == *low);
    CHECK(std::abs(*std::max_element(y.begin(), y.end()) - *high) < 1e-3);
  }
  const Tensor constant = full({4, 4, 1}, 3), label = zeros({4, 4}, DType::u8);
  augment(constant, label, {1, 1}, options, Random(1));
  CHECK(constant.to_vector<float>() == std::vector<float>(16, 3));
}

TEST_CASE("augment: noise is normal, of the deviation that was drawn, and new for every sample") {
  AugmentOptions options;
  options.noise = 1;
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    const Change found = change(options, {128, 129}, 1, Random(seed));
    std::vector<double> noise;
    for (std::int64_t i = 0; i < found.before.numel(); ++i)
      noise.push_back(found.after.data<float>()[i] - found.before.data<float>()[i]);
    const double n = static_cast<double>(noise.size()), sigma = deviation_of(noise);
    const std::vector<double> before = found.before.to_vector<double>();
    CHECK(sigma > 0);
    CHECK(sigma < options.noise_sigma * deviation_of(before) * 1.05);
    CHECK(std::abs(std::accumulate(noise.begin(), noise.end(), 0.0) / n) < 4 * sigma / std::sqrt(n));
    double fourth = 0, neighbours = 0;
    int within = 0;
    for (std::size_t i = 0; i < noise.size(); ++i) {
      fourth += std::pow(noise[i] / sigma, 4) / n;
      within += std::abs(noise[i]) < sigma;
      if (i > 0) neighbours += noise[i] * noise[i - 1] / (sigma * sigma * n);
    }
    CHECK(std::abs(fourth - 3) < 0.2);
    CHECK(std::abs(within / n - 0.6827) < 0.02);
    CHECK(std::abs(neighbours) < 4 / std::sqrt(n));
  }
  CHECK(!same<float>(change(options, {8, 8}, 1, Random(1)).after, change(options, {8, 8}, 1, Random(2)).after));
}

TEST_CASE("augment: blur against a naive Gaussian, as wide in millimetres along every axis") {
  AugmentOptions options;
  options.blur = 1;
  options.blur_sigma = 1.5;
  const Shape shape{5, 12, 11};
  const std::vector<double> spacing{2, 1, 1};
  const Case one = random_case(shape, 2, 2, Random(3));
  const std::vector<double> before = one.image.to_vector<double>();
  const Random random(11);
  Random own = random.fork(2);  // the blur's numbers: whether, then how wide
  own.uniform();
  const double sigma = options.blur_sigma * own.uniform(0.25, 1);
  augment(one.image, one.label, spacing, options, random);
  std::vector<double> expected = before;
  for (int axis = 0; axis < 3; ++axis) {
    const double along = sigma / spacing[static_cast<std::size_t>(axis)];
    const std::int64_t radius = static_cast<std::int64_t>(std::ceil(3 * along));
    const std::vector<double> source = expected;
    for (std::int64_t z = 0; z < 5; ++z)
      for (std::int64_t y = 0; y < 12; ++y)
        for (std::int64_t x = 0; x < 11; ++x)
          for (std::size_t c = 0; c < 2; ++c) {
            double sum = 0, weights = 0;
            for (std::int64_t k = -radius; k <= radius; ++k) {
              std::int64_t from[3]{z, y, x};
              from[axis] = std::clamp(from[axis] + k, std::int64_t{0}, shape[axis] - 1);
              const double weight = std::exp(-0.5 * static_cast<double>(k * k) / (along * along));
              sum += weight * source[at(shape, from[0], from[1], from[2]) * 2 + c];
              weights += weight;
            }
            expected[at(shape, z, y, x) * 2 + c] = sum / weights;
          }
  }
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    largest = std::max(largest, std::abs(expected[i] - static_cast<double>(one.image.data<float>()[i])));
  CHECK(largest < 1e-3);
  CHECK(deviation_of(expected) < 0.8 * deviation_of(before));
}

TEST_CASE("augment: every change happens as often as it should") {
  for (double AugmentOptions::*probability :
       {&AugmentOptions::flip_y, &AugmentOptions::flip_x, &AugmentOptions::turn, &AugmentOptions::blur,
        &AugmentOptions::low_resolution, &AugmentOptions::gain, &AugmentOptions::bias, &AugmentOptions::brightness,
        &AugmentOptions::inverted_gamma, &AugmentOptions::gamma, &AugmentOptions::noise}) {
    AugmentOptions options;
    options.*probability = 0.3;
    int changed = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
      const Sample sample = aligned_sample({4, 4}, 1, 1);
      const Tensor before = sample.image.clone();
      augment(sample.image, sample.label, {1, 1}, options, Random(seed));
      changed += !same<float>(sample.image, before);
    }
    CHECK(std::abs(changed / 400.0 - 0.3) < 0.09);
  }
}

TEST_CASE("augment: lists of sets and members") {
  CHECK(augment_options("none", 2).flip_x == 0);
  CHECK(augment_options("geometry", 2).flip_x > 0);
  CHECK(augment_options("geometry", 2).noise == 0);
  CHECK(augment_options("geometry", 3).flip_x == 0);
  CHECK(augment_options("geometry", 3).rotate > 0);
  CHECK(augment_options("geometry", 3).rotate_angle == 30);
  CHECK(augment_options("intensity", 2).rotate == 0);
  CHECK(augment_options("intensity", 2).noise > 0);
  CHECK(augment_options("default", 2).noise > 0);
  CHECK(augment_options("default", 2).elastic == 0);
  CHECK(augment_options("elastic", 2).elastic > 0);
  const AugmentOptions list = augment_options("default,elastic=0.3,rotate=0,flip=1,flip_y=0.25", 2);
  CHECK(list.elastic == 0.3);
  CHECK(list.rotate == 0);
  CHECK(list.scale == augment_options("default", 2).scale);
  CHECK(list.flip_x == 1);
  CHECK(list.flip_y == 0.25);
  CHECK(augment_options("noise=1", 3).noise == 1);
  CHECK(augment_options("noise=1", 3).rotate == 0);
  for (const std::string& name : augment_members())
    CHECK(!contains(error_of([&] { augment_options("none," + name + "=1", 2); }), "unknown name"));
  const std::map<std::string, double> values = augment_values(list);
  CHECK(values.size() == augment_members().size() - 1);  // "flip" is three of them
  CHECK(values.at("elastic") == 0.3);
  CHECK(values.at("flip_y") == 0.25);
  CHECK(values.at("gamma_range") == list.gamma_range);
}

TEST_CASE("augment: lists that cannot be read, and samples that do not fit") {
  const auto refusal_of = [](const std::string& list) { return error_of([&] { augment_options(list, 2); }); };
  CHECK(contains(refusal_of("defualt"), "did you mean \"default\"?"));
  CHECK(contains(refusal_of("default,rotat=1"), "did you mean \"rotate\"?"));
  CHECK(contains(refusal_of("heavy"), "known: none, geometry, intensity, default, elastic"));
  CHECK(contains(refusal_of("default,shear=1"), "low_resolution"));
  for (const std::string value : {"2", "-0.1", "nan", "", "0.5x", "inf"})
    CHECK(contains(refusal_of("default,rotate=" + value), "rotate takes a number from 0 to 1"));
  CHECK(contains(refusal_of("default,rotate"), "\"rotate\" has no value"));
  CHECK(contains(refusal_of("default,none"), "\"none\" has no value"));
  CHECK(contains(refusal_of("default,"), "\"\" has no value"));
  CHECK(contains(refusal_of(""), "unknown name \"\""));
  const auto idle = [](const std::string& list) { return error_of([&] { require_effect(list); }); };
  CHECK(contains(idle("default,elastic_amount=0.4"), "\"elastic_amount=0.4\" changes nothing, because elastic is 0"));
  CHECK(contains(idle("intensity,rotate_angle=90,noise=0"), "because rotate is 0"));
  CHECK(contains(idle("none,inverted_gamma=0,gamma_range=2"), "because gamma is 0"));
  for (const std::string list : {"none", "default,rotate_angle=15,flip=0,turn=0", "elastic_amount=0.4,elastic=0.1",
                                 "none,inverted_gamma=1,gamma_range=2", "low_resolution=1,low_resolution_least=0.2"})
    CHECK(idle(list).empty());
  const Tensor image = zeros({4, 5, 1}), label = zeros({5, 4}, DType::u8);
  CHECK(contains(error_of([&] { augment(image, label, {1, 1}, {}, Random(1)); }), "does not fit label"));
  CHECK(contains(error_of([&] { augment(image, zeros({4, 5}, DType::u8), {1}, {}, Random(1)); }), "1 spacings"));
}

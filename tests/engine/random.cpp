// Random numbers: known answers of Philox, streams, moments, random tensors and dropout.
#include "tests/test.h"

#include <set>

#include "tests/engine/kernel_cases.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct SampleMoments {
  double mean = 0, variance = 0, kurtosis = 0;
  explicit SampleMoments(const std::vector<double>& x) {
    const double n = static_cast<double>(x.size());
    for (const double v : x) mean += v / n;
    for (const double v : x) variance += (v - mean) * (v - mean) / n;
    for (const double v : x) kurtosis += std::pow(v - mean, 4) / n / (variance * variance);
  }
};

}  // namespace

TEST_CASE("Philox 4x32-10 gives the known answers of Random123") {
  const std::uint64_t ones = ~std::uint64_t{0};
  CHECK(philox(0, 0, 0) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox(ones, ones, ones) == PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  // counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0 (the digits of pi)
  CHECK(philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e) ==
        PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream continues from its state, and forks do not depend on what was drawn") {
  Random a(5);
  for (int i = 0; i < 7; ++i) a.bits();
  Random b(a.state());
  CHECK(a.bits64() == b.bits64());
  Random fresh(5);
  CHECK(a.fork(3).bits64() == fresh.fork(3).bits64());
  std::set<std::uint64_t> firsts;
  for (std::uint64_t id = 0; id < 1000; ++id) firsts.insert(fresh.fork(id).bits64());
  for (std::uint64_t seed = 0; seed < 1000; ++seed) firsts.insert(Random(seed).bits64());
  CHECK(firsts.size() == 2000);
}

TEST_CASE("below() is unbiased, in range, and shuffle() keeps every item") {
  Random random(6);
  std::vector<int> counts(7), items(100);
  for (int i = 0; i < 70000; ++i) ++nth(counts, random.below(7));
  for (const int count : counts) CHECK(std::abs(count - 10000) < 400);  // 4 deviations
  CHECK(random.below(1) == 0);
  for (int i = 0; i < 100; ++i) nth(items, i) = i;
  const std::vector<int> before = items;
  random.shuffle(items);
  CHECK(items != before);
  std::sort(items.begin(), items.end());
  CHECK(items == before);
}

TEST_CASE("uniform and normal tensors have the moments of their distributions") {
  const Tensor x = empty({400000});
  cpu_backend().random(Distribution::uniform, 99, -2, 4, x);
  std::vector<double> v = values(x);
  SampleMoments m(v);
  CHECK(std::fabs(m.mean - 1) < 0.012);
  CHECK(std::fabs(m.variance - 3) < 0.02);
  CHECK(std::fabs(m.kurtosis - 1.8) < 0.01);
  CHECK(*std::min_element(v.begin(), v.end()) > -2);
  CHECK(*std::max_element(v.begin(), v.end()) < 4);
  cpu_backend().random(Distribution::normal, 99, 3, 2, x);
  v = values(x);
  m = SampleMoments(v);
  CHECK(std::fabs(m.mean - 3) < 0.013);
  CHECK(std::fabs(m.variance - 4) < 0.04);
  CHECK(std::fabs(m.kurtosis - 3) < 0.04);
  double neighbours = 0;
  for (std::size_t i = 0; i + 1 < v.size(); ++i) neighbours += (v[i] - 3) * (v[i + 1] - 3) / 4;
  CHECK(std::fabs(neighbours / static_cast<double>(v.size())) < 0.007);
}

TEST_CASE("uniform f32 numbers never reach the ends, though the nearest float may be one") {
  const Tensor x = empty({3000000});
  cpu_backend().random(Distribution::uniform, 1, 0, 1, x);
  const std::vector<double> v = values(x);
  CHECK(*std::max_element(v.begin(), v.end()) < 1);
  CHECK(*std::min_element(v.begin(), v.end()) > 0);
}

TEST_CASE("element i depends on the key and i alone, for any length, type and number of threads") {
  for (const Distribution distribution : {Distribution::uniform, Distribution::normal}) {
    const Tensor whole = empty({50001}, DType::f64);
    cpu_backend().random(distribution, 7, 0, 1, whole);
    for (const std::int64_t n : {1, 2, 3, 5, 17, 16387}) {
      const Tensor part = empty({n}, DType::f64), narrow = empty({n});
      cpu_backend().random(distribution, 7, 0, 1, part);
      cpu_backend().random(distribution, 7, 0, 1, narrow);
      CHECK(same_bits(part, whole.alias(0, {n})));
      CHECK(difference(values(narrow), values(part)) < 1e-7);
    }
    CHECK(same_for_threads([&] {
      const Tensor x = empty({100003});
      cpu_backend().random(distribution, 7, 0, 1, x);
      return std::vector<Tensor>{x};
    }));
    const Tensor other = empty({50001}, DType::f64);
    cpu_backend().random(distribution, 8, 0, 1, other);
    CHECK(!same_bits(other, whole));
  }
  const Tensor x = empty({9}, DType::f64);
  cpu_backend().random(Distribution::uniform, 7, 0, 1, x);
  for (std::uint64_t i = 0; i < 9; ++i) CHECK(values(x)[i] == to_unit(philox(7, i / 4)[i % 4]));
}

TEST_CASE("dropout keeps the share it says, scales the rest, and repeats for the gradient") {
  Random random(41);
  for (const double probability : {0.0, 0.1, 0.5, 0.9}) {
    const Tensor x = full({3, 90, 41, 7}, 2), y = empty_like(x), again = empty_like(x);
    cpu_backend().dropout(x, probability, false, 77, y);
    cpu_backend().dropout(x, probability, false, 77, again);
    CHECK(same_bits(y, again));
    double kept = 0, n = static_cast<double>(x.numel());
    for (const double v : values(y)) {
      if (v != 0) CHECK(std::fabs(v - 2 / (1 - probability)) < 1e-5);
      kept += v != 0 ? 1 : 0;
    }
    CHECK(std::fabs(kept / n - (1 - probability)) < 5 * std::sqrt(probability * (1 - probability) / n) + 1e-12);
  }
  const Tensor x = full({5}, 2), y = empty({5});
  cpu_backend().dropout(x, 1.0, false, 3, y);
  CHECK(values(y) == std::vector<double>(5, 0.0));
}

TEST_CASE("channelwise dropout takes whole channels of a sample") {
  for (const Shape& shape : {Shape{3, 5, 6, 70}, Shape{200, 3, 1}, Shape{2, 4, 4, 4, 33}}) {
    const Tensor x = full(shape, 1), y = empty_like(x);
    cpu_backend().dropout(x, 0.4, true, 123, y);
    const std::vector<double> v = values(y);
    const auto channels = static_cast<std::size_t>(shape[-1]);
    const std::size_t sample = v.size() / static_cast<std::size_t>(shape[0]);
    bool whole = true;
    double kept = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      whole = whole && v[i] == v[i / sample * sample + i % channels];
      kept += v[i] != 0 ? 1 : 0;
    }
    CHECK(whole);
    const double n = static_cast<double>(shape[0] * shape[-1]);
    CHECK(std::fabs(kept / static_cast<double>(v.size()) - 0.6) < 4 * std::sqrt(0.24 / n));
  }
}

TEST_CASE("dropout does not depend on the number of threads") {
  Random random(42);
  const Tensor x = noise({2, 100, 101, 5}, DType::f32, random);
  CHECK(same_for_threads([&] {
    const Tensor y = empty_like(x), z = empty_like(x);
    cpu_backend().dropout(x, 0.3, false, 5, y);
    cpu_backend().dropout(x, 0.3, true, 5, z);
    return std::vector<Tensor>{y, z};
  }));
}

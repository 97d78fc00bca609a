// The statistics of comparisons against golden values of independent implementations, against brute force over all sign
// patterns, and on data without any difference.
#include "tests/test.h"
//
#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "apps/comparison/statistics/bootstrap.h"
#include "apps/comparison/statistics/paired.h"
#include "apps/comparison/statistics/ranking.h"
#include "engine/random.h"

using namespace voxgrad;
using namespace voxgrad::apps;

namespace {

using Numbers = std::vector<double>;

// The lines of the golden file that begin with `word`, each as its lists of numbers between |.
std::vector<std::vector<Numbers>> golden(const std::string& word) {
  std::ifstream file(std::string(VOXGRAD_SOURCE_DIR) + "/tests/golden/statistics.txt");
  std::vector<std::vector<Numbers>> found;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(word + " ")) continue;
    std::istringstream parts(line.substr(word.size()));
    std::vector<Numbers> lists;
    for (std::string part; std::getline(parts, part, '|');) {
      std::istringstream words(part);
      Numbers numbers;
      for (double value = 0; words >> value;) numbers.push_back(value);
      lists.push_back(numbers);
    }
    found.push_back(lists);
  }
  return found;
}

Numbers minus(const Numbers& a, const Numbers& b) {
  Numbers result;
  for (std::size_t i = 0; i < a.size(); ++i) result.push_back(a[i] - b[i]);
  return result;
}

bool near(double a, double b, double tolerance = 1e-12) { return std::fabs(a - b) <= tolerance; }

// The same question by trying every pattern of signs.
double permutation_p(const Numbers& differences) {
  Numbers sizes;
  for (const double d : differences)
    if (d != 0) sizes.push_back(std::fabs(d));
  const Numbers ranks = average_ranks(sizes);
  double observed = 0, total = 0;
  for (std::size_t i = 0, k = 0; i < differences.size(); ++i)
    if (differences[i] != 0) {
      total += ranks[k];
      observed += differences[i] > 0 ? ranks[k] : 0;
      ++k;
    }
  int extreme = 0;
  for (unsigned signs = 0; signs < 1u << ranks.size(); ++signs) {
    double sum = 0;
    for (std::size_t k = 0; k < ranks.size(); ++k) sum += (signs >> k & 1u) != 0 ? ranks[k] : 0;
    extreme += std::fabs(sum - total / 2) >= std::fabs(observed - total / 2) - 1e-9 ? 1 : 0;
  }
  return extreme / static_cast<double>(1u << ranks.size());
}

// The same loss under several names: the case decides, and the luck of a training.
Stratum names_of_one_loss(std::size_t names, std::size_t cases, Random& random) {
  Stratum values(names, Numbers(cases));
  for (std::size_t i = 0; i < cases; ++i) {
    const double difficulty = random.normal();
    for (Numbers& name : values) name[i] = 0.8 + 0.1 * difficulty + 0.02 * random.normal();
  }
  return values;
}

}  // namespace

TEST_CASE("Wilcoxon, Holm, Kendall: golden values") {
  const auto tests = golden("wilcoxon");
  REQUIRE(tests.size() == 5);
  for (const auto& lists : tests) {
    const Numbers& expected = lists[0];
    const Wilcoxon found = wilcoxon(minus(lists[1], lists[2]));
    CHECK(found.n == static_cast<std::int64_t>(expected[0]));
    CHECK(near(found.w_plus, expected[1]));
    CHECK(near(found.w_minus, expected[2]));
    CHECK(near(found.p, expected[3]));
    Numbers sizes;
    for (const double d : minus(lists[1], lists[2]))
      if (d != 0) sizes.push_back(std::fabs(d));
    CHECK(near(wilcoxon_normal_p(average_ranks(sizes), found.w_plus), expected[4]));
  }
  REQUIRE(golden("holm").size() == 1);
  for (const auto& lists : golden("holm")) {
    const Numbers adjusted = holm(lists[0]);
    REQUIRE(adjusted.size() == lists[1].size());
    for (std::size_t i = 0; i < adjusted.size(); ++i) CHECK(near(adjusted[i], lists[1][i]));
  }
  REQUIRE(golden("kendall").size() == 2);
  for (const auto& lists : golden("kendall")) CHECK(near(kendall_tau_b(lists[1], lists[2]), lists[0][0]));
  CHECK(std::isnan(kendall_tau_b({1, 1, 1}, {1, 2, 3})));
}

TEST_CASE("Wilcoxon equals the count over all sign patterns, ties and zeros included") {
  Random random(3);
  int smaller = 0;
  for (int i = 0; i < 200; ++i) {
    Numbers differences(static_cast<std::size_t>(1 + random.below(12)));
    for (double& d : differences) d = static_cast<double>(random.below(9) - 3);
    const Wilcoxon found = wilcoxon(differences);
    CHECK(near(found.p, found.n == 0 ? 1 : permutation_p(differences)));
    smaller += found.p < 0.5 ? 1 : 0;
  }
  CHECK(smaller > 20);
  const Wilcoxon all = wilcoxon({1, 2, 3});
  CHECK(all.rank_biserial == 1);
  CHECK(wilcoxon({-1, -2, 3}).rank_biserial == 0);
  CHECK(wilcoxon(paired_differences({0.1 + 0.2, 5}, {0.3, 5})).n == 0);  // a sum in another order is no difference
}

TEST_CASE("exact and normal p agree where one gives way to the other") {
  Random random(5);
  for (int i = 0; i < 20; ++i) {
    Numbers differences(static_cast<std::size_t>(kExactCases)), sizes;
    for (double& d : differences) d = random.normal() + 0.3;
    for (const double d : differences) sizes.push_back(std::fabs(d));
    const Wilcoxon exact = wilcoxon(differences);
    CHECK(near(exact.p, wilcoxon_normal_p(average_ranks(sizes), exact.w_plus), 4e-3));
    differences.push_back(random.normal());
    CHECK(wilcoxon(differences).n == kExactCases + 1);
  }
}

TEST_CASE("rankings: golden values") {
  for (const auto& lists : golden("ranking")) {
    const auto cases = static_cast<std::size_t>(lists[0][0]), losses = static_cast<std::size_t>(lists[0][1]);
    Stratum values(losses, Numbers(cases));
    for (std::size_t i = 0; i < cases * losses; ++i) values[i % losses][i / losses] = lists[1][i];
    Numbers means, medians, negative;
    for (Numbers loss : values) {
      double total = 0;
      for (const double v : loss) total += v;
      means.push_back(total);
      std::sort(loss.begin(), loss.end());
      medians.push_back(quantile(loss, 0.5));
    }
    for (const double rank : mean_ranks(values)) negative.push_back(-std::round(rank * 1e9));
    const auto equal = [](const std::vector<int>& a, const Numbers& b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end());
    };
    CHECK(equal(ranks_of(means), lists[2]));
    CHECK(equal(ranks_of(medians), lists[3]));
    CHECK(equal(ranks_of(negative), lists[4]));
  }
  REQUIRE(golden("ranking").size() == 1);
}

TEST_CASE("Hodges-Lehmann and quantiles") {
  CHECK(hodges_lehmann({1, 2, 4}) == 2.25);  // of 1 1.5 2 2.5 3 4
  CHECK(hodges_lehmann({5}) == 5);
  CHECK(std::isnan(hodges_lehmann({})));
  Random random(5);
  for (int n = 1; n < 40; ++n) {  // as the list of all means says, also of equal values and around 0
    Numbers values;
    for (int i = 0; i < n; ++i)
      values.push_back(n % 3 == 0 ? static_cast<double>(random.below(5)) - 2
                                  : std::round(1e12 * random.normal()) / 1e12);
    Numbers means;
    for (std::size_t i = 0; i < values.size(); ++i)
      for (std::size_t j = i; j < values.size(); ++j) means.push_back((values[i] + values[j]) / 2);
    std::sort(means.begin(), means.end());
    const std::size_t half = means.size() / 2;
    CHECK(hodges_lehmann(values) == (means.size() % 2 == 1 ? means[half] : (means[half] + means[half - 1]) / 2));
  }
  Numbers many;  // whose means would fill 16 GB
  for (int i = 0; i < 65536; ++i) many.push_back(random.normal());
  CHECK(std::fabs(hodges_lehmann(many)) < 0.03);
  CHECK(quantile({0, 1, 2, 3}, 0.5) == 1.5);
  CHECK(quantile({7}, 0.9) == 7);
}

TEST_CASE("bootstrap: paired, reproducible, covers the mean as often as it says") {
  Random random(11);
  int covered = 0;
  constexpr int kTrials = 300;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Stratum values = names_of_one_loss(2, 25, random);
    const auto means = bootstrap_means({values}, {}, 500);
    const Interval difference = percentile_interval(means[0], means[1], 0.95);
    covered += difference.low <= 0 && 0 <= difference.high ? 1 : 0;
    const Interval alone = percentile_interval(means[0], 0.95);
    // The case is most of the spread, and a paired difference is free of it.
    CHECK(difference.high - difference.low < 0.75 * (alone.high - alone.low));
  }
  CHECK_MESSAGE(covered >= kTrials * 0.90, covered);  // 0.93 expected for 25 cases
  CHECK_MESSAGE(covered <= kTrials * 0.98, covered);
  const Stratum one{{0.1, 0.5, 0.9}}, other{{0.3}};
  CHECK(bootstrap_means({one}, {}, 50) == bootstrap_means({one}, {}, 50));
  const auto both = bootstrap_means({one, other}, {}, 50), alone = bootstrap_means({one}, {}, 50);
  for (std::size_t b = 0; b < 50; ++b) CHECK(near(both[0][b], (alone[0][b] + 0.3) / 2));
}

TEST_CASE("resampled seeds vary a mean as much as their standard error says") {
  const Stratum values{{0.5, 0.5}}, seeds{{0.4, 0.5, 0.6}};
  const auto means = bootstrap_means({values}, {seeds}, 20000);
  double squares = 0;
  for (const double mean : means[0]) squares += (mean - 0.5) * (mean - 0.5) / 20000;
  CHECK(near(std::sqrt(squares), 0.1 / std::sqrt(3.0), 1e-3));
  CHECK(bootstrap_means({values}, {}, 10)[0] == Numbers(10, 0.5));
}

TEST_CASE("verdicts: no difference is only claimed where one is excluded") {
  const double unknown = std::nan("");
  CHECK(verdict_of(0.005, 0.01, 0.01) == Verdict::equal);
  CHECK(verdict_of(0.03, 0.01, 0.9) == Verdict::larger);
  CHECK(verdict_of(-0.03, 0.049, 0.9) == Verdict::smaller);
  CHECK(verdict_of(0.03, 0.2, 0.9) == Verdict::open);
  CHECK(verdict_of(0.03, unknown, unknown) == Verdict::open);
}

TEST_CASE("rank stability: certain where losses are far apart, wide where they are the same") {
  Random random(7);
  Stratum values = names_of_one_loss(4, 20, random);
  for (double& v : values[2]) v += 0.3;
  Numbers scores;
  for (const Numbers& loss : values) {
    double total = 0;
    for (const double v : loss) total += v / 20;
    scores.push_back(total);
  }
  const auto means = bootstrap_means({values}, {}, kRankedResamples);
  const Stability found = rank_stability(scores, means);
  CHECK(found.ranks[2].low == 1);
  CHECK(found.ranks[2].high == 1);
  CHECK(found.ranks[0].high - found.ranks[0].low >= 1);
  CHECK(found.tau_median <= 1);
  CHECK(found.tau_low <= found.tau_median);
}

TEST_CASE("one loss under several names: false positives at the nominal rate, after Holm for the family") {
  Random random(13);
  constexpr int kTrials = 1500;
  int pairs = 0, families = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Stratum values = names_of_one_loss(4, 12, random);
    Numbers p;
    for (std::size_t a = 0; a < 4; ++a)
      for (std::size_t b = 0; b < a; ++b) p.push_back(wilcoxon(minus(values[a], values[b])).p);
    pairs += p[0] < 0.05 ? 1 : 0;
    const Numbers adjusted = holm(p);
    families += *std::min_element(adjusted.begin(), adjusted.end()) < 0.05 ? 1 : 0;
  }
  // Twelve signs allow p = 0.0425 as the largest below 0.05. Four standard errors are 0.021.
  CHECK_MESSAGE(std::fabs(pairs / double{kTrials} - 0.0425) < 0.021, pairs);
  CHECK_MESSAGE(families / double{kTrials} < 0.05 + 0.021, families);
  CHECK_MESSAGE(families > 0, families);
}

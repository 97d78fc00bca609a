#include "apps/comparison/analysis.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/comparison/statistics/paired.h"
#include "apps/program/console.h"
#include "apps/training/interval.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

using losses::summarise;

constexpr double kFailed = 0.1;  // below, a case counts as a failure

// Puts all units of all datasets side by side (Scores::values), or all cases (Scores::of_cases).
Stratum pooled(const std::vector<Scores>& datasets, Stratum Scores::*part) {
  Stratum values(datasets.front().losses.size());
  for (const Scores& scores : datasets)
    for (std::size_t k = 0; k < values.size(); ++k)
      values[k].insert(values[k].end(), (scores.*part)[k].begin(), (scores.*part)[k].end());
  return values;
}

// `values`: of the cases.
void describe(LossStatistics& loss, std::vector<double> values) {
  loss.sd_cases = summarise(values).deviation;
  loss.failures = std::count_if(values.begin(), values.end(), [](double v) { return v < kFailed; });
  std::sort(values.begin(), values.end());
  loss.median = quantile(values, 0.5);
  loss.low_quartile = quantile(values, 0.25);
  loss.high_quartile = quantile(values, 0.75);
  loss.low_5 = quantile(values, 0.05);
}

void add_costs(const Comparison& comparison, const std::vector<Scores>& datasets, LossStatistics& loss) {
  std::vector<double> seconds, memory;
  for (const Scores& scores : datasets)
    for (const ComparedRun* run : runs_of(comparison, scores.dataset, loss.loss)) {
      seconds.push_back(run->seconds);
      memory.push_back(run->memory);
      loss.diverged += run->diverged ? 1 : 0;
      ++loss.runs;
    }
  loss.seconds = summarise(seconds).mean;
  loss.memory = summarise(memory).mean;
}

void add_convergence(const Comparison& comparison, const std::vector<Scores>& datasets, LossStatistics& loss) {
  Convergence& worst = loss.convergence;
  bool first = true;
  for (const Scores& scores : datasets) {
    const auto runs = runs_of(comparison, scores.dataset, loss.loss);
    if (std::all_of(runs.begin(), runs.end(), [](const ComparedRun* run) { return run->diverged; })) continue;
    const Convergence one = convergence_of(comparison, runs);
    const bool lower = !first && (std::isnan(worst.rise) || worst.rise > one.rise);  // what is not known is the worst
    worst = {lower ? worst.rise : one.rise, std::fmin(worst.patches, one.patches),
             std::fmax(worst.size_error, one.size_error)};
    first = false;
    const std::string why = one.too_short(loss.loss);
    if (loss.too_short.empty() && !why.empty())
      loss.too_short = why + (datasets.size() > 1 ? " on " + scores.dataset : "");
  }
}

// Why the runs say nothing about the losses; empty if they do. `long_enough`: losses with trainings that are.
// `folds`: whether all cases are tested already.
std::string too_little(const std::vector<Scores>& datasets, std::size_t long_enough, bool folds) {
  for (const Scores& scores : datasets) {
    const std::int64_t units = std::ssize(scores.values.front());
    if (std::any_of(scores.seeds.begin(), scores.seeds.end(), [](const auto& seeds) { return seeds.size() < 2; }))
      return "each loss was trained with one seed, and how much another one would change is not known: use --seeds 3";
    if (units < kLeastUnits)
      return text("the test ", datasets.size() > 1 ? "of " + scores.dataset + " " : "", "has ", units, " independent ",
                  scores.grouped ? (units == 1 ? "group of cases" : "groups of cases")
                  : units == 1   ? "case"
                                 : "cases",
                  ", and at least ", kLeastUnits, " are needed", folds ? "" : ": use --folds");
  }
  const std::size_t all = datasets.front().losses.size();
  if (long_enough < std::min<std::size_t>(all, 2))
    return text("the trainings of ", all - long_enough, " of ", all, " losses are too short: use more --steps");
  return "";
}

// Means and differences of the losses over the datasets.
class Estimates {
 public:
  explicit Estimates(const std::vector<Scores>& datasets) : datasets_(datasets) {
    for (const Scores& scores : datasets) variances_.push_back(training_variances(scores.seeds));
  }
  Estimate mean(std::size_t loss) const {
    return over_datasets([&](const Scores& scores, const TrainingVariances& trainings) {
      return Estimate(scores.values[loss], trainings.of_mean[loss], trainings.freedom);
    });
  }
  Estimate difference(std::size_t a, std::size_t b) const {  // a - b
    return over_datasets([&](const Scores& scores, const TrainingVariances& trainings) {
      return Estimate(paired_differences(scores.values[a], scores.values[b]),
                      a == b ? 0 : trainings.of_mean[a] + trainings.of_mean[b], trainings.freedom);
    });
  }

 private:
  template <class F>
  Estimate over_datasets(F&& estimate) const {
    std::vector<Estimate> parts;
    for (std::size_t d = 0; d < datasets_.size(); ++d) parts.push_back(estimate(datasets_[d], variances_[d]));
    return Estimate::mean(parts);
  }
  const std::vector<Scores>& datasets_;
  std::vector<TrainingVariances> variances_;
};

using PairTable = std::vector<std::vector<double>>;  // symmetric, by pairs of losses

// The p-values of all pairs, each adjusted for all of them: the best loss is chosen on the same data, so that each
// could have been it.
struct PairTests {
  PairTable none, outside;  // that there is no difference, that it is kMargin or more; NaN where nothing can be said

  // `tested`: indices of the losses about which something can be said.
  PairTests(const Estimates& estimates, std::size_t count, const std::vector<std::size_t>& tested) {
    const double unknown = std::nan("");
    none = outside = PairTable(count, std::vector<double>(count, unknown));
    std::vector<double> p, p_outside;
    for (const std::size_t a : tested)
      for (const std::size_t b : tested) {
        if (b >= a) break;
        const Estimate difference = estimates.difference(a, b);
        p.push_back(difference.p());
        p_outside.push_back(difference.p_outside(kMargin));
      }
    p = holm(p);
    p_outside = holm(p_outside);
    std::size_t i = 0;
    for (const std::size_t a : tested) {
      none[a][a] = 1;
      outside[a][a] = 0;
      for (const std::size_t b : tested) {
        if (b >= a) break;
        none[a][b] = none[b][a] = p[i];
        outside[a][b] = outside[b][a] = p_outside[i++];
      }
    }
  }
};

// Compares every loss with `reference`.
std::vector<Contrast> contrasts(const Estimates& estimates, const Stratum& values, const PairTests& tests,
                                std::size_t reference) {
  std::vector<Contrast> result(values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    const std::vector<double> differences = paired_differences(values[k], values[reference]);
    const Estimate estimate = estimates.difference(k, reference);
    const double p = tests.none[k][reference];
    result[k] = {estimate.value(),
                 estimate.interval(0.95),
                 estimate.interval(0.9),
                 hodges_lehmann(differences),
                 wilcoxon(differences).rank_biserial,
                 std::isnan(p) ? p : estimate.p(),
                 p,
                 verdict_of(estimate.value(), p, tests.outside[k][reference])};
  }
  return result;
}

// Returns for every loss the mean over the datasets of the means over their units.
std::vector<double> means_of(const std::vector<Scores>& datasets) {
  std::vector<double> means(datasets.front().losses.size(), 0);
  for (const Scores& scores : datasets)
    for (std::size_t k = 0; k < means.size(); ++k)
      means[k] += summarise(scores.values[k]).mean / static_cast<double>(datasets.size());
  return means;
}

// Returns how many seeds the losses have on every dataset. Of an interrupted comparison some have more.
std::size_t common_seeds(const std::vector<Scores>& datasets) {
  std::size_t least = datasets.front().seeds.front().size();
  for (const Scores& scores : datasets) least = std::min(least, scores.seeds.front().size());
  return least;
}

// Returns the SD over seeds of the mean over the datasets, as if their seeds were drawn together. NaN for one seed.
double deviation_over_seeds(const std::vector<Scores>& datasets, std::size_t loss) {
  std::vector<double> seeds(common_seeds(datasets), 0);
  for (const Scores& scores : datasets)
    for (std::size_t s = 0; s < seeds.size(); ++s)
      seeds[s] += scores.seeds[loss][s] / static_cast<double>(datasets.size());
  return summarise(seeds).deviation;
}

// As the mean Dice, the mean rank over several datasets is that of theirs.
void add_ranks(std::vector<LossStatistics>& losses, const std::vector<double>& means,
               const std::vector<Scores>& datasets, const PairTable& p_pairs) {
  std::vector<double> unit_ranks(losses.size(), 0);
  for (const Scores& scores : datasets) {
    const std::vector<double> own = mean_ranks(scores.values);
    for (std::size_t k = 0; k < own.size(); ++k) unit_ranks[k] += own[k] / static_cast<double>(datasets.size());
  }
  std::vector<double> negative, wins;
  for (std::size_t k = 0; k < losses.size(); ++k) {
    negative.push_back(-unit_ranks[k]);
    wins.push_back(0);
    for (std::size_t other = 0; other < losses.size(); ++other)
      wins[k] += means[k] > means[other] && p_pairs[k][other] < kLevel ? 1 : 0;
  }
  const std::vector<int> by_mean = ranks_of(means), by_mean_rank = ranks_of(negative), by_wins = ranks_of(wins);
  for (std::size_t k = 0; k < losses.size(); ++k) {
    losses[k].rank = by_mean[k];
    losses[k].mean_rank = unit_ranks[k];
    losses[k].rank_by_mean_rank = by_mean_rank[k];
    losses[k].wins = wins[k];
    losses[k].rank_by_wins = by_wins[k];
  }
}

}  // namespace

std::vector<std::string> ahead_in_typical_case(const Analysis& analysis) {
  std::vector<std::string> names;
  for (const LossStatistics& loss : analysis.losses) {
    const Contrast& contrast = loss.to_best;
    if (!analysis.several && contrast.difference < 0 && contrast.hodges_lehmann > 0 &&
        (contrast.verdict == Verdict::smaller || loss.loss == analysis.baseline))
      names.push_back(loss.loss);
  }
  return names;
}

bool shows_intervals(const Analysis& analysis) {
  return analysis.seeds >= 2 && analysis.units >= static_cast<std::int64_t>(kFewestCases);
}

std::string baseline_of(const Comparison& comparison, const std::vector<std::string>& losses) {
  const std::string wish = comparison.protocol.value("baseline", "");
  return std::find(losses.begin(), losses.end(), wish) != losses.end() ? wish : losses.front();
}

Analysis analyse(const Comparison& comparison, const std::vector<Scores>& datasets, const std::string& baseline,
                 const std::string& name) {
  const std::vector<std::string>& losses = datasets.front().losses;
  const Stratum values = pooled(datasets, &Scores::values), cases = pooled(datasets, &Scores::of_cases);
  const std::vector<double> means = means_of(datasets);
  Analysis result;
  result.name = name;
  result.baseline = baseline;
  result.several = datasets.size() > 1;
  result.units = std::ssize(values.front());
  result.seeds = static_cast<std::int64_t>(common_seeds(datasets));
  std::vector<LossStatistics> statistics(losses.size());
  std::vector<std::size_t> tested;
  for (std::size_t k = 0; k < losses.size(); ++k) {
    statistics[k].loss = losses[k];
    add_convergence(comparison, datasets, statistics[k]);
    if (statistics[k].too_short.empty()) tested.push_back(k);
  }
  result.folds = comparison.protocol.value("folds", 0);
  result.why_open = too_little(datasets, tested.size(), result.folds > 0);
  std::vector<Stratum> seeds;
  for (const Scores& scores : datasets) {
    result.cases += std::ssize(scores.cases);
    result.left_out += scores.left_out;
    result.absent += *std::max_element(scores.absent.begin(), scores.absent.end());
    result.grouped = result.grouped || scores.grouped;
    result.all_grouped = result.all_grouped && scores.grouped;
    seeds.push_back(scores.seeds);
  }
  const bool sayable = result.why_open.empty();
  if (!sayable) tested.clear();
  const Estimates estimates(datasets);
  const PairTests tests(estimates, losses.size(), tested);
  const double unknown = std::nan("");
  Stability stability{std::vector<Interval>(losses.size(), {unknown, unknown}), unknown, unknown};
  if (sayable) stability = rank_stability(means, bootstrap_means(strata_of(datasets), seeds, kRankedResamples));
  result.tau_median = stability.tau_median;
  result.tau_low = stability.tau_low;
  for (std::size_t k = 0; k < losses.size(); ++k) {
    LossStatistics& loss = statistics[k];
    loss.mean = means[k];
    const Interval interval = estimates.mean(k).interval(0.95);
    loss.interval = {std::max(interval.low, 0.0), std::min(interval.high, 1.0)};  // a Dice is not outside; NaN stays
    loss.ranks = {unknown, unknown};
    if (sayable && loss.too_short.empty()) {
      double better = 0, worse = 0;  // losses of which that was found: the ranks contradict no verdict
      for (std::size_t other = 0; other < losses.size(); ++other)
        if (tests.none[k][other] < kLevel) (means[other] > means[k] ? better : worse) += 1;
      loss.ranks = {std::min(stability.ranks[k].low, 1 + better),
                    std::max(stability.ranks[k].high, static_cast<double>(losses.size()) - worse)};
    }
    loss.sd_seeds = deviation_over_seeds(datasets, k);
    for (const Scores& scores : datasets) {
      loss.absent += scores.absent[k];
      loss.alarms += scores.alarms[k];
    }
    describe(loss, cases[k]);
    add_costs(comparison, datasets, loss);
  }
  add_ranks(statistics, means, datasets, tests.none);
  const auto baseline_index = std::find(losses.begin(), losses.end(), baseline) - losses.begin();
  const auto best_index = std::max_element(means.begin(), means.end()) - means.begin();
  const auto to_baseline = contrasts(estimates, values, tests, static_cast<std::size_t>(baseline_index));
  const auto to_best = contrasts(estimates, values, tests, static_cast<std::size_t>(best_index));
  std::vector<std::size_t> order(losses.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return means[a] > means[b]; });
  for (const std::size_t k : order) {
    statistics[k].to_baseline = to_baseline[k];
    statistics[k].to_best = to_best[k];
    result.losses.push_back(statistics[k]);
    std::vector<double>& row = result.p_pairs.emplace_back();
    for (const std::size_t other : order) row.push_back(tests.none[k][other]);
  }
  return result;
}

std::vector<Analysis> analyse(const Comparison& comparison) {
  const std::vector<Scores> scores = scores_of(comparison);
  std::vector<Analysis> analyses;
  if (scores.empty() || scores.front().losses.empty()) return analyses;
  const std::string baseline = baseline_of(comparison, scores.front().losses);
  for (const Scores& one : scores) {
    if (one.cases.empty())
      throw Error(
          ErrorKind::data,
          one.dataset + (std::all_of(comparison.runs.begin(), comparison.runs.end(),
                                     [&](const ComparedRun& run) { return run.dataset != one.dataset || run.diverged; })
                             ? ": every training diverged"
                             : ": no test case has foreground"),
          "nothing can be ranked");
    analyses.push_back(analyse(comparison, {one}, baseline, one.dataset));
  }
  if (scores.size() > 1) analyses.push_back(analyse(comparison, scores, baseline, text(scores.size(), " datasets")));
  return analyses;
}

}  // namespace voxgrad::apps

#include "apps/comparison/analysis.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "apps/comparison/statistics/paired.h"
#include "apps/program/console.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

using losses::summarise;

constexpr double kFailed = 0.1;  // below, a case counts as a failure

std::vector<const ComparedRun*> runs_of(const Comparison& comparison, const std::string& dataset,
                                        const std::string& loss) {
  std::vector<const ComparedRun*> found;
  for (const ComparedRun& run : comparison.runs)
    if (run.dataset == dataset && run.loss == loss) found.push_back(&run);
  return found;
}

// Returns the losses that have on every dataset as many runs as the loss with the most runs.
std::vector<std::string> complete_losses(const Comparison& comparison) {
  std::vector<std::string> complete;
  for (const std::string& loss : comparison.losses()) {
    const bool all = std::all_of(comparison.datasets.begin(), comparison.datasets.end(), [&](const auto& dataset) {
      std::size_t most = 0;
      for (const std::string& other : comparison.losses())
        most = std::max(most, runs_of(comparison, dataset.name, other).size());
      return most > 0 && runs_of(comparison, dataset.name, loss).size() == most;
    });
    if (all) complete.push_back(loss);
  }
  return complete;
}

// The values of one loss: for each case one value per seed, and for each seed the mean over its cases.
struct Values {
  std::vector<std::vector<double>> by_case;
  std::vector<double> by_seed;
};
Values values_of(const Comparison& comparison, const std::vector<const ComparedRun*>& runs,
                 const std::map<std::string, std::size_t>& index, const std::vector<std::vector<std::string>>& folds) {
  Values values;
  values.by_case.resize(index.size());
  std::map<std::uint64_t, std::vector<double>> seeds;
  for (const ComparedRun* run : runs) {
    if (run->diverged)  // the cases it would have been tested on count as 0
      for (const std::string& id : nth(folds, std::max(0, run->fold))) {
        values.by_case[index.at(id)].push_back(0);
        seeds[run->seed].push_back(0);
      }
    for (const CaseNumbers& one : run->cases) {
      const double dice = mean_of(comparison, one, "dice");
      values.by_case[index.at(one.id)].push_back(dice);
      seeds[run->seed].push_back(dice);
    }
  }
  for (const auto& [seed, all] : seeds) values.by_seed.push_back(summarise(all).mean);
  return values;
}

// Returns the ids of the cases of each fold, from any run that has them. Without folds all are in fold 0.
std::vector<std::vector<std::string>> folds_of(const Comparison& comparison, const ComparedDataset& dataset) {
  std::vector<std::vector<std::string>> folds(1);
  for (const ComparedRun& run : comparison.runs) {
    if (run.dataset != dataset.name) continue;
    const auto fold = static_cast<std::size_t>(std::max(0, run.fold));
    folds.resize(std::max(folds.size(), fold + 1));
    if (folds[fold].empty())
      for (const CaseNumbers& one : run.cases) folds[fold].push_back(one.id);
  }
  return folds;
}

Scores scores_of(const Comparison& comparison, const ComparedDataset& dataset, const std::vector<std::string>& losses) {
  Scores scores;
  scores.dataset = dataset.name;
  scores.losses = losses;
  std::map<std::string, std::size_t> index;
  for (const TestCase& one : dataset.cases) index.emplace(one.id, index.size());
  const auto folds = folds_of(comparison, dataset);
  std::vector<std::vector<double>> all;
  for (const std::string& loss : losses) {
    const Values values = values_of(comparison, runs_of(comparison, dataset.name, loss), index, folds);
    scores.seeds.push_back(values.by_seed);
    std::vector<double>& row = all.emplace_back();
    for (const std::vector<double>& seeds : values.by_case) row.push_back(summarise(seeds).mean);
  }
  scores.values.resize(losses.size());
  for (const TestCase& one : dataset.cases) {
    const std::size_t i = index.at(one.id);
    if (std::any_of(all.begin(), all.end(), [&](const auto& row) { return std::isnan(row[i]); })) {
      ++scores.left_out;
      continue;
    }
    scores.cases.push_back(one.id);
    for (std::size_t k = 0; k < losses.size(); ++k) scores.values[k].push_back(all[k][i]);
  }
  return scores;
}

// Puts all cases of all datasets side by side.
Stratum pooled(const std::vector<Scores>& datasets) {
  Stratum values(datasets.front().losses.size());
  for (const Scores& scores : datasets)
    for (std::size_t k = 0; k < values.size(); ++k)
      values[k].insert(values[k].end(), scores.values[k].begin(), scores.values[k].end());
  return values;
}

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

// Compares every loss with `reference`; p is adjusted by Holm over these k - 1 tests.
std::vector<Contrast> contrasts(const Stratum& values, const std::vector<double>& means,
                                const std::vector<std::vector<double>>& resampled, std::size_t reference) {
  std::vector<Contrast> result(values.size());
  std::vector<double> p;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const std::vector<double> differences = paired_differences(values[k], values[reference]);
    const Wilcoxon test = wilcoxon(differences);
    result[k] = {means[k] - means[reference],
                 percentile_interval(resampled[k], resampled[reference], 0.95),
                 hodges_lehmann(differences),
                 test.rank_biserial,
                 test.p,
                 1,
                 Verdict::equal};
    if (k != reference) p.push_back(test.p);
  }
  const std::vector<double> adjusted = holm(p);
  for (std::size_t k = 0, i = 0; k < values.size(); ++k) {
    if (k == reference) continue;
    result[k].p_holm = adjusted[i++];
    const Interval interval90 = percentile_interval(resampled[k], resampled[reference], 0.90);
    result[k].verdict = verdict_of(result[k].interval, interval90, result[k].p_holm);
  }
  return result;
}

std::vector<std::vector<double>> pair_tests(const Stratum& values) {
  std::vector<double> p;
  for (std::size_t a = 0; a < values.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) p.push_back(wilcoxon(paired_differences(values[a], values[b])).p);
  const std::vector<double> adjusted = holm(p);
  std::vector<std::vector<double>> table(values.size(), std::vector<double>(values.size(), 1.0));
  for (std::size_t a = 0, i = 0; a < values.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) table[a][b] = table[b][a] = adjusted[i++];
  return table;
}

// Returns for every loss the mean over the datasets of the means over their cases.
std::vector<double> means_of(const std::vector<Scores>& datasets) {
  std::vector<double> means(datasets.front().losses.size(), 0);
  for (const Scores& scores : datasets)
    for (std::size_t k = 0; k < means.size(); ++k)
      means[k] += summarise(scores.values[k]).mean / static_cast<double>(datasets.size());
  return means;
}

// Returns the SD over seeds of the mean over the datasets, as if their seeds were drawn together. NaN for one seed.
double deviation_over_seeds(const std::vector<Scores>& datasets, std::size_t loss) {
  std::vector<double> seeds(datasets.front().seeds[loss].size(), 0);
  for (const Scores& scores : datasets)
    for (std::size_t s = 0; s < std::min(seeds.size(), scores.seeds[loss].size()); ++s)
      seeds[s] += scores.seeds[loss][s] / static_cast<double>(datasets.size());
  return summarise(seeds).deviation;
}

void add_ranks(std::vector<LossStatistics>& losses, const std::vector<double>& means, const Stratum& values) {
  const std::vector<double> case_ranks = mean_ranks(values), wins = significant_wins(values);
  std::vector<double> negative;
  for (const double rank : case_ranks) negative.push_back(-rank);
  const std::vector<int> by_mean = ranks_of(means), by_mean_rank = ranks_of(negative), by_wins = ranks_of(wins);
  for (std::size_t k = 0; k < losses.size(); ++k) {
    losses[k].rank = by_mean[k];
    losses[k].mean_rank = case_ranks[k];
    losses[k].rank_by_mean_rank = by_mean_rank[k];
    losses[k].wins = wins[k];
    losses[k].rank_by_wins = by_wins[k];
  }
}

}  // namespace

std::vector<Scores> scores_of(const Comparison& comparison) {
  const std::vector<std::string> losses = complete_losses(comparison);
  std::vector<Scores> all;
  for (const ComparedDataset& dataset : comparison.datasets) all.push_back(scores_of(comparison, dataset, losses));
  return all;
}

std::vector<Stratum> strata_of(const std::vector<Scores>& scores) {
  std::vector<Stratum> strata;
  for (const Scores& one : scores) strata.push_back(one.values);
  return strata;
}

std::string baseline_of(const Comparison& comparison, const std::vector<std::string>& losses) {
  const std::string wish = comparison.protocol.value("baseline", "");
  return std::find(losses.begin(), losses.end(), wish) != losses.end() ? wish : losses.front();
}

Analysis analyse(const Comparison& comparison, const std::vector<Scores>& datasets, const std::string& baseline,
                 const std::string& name) {
  const std::vector<std::string>& losses = datasets.front().losses;
  const Stratum values = pooled(datasets);
  const std::vector<double> means = means_of(datasets);
  const auto resampled = bootstrap_means(strata_of(datasets));
  const Stability stability = rank_stability(means, resampled);
  Analysis result;
  result.name = name;
  result.baseline = baseline;
  result.cases = std::ssize(values.front());
  result.friedman = friedman(values);
  result.tau_median = stability.tau_median;
  result.tau_low = stability.tau_low;
  for (const Scores& scores : datasets) result.left_out += scores.left_out;
  std::vector<LossStatistics> statistics(losses.size());
  for (std::size_t k = 0; k < losses.size(); ++k) {
    LossStatistics& loss = statistics[k];
    loss.loss = losses[k];
    loss.mean = means[k];
    loss.interval = percentile_interval(resampled[k], 0.95);
    loss.ranks = stability.ranks[k];
    loss.sd_seeds = deviation_over_seeds(datasets, k);
    describe(loss, values[k]);
    add_costs(comparison, datasets, loss);
  }
  add_ranks(statistics, means, values);
  const auto baseline_index = std::find(losses.begin(), losses.end(), baseline) - losses.begin();
  const auto best_index = std::max_element(means.begin(), means.end()) - means.begin();
  const auto to_baseline = contrasts(values, means, resampled, static_cast<std::size_t>(baseline_index));
  const auto to_best = contrasts(values, means, resampled, static_cast<std::size_t>(best_index));
  std::vector<std::size_t> order(losses.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return means[a] > means[b]; });
  const auto pairs = pair_tests(values);
  for (const std::size_t k : order) {
    statistics[k].to_baseline = to_baseline[k];
    statistics[k].to_best = to_best[k];
    result.losses.push_back(statistics[k]);
    std::vector<double>& row = result.p_pairs.emplace_back();
    for (const std::size_t other : order) row.push_back(pairs[k][other]);
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
      throw Error(ErrorKind::data, one.dataset + ": the Dice is undefined in every test case", "nothing can be ranked");
    analyses.push_back(analyse(comparison, {one}, baseline, one.dataset));
  }
  if (scores.size() > 1)
    analyses.push_back(analyse(comparison, scores, baseline, text("all ", scores.size(), " datasets")));
  return analyses;
}

}  // namespace voxgrad::apps

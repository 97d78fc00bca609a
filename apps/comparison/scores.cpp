#include "apps/comparison/scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "engine/error.h"
#include "engine/shape.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

using losses::summarise;
using Seeds = std::map<std::uint64_t, std::vector<double>>;  // the values of all cases, by seed

// The folds that each seed has tested.
using Folds = std::map<std::uint64_t, std::set<int>>;
Folds folds_of(const Comparison& comparison, const std::string& dataset, const std::string& loss) {
  Folds folds;
  for (const ComparedRun* run : runs_of(comparison, dataset, loss)) folds[run->seed].insert(run->fold);
  return folds;
}

// Returns the folds of the loss with the most runs, of every seed the same; nothing if no such loss has them: a case
// that a seed has not tested would count as a failure.
Folds whole_folds(const Comparison& comparison, const std::string& dataset) {
  std::size_t most = 0;
  Folds whole;
  for (const std::string& loss : comparison.losses()) {
    const std::size_t count = runs_of(comparison, dataset, loss).size();
    const Folds folds = folds_of(comparison, dataset, loss);
    const bool even =
        std::all_of(folds.begin(), folds.end(), [&](const auto& seed) { return seed.second == folds.begin()->second; });
    if (count > most || (count == most && whole.empty())) whole = even ? folds : Folds{};
    most = std::max(most, count);
  }
  return whole;
}

// Returns the losses that have the same seeds and folds, which are those of whole_folds(), on every dataset.
std::vector<std::string> complete_losses(const Comparison& comparison) {
  std::vector<std::string> complete = comparison.losses();
  for (const ComparedDataset& dataset : comparison.datasets) {
    const Folds whole = whole_folds(comparison, dataset.name);
    std::erase_if(complete, [&](const std::string& loss) {
      return whole.empty() || folds_of(comparison, dataset.name, loss) != whole;
    });
  }
  return complete;
}

// By class: the voxels of the truth, and those of the prediction.
struct Sizes {
  std::vector<double> truth, predicted;
  Sizes(const Comparison& comparison, const CaseNumbers& one) {
    const std::vector<double> tp = number_of(comparison, one, "tp"), fp = number_of(comparison, one, "fp"),
                              fn = number_of(comparison, one, "fn");
    for (std::size_t c = 0; c < tp.size(); ++c) {
      truth.push_back(tp[c] + fn[c]);
      predicted.push_back(tp[c] + fp[c]);
    }
  }
  bool any() const {
    return std::any_of(truth.begin(), truth.end(), [](double voxels) { return voxels > 0; });
  }
};

// What a run that has diverged has in a class of which the truth has so many voxels, and of the rest so many.
double missed_number(const std::string& name, double truth, double others) {
  if (name == "tp") return 0;
  if (name == "fn") return truth;
  for (const losses::Metric& metric : losses::metrics()) {
    if (metric.name != name || truth == 0) continue;
    losses::Evidence missed;
    missed.counts = {0, 0, std::llround(truth), std::llround(others)};
    if (metric.needs == losses::Needs::counts) return metric.value(missed);
    if (metric.perfect == 1 && name != "segmentation_quality") return 0;  // that is of objects that were found
    if (metric.needs == losses::Needs::surfaces) return std::numeric_limits<double>::infinity();
  }
  return std::nan("");
}

// The cases of a dataset whose truth has foreground, and in which fold each of them is tested.
struct Tested {
  std::map<std::string, std::size_t> index;     // of a case in Scores::cases
  std::vector<std::vector<std::size_t>> folds;  // the cases of each; without folds all are in the first one
};
Tested tested_cases(const Comparison& comparison, Scores& scores, const ComparedDataset& dataset) {
  std::map<std::string, std::pair<bool, std::size_t>> known;  // by id: has foreground, fold
  const Folds whole = whole_folds(comparison, dataset.name);  // of which diverged runs have no cases
  for (const std::string& loss : comparison.losses())
    for (const ComparedRun* run : runs_of(comparison, dataset.name, loss))
      for (const CaseNumbers& one : run->cases)
        if (!whole.empty() && whole.begin()->second.contains(run->fold))
          known.emplace(one.id,
                        std::pair(Sizes(comparison, one).any(), static_cast<std::size_t>(std::max(0, run->fold))));
  // Of a fold in which every training has diverged nothing is known but its cases, which count 0 as well.
  const auto is_lost = [&](int fold) {
    return std::none_of(comparison.runs.begin(), comparison.runs.end(), [&](const ComparedRun& run) {
      return run.dataset == dataset.name && run.fold == fold && !run.diverged;
    });
  };
  bool lost = false;
  if (!known.empty()) {
    const std::set<int>& tried = whole.begin()->second;
    lost =
        std::ssize(tried) == comparison.protocol.value("folds", 0) && std::any_of(tried.begin(), tried.end(), is_lost);
  }
  Tested tested;
  std::map<std::string, std::size_t> groups;
  for (const TestCase& one : dataset.cases) {
    const auto found = known.find(one.id);
    if (found == known.end() && !lost) continue;  // of a fold that is not tested yet
    const bool counts = found == known.end() ? one.foreground > 0 : found->second.first;
    if (!counts) {
      ++scores.left_out;
      continue;
    }
    const std::size_t index = scores.cases.size();
    tested.index[one.id] = index;
    if (found != known.end()) {
      tested.folds.resize(std::max(tested.folds.size(), found->second.second + 1));
      tested.folds[found->second.second].push_back(index);
    }
    scores.cases.push_back(one.id);
    scores.grouped = scores.grouped || !one.group.empty();
    const std::string unit = one.group.empty() ? "case " + one.id : "group " + one.group;
    scores.unit_of.push_back(groups.emplace(unit, groups.size()).first->second);
  }
  return tested;
}

Seeds seeds_of(const Comparison& comparison, const std::vector<const ComparedRun*>& runs, const Tested& tested) {
  Seeds seeds;
  for (const ComparedRun* run : runs) {
    std::vector<double>& values = seeds[run->seed];
    values.resize(tested.index.size());
    for (const CaseNumbers& one : run->cases)
      if (const auto found = tested.index.find(one.id); found != tested.index.end())
        values[found->second] = dice_of(comparison, one);
    const int fold = std::max(0, run->fold);
    if (run->diverged && fold < std::ssize(tested.folds))
      for (const std::size_t index : nth(tested.folds, fold)) values[index] = 0;
  }
  return seeds;
}

std::vector<double> unit_means(const std::vector<double>& values, const std::vector<std::size_t>& unit_of) {
  std::vector<std::vector<double>> units;
  for (std::size_t i = 0; i < values.size(); ++i) {
    units.resize(std::max(units.size(), unit_of[i] + 1));
    units[unit_of[i]].push_back(values[i]);
  }
  std::vector<double> means;
  for (const std::vector<double>& unit : units) means.push_back(summarise(unit).mean);
  return means;
}

std::int64_t alarms_of(const Comparison& comparison, const std::vector<const ComparedRun*>& runs,
                       std::int64_t& absent) {
  std::int64_t alarms = 0;
  for (const ComparedRun* run : runs)
    for (const CaseNumbers& one : run->cases) {
      const Sizes sizes(comparison, one);
      for (std::size_t c = 0; c < sizes.truth.size(); ++c) {
        absent += sizes.truth[c] == 0 ? 1 : 0;
        alarms += sizes.truth[c] == 0 && sizes.predicted[c] > 0 ? 1 : 0;
      }
    }
  return alarms;
}

Scores scores_of(const Comparison& comparison, const ComparedDataset& dataset, const std::vector<std::string>& losses) {
  Scores scores;
  scores.dataset = dataset.name;
  scores.losses = losses;
  const Tested tested = tested_cases(comparison, scores, dataset);
  for (const std::string& loss : losses) {
    const auto runs = runs_of(comparison, dataset.name, loss);
    std::vector<double> means(scores.cases.size(), 0.0), by_seed;
    const Seeds seeds = seeds_of(comparison, runs, tested);
    for (const auto& [seed, values] : seeds) {
      by_seed.push_back(summarise(unit_means(values, scores.unit_of)).mean);
      for (std::size_t i = 0; i < means.size(); ++i) means[i] += values[i] / static_cast<double>(seeds.size());
    }
    scores.seeds.push_back(by_seed);
    scores.values.push_back(unit_means(means, scores.unit_of));
    scores.of_cases.push_back(std::move(means));
    scores.alarms.push_back(alarms_of(comparison, runs, scores.absent.emplace_back()));
  }
  return scores;
}

}  // namespace

std::vector<const ComparedRun*> runs_of(const Comparison& comparison, const std::string& dataset,
                                        const std::string& loss) {
  std::vector<const ComparedRun*> found;
  for (const ComparedRun& run : comparison.runs)
    if (run.dataset == dataset && run.loss == loss) found.push_back(&run);
  return found;
}

std::vector<double> class_dices(const Comparison& comparison, const CaseNumbers& one) {
  const Sizes sizes(comparison, one);
  std::vector<double> dice = number_of(comparison, one, "dice");
  for (std::size_t c = 0; c < dice.size(); ++c)
    if (!(sizes.truth[c] > 0)) dice[c] = std::nan("");
  return dice;
}

double dice_of(const Comparison& comparison, const CaseNumbers& one) {
  return summarise(class_dices(comparison, one)).mean;
}

void for_cases(const Comparison& comparison, const std::string& dataset, const std::string& loss,
               const std::function<void(const CaseNumbers&)>& see) {
  for (const ComparedRun* run : runs_of(comparison, dataset, loss)) {
    if (!run->diverged) {
      for (const CaseNumbers& one : run->cases) see(one);
      continue;
    }
    const auto tested = std::find_if(comparison.runs.begin(), comparison.runs.end(), [&](const ComparedRun& other) {
      return other.dataset == dataset && other.fold == run->fold && !other.diverged;
    });
    if (tested == comparison.runs.end()) continue;
    const bool has_tn =
        std::find(comparison.numbers.begin(), comparison.numbers.end(), "tn") != comparison.numbers.end();
    for (CaseNumbers one : tested->cases) {
      const std::vector<double> truth = Sizes(comparison, one).truth, fp = number_of(comparison, one, "fp"),
                                tn = has_tn ? number_of(comparison, one, "tn") : std::vector<double>(truth.size());
      for (std::size_t c = 0; c < truth.size(); ++c)
        for (std::size_t i = 0; i < comparison.numbers.size(); ++i)
          one.classes[c][i] = missed_number(comparison.numbers[i], truth[c], fp[c] + tn[c]);
      see(one);
    }
  }
}

double mean_number(const Comparison& comparison, const std::string& dataset, const std::string& loss,
                   const std::string& name) {
  std::vector<double> values;
  for_cases(comparison, dataset, loss, [&](const CaseNumbers& one) {
    for (const double value : finite_number_of(comparison, one, name)) values.push_back(value);
  });
  return summarise(values).mean;
}

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

}  // namespace voxgrad::apps

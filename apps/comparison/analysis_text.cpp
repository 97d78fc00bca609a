// How an analysis is written: as JSON and as tables.
#include <algorithm>
#include <cmath>

#include "apps/comparison/analysis.h"
#include "apps/program/console.h"
#include "apps/program/words.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

Json to_json(const Interval& interval) { return {number(interval.low), number(interval.high)}; }

Json to_json(const Contrast& contrast) {
  return {{"difference", number(contrast.difference)},
          {"interval_95", to_json(contrast.interval)},
          {"interval_90", to_json(contrast.interval_90)},
          {"hodges_lehmann", number(contrast.hodges_lehmann)},
          {"rank_biserial", number(contrast.rank_biserial)},
          {"p", number(contrast.p)},
          {"p_holm", number(contrast.p_holm)},
          {"verdict", name_of(contrast.verdict)}};
}

Json to_json(const LossStatistics& loss) {
  return {{"rank", loss.rank},
          {"loss", loss.loss},
          {"dice_mean", number(loss.mean)},
          {"interval_95", to_json(loss.interval)},
          {"dice_sd_cases", number(loss.sd_cases)},
          {"dice_sd_seeds", number(loss.sd_seeds)},
          {"median", number(loss.median)},
          {"quartiles", {number(loss.low_quartile), number(loss.high_quartile)}},
          {"percentile_5", number(loss.low_5)},
          {"failures", loss.failures},
          {"rank_interval_95", to_json(loss.ranks)},
          {"mean_rank", number(loss.mean_rank)},
          {"rank_by_mean_rank", loss.rank_by_mean_rank},
          {"wins", loss.wins},
          {"rank_by_wins", loss.rank_by_wins},
          {"absent_classes", loss.absent},
          {"alarms", loss.alarms},
          {"late_rise", number(loss.convergence.rise)},
          {"patches_per_case", number(loss.convergence.patches)},
          {"soft_size_error", number(loss.convergence.size_error)},
          {"too_short", loss.too_short},
          {"to_baseline", to_json(loss.to_baseline)},
          {"to_best", to_json(loss.to_best)},
          {"seconds", number(loss.seconds)},
          {"peak_tensor_bytes", number(loss.memory)},
          {"diverged", loss.diverged}};
}

}  // namespace

Json to_json(const Analysis& analysis) {
  Json ranking = Json::array(), pairs = Json::array();
  for (const LossStatistics& loss : analysis.losses) ranking.push_back(to_json(loss));
  for (const std::vector<double>& row : analysis.p_pairs) {
    Json line = Json::array();
    for (const double p : row) line.push_back(number(p));
    pairs.push_back(line);
  }
  return {{"name", analysis.name},
          {"cases", analysis.cases},
          {"units", analysis.units},
          {"units_are_groups", analysis.grouped},
          {"seeds", analysis.seeds},
          {"cases_left_out", analysis.left_out},
          {"absent_classes", analysis.absent},
          {"baseline", analysis.baseline},
          {"why_open", analysis.why_open},
          {"kendall_tau_b", {{"median", number(analysis.tau_median)}, {"percentile_5", number(analysis.tau_low)}}},
          {"ranking", ranking},
          {"p_holm_pairs", pairs}};
}

std::string cases_words(const Analysis& analysis) {
  return text(count_text(analysis.cases, "test case"),
              !analysis.grouped      ? std::string()
              : analysis.all_grouped ? " of " + count_text(analysis.units, "group")
                                     : text(" of ", analysis.units, " groups and single cases"),
              analysis.left_out > 0 ? text(" (", analysis.left_out, " without foreground left out)") : "");
}

std::string trainings_words(const Analysis& analysis) {
  return analysis.folds > 0
             ? text(count_text(analysis.seeds, "seed"), " in each of ", analysis.folds, " folds")
             : count_text(analysis.seeds, "training") + (analysis.losses.size() > 1 ? " of each loss" : "");
}

std::string without_diverged(const Analysis& analysis) {
  std::vector<std::string> parts;
  for (const LossStatistics& loss : analysis.losses)
    if (loss.diverged > 0) parts.push_back(text(loss.diverged, " of ", loss.runs, " of ", loss.loss));
  return parts.empty() ? "" : "; diverged trainings are left out (" + join(parts, ", ") + ")";
}

std::string convergence_words(const Analysis& analysis) {
  std::vector<std::string> shorts;
  std::vector<double> rises;
  std::size_t finished = 0;  // losses with a training that has not diverged
  for (const LossStatistics& loss : analysis.losses) {
    finished += loss.diverged < loss.runs ? 1 : 0;
    if (!loss.too_short.empty()) shorts.push_back(loss.loss + " (" + loss.too_short + ")");
    if (!std::isnan(loss.convergence.rise)) rises.push_back(loss.convergence.rise);
  }
  if (!shorts.empty()) return "Too short to rank, use more --steps: " + join(shorts, ", ") + ".";
  if (rises.empty()) return "Whether the trainings were long enough is not known: there are too few validations.";
  if (rises.size() < finished)
    return text("The trainings of ", rises.size(), " of ", finished, " losses were long enough; of the ",
                "others this is not known: there are too few validations.");
  const std::string most = fixed(*std::max_element(rises.begin(), rises.end()), 3);
  return "The trainings were long enough: in the last third, the mean validation Dice of a loss " +
         (most.starts_with("-") || most == "0.000" ? std::string("did not rise.") : "rose by " + most + " at most.");
}

std::string ranking_text(const std::vector<Analysis>& analyses) {
  std::string result;
  for (const Analysis& analysis : analyses) {
    Table table({"rank", "loss", "mean Dice", "95 % interval", "SD cases", "SD seeds", "mean rank", "ranks",
                 "to " + analysis.baseline, "p (Holm)", "seconds"},
                2);
    const bool intervals = shows_intervals(analysis);
    for (const LossStatistics& loss : analysis.losses) {
      const bool self = loss.loss == analysis.baseline;
      const double p = loss.to_baseline.p_holm;
      const std::string sign = loss.to_baseline.difference < 0 ? "" : "+";
      std::vector<std::string> row{
          std::to_string(loss.rank),
          loss.loss,
          fixed(loss.mean, 4),
          intervals ? fixed(loss.interval.low, 3) + " .. " + fixed(loss.interval.high, 3) : "-",
          fixed(loss.sd_cases, 4),
          fixed(loss.sd_seeds, 4),
          fixed(loss.mean_rank, 2),
          fixed(loss.ranks.low, 0) + " .. " + fixed(loss.ranks.high, 0),
          self ? "" : sign + fixed(loss.to_baseline.difference, 4),
          self        ? ""
          : p < 0.001 ? "< 0.001"
                      : fixed(p, 3),
          fixed(loss.seconds, 1)};
      if (loss.diverged > 0) row.push_back(text(loss.diverged, " diverged"));
      table.row(row);
    }
    result += text(result.empty() ? "" : "\n", analysis.several ? "over " + analysis.name : analysis.name, ", ",
                   cases_words(analysis), "\n", table.str());
    result += convergence_words(analysis) + "\n";
    if (!analysis.why_open.empty()) result += "nothing follows for the losses: " + analysis.why_open + "\n";
  }
  return result;
}

}  // namespace voxgrad::apps

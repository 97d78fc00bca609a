// The tables of a paper, as LaTeX and as CSV.
#include <algorithm>
#include <cmath>
#include <map>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "apps/report/card.h"
#include "apps/report/paper/latin.h"
#include "apps/report/paper/paper.h"
#include "engine/error.h"
#include "engine/names.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

std::string as_code(const std::string& name) { return "\\texttt{" + latex(name) + "}"; }

// A number with its sign, as mathematics.
std::string in_maths(double value, int digits, bool plus = false) {
  const std::string words = fixed(value, digits);
  return "$" + std::string(plus && value > 0 ? "+" : "") + words + "$";
}

std::string interval_tex(const Interval& interval, int digits) {
  return std::isnan(interval.low)
             ? ""
             : " [" + in_maths(interval.low, digits) + ", " + in_maths(interval.high, digits) + "]";
}

// "4.60", "71.3", "143"
std::string three_digits(double value) {
  return std::isnan(value) ? "--" : fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

std::string p_tex(double p) {
  return std::isnan(p) ? "--" : p < 0.001 ? "$<0.001$" : p > 0.99 ? "$>0.99$" : in_maths(p, 3);
}

std::string verdict_tex(Verdict verdict) {
  switch (verdict) {
    case Verdict::larger: return "better";
    case Verdict::smaller: return "worse";
    case Verdict::equal: return "equal";
    case Verdict::open: break;
  }
  return "not known";
}

std::string row(const std::vector<std::string>& cells) { return join(cells, " & ") + " \\\\\n"; }

// A cell of a number; empty for what is not known.
std::string cell(double value) { return std::isfinite(value) ? number(value).dump() : ""; }

std::string csv_row(std::vector<std::string> cells) {
  for (std::string& one : cells) one = csv_cell(one);
  return join(cells, ",") + "\n";
}

// What one loss did for one class of a dataset, over cases, each with the mean over its trainings. The Dice is that of
// the cases whose truth has the class.
struct ClassScore {
  std::vector<double> dice, hd95;
  std::int64_t missed = 0;  // or found where it is not, over all trainings
};

ClassScore class_score(const Comparison& comparison, const std::string& dataset, const std::string& loss,
                       std::size_t label) {
  std::map<std::string, std::vector<double>> dice, hd95;  // by case
  ClassScore score;
  for_cases(comparison, dataset, loss, [&](const CaseNumbers& one) {
    dice[one.id].push_back(class_dices(comparison, one)[label - 1]);
    hd95[one.id].push_back(finite_number_of(comparison, one, "hd95")[label - 1]);
    score.missed += std::isinf(number_of(comparison, one, "hd95")[label - 1]) ? 1 : 0;
  });
  const auto means = [](const auto& cases, std::vector<double>& to) {
    for (const auto& [id, values] : cases)
      if (const double mean = losses::summarise(values).mean; std::isfinite(mean)) to.push_back(mean);
    std::sort(to.begin(), to.end());
  };
  means(dice, score.dice);
  means(hd95, score.hd95);
  return score;
}

}  // namespace

std::string ranking_tex(const std::vector<Analysis>& analyses) {
  const Analysis& all = analyses.back();
  const bool sayable = all.why_open.empty(), intervals = shows_intervals(all), several = all.losses.size() > 1;
  const std::string with = intervals ? " [95\\,\\% CI]" : "";
  std::vector<std::string> header{"Loss", "Dice" + with};
  if (several) header.push_back("$\\Delta$ to " + as_code(all.baseline) + with);
  if (several && sayable) header.insert(header.end(), {"$p$ (Holm)", "Verdict", "Rank (95\\,\\%)"});
  std::string tex = "% Mean Dice over " + latex(all.name) + "; needs booktabs.\n\\begin{tabular}{l" +
                    std::string(header.size() - 1, 'r') + "}\n\\toprule\n" + row(header) + "\\midrule\n";
  for (const LossStatistics& loss : all.losses) {
    const bool baseline = loss.loss == all.baseline;
    const Contrast& contrast = loss.to_baseline;
    std::vector<std::string> cells{as_code(loss.loss),
                                   in_maths(loss.mean, 3) + (intervals ? interval_tex(loss.interval, 3) : "")};
    if (several)
      cells.push_back(baseline ? "--"
                               : in_maths(contrast.difference, 3, true) +
                                     (intervals ? interval_tex(contrast.interval, 3) : ""));
    if (several && sayable)
      cells.insert(cells.end(),
                   {baseline ? "--" : p_tex(contrast.p_holm), baseline ? "baseline" : verdict_tex(contrast.verdict),
                    std::isnan(loss.ranks.low) ? "--" : fixed(loss.ranks.low, 0) + "--" + fixed(loss.ranks.high, 0)});
    tex += row(cells);
  }
  return tex + "\\bottomrule\n\\end{tabular}\n";
}

std::string ranking_csv(const std::vector<Analysis>& analyses) {
  std::string csv = csv_row({"dataset", "loss", "rank", "dice_mean", "dice_low", "dice_high", "baseline", "difference",
                             "difference_low", "difference_high", "p_holm", "verdict", "rank_low", "rank_high",
                             "sd_cases", "sd_seeds", "units", "seeds"});
  for (const Analysis& analysis : analyses)
    for (const LossStatistics& loss : analysis.losses) {
      const bool intervals = shows_intervals(analysis), baseline = loss.loss == analysis.baseline;
      const auto end = [&](double value) { return intervals ? cell(value) : std::string(); };
      csv += csv_row({analysis.name, loss.loss, std::to_string(loss.rank), cell(loss.mean), end(loss.interval.low),
                      end(loss.interval.high), analysis.baseline, cell(loss.to_baseline.difference),
                      end(loss.to_baseline.interval.low), end(loss.to_baseline.interval.high),
                      baseline ? "" : cell(loss.to_baseline.p_holm),
                      baseline || !analysis.why_open.empty() ? "" : verdict_tex(loss.to_baseline.verdict),
                      cell(loss.ranks.low), cell(loss.ranks.high), cell(loss.sd_cases), cell(loss.sd_seeds),
                      std::to_string(analysis.units), std::to_string(analysis.seeds)});
    }
  return csv;
}

std::string classes_tex(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  constexpr std::size_t kAcross = 3;  // classes beside each other
  std::string tex =
      "% Dice (SD over cases) and HD95 of every class; needs booktabs.\n\\providecommand{\\fitted}[1]{#1}\n";
  for (std::size_t d = 0; d < comparison.datasets.size(); ++d) {
    const ComparedDataset& dataset = comparison.datasets[d];
    for (std::size_t first = 1; first < dataset.class_names.size(); first += kAcross) {
      const std::size_t end = std::min(first + kAcross, dataset.class_names.size());
      std::vector<std::string> names{latex(dataset.name)}, measures{"Loss"};
      for (std::size_t label = first; label < end; ++label) {
        names.push_back("\\multicolumn{2}{c}{" + latex(dataset.class_names[label]) + "}");
        measures.insert(measures.end(), {"Dice (SD)", "HD95 [" + latex(dataset.unit) + "]"});
      }
      tex += "\\fitted{%\n\\begin{tabular}{l" + std::string(measures.size() - 1, 'r') + "}\n\\toprule\n" + row(names) +
             row(measures) + "\\midrule\n";
      for (const LossStatistics& loss : analyses[d].losses) {
        std::vector<std::string> cells{as_code(loss.loss)};
        for (std::size_t label = first; label < end; ++label) {
          const ClassScore score = class_score(comparison, dataset.name, loss.loss, label);
          const auto [mean, deviation] =
              std::pair{losses::summarise(score.dice).mean, losses::summarise(score.dice).deviation};
          cells.push_back(std::isnan(mean)        ? "--"
                          : std::isnan(deviation) ? in_maths(mean, 3)
                                                  : in_maths(mean, 3) + " (" + in_maths(deviation, 3) + ")");
          cells.push_back(three_digits(losses::summarise(score.hd95).mean));
        }
        tex += row(cells);
      }
      tex += "\\bottomrule\n\\end{tabular}}\n\n\\medskip\n\n";
    }
  }
  return tex;
}

std::string classes_csv(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  std::string csv =
      csv_row({"dataset", "class", "loss", "cases", "dice_mean", "dice_sd", "dice_low_quartile", "dice_median",
               "dice_high_quartile", "hd95_mean", "hd95_median", "unit", "missed_or_false"});
  for (std::size_t d = 0; d < comparison.datasets.size(); ++d) {
    const ComparedDataset& dataset = comparison.datasets[d];
    for (std::size_t label = 1; label < dataset.class_names.size(); ++label)
      for (const LossStatistics& loss : analyses[d].losses) {
        const ClassScore score = class_score(comparison, dataset.name, loss.loss, label);
        csv += csv_row({dataset.name, dataset.class_names[label], loss.loss, std::to_string(score.dice.size()),
                        cell(losses::summarise(score.dice).mean), cell(losses::summarise(score.dice).deviation),
                        cell(quantile(score.dice, 0.25)), cell(quantile(score.dice, 0.5)),
                        cell(quantile(score.dice, 0.75)), cell(losses::summarise(score.hd95).mean),
                        cell(quantile(score.hd95, 0.5)), dataset.unit, std::to_string(score.missed)});
      }
  }
  return csv;
}

}  // namespace voxgrad::apps

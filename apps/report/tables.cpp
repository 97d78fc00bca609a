// Makes the sections of a report that are tables.
#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/manifest.h"
#include "apps/program/svg.h"
#include "apps/report/html.h"
#include "apps/report/report.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

std::string verdict_words(Verdict verdict) {
  switch (verdict) {
    case Verdict::larger: return "better";
    case Verdict::smaller: return "worse";
    case Verdict::equal: return "equal within 0.01";
    case Verdict::open: break;
  }
  return "not known";
}

std::string p_words(double p) { return p < 0.001 ? "&lt; 0.001" : fixed(p, 3); }

std::string signed_with_interval(const Contrast& contrast) {
  return (contrast.difference > 0 ? "+" : "") + with_interval(contrast.difference, contrast.interval);
}

std::string ranking_table(const Analysis& analysis) {
  HtmlTable table(text(analysis.name, ", ", cases_words(analysis), ". ",
                       analysis.why_open.empty()
                           ? text("Agreement of rankings of other cases and trainings, Kendall's tau-b: median ",
                                  fixed(analysis.tau_median, 2), ", 5th percentile ", fixed(analysis.tau_low, 2), ".")
                           : "Nothing follows for the losses: " + analysis.why_open + "."),
                  {"loss", "rank", "mean Dice [95 % interval]", "to " + analysis.baseline + " [95 % interval]",
                   "p (Holm)", "verdict", "rank, 95 %", "SD over cases", "SD over seeds"});
  for (const LossStatistics& loss : analysis.losses) {
    std::vector<std::string> cells{escaped(loss.loss), std::to_string(loss.rank),
                                   with_interval(loss.mean, loss.interval)};
    if (loss.loss == analysis.baseline)
      cells.insert(cells.end(), {"", "", "baseline"});
    else
      cells.insert(cells.end(), {signed_with_interval(loss.to_baseline), p_words(loss.to_baseline.p_holm),
                                 verdict_words(loss.to_baseline.verdict)});
    if (loss.diverged > 0) cells.back() += text(" (", loss.diverged, " of ", loss.runs, " runs diverged)");
    cells.insert(cells.end(), {fixed(loss.ranks.low, 0) + " to " + fixed(loss.ranks.high, 0), fixed(loss.sd_cases, 3),
                               fixed(loss.sd_seeds, 4)});
    table.row(cells);
  }
  return table.str();
}

// Returns the table of the statistics for which the ranking has no room.
std::string spread_table(const Analysis& analysis) {
  HtmlTable table(analysis.name + ": spread over the cases, other rankings, sizes of effects",
                  {"loss", "median (quartiles)", "5th percentile", "cases below 0.1", "mean rank", "rank by it",
                   "losses beaten", "rank by them", "rank-biserial", "Hodges-Lehmann", "alarms"});
  for (const LossStatistics& loss : analysis.losses) {
    const bool baseline = loss.loss == analysis.baseline;
    table.row({escaped(loss.loss),
               fixed(loss.median, 3) + " (" + fixed(loss.low_quartile, 3) + ", " + fixed(loss.high_quartile, 3) + ")",
               fixed(loss.low_5, 3), std::to_string(loss.failures), fixed(loss.mean_rank, 2),
               std::to_string(loss.rank_by_mean_rank), fixed(loss.wins, 0), std::to_string(loss.rank_by_wins),
               baseline ? "" : fixed(loss.to_baseline.rank_biserial, 2),
               baseline ? "" : fixed(loss.to_baseline.hodges_lehmann, 3), text(loss.alarms, " of ", analysis.absent)});
  }
  return table.str();
}

bool is_count(const std::string& name) { return name.size() == 2 && (name[0] == 't' || name[0] == 'f'); }  // tp, ..

// Returns the values of the metric `name` of all cases, from all runs of a loss on a dataset. `numbers` returns those
// of one case; it is number_of or finite_number_of.
template <class Numbers>
std::vector<double> all_numbers(const Comparison& comparison, const std::string& dataset, const std::string& loss,
                                const std::string& name, Numbers&& numbers) {
  std::vector<double> values;
  for (const ComparedRun& run : comparison.runs)
    if (run.dataset == dataset && run.loss == loss)
      for (const CaseNumbers& one : run.cases) {
        const std::vector<double> own = numbers(comparison, one, name);
        values.insert(values.end(), own.begin(), own.end());
      }
  return values;
}

}  // namespace

std::string ranking_section(const std::vector<Analysis>& analyses) {
  std::string body = paragraph(
      "A case counts with its Dice averaged over the classes that its truth has, and over the seeds. Where the dataset "
      "names groups, such as patients, a group counts once. Intervals and p (Student's t, Satterthwaite's degrees of "
      "freedom) take account of other cases and of other trainings; with one training of each loss, of other cases "
      "alone. p is adjusted for all pairs of losses (Holm). A loss is better or worse if p < 0.05, and equal if a "
      "difference of 0.01 or more is excluded (two one-sided tests). Alarms: classes that were found where the truth "
      "does not have them.");
  body += ranking_table(analyses.back());
  body += folded("Spread, other rankings, sizes of effects", spread_table(analyses.back()));
  for (std::size_t i = 0; i + 1 < analyses.size(); ++i)
    body += folded(analyses[i].name, ranking_table(analyses[i]) + spread_table(analyses[i]));
  return section("Ranking", body);
}

std::string heat_map_section(const std::vector<Analysis>& analyses) {
  std::vector<std::string> header{"loss"};
  for (const Analysis& analysis : analyses) header.push_back(analysis.name);
  HtmlTable table("Mean Dice of every loss on every dataset; the darker, the better among the losses of a column.",
                  header);
  for (const LossStatistics& loss : analyses.back().losses) {
    std::vector<std::string> cells{escaped(loss.loss)};
    for (const Analysis& analysis : analyses) {
      double least = 1, most = 0, own = 0;
      for (const LossStatistics& other : analysis.losses) {
        least = std::min(least, other.mean);
        most = std::max(most, other.mean);
        if (other.loss == loss.loss) own = other.mean;
      }
      cells.push_back(HtmlTable::shaded(fixed(own, 3), most > least ? (own - least) / (most - least) : 0));
    }
    table.row(cells);
  }
  return section("Losses and datasets", table.str());
}

std::string answers_section(const Answers& answers) {
  std::string body = paragraph(
      "A kind of losses counts, case by case, with the median of its losses. In brackets 95 % intervals; differences "
      "to "
      "distribution losses are paired by case. Metric-sensitive are the region losses, in part the compound ones.");
  for (const Question& question : answers.questions) {
    HtmlTable table("By " + question.name + ": mean Dice, and its difference to the distribution losses",
                    {question.name, "cases", "kind", "losses", "mean Dice", "difference"});
    for (const CaseGroup& group : question.groups)
      for (const KindScore& kind : group.kinds) {
        const bool alone = kind.family == losses::Family::distribution || std::isnan(kind.difference);
        table.row(
            {escaped(group.name), std::to_string(group.cases), losses::name_of(kind.family),
             std::to_string(kind.losses), with_interval(kind.mean, kind.interval),
             alone ? "" : (kind.difference > 0 ? "+" : "") + with_interval(kind.difference, kind.difference_interval)});
      }
    body += table.str();
  }
  return section("Kinds of losses", body);
}

std::string metrics_section(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  std::vector<std::string> header{"loss", "mean HD95", "missed or false", "undefined"}, names;
  for (const std::string& name : comparison.numbers)
    if (!is_count(name)) names.push_back(name);
  for (std::string name : names) {
    std::replace(name.begin(), name.end(), '_', ' ');
    header.push_back(name);
  }
  std::string body = paragraph(
      "Over cases, classes and seeds. A class that was missed, or found where it is not, has infinite distances: in "
      "the "
      "mean the diagonal of the image, in medians the largest value. A class that is neither there nor found is "
      "undefined and left out. From the fifth column on medians; distances in the unit of the dataset. results.csv has "
      "every number.");
  for (std::size_t d = 0; d < comparison.datasets.size(); ++d) {
    header[1] = "mean HD95, " + comparison.datasets[d].unit;
    HtmlTable table(comparison.datasets[d].name, header);
    for (const LossStatistics& loss : analyses[d].losses) {
      std::vector<std::string> cells{escaped(loss.loss)};
      const std::vector<double> distances = all_numbers(comparison, analyses[d].name, loss.loss, "hd95", number_of);
      const auto those = [&](auto&& is) {
        return std::to_string(std::count_if(distances.begin(), distances.end(), is));
      };
      cells.push_back(significant(
          losses::summarise(all_numbers(comparison, analyses[d].name, loss.loss, "hd95", finite_number_of)).mean));
      cells.push_back(those([](double value) { return std::isinf(value); }));
      cells.push_back(those([](double value) { return std::isnan(value); }));
      for (const std::string& name : names) {
        std::vector<double> values = all_numbers(comparison, analyses[d].name, loss.loss, name, number_of);
        std::erase_if(values, [](double value) { return std::isnan(value); });
        std::sort(values.begin(), values.end());
        const double middle = quantile(values, 0.5);
        cells.push_back(std::isinf(middle) ? "infinite" : significant(middle));
      }
      table.row(cells);
    }
    body += folded(comparison.datasets[d].name, table.str());
  }
  return section("Other metrics", body);
}

std::string protocol_section(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  const Json& protocol = comparison.protocol;
  std::string body = paragraph(
      "For a dataset, fold and seed every loss starts from the same weights, sees the same patches in the same order "
      "and has the same number of steps; the weights with the best validation Dice are tested. A diverged training "
      "counts with Dice 0. A class that is not in the truth of a case has no Dice there.");
  HtmlTable settings("Settings", {"setting", "value"});
  for (const auto& [name, value] : protocol.items())
    if (!value.is_object() && name != "command" && name != "losses")
      settings.row({escaped(name), escaped(value.is_string() ? value.get<std::string>() : value.dump())});
  if (protocol.contains("settings"))
    for (const auto& [name, value] : protocol["settings"].items()) {
      const bool unset = value == 0 || value == "";
      settings.row({escaped(name), unset && name != "validate_every"
                                       ? "from the data, or none"
                                       : escaped(value.is_string() ? value.get<std::string>() : value.dump())});
    }
  const Json versions = manifest();
  for (const char* name : {"version", "compiler", "cpu"})
    settings.row({name, escaped(versions.at(name).get<std::string>())});
  settings.row({"losses", std::to_string(analyses.back().losses.size())});
  HtmlTable datasets("Datasets",
                     {"dataset", "axes", "classes", "test cases", "foreground, median %", "objects, median diameter"});
  for (const ComparedDataset& dataset : comparison.datasets) {
    std::vector<double> foreground, sizes;
    for (const TestCase& one : dataset.cases) {
      foreground.push_back(100 * one.foreground);
      if (!std::isnan(one.object_size)) sizes.push_back(one.object_size);
    }
    std::sort(foreground.begin(), foreground.end());
    std::sort(sizes.begin(), sizes.end());
    datasets.row({escaped(dataset.name), std::to_string(dataset.dims), std::to_string(dataset.class_names.size() - 1),
                  std::to_string(dataset.cases.size()), significant(quantile(foreground, 0.5)),
                  significant(quantile(sizes, 0.5)) + " " + dataset.unit});
  }
  return section("Protocol", body + datasets.str() + settings.str());
}

}  // namespace voxgrad::apps

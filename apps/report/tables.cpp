// Makes the sections of a report that are tables.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/card.h"
#include "apps/report/html.h"
#include "apps/report/report.h"
#include "engine/error.h"
#include "engine/names.h"

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

std::string p_words(double p) { return p < 0.001 ? "&lt; 0.001" : p > 0.99 ? "&gt; 0.99" : fixed(p, 3); }

std::string signed_with_interval(const Contrast& contrast) {
  return (contrast.difference > 0 ? "+" : "") + with_interval(contrast.difference, contrast.interval);
}

std::string loss_cell(const LossStatistics& loss) {
  return escaped(loss.loss) +
         (loss.diverged > 0 ? text(" (", loss.diverged, " of ", loss.runs, " runs diverged)") : std::string());
}

// A column without anything to say is left out: intervals of too few, tests where nothing follows, one seed's spread.
// Why nothing follows is said unless it was said before.
std::string ranking_table(const Analysis& analysis, bool why) {
  const bool sayable = analysis.why_open.empty(), several = analysis.losses.size() > 1;
  const std::string interval = shows_intervals(analysis) ? " [95 % interval]" : "";
  std::vector<std::string> header{"loss", "rank", "mean Dice" + interval};
  if (several) header.push_back("to " + analysis.baseline + interval);
  if (several && sayable) header.insert(header.end(), {"p (Holm)", "verdict", "rank, 95 %"});
  header.push_back("SD over cases");
  if (analysis.seeds > 1) header.push_back("SD over seeds");
  std::string caption = text(analysis.name, ", ", cases_words(analysis), ".");
  if (!sayable && why) caption += " Nothing follows for the losses: " + analysis.why_open + ".";
  if (sayable && several)
    caption += text(" Agreement with rankings of other cases and trainings, Kendall's tau\u2011b: median ",
                    fixed(analysis.tau_median, 2), ", 5th percentile ", fixed(analysis.tau_low, 2), ".");
  HtmlTable table(caption, header);
  for (const LossStatistics& loss : analysis.losses) {
    const bool baseline = loss.loss == analysis.baseline;
    std::vector<std::string> cells{loss_cell(loss), std::to_string(loss.rank), mean_words(analysis, loss)};
    if (several)
      cells.push_back(baseline ? "baseline"
                      : shows_intervals(analysis)
                          ? signed_with_interval(loss.to_baseline)
                          : (loss.to_baseline.difference > 0 ? "+" : "") + fixed(loss.to_baseline.difference, 3));
    if (several && sayable)
      cells.insert(cells.end(), {baseline ? "" : p_words(loss.to_baseline.p_holm),
                                 baseline ? "" : verdict_words(loss.to_baseline.verdict), ranks_words(loss)});
    cells.push_back(fixed(loss.sd_cases, 3));
    if (analysis.seeds > 1) cells.push_back(fixed(loss.sd_seeds, 4));
    table.row(cells);
  }
  return table.str();
}

// Returns the table of the statistics for which the ranking has no room.
std::string spread_table(const Analysis& analysis) {
  HtmlTable table(analysis.name + ": spread over the cases, other rankings, sizes of effects" +
                      (analysis.several ? ", over all datasets together" : ""),
                  {"loss", "median (quartiles)", "5th percentile", "cases below 0.1", "mean rank", "rank by it",
                   "losses beaten", "rank by them", "rank-biserial", "Hodges-Lehmann", "alarms"});
  for (const LossStatistics& loss : analysis.losses) {
    const bool baseline = loss.loss == analysis.baseline;
    table.row({escaped(loss.loss),
               fixed(loss.median, 3) + " (" + fixed(loss.low_quartile, 3) + ", " + fixed(loss.high_quartile, 3) + ")",
               fixed(loss.low_5, 3), std::to_string(loss.failures), fixed(loss.mean_rank, 2),
               std::to_string(loss.rank_by_mean_rank), fixed(loss.wins, 0), std::to_string(loss.rank_by_wins),
               baseline ? "" : fixed(loss.to_baseline.rank_biserial, 2),
               baseline ? "" : fixed(loss.to_baseline.hodges_lehmann, 3), text(loss.alarms, " of ", loss.absent)});
  }
  return table.str();
}

bool is_count(const std::string& name) { return name.size() == 2 && (name[0] == 't' || name[0] == 'f'); }  // tp, ..

// Returns the values of the metric `name` of all cases, from all runs of a loss on a dataset.
std::vector<double> all_numbers(const Comparison& comparison, const std::string& dataset, const std::string& loss,
                                const std::string& name) {
  std::vector<double> values;
  for_cases(comparison, dataset, loss, [&](const CaseNumbers& one) {
    const std::vector<double> own = number_of(comparison, one, name);
    values.insert(values.end(), own.begin(), own.end());
  });
  return values;
}

// The settings of each dataset as they were used; nothing for results of earlier versions.
std::string settings_table(const Comparison& comparison) {
  std::vector<std::string> header{"setting"};
  for (const ComparedDataset& dataset : comparison.datasets) {
    if (!dataset.used.contains("settings")) return "";
    header.push_back(dataset.name);
  }
  HtmlTable table("The settings of the trainings, as they were used", header);
  for (const auto& [name, first] : comparison.datasets.front().used.at("settings").items()) {
    std::string shown = name;
    std::replace(shown.begin(), shown.end(), '_', ' ');
    std::vector<std::string> cells{escaped(shown)};
    for (const ComparedDataset& dataset : comparison.datasets) {
      const Json value = dataset.used.at("settings").value(name, Json(""));
      const std::string words = value.is_boolean()        ? (value.get<bool>() ? "yes" : "no")
                                : value.is_number_float() ? text(value.get<double>())
                                : value.is_string()       ? value.get<std::string>()
                                                          : value.dump();
      cells.push_back(words.empty() ? "none" : escaped(words));
    }
    table.row(cells);
  }
  return table.str();
}

}  // namespace

std::string checksums_words(const ComparedDataset& dataset) {
  const auto hexadecimal = [&](const char* name) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", dataset.used.at(name).get<std::uint32_t>());
    return std::string(digits);
  };
  return dataset.used.contains("images_crc32") ? hexadecimal("images_crc32") + " " + hexadecimal("labels_crc32") : "";
}

std::vector<std::string> without_choice_of_epoch(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const ComparedDataset& dataset : comparison.datasets) {
    const Json used = dataset.used.value("settings", Json::object());  // none in results of earlier versions
    if (used.value("validation_cases", Json(1)) == 0 || used.value("validate_every", Json(1)) == 0)
      names.push_back(dataset.name);
  }
  return names;
}

std::string ranking_section(const std::vector<Analysis>& analyses) {
  const std::string how = paragraph(
      "A case counts with its Dice averaged over the classes that its truth has, and over the seeds. Where the dataset "
      "names groups, such as patients, a group counts once. Intervals and p (Student's t, Satterthwaite's degrees of "
      "freedom) take account of other cases and of other trainings, and differences are those of pairs of cases; with "
      "one seed, "
      "too few cases, or trainings that were too short, there are none. The variance between the trainings of a loss "
      "borrows from those of all losses (Smyth, 2004). p is adjusted for all pairs of losses (Holm). A loss is better "
      "or worse if p < 0.05, and equal if a difference of 0.01 or more is excluded (two one-sided tests). Alarms: "
      "classes that were found where the "
      "truth does not have them.");
  std::string body = ranking_table(analyses.back(), false);
  body += folded("Spread, other rankings, sizes of effects", spread_table(analyses.back()));
  for (std::size_t i = 0; i + 1 < analyses.size(); ++i)
    body += folded(analyses[i].name, ranking_table(analyses[i], true) + spread_table(analyses[i]));
  return section("Ranking", body + folded("How this is computed", how));
}

std::string heat_map_section(const std::vector<Analysis>& analyses) {
  constexpr double kWhite = 0.1;  // this far below the best of a column nothing is shaded
  if (analyses.size() < 2) return "";
  std::vector<std::string> header{"loss"};
  for (const Analysis& analysis : analyses) header.push_back(analysis.name);
  HtmlTable table(
      "Mean Dice of every loss on every dataset. The best of a column has the full colour; what is 0.1 or "
      "more below it has none.",
      header);
  for (const LossStatistics& loss : analyses.back().losses) {
    std::vector<std::string> cells{escaped(loss.loss)};
    for (const Analysis& analysis : analyses)
      for (const LossStatistics& other : analysis.losses)
        if (other.loss == loss.loss)
          cells.push_back(
              HtmlTable::shaded(fixed(other.mean, 3), 1 - (analysis.losses.front().mean - other.mean) / kWhite));
    table.row(cells);
  }
  return section("Losses and datasets", table.str());
}

std::string answers_section(const Answers& answers, const Analysis& all) {
  const bool known = shows_intervals(all);
  const auto number = [known](double value, const Interval& interval) {
    return known ? with_interval(value, interval) : fixed(value, 3);
  };
  std::string body = paragraph(
      std::string("A kind of losses counts, case by case, with the median of its losses. The mean of several datasets "
                  "is that of their means; in the other tables every case, or group of cases, counts the same. ") +
      (known ? "In brackets are 95 % intervals of these trainings on other cases; differences to distribution losses "
               "are paired by case. "
             : "These are numbers of these trainings on these cases; what others would give is not known. ") +
      "Metric-sensitive are the region losses, in part the compound ones.");
  for (const Question& question : answers.questions) {
    HtmlTable table("By " + question.name + ": mean Dice, and its difference to the distribution losses",
                    {question.name, "cases", "kind", "losses", "mean Dice", "difference"});
    for (const CaseGroup& group : question.groups)
      for (const KindScore& kind : group.kinds) {
        const bool alone = kind.family == losses::Family::distribution || std::isnan(kind.difference);
        table.row({escaped(group.name), std::to_string(group.cases), losses::name_of(kind.family),
                   std::to_string(kind.losses), number(kind.mean, kind.interval),
                   alone ? "" : (kind.difference > 0 ? "+" : "") + number(kind.difference, kind.difference_interval)});
      }
    body += folded("By " + question.name, table.str());
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
      "the mean the diagonal of the image, in medians the largest value. A training that diverged counts as if it had "
      "missed every class, with infinite distances; what it would have had where the truth lacks a class is "
      "undefined. A class that is neither there nor found is undefined, too, and what is undefined is left out. From "
      "the fifth column on medians, distances in the unit of the dataset. In brackets: how many values are undefined, "
      "where they are more than those of the HD95. For a class that was missed these are precision, mcc, segmentation "
      "quality and class calibration error; for one that was found where it is not, the ratios to what is there. "
      "A fold in which every training diverged is left out here. "
      "results.csv has every number of the trainings that have not diverged.");
  for (std::size_t d = 0; d < comparison.datasets.size(); ++d) {
    header[1] = "mean HD95, " + comparison.datasets[d].unit;
    HtmlTable table(comparison.datasets[d].name, header);
    for (const LossStatistics& loss : analyses[d].losses) {
      std::vector<std::string> cells{loss_cell(loss)};
      const std::vector<double> distances = all_numbers(comparison, analyses[d].name, loss.loss, "hd95");
      const auto infinite = std::count_if(distances.begin(), distances.end(), [](double v) { return std::isinf(v); });
      const auto undefined = std::count_if(distances.begin(), distances.end(), [](double v) { return std::isnan(v); });
      cells.push_back(significant(mean_number(comparison, analyses[d].name, loss.loss, "hd95")));
      cells.insert(cells.end(), {std::to_string(infinite), std::to_string(undefined)});
      for (const std::string& name : names) {
        std::vector<double> values = all_numbers(comparison, analyses[d].name, loss.loss, name);
        const auto left_out =
            static_cast<std::ptrdiff_t>(std::erase_if(values, [](double value) { return std::isnan(value); }));
        std::sort(values.begin(), values.end());
        const double middle = quantile(values, 0.5);
        cells.push_back(std::isinf(middle) ? "infinite" : significant(middle));
        if (left_out > undefined) cells.back() += text(" (", left_out, ")");
      }
      table.row(cells);
    }
    body += folded(comparison.datasets[d].name, table.str());
  }
  return section("Other metrics", body);
}

std::string protocol_section(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  const Json& protocol = comparison.protocol;
  const std::vector<std::string> last = without_choice_of_epoch(comparison);
  const std::string best = "the weights of the best epoch are tested, by the Dice smoothed over the validations" +
                           (last.empty() ? "" : "; on " + join(last, ", ") + " those of the last epoch");
  std::string body = paragraph(
      "For a dataset, fold and seed every loss starts from the same weights, sees the same patches in the same order "
      "and has the same number of steps; " +
      (last.size() < comparison.datasets.size() ? best : "the weights of the last epoch are tested") +
      ". A diverged training counts with Dice 0. A class that is not in the truth of a case has no Dice "
      "there.");
  HtmlTable settings("The comparison", {"setting", "value"});
  for (const auto& [name, value] : protocol.items())
    if (!value.is_object() && name != "command" && name != "losses")
      settings.row({escaped(name), escaped(value.is_string() ? value.get<std::string>() : value.dump())});
  for (const char* name : {"version", "compiler", "cpu"})
    settings.row({name, escaped(comparison.versions.at(name).get<std::string>())});
  settings.row({"losses", std::to_string(analyses.back().losses.size())});
  HtmlTable datasets("Datasets", {"dataset", "axes", "classes", "test cases", "foreground, median %",
                                  "objects, median diameter", "checksums of images and labels (CRC-32)"});
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
                  significant(quantile(sizes, 0.5)) + " " + escaped(dataset.unit), checksums_words(dataset)});
  }
  for (const ComparedDataset& dataset : comparison.datasets)
    for (const std::string& words : dataset.warnings)
      body += paragraph("Warning, " + dataset.name + ": " + words + ".");
  return section("Protocol", body + datasets.str() + settings.str() + settings_table(comparison));
}

}  // namespace voxgrad::apps

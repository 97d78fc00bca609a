#include "apps/comparison/answers_words.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "engine/error.h"
#include "engine/names.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

using losses::Family;

std::string listed(const std::vector<std::string>& names) {
  if (names.size() < 2) return names.empty() ? "none" : names.front();
  const std::vector<std::string> first(names.begin(), names.end() - 1);
  return join(first, ", ") + " and " + names.back();
}

std::string signed_with_interval(double value, const Interval& interval) {
  return (value > 0 ? "+" : "") + with_interval(value, interval);
}

std::vector<std::string> with_verdict(const Analysis& analysis, Verdict verdict, Contrast LossStatistics::*contrast,
                                      const std::string& without) {
  std::vector<std::string> names;
  for (const LossStatistics& loss : analysis.losses)
    if (loss.loss != without && loss.too_short.empty() && (loss.*contrast).verdict == verdict)
      names.push_back(loss.loss);
  return names;
}

std::string p_text(double p) { return p < 0.001 ? "p < 0.001" : "p = " + fixed(p, 3); }

// "Best on 2 of 3 datasets": of each before any mean over them.
std::string about_datasets(const std::vector<Analysis>& analyses) {
  if (analyses.size() < 2) return "";
  std::map<std::string, int> firsts;  // how often each loss is first
  std::vector<std::string> parts;
  for (std::size_t d = 0; d + 1 < analyses.size(); ++d) {
    const LossStatistics& first = analyses[d].losses.front();
    std::vector<std::string> equal;
    for (const LossStatistics& loss : analyses[d].losses)
      if (loss.rank == first.rank) ++firsts[loss.loss], equal.push_back(loss.loss);
    parts.push_back(text(listed(equal), " on ", analyses[d].name, " (", mean_words(analyses[d], first), ")"));
  }
  int most = 0;
  for (const auto& [loss, count] : firsts) most = std::max(most, count);
  std::vector<std::string> often;
  for (const auto& [loss, count] : firsts)
    if (count == most) often.push_back(loss);
  return text("The highest mean Dice has ", listed(parts), ". The most often first ",
              often.size() == 1 ? "is " : "are ", listed(often), often.size() == 1 ? ", on " : ", each on ", most,
              " of ", analyses.size() - 1, " datasets.");
}

std::string about_the_best(const Analysis& analysis) {
  const LossStatistics& best = analysis.losses.front();
  const std::string mean = mean_words(analysis, best);
  if (!analysis.why_open.empty())
    return text("On these data (", analysis.name, ", ", cases_words(analysis), ") the training with ", best.loss,
                " has the highest mean Dice, ", mean, ". Nothing follows for the loss: ", analysis.why_open, ".");
  std::string words = text("On these data (", analysis.name, ", ", cases_words(analysis), ", ",
                           trainings_words(analysis), ") ", best.loss, " has the highest mean Dice, ", mean, ".");
  if (analysis.losses.size() < 2) return words;
  if (!best.too_short.empty()) return words + " It is not ranked, because its trainings are too short.";
  words += text(" With other cases and trainings its rank lies between ", fixed(best.ranks.low, 0), " and ",
                fixed(best.ranks.high, 0), " of ", analysis.losses.size(), " (95 %).");
  if (best.loss == analysis.baseline) return words;
  const Contrast& contrast = best.to_baseline;
  const std::string size = signed_with_interval(contrast.difference, contrast.interval);
  if (std::isnan(contrast.p_holm))
    return words + " It was not compared with " + analysis.baseline + ", whose trainings are too short.";
  if (contrast.verdict == Verdict::larger)
    words += text(" It is better than ", analysis.baseline, " by ", size, ", ", p_text(contrast.p_holm), ".");
  else if (contrast.verdict == Verdict::equal)
    words += text(" It differs from ", analysis.baseline, " by less than ", kMargin, ": ",
                  signed_with_interval(contrast.difference, contrast.interval_90), " (90 %).");
  else
    words += text(" Whether it is better than ", analysis.baseline, " is not known: ", size, ", ",
                  p_text(contrast.p_holm), ".");
  return words;
}

std::string about_the_choice(const Analysis& analysis) {
  const LossStatistics& best = analysis.losses.front();
  if (!best.too_short.empty()) return "";
  const auto worse = with_verdict(analysis, Verdict::smaller, &LossStatistics::to_best, best.loss);
  const auto equal = with_verdict(analysis, Verdict::equal, &LossStatistics::to_best, best.loss);
  const auto open = with_verdict(analysis, Verdict::open, &LossStatistics::to_best, best.loss);
  std::string words;
  if (!equal.empty()) words += text("As good as ", best.loss, ", within ", kMargin, " of Dice: ", listed(equal), ". ");
  if (!open.empty()) words += text("Neither shown to be worse nor to be as good: ", listed(open), ". ");
  if (!worse.empty()) words += text("Worse: ", listed(worse), ". ");
  if (const auto ahead = ahead_in_typical_case(analysis); !ahead.empty())
    words += text("In the typical case ", listed(ahead), ahead.size() == 1 ? " is" : " are", " ahead of ", best.loss,
                  " (Hodges-Lehmann): a few cases, such as failures, decide the mean. ");
  std::vector<std::string> too_short;
  for (const LossStatistics& loss : analysis.losses)
    if (!loss.too_short.empty()) too_short.push_back(loss.loss);
  if (!too_short.empty()) words += text("Not compared, because the trainings are too short: ", listed(too_short), ". ");
  return words + "All p-values are adjusted for all pairs of losses (Holm, 5 %).";
}

std::string about_the_baseline(const Analysis& analysis) {
  const auto better = with_verdict(analysis, Verdict::larger, &LossStatistics::to_baseline, analysis.baseline);
  const auto worse = with_verdict(analysis, Verdict::smaller, &LossStatistics::to_baseline, analysis.baseline);
  const auto equal = with_verdict(analysis, Verdict::equal, &LossStatistics::to_baseline, analysis.baseline);
  const auto open = with_verdict(analysis, Verdict::open, &LossStatistics::to_baseline, analysis.baseline);
  std::vector<std::string> parts;
  if (!better.empty()) parts.push_back("better " + listed(better));
  if (!equal.empty()) parts.push_back(text("equal within ", kMargin, " ", listed(equal)));
  if (!worse.empty()) parts.push_back("worse " + listed(worse));
  if (!open.empty()) parts.push_back("not known " + listed(open));
  return "Against " + analysis.baseline + ": " + join(parts, "; ") + ".";
}

const char* kind_words(Family family) {
  switch (family) {
    case Family::distribution: return "distribution losses";
    case Family::region: return "region losses (surrogates of the overlap)";
    case Family::boundary: return "boundary losses";
    case Family::compound: break;
  }
  return "compound losses";
}

// "A typical region loss differs from a typical distribution loss by .. where ..".
std::string about_kinds(const std::vector<Question>& questions) {
  std::string words;
  for (const Question& question : questions) {
    if (question.groups.empty() || question.groups.front().kinds.empty() ||
        question.groups.front().kinds.front().family != Family::distribution)
      continue;
    const bool first = &question == &questions.front();
    const std::size_t shown = first ? 1 : question.groups.size();  // the first question: over everything
    std::string part;
    for (std::size_t k = 1; k < question.groups.front().kinds.size(); ++k) {
      const KindScore& kind = question.groups.front().kinds[k];
      if (!first && kind.family != Family::region) continue;
      part += part.empty() ? "" : "; ";
      part += first ? std::string(kind_words(kind.family)) + " " : "";
      for (std::size_t g = 0; g < shown; ++g) {
        const CaseGroup& group = question.groups[g];
        if (group.kinds.size() <= k) continue;
        part +=
            text(g > 0 ? ", " : "", signed_with_interval(group.kinds[k].difference, group.kinds[k].difference_interval),
                 first ? "" : " (" + group.name + ")");
      }
    }
    if (part.empty()) continue;
    words +=
        first ? "Compared with a typical distribution loss, in mean Dice of these trainings on other cases: " + part +
                    ". "
              : "Region minus distribution losses by " + question.name + ": " + part + ". ";
  }
  return words;
}

std::string about_sizes(const Comparison& comparison, const Analysis& analysis) {
  std::string words;
  for (const Family family : {Family::distribution, Family::region, Family::boundary, Family::compound}) {
    std::vector<double> medians;
    for (const SizeBias& bias : size_bias(comparison, analysis))
      if (family_of(bias.loss) == family) medians.push_back(bias.median);
    if (medians.empty()) continue;
    std::sort(medians.begin(), medians.end());
    words += text(words.empty() ? "" : "; ", kind_words(family), " ", fixed(100 * quantile(medians, 0.5), 0), " % (",
                  fixed(100 * medians.front(), 0), " to ", fixed(100 * medians.back(), 0), " %)");
  }
  return "Predicted minus true volume, median over the cases, of the typical loss and the extremes of each kind: " +
         words + without_diverged(analysis) + ".";
}

// The main trade of a loss of probabilities for one of the overlap.
std::string about_calibration(const Comparison& comparison, const Analysis& analysis) {
  const char* const number = "class_calibration_error";
  if (!has_number(comparison, number)) return "";
  std::vector<std::pair<double, std::string>> errors;
  for (const LossStatistics& loss : analysis.losses) {
    std::vector<double> means;  // of the datasets; NaN if all trainings on one have diverged
    for (const ComparedDataset& dataset : comparison.datasets)
      if (analysis.several || dataset.name == analysis.name)
        means.push_back(mean_number(comparison, dataset.name, loss.loss, number));
    if (std::any_of(means.begin(), means.end(), [](double mean) { return std::isnan(mean); })) continue;
    errors.emplace_back(losses::summarise(means).mean, loss.loss);
  }
  if (errors.size() < 2) return "";
  std::sort(errors.begin(), errors.end());
  return text("The probabilities of the voxels that are predicted as foreground are wrong by ",
              fixed(errors.front().first, 3), " in the mean (class ECE) with ", errors.front().second,
              ", the least, and by ", fixed(errors.back().first, 3), " with ", errors.back().second, ", the most",
              without_diverged(analysis), ".");
}

std::string about_certainty(const Analysis& analysis) {
  std::vector<double> deviations;
  for (const LossStatistics& loss : analysis.losses)
    if (!std::isnan(loss.sd_seeds)) deviations.push_back(loss.sd_seeds);
  std::sort(deviations.begin(), deviations.end());
  if (deviations.empty()) return "";
  std::string words = text("Between its ", analysis.seeds, " seeds the mean of a typical loss varies by ",
                           fixed(quantile(deviations, 0.5), 4),
                           " (SD, median over the losses), that of the least "
                           "steady one by ",
                           fixed(deviations.back(), 4), ".");
  if (analysis.why_open.empty() && analysis.losses.size() > 1)
    words +=
        text(" Rankings of other cases and trainings agree with this one by Kendall's tau-b = ",
             fixed(analysis.tau_median, 2), " in the median, ", fixed(analysis.tau_low, 2), " at the 5th percentile.");
  return words;
}

std::string about_alarms(const Analysis& analysis) {
  std::vector<std::string> parts;
  for (const LossStatistics& loss : analysis.losses)
    if (loss.alarms > 0)
      parts.push_back(
          text(loss.loss, " (", loss.alarms, loss.absent < analysis.absent ? text(" of ", loss.absent) : "", ")"));
  if (analysis.absent == 0) return "";
  return text("Of ", analysis.absent, " times that the truth of a case lacks a class, it was found all the same by ",
              parts.empty() ? "no loss" : listed(parts), ". Such classes do not count in the Dice.");
}

}  // namespace

// An interrupted comparison: a mean over other cases or seeds cannot be compared.
std::string about_missing(const Comparison& comparison, const Analysis& all) {
  std::vector<std::string> missing, asked = comparison.losses();
  for (const Json& one : comparison.protocol.value("losses", Json::array()))
    if (std::find(asked.begin(), asked.end(), one) == asked.end()) asked.push_back(one);
  for (const std::string& loss : asked) {
    if (std::any_of(all.losses.begin(), all.losses.end(), [&](const auto& known) { return known.loss == loss; }))
      continue;
    const auto runs = std::count_if(comparison.runs.begin(), comparison.runs.end(),
                                    [&](const auto& run) { return run.loss == loss; });
    missing.push_back(text(loss, " (", count_text(runs, "training"), ")"));
  }
  return missing.empty()
             ? ""
             : "Left out, because trainings that the other losses have are missing: " + listed(missing) + ".";
}

namespace {

std::string about_failures(const std::vector<Analysis>& analyses) {
  std::vector<std::string> failed;
  for (const Analysis& analysis : analyses) {
    if (analyses.size() > 1 && &analysis == &analyses.back()) break;
    for (const LossStatistics& loss : analysis.losses)
      if (loss.diverged > 0)
        failed.push_back(text(loss.loss, " on ", analysis.name, " (", loss.diverged, " of ", loss.runs, " diverged)"));
      else if (loss.mean < 0.1)
        failed.push_back(text(loss.loss, " on ", analysis.name, " (mean Dice ", fixed(loss.mean, 2), ")"));
  }
  return failed.empty() ? "" : "Failed trainings: " + listed(failed) + ".";
}

}  // namespace

std::vector<std::string> in_words(const Comparison& comparison, const std::vector<Analysis>& analyses,
                                  const std::vector<Question>& questions) {
  const Analysis& all = analyses.back();
  std::vector<std::string> words{about_datasets(analyses), about_the_best(all)};
  if (all.losses.size() > 1 && all.why_open.empty()) {
    words.push_back(about_the_choice(all));
    words.push_back(about_the_baseline(all));
  }
  if (all.losses.size() > 1) words.push_back(about_kinds(questions));
  words.push_back(about_sizes(comparison, all));
  words.push_back(about_calibration(comparison, all));
  words.push_back(about_certainty(all));
  words.push_back(about_alarms(all));
  words.push_back(about_failures(analyses));
  words.push_back(about_missing(comparison, all));
  words.erase(std::remove(words.begin(), words.end(), std::string()), words.end());
  return words;
}

}  // namespace voxgrad::apps

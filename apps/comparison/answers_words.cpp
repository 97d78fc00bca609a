#include "apps/comparison/answers_words.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
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
    if (loss.loss != without && (loss.*contrast).verdict == verdict) names.push_back(loss.loss);
  return names;
}

std::string about_the_best(const Analysis& analysis) {
  const LossStatistics& best = analysis.losses.front();
  std::string words = text("On these data (", analysis.name, ", ", analysis.cases, " test cases) ", best.loss,
                           " has the highest mean Dice, ", with_interval(best.mean, best.interval), ".");
  if (analysis.losses.size() < 2) return words;
  words += text(" When the cases are drawn again its rank lies between ", fixed(best.ranks.low, 0), " and ",
                fixed(best.ranks.high, 0), " of ", analysis.losses.size(), " (95 %).");
  if (best.loss == analysis.baseline) return words;
  const Contrast& contrast = best.to_baseline;
  const std::string size = signed_with_interval(contrast.difference, contrast.interval);
  if (contrast.verdict == Verdict::larger)
    words += text(" It beats ", analysis.baseline, " by ", size, ", p = ", fixed(contrast.p_holm, 4), " after Holm.");
  else if (contrast.verdict == Verdict::equal)
    words +=
        text(" Between it and ", analysis.baseline, " no difference larger than ", kMargin, " is left: ", size, ".");
  else
    words += text(" Whether it is better than ", analysis.baseline, " is open: ", size,
                  ", p = ", fixed(contrast.p_holm, 3), " after Holm.");
  return words;
}

std::string about_the_choice(const Analysis& analysis) {
  const LossStatistics& best = analysis.losses.front();
  const auto worse = with_verdict(analysis, Verdict::smaller, &LossStatistics::to_best, best.loss);
  const auto equal = with_verdict(analysis, Verdict::equal, &LossStatistics::to_best, best.loss);
  const auto open = with_verdict(analysis, Verdict::open, &LossStatistics::to_best, best.loss);
  std::string words;
  if (!equal.empty())
    words += text("As good as ", best.loss, ", within ", kMargin, " of Dice (90 % interval): ", listed(equal), ". ");
  if (!open.empty()) words += text("Not told apart from it, and not shown to be equal either: ", listed(open), ". ");
  if (!worse.empty()) words += text("Worse than it (p < 0.05 after Holm): ", listed(worse), ".");
  return words;
}

std::string about_the_baseline(const Analysis& analysis) {
  const auto better = with_verdict(analysis, Verdict::larger, &LossStatistics::to_baseline, analysis.baseline);
  const auto worse = with_verdict(analysis, Verdict::smaller, &LossStatistics::to_baseline, analysis.baseline);
  const auto equal = with_verdict(analysis, Verdict::equal, &LossStatistics::to_baseline, analysis.baseline);
  return text("Against ", analysis.baseline, ": better ", listed(better), "; equal within ", kMargin, " ",
              listed(equal), "; worse ", listed(worse), "; the rest is open.");
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
    words += first ? "Compared with a typical distribution loss, in mean Dice: " + part + ". "
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
         words + ".";
}

std::string about_certainty(const Comparison& comparison, const Analysis& analysis) {
  std::string words =
      text("Friedman's test finds ", analysis.friedman.p < 0.05 ? "" : "no ", "differences between the ",
           analysis.losses.size(), " losses (p ",
           analysis.friedman.p < 0.001 ? "< 0.001" : "= " + fixed(analysis.friedman.p, 3),
           "). Rankings of resampled cases agree with this one by Kendall's tau-b = ", fixed(analysis.tau_median, 2),
           " in the median, ", fixed(analysis.tau_low, 2), " at the 5th percentile. ");
  const int seeds = comparison.protocol.value("seeds", 1);
  std::vector<double> deviations;
  for (const LossStatistics& loss : analysis.losses)
    if (!std::isnan(loss.sd_seeds)) deviations.push_back(loss.sd_seeds);
  std::sort(deviations.begin(), deviations.end());
  if (seeds < 2 || deviations.empty())
    words +=
        "There is one training per loss and dataset: how much another seed would change is not known, and the "
        "intervals speak of other cases, not of other trainings.";
  else
    words +=
        text("Between its ", seeds, " seeds the mean of a typical loss varies by ", fixed(quantile(deviations, 0.5), 4),
             " (SD, median over the losses), that of the least steady one by ", fixed(deviations.back(), 4),
             ": a gap of that size may be luck of the seed, whatever its p.");
  return words;
}

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
  std::vector<std::string> words{about_the_best(all)};
  if (all.losses.size() > 1) {
    words.push_back(about_the_choice(all));
    words.push_back(about_the_baseline(all));
    words.push_back(about_kinds(questions));
  }
  words.push_back(about_sizes(comparison, all));
  if (all.losses.size() > 1) words.push_back(about_certainty(comparison, all));
  words.push_back(about_failures(analyses));
  words.erase(std::remove(words.begin(), words.end(), std::string()), words.end());
  return words;
}

}  // namespace voxgrad::apps

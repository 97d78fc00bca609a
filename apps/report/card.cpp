#include "apps/report/card.h"

#include <algorithm>
#include <cctype>

#include "apps/comparison/answers_words.h"
#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/program/words.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::vector<std::string> with_verdict(const Analysis& analysis, Verdict verdict) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < analysis.losses.size(); ++i)
    if (analysis.losses[i].to_best.verdict == verdict && analysis.losses[i].too_short.empty())
      names.push_back(analysis.losses[i].loss);
  return names;
}

void add(Lines& lines, const std::string& term, const std::vector<std::string>& names) {
  if (!names.empty()) lines.emplace_back(term, join(names, ", "));
}

// "3 of 5, not on lesions2d (blob)"
std::string datasets_words(const std::vector<Analysis>& analyses) {
  const std::string& best = analyses.back().losses.front().loss;
  std::vector<std::string> others;
  for (std::size_t d = 0; d + 1 < analyses.size(); ++d) {
    const std::vector<LossStatistics>& losses = analyses[d].losses;
    const auto is_first = [&](const LossStatistics& loss) { return loss.loss == best && loss.rank == 1; };  // or a tie
    if (std::none_of(losses.begin(), losses.end(), is_first))
      others.push_back(analyses[d].name + " (" + losses.front().loss + ")");
  }
  const std::size_t count = analyses.size() - 1;
  return text(count - others.size(), " of ", count, others.empty() ? "" : "; not on " + join(others, ", "));
}

// What else is to be known of a loss before it is taken; for one dataset, because units differ.
std::string other_sides(const Comparison& comparison, const Analysis& analysis) {
  const LossStatistics& best = analysis.losses.front();
  const auto mean = [&](const std::string& number) {
    return mean_number(comparison, analysis.name, best.loss, number);
  };
  std::string words =
      text("HD95 ", significant(mean("hd95"), 3), " ", comparison.datasets.front().unit, " in the mean");
  if (const std::string name = "class_calibration_error"; has_number(comparison, name))
    words += text("; the probabilities of the foreground are ", fixed(100 * mean(name), 0), " % wrong (class ECE)");
  for (const SizeBias& bias : size_bias(comparison, analysis))
    if (bias.loss == best.loss)
      words += text("; predicted sizes ", bias.median < 0 ? "" : "+", fixed(100 * bias.median, 0), " % in the median");
  if (best.diverged > 0)
    words += text("; all but the HD95 is that of ", best.runs - best.diverged, " of ", best.runs,
                  " trainings, because the others diverged");
  return words + text("; ", duration(best.seconds), " per training");
}

// A loss that is as good as the best, but trains in clearly less time.
std::string cheaper(const Analysis& analysis) {
  constexpr double kClearly = 0.8;
  const LossStatistics* found = nullptr;
  for (const LossStatistics& loss : analysis.losses)
    if (loss.to_best.verdict == Verdict::equal && loss.seconds < kClearly * analysis.losses.front().seconds &&
        (found == nullptr || loss.seconds < found->seconds))
      found = &loss;
  return found == nullptr ? "" : text(found->loss, ", with ", duration(found->seconds));
}

std::string failures(const std::vector<Analysis>& analyses) {
  constexpr double kNothing = 0.1;
  std::vector<std::string> failed;
  for (const LossStatistics& known : analyses.back().losses) {
    std::vector<std::string> places;
    for (std::size_t d = 0; d < std::max<std::size_t>(1, analyses.size() - 1); ++d)
      for (const LossStatistics& loss : analyses[d].losses) {
        if (loss.loss != known.loss || (loss.diverged == 0 && loss.mean >= kNothing)) continue;
        const std::string what = loss.diverged > 0 ? text(loss.diverged, " of ", loss.runs, " trainings diverged")
                                                   : std::string("finds next to nothing");
        places.push_back(analyses.size() > 1 ? analyses[d].name + ": " + what : what);
      }
    if (!places.empty()) failed.push_back(known.loss + " (" + join(places, "; ") + ")");
  }
  return join(failed, ", ");
}

std::string unknown_words(const Comparison& comparison) {
  std::int64_t steps = 0;
  for (const ComparedDataset& dataset : comparison.datasets)
    if (dataset.used.contains("settings"))
      if (const Json& value = dataset.used.at("settings").at("steps"); value.is_number_integer())
        steps = std::max(steps, value.get<std::int64_t>());
  return "How the losses compare on other data, with another network, or in trainings " +
         (steps > 0 ? text("longer than ", steps, " steps.") : std::string("of another length."));
}

// What can be said where nothing follows for the losses.
void add_open(Card& card, const Analysis& all) {
  const LossStatistics &best = all.losses.front(), &last = all.losses.back();
  if (all.losses.size() > 1)
    card.lines.emplace_back("Highest in these trainings",
                            text(best.loss, ", mean Dice ", mean_words(all, best), "; the lowest is ", last.loss,
                                 " with ", mean_words(all, last)));
  std::string why = all.why_open, help;
  if (const std::size_t colon = why.rfind(": use "); colon != std::string::npos) {
    help = "Compare again with " + why.substr(colon + 6) + ".";
    why.resize(colon);
  }
  if (!why.empty()) {
    why[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(why[0])));
    card.lines.emplace_back(all.losses.size() > 1 ? "Why nothing follows for the losses" : "Why nothing follows for it",
                            why + ".");
  }
  if (!help.empty()) card.lines.emplace_back("What would help", help);
}

}  // namespace

std::string ranks_words(const LossStatistics& loss) {
  const std::string low = fixed(loss.ranks.low, 0), high = fixed(loss.ranks.high, 0);
  return low == high ? low : low + " to " + high;
}

Card card_of(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  const Analysis& all = analyses.back();
  const LossStatistics& best = all.losses.front();
  const std::size_t count = all.losses.size();
  const std::vector<std::string> equal = with_verdict(all, Verdict::equal), open = with_verdict(all, Verdict::open),
                                 worse = with_verdict(all, Verdict::smaller);
  Card card;
  if (count == 1) {
    card.headline = best.loss + ": mean Dice " + mean_words(all, best);
    card.lines.emplace_back("From", cases_words(all) + ", " + trainings_words(all) + ".");
  }
  std::vector<std::string> unranked;
  for (const LossStatistics& loss : all.losses)
    if (!loss.too_short.empty()) unranked.push_back(loss.loss);
  const bool first_unranked = !best.too_short.empty();  // then nothing is known of the highest mean
  card.open = !all.why_open.empty() || first_unranked || open.size() + 1 + unranked.size() == count;
  if (!all.why_open.empty()) {
    if (count > 1) card.headline = "No loss can be recommended yet";
    add_open(card, all);
  } else if (count > 1) {
    const std::size_t others = equal.size() + open.size();
    const std::string also = text("; ", count_text(others, "other"),
                                  !open.empty() ? " may be as good"
                                  : others == 1 ? " is as good"
                                                : " are as good");
    card.headline = first_unranked ? "No loss can be recommended yet"
                    : card.open    ? "No loss stands out"
                                   : "Take " + best.loss + (others > 0 ? also : "") +
                                      (unranked.empty() ? "" : text("; ", unranked.size(), " not ranked yet"));
    card.lines.emplace_back("Mean Dice", text(card.open ? best.loss + ", " : "", mean_words(all, best),
                                              ", the highest of ", count, " losses"));
    add(card.lines, text("As good, within ", kMargin), equal);
    if (!first_unranked) add(card.lines, "Not told apart from it", open);
    add(card.lines, "Worse", worse);
    add(card.lines, "Not ranked", unranked);
    if (const std::string words = cheaper(all); !words.empty())
      card.lines.emplace_back("As good in less time", words + " instead of " + duration(best.seconds));
    if (analyses.size() > 1) card.lines.emplace_back("First by dataset", datasets_words(analyses));
    card.lines.emplace_back("How sure", text(cases_words(all), ", ", trainings_words(all), ".",
                                             best.too_short.empty() ? text(" With others its rank would be ",
                                                                           ranks_words(best), " of ", count, " (95 %).")
                                                                    : ""));
    if (const auto ahead = ahead_in_typical_case(all); !ahead.empty())
      card.lines.emplace_back("Beware", "In the typical case " + join(ahead, ", ") +
                                            (ahead.size() == 1 ? " is" : " are") +
                                            " ahead; a few cases, such as failures, decide the mean.");
    if (analyses.size() == 1) card.lines.emplace_back("Other sides of " + best.loss, other_sides(comparison, all));
  }
  if (const std::string words = about_missing(comparison, all); !words.empty())
    card.lines.emplace_back("Not complete", words);
  card.lines.emplace_back("Length of the trainings", convergence_words(all));
  if (const std::string words = failures(analyses); !words.empty()) card.lines.emplace_back("Failed", words);
  card.lines.emplace_back("Not known", unknown_words(comparison));
  return card;
}

std::string to_html(const Card& card) {
  std::string html = std::string("<div class=\"card") + (card.open ? " open" : "") + "\">\n<h2>" +
                     escaped(card.headline) + "</h2>\n<dl>\n";
  for (const auto& [term, words] : card.lines)
    html += "<dt>" + escaped(term) + "</dt><dd>" + escaped(words) + "</dd>\n";
  return html + "</dl>\n</div>\n";
}

}  // namespace voxgrad::apps

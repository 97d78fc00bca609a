// Checks whether masks lie on their images. The thresholds and how they were found are in README.md.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "apps/doctor/data_checks_detail.h"
#include "apps/program/console.h"
#include "apps/program/words.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr double kClear = 2.2;         // how far a score stands out, in standard deviations over the shifts
constexpr double kClearInAll = 6;      // the same times the root of the number of cases
constexpr double kGain = 0.4;          // above the score in place
constexpr double kGainSure = 5;        // the gain over its standard error
constexpr double kGainShare = 0.9;     // of the cases
constexpr std::int64_t kShortest = 2;  // strides; outlines drawn by hand are no better than that
constexpr std::size_t kFewestCases = 3, kFewestPairs = 10;
constexpr double kFits = 1;       // from here on the masks fit their images
constexpr double kOwnWorse = -4;  // so far below the others: one of them is the right one
constexpr double kOwnSure = 2;    // the advantage of the own mask over its standard error

// Numbers over cases.
struct Mean {
  double count = 0, sum = 0, squares = 0, positive = 0;
  void add(double value) {
    ++count;
    sum += value;
    squares += value * value;
    positive += value > 0 ? 1 : 0;
  }
  double mean() const { return sum / count; }
  double share() const { return positive / count; }
  // The mean over its standard error.
  double certainty() const {
    const double variance = std::max(squares / count - mean() * mean(), 1e-12);
    return mean() / std::sqrt(variance / count);
  }
};

struct Displacement {
  const Move* move = nullptr;
  double own = 0, there = 0, share = 0;
  std::int64_t example = 0;  // the case in which it is clearest
};

std::optional<Displacement> displacement_of(const Facts& facts) {
  std::optional<Displacement> best;
  if (facts.borders.size() < kFewestCases) return best;
  const double cases = static_cast<double>(facts.borders.size());
  for (std::size_t m = 0; m < facts.moves.size(); ++m) {
    const Move& move = facts.moves[m];
    std::int64_t longest = 0;
    for (std::size_t k = 0; k < 3; ++k) longest = std::max(longest, std::abs(move.shift[k]) / facts.stride[k]);
    Mean there, gain, own;
    double most = -std::numeric_limits<double>::infinity();
    std::int64_t example = 0;
    for (const BorderScores& one : facts.borders) {
      const double score = static_cast<double>(one.moved[m]);
      if (std::isnan(score) || one.spread == 0) continue;
      there.add((score - one.mean) / one.spread);
      own.add((one.own - one.mean) / one.spread);
      gain.add((score - one.own) / one.spread);
      if (there.sum > 0 && (score - one.own) / one.spread > most) {
        most = (score - one.own) / one.spread;
        example = one.index;
      }
    }
    if (there.count < std::max(cases / 2, static_cast<double>(kFewestCases))) continue;
    if (best && there.mean() <= best->there) continue;
    // The move with the highest score is judged, and no other.
    best = {nullptr, own.mean(), there.mean(), gain.share(), example};
    const bool far = !move.is_shift() || longest >= kShortest;
    if (far && there.mean() >= kClear && there.mean() * std::sqrt(there.count) >= kClearInAll && gain.mean() >= kGain &&
        gain.certainty() >= kGainSure && gain.share() >= kGainShare)
      best->move = &move;
  }
  if (best && best->move == nullptr) best.reset();
  return best;
}

}  // namespace

DataFindings check_displaced_masks(const Facts& facts) {
  if (has_repeated_masks(facts)) return {};
  const auto found = displacement_of(facts);
  if (!found) return {};
  const std::string words = words_of(*found->move, facts.info.dims);
  const std::int64_t stride = *std::max_element(facts.stride.begin(), facts.stride.end());
  Finding finding = finding_of(
      true,
      text("in ", significant(100 * found->share, 3), " % of ", facts.borders.size(),
           " cases the borders of the masks follow the edges of the images better when the masks are ", words,
           found->move->is_shift() ? ", give or take " + count_text(stride, "voxel") : "", " (they stand out by ",
           fixed(found->there, 1), " standard deviations there, by ", fixed(found->own, 1), " in place)."),
      "most clearly in " + facts.name_of(found->example),
      "the network learns to predict beside the object, or cannot learn borders at all.",
      found->move->is_shift()
          ? "look for a crop, a padding or a resampling that only images or only masks went through"
          : "look for a flip or an exchange of axes that only images or only masks went through (rows from below, x "
            "before y, a NIfTI header that was left out)");
  if (facts.draw)
    finding.picture = facts.draw("displaced_masks", found->example, *found->move);
  else
    finding.remedy += "; --pictures DIR draws a case, as it is and moved";
  return {finding};
}

DataFindings check_mixed_pairs(const Facts& facts) {
  if (has_repeated_masks(facts) || displacement_of(facts)) return {};
  Mean own, others, advantage;
  for (const BorderScores& one : facts.borders) {
    Mean other;
    for (const float score : one.others)
      if (!std::isnan(score)) other.add(static_cast<double>(score));
    if (other.count == 0 || one.spread == 0) continue;
    own.add((one.own - one.mean) / one.spread);
    others.add((other.mean() - one.mean) / one.spread);
    advantage.add((one.own - other.mean()) / one.spread);
  }
  if (advantage.count < kFewestPairs) return {};
  // Where masks of other cases fit as well as their own, either pairs are mixed or all masks lie alike.
  const bool no_better = own.mean() < kFits && advantage.certainty() < kOwnSure;
  const bool worse = advantage.certainty() < kOwnWorse;
  if (!no_better && !worse) return {};
  Finding finding = finding_of(
      true,
      text("over ", advantage.count, " cases the borders of masks follow the edges of their own images no better (",
           fixed(own.mean(), 2), " standard deviations) than those of masks of other cases do (",
           fixed(others.mean(), 2), ")."),
      "", "if images and masks are paired wrongly, nothing but the usual place of the objects can be learned.",
      "compare the order in which images and masks were listed (img_10 comes before img_2 in some lists); if the "
      "objects "
      "have no visible border, nothing is wrong");
  if (facts.draw)
    finding.picture = facts.draw("mixed_pairs", facts.borders.front().index, {});
  else
    finding.remedy += "; --pictures DIR draws a case";
  return {finding};
}

}  // namespace voxgrad::apps

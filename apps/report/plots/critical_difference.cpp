#include "apps/report/plots/critical_difference.h"

#include <algorithm>

#include "apps/comparison/answers.h"
#include "apps/program/console.h"
#include "apps/program/svg.h"

namespace voxgrad::apps {

std::vector<std::pair<std::size_t, std::size_t>> groups_within(const std::vector<double>& sorted, double difference) {
  std::vector<std::pair<std::size_t, std::size_t>> groups;
  for (std::size_t first = 0; first < sorted.size(); ++first) {
    std::size_t last = first;
    while (last + 1 < sorted.size() && sorted[last + 1] - sorted[first] <= difference) ++last;
    if (last > first && (groups.empty() || last > groups.back().second)) groups.emplace_back(first, last);
  }
  return groups;
}

std::string critical_difference_plot(const Analysis& analysis) {
  constexpr double kRow = 16, kLabels = 138, kTop = 26, kBottom = 36, kGap = 7, kRight = 12;
  std::vector<const LossStatistics*> losses;
  for (const LossStatistics& loss : analysis.losses) losses.push_back(&loss);
  std::stable_sort(losses.begin(), losses.end(), [](auto* a, auto* b) { return a->mean_rank < b->mean_rank; });
  std::vector<double> ranks;
  for (const LossStatistics* loss : losses) ranks.push_back(loss->mean_rank);
  const double difference = analysis.friedman.critical_difference;
  const auto groups = groups_within(ranks, difference);
  const double bars = kGap * static_cast<double>(groups.size()) + kRight;
  const double height = kTop + kRow * static_cast<double>(losses.size()) + kBottom;
  Svg svg(kPictureWidth, height,
          "mean ranks of the losses on " + analysis.name + ", with bars beside those that are not told apart");
  const Axis axis = axis_around(ranks, 1, static_cast<double>(ranks.size()), 1, kLabels, kPictureWidth - bars);
  draw_horizontal_axis(svg, axis, kTop, height - kBottom, "mean rank over cases (1: best)");
  const double length = std::min(difference, axis.high - axis.low);
  svg.line(axis.from, 16, axis(axis.low + length), 16, "whisker");
  svg.text(axis.from, 10, "start", "critical difference " + fixed(difference, 2), "soft");
  const auto y = [&](std::size_t index) { return kTop + kRow * (static_cast<double>(index) + 0.5); };
  for (std::size_t i = 0; i < losses.size(); ++i) {
    svg.text(kLabels - 8, y(i) + 3.5, "end", shortened(losses[i]->loss, 20), "", losses[i]->loss);
    svg.marker(axis(ranks[i]), y(i), family_of(losses[i]->loss));
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double x = kPictureWidth - bars + kGap * (static_cast<double>(g) + 1);
    svg.line(x, y(groups[g].first) - 5, x, y(groups[g].second) + 5, "group");
  }
  return svg.str();
}

}  // namespace voxgrad::apps

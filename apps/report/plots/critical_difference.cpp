#include "apps/report/plots/critical_difference.h"

#include <algorithm>

#include "apps/comparison/answers.h"
#include "engine/error.h"

namespace voxgrad::apps {

std::vector<std::pair<std::size_t, std::size_t>> groups_of(std::size_t count,
                                                           const std::function<bool(std::size_t, std::size_t)>& same) {
  std::vector<std::pair<std::size_t, std::size_t>> groups;
  for (std::size_t first = 0; first < count; ++first) {
    std::size_t last = first;
    const auto belongs = [&](std::size_t next) {
      for (std::size_t i = first; i < next; ++i)
        if (!same(i, next)) return false;
      return true;
    };
    while (last + 1 < count && belongs(last + 1)) ++last;
    if (last > first && (groups.empty() || last > groups.back().second)) groups.emplace_back(first, last);
  }
  return groups;
}

Svg critical_difference_plot(const Analysis& analysis, double width) {
  const NameColumn names(width);
  constexpr double kRow = 16, kTop = 26, kBottom = 36, kGap = 7, kRight = 12, kMostOfBars = 0.4;
  std::vector<const LossStatistics*> losses;
  for (const LossStatistics& loss : analysis.losses)
    if (loss.too_short.empty()) losses.push_back(&loss);  // else it was not tested
  std::stable_sort(losses.begin(), losses.end(), [](auto* a, auto* b) { return a->mean_rank < b->mean_rank; });
  const auto place = [&](std::size_t i) { return static_cast<std::size_t>(losses[i] - analysis.losses.data()); };
  std::vector<double> ranks;
  for (const LossStatistics* loss : losses) ranks.push_back(loss->mean_rank);
  const auto groups = groups_of(
      losses.size(), [&](std::size_t i, std::size_t j) { return !(analysis.p_pairs[place(i)][place(j)] < kLevel); });
  // Bars that do not overlap share a column, and the columns leave most of the room to the axis.
  std::vector<std::size_t> ends, columns;  // the last row in each column; the column of each group
  for (const auto& group : groups) {
    const auto free = std::find_if(ends.begin(), ends.end(), [&](std::size_t end) { return end < group.first; });
    columns.push_back(static_cast<std::size_t>(free - ends.begin()));
    if (free == ends.end())
      ends.push_back(group.second);
    else
      *free = group.second;
  }
  const double count = static_cast<double>(ends.size());
  const double gap = std::min(kGap, kMostOfBars * (width - names.width) / std::max(count, 1.0));
  const double bars = gap * count + kRight;
  const double height = kTop + kRow * static_cast<double>(losses.size()) + kBottom;
  Svg svg(width, height,
          "mean ranks of the losses on " + analysis.name + ", with bars beside those that are not told apart");
  const Axis axis = axis_around(ranks, 1, static_cast<double>(analysis.losses.size()), 1, names.width, width - bars);
  draw_horizontal_axis(svg, axis, kTop, height - kBottom,
                       text("mean rank over ", analysis.grouped ? "groups" : "cases", " (1: best)"));
  const auto y = [&](std::size_t index) { return kTop + kRow * (static_cast<double>(index) + 0.5); };
  for (std::size_t i = 0; i < losses.size(); ++i) {
    svg.text(names.width - 8, y(i) + 3.5, "end", shortened(losses[i]->loss, names.letters), "", losses[i]->loss);
    svg.marker(axis(ranks[i]), y(i), family_of(losses[i]->loss));
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double x = width - bars + gap * (static_cast<double>(columns[g]) + 1);
    svg.line(x, y(groups[g].first) - 5, x, y(groups[g].second) + 5, "group");
  }
  return svg;
}

}  // namespace voxgrad::apps

#include "apps/report/plots/learning_curves.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/comparison/answers.h"
#include "apps/report/plots/lines.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

Line curve_of(const Comparison& comparison, const std::string& dataset, const std::string& loss) {
  std::map<std::int64_t, std::vector<double>> values;
  for (const ComparedRun& run : comparison.runs)
    if (run.dataset == dataset && run.loss == loss)
      for (const EpochRecord& record : run.history)
        if (!std::isnan(record.val_dice)) values[record.step].push_back(record.val_dice);
  Line line{"", {}, "thin"};
  for (const auto& [step, dice] : values)
    line.points.emplace_back(static_cast<double>(step), losses::summarise(dice).mean);
  return line;
}

}  // namespace

std::string learning_curves_plot(const Comparison& comparison, const std::string& dataset,
                                 const std::vector<std::string>& named, double low) {
  LinePlot plot{"validation Dice over the steps of the training on " + dataset, "validation Dice", low, 1, {}};
  for (const std::string& loss : comparison.losses())
    if (std::find(named.begin(), named.end(), loss) == named.end())
      plot.lines.push_back(curve_of(comparison, dataset, loss));
  int dash = 0;
  for (const std::string& loss : named) {
    Line line = curve_of(comparison, dataset, loss);
    line.name = loss;
    line.style = "thick-" + std::to_string(dash++);
    line.marker = family_of(loss);
    plot.lines.push_back(std::move(line));
  }
  return line_plot(plot);
}

}  // namespace voxgrad::apps

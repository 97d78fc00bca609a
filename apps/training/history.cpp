#include "apps/training/history.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/fields.h"
#include "apps/program/words.h"
#include "apps/training/config.h"

namespace voxgrad::apps {

Json to_json(const std::vector<EpochRecord>& history) {
  Json list = Json::array();
  for (const EpochRecord& record : history) {
    Json classes = Json::array();
    for (const double value : record.val_classes) classes.push_back(number(value));
    list.push_back({{"epoch", record.epoch},
                    {"step", record.step},
                    {"loss", number(record.loss)},
                    {"lr", number(record.lr)},
                    {"val_dice", number(record.val_dice)},
                    {"val_classes", classes}});
  }
  return list;
}

std::vector<EpochRecord> history_from_json(const Json& json) {
  if (!json.is_array()) refuse("history", json, "a list of epochs");
  std::vector<EpochRecord> history;
  for (const Json& entry : json) {
    const bool first = history.empty();
    history.push_back({whole_number(entry, "epoch", first ? 1 : history.back().epoch + 1, kMostSteps),
                       whole_number(entry, "step", first ? 0 : history.back().step + 1, kMostSteps),
                       real_or_nan(entry, "loss"), real_or_nan(entry, "lr", 0), real_or_nan(entry, "val_dice", 0, 1),
                       reals_or_nan(entry, "val_classes", 0, 1)});
  }
  return history;
}

std::string to_csv(const std::vector<EpochRecord>& history, const std::vector<std::string>& class_names) {
  const auto cell = [](double value) { return std::isfinite(value) ? number(value).dump() : std::string(); };
  std::string csv = "epoch,step,lr,loss,val_dice";
  for (std::size_t label = 1; label < class_names.size(); ++label)
    csv.append(",").append(csv_cell("val_dice_" + class_names[label]));
  csv += "\n";
  for (const EpochRecord& record : history) {
    csv += std::to_string(record.epoch) + "," + std::to_string(record.step);
    std::vector<double> values{record.lr, record.loss, record.val_dice};
    values.insert(values.end(), record.val_classes.begin(), record.val_classes.end());
    values.resize(2 + class_names.size(), std::nan(""));  // an epoch without validation has empty cells
    for (const double value : values) csv.append(",").append(cell(value));
    csv += "\n";
  }
  return csv;
}

std::int64_t best_record(const std::vector<EpochRecord>& history) {
  constexpr double kNewest = 0.3;
  std::int64_t best = 0;
  double smoothed = std::nan(""), highest = std::nan("");
  for (std::size_t i = 0; i < history.size(); ++i) {
    const double dice = history[i].val_dice;
    if (std::isnan(dice)) continue;
    smoothed = std::isnan(smoothed) ? dice : smoothed + kNewest * (dice - smoothed);
    if (smoothed <= highest) continue;
    highest = smoothed;
    best = static_cast<std::int64_t>(i) + 1;
  }
  return best;
}

double late_rise(const std::vector<EpochRecord>& history) {
  if (history.empty()) return std::nan("");
  int early = 0, late = 0;
  double before = 0, after = 0;
  for (const EpochRecord& record : history) {
    if (std::isnan(record.val_dice)) continue;
    const bool in_last_third = 3 * record.step > 2 * history.back().step;
    ++(in_last_third ? late : early);
    double& best = in_last_third ? after : before;
    best = std::max(best, record.val_dice);
  }
  return early >= 2 && late >= 2 ? after - before : std::nan("");
}

std::string outlook(double rise) {
  constexpr double kWorthwhile = 0.005;
  if (std::isnan(rise)) return "";
  return text("the best validation Dice ", rise > 0 ? "rose by " + fixed(rise, 4) : "did not rise",
              " in the last third: ",
              rise > kWorthwhile ? "a longer training is likely to find more" : "a longer training would bring little");
}

}  // namespace voxgrad::apps

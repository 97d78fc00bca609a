#include "apps/training/history.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "apps/training/checkpoint.h"

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
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::vector<EpochRecord> history;
  for (const Json& entry : json) {
    EpochRecord record{whole_number(entry, "epoch", 1, kMost),
                       whole_number(entry, "step", 0, kMost),
                       to_number(entry.at("loss")),
                       to_number(entry.at("lr")),
                       to_number(entry.at("val_dice")),
                       {}};
    for (const Json& value : entry.at("val_classes")) record.val_classes.push_back(to_number(value));
    history.push_back(record);
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

#include "apps/comparison/results.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/training/console.h"
#include "apps/training/manifest.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

using losses::summarise;

// In the order of their first appearance.
std::vector<std::string> losses_of(const std::vector<ComparedRun>& runs) {
  std::vector<std::string> names;
  for (const ComparedRun& run : runs)
    if (std::find(names.begin(), names.end(), run.loss) == names.end()) names.push_back(run.loss);
  return names;
}

Standing standing_of(const std::string& loss, const std::vector<const ComparedRun*>& runs) {
  Standing standing{0, loss, 0, 0, 0, {}, 0, 0};
  std::vector<double> seeds, times;
  std::map<std::string, std::vector<double>> per_case;  // over the seeds
  std::vector<std::vector<double>> per_class;           // over the seeds
  for (const ComparedRun* run : runs) {
    times.push_back(run->seconds);
    standing.diverged += run->diverged ? 1 : 0;
    const double dice = foreground_mean(run->cases);
    seeds.push_back(run->diverged || std::isnan(dice) ? 0 : dice);
    const std::vector<double> means = case_means(run->cases);
    for (std::size_t i = 0; i < means.size(); ++i) per_case[run->cases[i].id].push_back(means[i]);
    const std::size_t classes = run->cases.empty() ? 1 : run->cases.front().classes.size();
    per_class.resize(std::max(per_class.size(), classes - 1));
    for (std::size_t label = 1; label < classes; ++label)
      per_class[label - 1].push_back(summarise(over_cases(run->cases, label)).mean);
  }
  std::vector<double> cases;
  for (const auto& [id, values] : per_case) cases.push_back(summarise(values).mean);
  standing.dice = summarise(seeds).mean;
  standing.sd_seeds = summarise(seeds).deviation;
  standing.sd_cases = summarise(cases).deviation;
  for (const std::vector<double>& values : per_class) standing.classes.push_back(summarise(values).mean);
  standing.seconds = summarise(times).mean;
  return standing;
}

Json to_json(const Standing& standing) {
  Json classes = Json::object();
  for (std::size_t i = 0; i < standing.classes.size(); ++i)
    classes[std::to_string(i + 1)] = number(standing.classes[i]);
  return {{"rank", standing.rank},
          {"loss", standing.loss},
          {"dice_mean", number(standing.dice)},
          {"dice_sd_cases", number(standing.sd_cases)},
          {"dice_sd_seeds", number(standing.sd_seeds)},
          {"dice", classes},
          {"seconds", number(standing.seconds)},
          {"diverged", standing.diverged}};
}

std::vector<std::vector<Standing>> all_rankings(const Comparison& comparison) {
  std::vector<std::vector<Standing>> rankings;
  for (const ComparedDataset& dataset : comparison.datasets)
    rankings.push_back(rank_losses(comparison.runs, dataset.name));
  return rankings;
}

std::string quoted(const std::string& word) { return word.find(',') == std::string::npos ? word : '"' + word + '"'; }

}  // namespace

std::vector<Standing> rank_losses(const std::vector<ComparedRun>& runs, const std::string& dataset) {
  std::vector<Standing> ranking;
  for (const std::string& loss : losses_of(runs)) {
    std::vector<const ComparedRun*> own;
    for (const ComparedRun& run : runs)
      if (run.dataset == dataset && run.loss == loss) own.push_back(&run);
    if (!own.empty()) ranking.push_back(standing_of(loss, own));
  }
  std::stable_sort(ranking.begin(), ranking.end(),
                   [](const Standing& a, const Standing& b) { return a.dice > b.dice; });
  for (std::size_t i = 0; i < ranking.size(); ++i)
    ranking[i].rank = i > 0 && ranking[i].dice == ranking[i - 1].dice ? ranking[i - 1].rank : static_cast<int>(i) + 1;
  return ranking;
}

std::vector<OverallStanding> rank_overall(const std::vector<std::vector<Standing>>& datasets) {
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> found;  // ranks, Dice
  for (const std::vector<Standing>& ranking : datasets)
    for (const Standing& standing : ranking) {
      found[standing.loss].first.push_back(standing.rank);
      found[standing.loss].second.push_back(standing.dice);
    }
  std::vector<OverallStanding> overall;
  for (const auto& [loss, values] : found)
    overall.push_back({summarise(values.first).mean, loss, summarise(values.second).mean});
  std::stable_sort(overall.begin(), overall.end(), [](const OverallStanding& a, const OverallStanding& b) {
    return a.mean_rank != b.mean_rank ? a.mean_rank < b.mean_rank : a.dice > b.dice;
  });
  return overall;
}

Json to_json(const Comparison& comparison) {
  Json datasets = Json::array(), runs = Json::array(), overall = Json::array();
  const std::vector<std::vector<Standing>> rankings = all_rankings(comparison);
  for (std::size_t i = 0; i < rankings.size(); ++i) {
    const ComparedDataset& dataset = comparison.datasets[i];
    Json ranking = Json::array();
    for (const Standing& standing : rankings[i]) ranking.push_back(to_json(standing));
    datasets.push_back({{"name", dataset.name},
                        {"path", dataset.path},
                        {"class_names", dataset.class_names},
                        {"test_cases", dataset.test_cases},
                        {"ranking", ranking}});
  }
  for (const ComparedRun& run : comparison.runs)
    runs.push_back({{"dataset", run.dataset},
                    {"loss", run.loss},
                    {"seed", run.seed},
                    {"diverged", run.diverged},
                    {"val_dice", number(run.val_dice)},
                    {"seconds", number(run.seconds)},
                    {"cases", to_json(run.cases, {}).at("cases")}});
  for (const OverallStanding& standing : rank_overall(rankings))
    overall.push_back(
        {{"loss", standing.loss}, {"mean_rank", standing.mean_rank}, {"dice_mean", number(standing.dice)}});
  return {{"protocol", comparison.protocol},
          {"versions", manifest()},
          {"datasets", datasets},
          {"overall", overall},
          {"runs", runs}};
}

std::string to_csv(const Comparison& comparison) {
  std::string csv = "dataset,loss,seed,case,class";
  for (const losses::OverlapMetric& metric : losses::overlap_metrics()) csv.append(",").append(metric.name);
  csv += "\n";
  for (const ComparedRun& run : comparison.runs)
    for (const CaseResult& result : run.cases)
      for (std::size_t label = 1; label < result.classes.size(); ++label) {
        csv += text(quoted(run.dataset), ",", quoted(run.loss), ",", run.seed, ",", quoted(result.id), ",", label);
        for (const losses::OverlapMetric& metric : losses::overlap_metrics()) {
          const double value = metric.value(result.classes[label]);
          csv.append(",").append(std::isnan(value) ? "" : number(value).dump());
        }
        csv += "\n";
      }
  return csv;
}

std::string ranking_text(const Comparison& comparison) {
  constexpr std::size_t kMostClasses = 4;  // beyond that the table grows too wide; results.json has them all
  const std::vector<std::vector<Standing>> rankings = all_rankings(comparison);
  std::string result;
  for (std::size_t i = 0; i < rankings.size(); ++i) {
    const ComparedDataset& dataset = comparison.datasets[i];
    const std::size_t foreground = dataset.class_names.size() - 1;
    std::vector<std::string> header{"rank", "loss", "mean Dice", "SD cases", "SD seeds"};
    const bool show_classes = foreground > 1 && foreground <= kMostClasses;
    if (show_classes) header.insert(header.end(), dataset.class_names.begin() + 1, dataset.class_names.end());
    header.push_back("seconds");
    Table table(header, 2);
    for (const Standing& standing : rankings[i]) {
      std::vector<std::string> row{std::to_string(standing.rank), standing.loss, fixed(standing.dice, 4),
                                   fixed(standing.sd_cases, 4), fixed(standing.sd_seeds, 4)};
      for (std::size_t c = 0; show_classes && c < foreground; ++c)
        row.push_back(c < standing.classes.size() ? fixed(standing.classes[c], 4) : "-");
      row.push_back(fixed(standing.seconds, 1));
      if (standing.diverged > 0) row.push_back(text(standing.diverged, " diverged"));
      table.row(row);
    }
    result += text(i > 0 ? "\n" : "", dataset.name, ", ", dataset.test_cases, " test cases\n", table.str());
  }
  if (rankings.size() < 2) return result;
  Table table({"loss", "mean rank", "mean Dice"}, 1);
  for (const OverallStanding& standing : rank_overall(rankings))
    table.row({standing.loss, fixed(standing.mean_rank, 2), fixed(standing.dice, 4)});
  return result + text("\nover ", rankings.size(), " datasets\n", table.str());
}

}  // namespace voxgrad::apps

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/live/state.h"
#include "apps/program/fields.h"
#include "apps/report/run_record.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

// Returns the folders in a folder, in the order of their names.
std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (entry.is_directory(ignored)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

template <class F>
double mean_over(const std::vector<LiveRun>& runs, F&& value_of) {
  std::map<std::string, const LiveRun*> best;  // by fold
  for (const LiveRun& run : runs) {
    const LiveRun*& known = best[run.fold];
    if (run.state != "diverged" && (known == nullptr || !(run.best_dice() <= known->best_dice()))) known = &run;
  }
  std::vector<double> values;
  for (const LiveRun& run : runs)
    if (const LiveRun* of_fold = best[run.fold]; of_fold == nullptr || run.tried == of_fold->tried)
      values.push_back(run.state == "diverged" ? 0 : value_of(run));
  return losses::summarise(values).mean;
}

std::size_t ended_of(const std::vector<LiveRun>& runs) {
  return static_cast<std::size_t>(
      std::count_if(runs.begin(), runs.end(), [](const LiveRun& run) { return run.ended(); }));
}

}  // namespace

double LiveRow::val_dice() const {
  return mean_over(runs, [](const LiveRun& run) { return run.best_dice(); });
}

double LiveRow::test_dice() const {
  return mean_over(runs, [](const LiveRun& run) { return run.test_dice; });
}

std::string LiveRow::words() const {
  const std::size_t of = std::max(planned, runs.size()), done = ended_of(runs);
  const std::string share = of > 1 ? text(done, " of ", of, " runs done") : "";
  for (const LiveRun& run : runs)
    if (!run.ended()) return text(share, share.empty() ? "" : ", ", "running, step ", run.step, " of ", run.steps);
  if (done == 0) return "waiting";
  if (done < of) return share;
  const auto diverged = std::count_if(runs.begin(), runs.end(), [](const LiveRun& r) { return r.state == "diverged"; });
  if (diverged > 0) return of > 1 ? text(diverged, " of ", of, " runs diverged") : "diverged";
  const auto failed =
      std::find_if(runs.begin(), runs.end(), [](const LiveRun& run) { return run.state != "finished"; });
  return failed != runs.end() ? failed->state : "done";
}

std::size_t LiveComparison::done() const {  // an interrupted run has to go on
  std::size_t count = 0;
  for (const LiveRow& row : rows)
    for (const LiveRun& run : row.runs) count += run.state == "finished" || run.state == "diverged" ? 1 : 0;
  return count;
}

std::size_t LiveComparison::planned() const {
  std::size_t count = 0;
  for (const LiveRow& row : rows) count += std::max(row.planned, row.runs.size());
  return count;
}

Json to_json(const LiveComparison& comparison) {
  Json rows = Json::array();
  for (const LiveRow& row : comparison.rows) {
    rows.push_back({{"dataset", row.dataset},
                    {"loss", row.loss},
                    {"state", row.words()},
                    {"val_dice", number(row.val_dice())},
                    {"test_dice", number(row.test_dice())},
                    {"runs", std::max(row.planned, row.runs.size())}});
  }
  return {{"done", comparison.done()}, {"planned", comparison.planned()}, {"rows", rows}};
}

void write_live_plan(const std::string& directory, const Json& runs) {
  std::error_code ignored;
  fs::create_directories(directory, ignored);  // write_text says why, if it failed
  write_text(directory + "/live.json", dumped({{"runs", runs}}));
}

LiveComparison LiveComparisonReader::read() {
  LiveComparison comparison;
  std::map<fs::path, std::size_t> known;  // the folder of a loss, DATASET/LOSS: its row
  const auto row_of = [&](const fs::path& folder, const std::string& dataset, const std::string& loss) -> LiveRow& {
    const auto [place, fresh] = known.emplace(folder, comparison.rows.size());
    if (fresh) comparison.rows.push_back({dataset, loss, {}, 0});
    return comparison.rows[place->second];
  };
  if (const std::string plan = directory_ + "/live.json"; fs::exists(plan)) {
    reading(plan, ErrorKind::data, [&] {
      const Json json = read_json(plan);
      for (const Json& run : list_at(json, "runs"))
        ++row_of(fs::path(text_at(run, "path")).parent_path(), text_at(run, "dataset"), text_at(run, "loss")).planned;
    });
  }
  for (const fs::path& dataset : folders_in(directory_))
    for (const fs::path& loss : folders_in(dataset))
      for (const fs::path& folder : folders_in(loss)) {
        if (!is_run(folder.string())) continue;
        const std::string path = folder.string();
        const auto kept = ended_.find(path);
        LiveRun run = kept != ended_.end() ? kept->second : read_live_run(path);
        const std::string name = folder.filename().string();
        if (name.starts_with("lr_")) run.tried = name.substr(0, name.find('_', 3));
        if (const auto fold = name.find("fold_"); fold != std::string::npos)
          run.fold = name.substr(fold, name.find('_', fold + 5) - fold);
        if (run.state == "finished" || run.state == "diverged") ended_[path] = run;  // others may go on
        row_of(dataset.filename() / loss.filename(), run.data, run.loss).runs.push_back(run);
      }
  return comparison;
}

bool is_comparison(const std::string& directory) {
  if (fs::exists(directory + "/live.json") || fs::exists(directory + "/results.json")) return true;
  for (const fs::path& dataset : folders_in(directory))
    for (const fs::path& loss : folders_in(dataset))
      for (const fs::path& folder : folders_in(loss))
        if (is_run(folder.string())) return true;
  return false;
}

}  // namespace voxgrad::apps

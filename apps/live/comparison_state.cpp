#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/live/state.h"
#include "apps/program/console.h"
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
    if (run.state == "diverged") continue;
    // A rate that was not validated yet is not the best one.
    if (known == nullptr || std::isnan(known->best_dice()) || run.best_dice() > known->best_dice()) known = &run;
  }
  std::vector<double> values;
  for (const LiveRun& run : runs)
    if (const LiveRun* of_fold = best[run.fold]; of_fold == nullptr || run.tried == of_fold->tried)
      values.push_back(run.state == "diverged" ? 0 : value_of(run));
  return losses::summarise(values).mean;
}

// An interrupted run has to go on.
bool is_done(const LiveRun& run) { return run.state == "finished" || run.state == "diverged"; }

}  // namespace

double LiveRow::val_dice() const {
  return mean_over(runs, [](const LiveRun& run) { return run.best_dice(); });
}

double LiveRow::test_dice() const {
  return mean_over(runs, [](const LiveRun& run) { return run.test_dice; });
}

std::string LiveRow::words() const {
  const std::size_t of = std::max(planned, runs.size());
  const auto done = static_cast<std::size_t>(std::count_if(runs.begin(), runs.end(), is_done));
  const std::string share = of > 1 ? text(done, " of ", of, " runs done") : "",
                    so_far = share + (share.empty() ? "" : ", ");
  for (const LiveRun& run : runs)
    if (!run.ended())
      return text(so_far, "running, step ", run.step, " of ", run.steps,
                  run.silent > kSilence ? ", not heard of for " + duration(run.silent) : "");
  for (const LiveRun& run : runs)
    if (!is_done(run)) return so_far + run.state;
  if (done == 0) return "waiting";
  if (done < of) return share;
  const auto diverged = std::count_if(runs.begin(), runs.end(), [](const LiveRun& r) { return r.state == "diverged"; });
  if (diverged > 0) return of > 1 ? text(diverged, " of ", of, " runs diverged") : "diverged";
  return "done";
}

std::size_t LiveComparison::done() const {
  std::size_t count = 0;
  for (const LiveRow& row : rows)
    count += static_cast<std::size_t>(std::count_if(row.runs.begin(), row.runs.end(), is_done));
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
        std::error_code unknown;
        const fs::file_time_type written = fs::last_write_time(folder / "run.json", unknown);
        const auto kept = ended_.find(path);  // with another time it was removed, and trained again
        LiveRun run = kept != ended_.end() && kept->second.first == written ? kept->second.second : read_live_run(path);
        const std::string name = folder.filename().string();
        if (name.starts_with("lr_")) run.tried = name.substr(0, name.find('_', 3));
        if (const auto fold = name.find("fold_"); fold != std::string::npos)
          run.fold = name.substr(fold, name.find('_', fold + 5) - fold);
        if (is_done(run)) ended_[path] = {written, run};
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

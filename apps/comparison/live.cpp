#include "apps/comparison/live.h"

#include <algorithm>
#include <vector>

#include "apps/comparison/scores.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

constexpr std::size_t kRows = 12;  // fits every terminal

double mean_dice(const Comparison& comparison, const ComparedRun& run) {
  std::vector<double> values;
  for (const CaseNumbers& one : run.cases) values.push_back(dice_of(comparison, one));
  return losses::summarise(values).mean;
}

}  // namespace

std::string Live::eta() const {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  if (trained_work_ == 0 || done_ == total_) return "";
  return "ETA " + duration(elapsed.count() * (work_ - done_work_) / trained_work_);
}

// Lists the best losses so far; each counts with the datasets on which it has been tested.
std::string Live::table(const Comparison& comparison) const {
  struct Row {
    std::string loss;
    double dice;
    std::size_t runs;
  };
  std::vector<Row> rows;
  for (const std::string& loss : comparison.losses()) {
    std::vector<double> dice;
    for (const ComparedRun& run : comparison.runs)
      if (run.loss == loss) dice.push_back(run.diverged ? 0 : mean_dice(comparison, run));
    rows.push_back({loss, losses::summarise(dice).mean, dice.size()});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.dice > b.dice; });
  Table table({"loss", "runs", "test Dice"}, 1);
  for (std::size_t i = 0; i < std::min(kRows, rows.size()); ++i)
    table.row({rows[i].loss, std::to_string(rows[i].runs), fixed(rows[i].dice, 4)});
  return text(table.str(), rows.size() > kRows ? text("and ", rows.size() - kRows, " more\n") : "", done_, "/", total_,
              " runs  ", eta());
}

void Live::show(const Comparison& comparison, bool trained, double work) {
  ++done_;
  done_work_ += work;
  if (trained) trained_work_ += work;
  const ComparedRun& run = comparison.runs.back();
  if (!console_.live()) {
    const std::string fold = run.fold < 0 ? "" : text("  fold ", run.fold);
    console_.say(text(done_, "/", total_, "  ", run.dataset, "  ", run.loss, fold, "  seed ", run.seed, "  ",
                      run.diverged ? "diverged" : "test Dice " + fixed(mean_dice(comparison, run), 4), "  ",
                      duration(run.seconds), "  ", eta()));
    return;
  }
  if (console_.rows() != rows_) drawn_ = 0;  // something was said below the table: both stay
  const std::size_t before = console_.rows();
  console_.say(table(comparison), drawn_);
  rows_ = console_.rows();
  drawn_ = rows_ - before;
}

}  // namespace voxgrad::apps

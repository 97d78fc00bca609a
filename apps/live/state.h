// What the live page shows, read from the files of a run or of a comparison. It makes no difference whether a process
// still writes there.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/program/json.h"
#include "apps/training/history.h"

namespace voxgrad::apps {

inline constexpr std::array kPictureNames{"image", "truth", "prediction", "mistakes"};
inline constexpr std::size_t kMostShownCases = 3;
inline constexpr double kSilence = 60;  // seconds; a validation of volumes may take as long
// "case_0_truth.png", in the folder RUN/live.
std::string live_picture(std::size_t shown_case, std::size_t picture);

struct ShownPictures {
  std::string caption;
  std::vector<std::pair<std::string, std::string>> files;  // what it shows, and where it is
};

struct LiveRun {
  std::string state = "waiting";  // running, finished, diverged, interrupted or error
  std::string data, loss, network;
  // Of `compare`, as the directory has them; empty: those of the settings, and the split of the file.
  std::string tried, fold;  // with --tune the learning rate, and the fold, within which the rate is chosen
  std::int64_t step = 0, steps = 0, epoch = 0, epochs = 0;
  double seconds = 0, memory = 0;
  double rate = std::nan(""), lr = std::nan("");  // steps per second; NaN: not known
  double silent = std::nan("");  // seconds since the last sign of a run that has not ended; NaN: not known
  double test_dice = std::nan("");
  std::vector<std::pair<double, double>> losses;  // steps and values
  std::vector<EpochRecord> history;
  std::vector<std::string> classes, colours;  // [0] is the background; colours as "#rrggbb"
  std::vector<ShownPictures> pictures;
  std::int64_t pictured = 0;        // the step of the pictures
  bool pictures_of_report = false;  // they were drawn after the training, by its best weights
  std::vector<std::string> messages, warnings;

  bool ended() const { return state != "running" && state != "waiting"; }
  double eta() const;        // seconds; NaN: not known
  double best_dice() const;  // of a validation; NaN: there was none
  double last_loss() const;
};
// Throws Error(io) if there is no run, Error(data) if one of its files is damaged.
LiveRun read_live_run(const std::string& directory);
Json to_json(const LiveRun& run);

struct LiveRow {
  std::string dataset, loss;
  std::vector<LiveRun> runs;  // those of its directory
  std::size_t planned = 0;    // 0: nobody has said
  std::string words() const;  // "waiting", "running, 40 of 200 steps", "2 of 3 done"
  // Means over the runs with the learning rate that is the best of their fold so far: of their best validation, and of
  // the test.
  double val_dice() const;
  double test_dice() const;
};

struct LiveComparison {
  std::vector<LiveRow> rows;
  std::size_t done() const;
  std::size_t planned() const;
};
Json to_json(const LiveComparison& comparison);

// Writes OUT/live.json, which names the runs of a comparison before they begin: [{dataset, loss, path}, ..].
void write_live_plan(const std::string& directory, const Json& runs);

// Reads a comparison again and again; the runs that have ended are read once.
class LiveComparisonReader {
 public:
  explicit LiveComparisonReader(std::string directory) : directory_(std::move(directory)) {}
  LiveComparison read();

 private:
  std::string directory_;
  std::map<std::string, std::pair<std::filesystem::file_time_type, LiveRun>> ended_;  // with the time of run.json
};

// True if the directory holds runs below it, or the plan of a comparison.
bool is_comparison(const std::string& directory);

}  // namespace voxgrad::apps

#include "apps/live/state.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "apps/program/fields.h"
#include "apps/report/run_record.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

double number_in(const Json& json, const char* name) {
  return json.contains(name) ? real_or_nan(json, name) : std::nan("");
}

std::int64_t count_in(const Json& json, const char* name, std::int64_t unknown = 0) {
  return json.contains(name) ? whole_number(json, name, 0, kMostSteps) : unknown;
}

// A colour goes into a style sheet, so it must be one.
bool is_colour(const std::string& word) {
  return word.size() == 7 && word[0] == '#' && word.find_first_not_of("0123456789abcdef", 1) == std::string::npos;
}

std::string network_of(const Json& manifest) {
  const Json& config = member(manifest, "config");
  const auto number = [&](const char* name) { return whole_number(config, name, 0, kMostSteps); };
  return text(number("dims"), "-D U-Net, base ", number("base"), ", depth ", number("depth"), ", ",
              text_at(config, "norm"), " norm, ", whole_number(manifest, "parameters", 0, kMostMemory),
              " parameters; patch ", text_at(config, "patch"), ", batch ", number("batch"), ", on ",
              text_at(manifest, "device"));
}

// What happened, from the lines of log.jsonl: "step 40: rollback, the loss is not finite". `seconds` becomes the time
// at the end of the last epoch.
std::vector<std::string> events_of(const std::string& log, double& seconds) {
  std::vector<std::string> events;
  for (std::size_t at = 0, end = 0; (end = log.find('\n', at)) != std::string::npos; at = end + 1) {
    const Json line = parse_json(log.substr(at, end - at));
    if (line.contains("seconds")) seconds = std::max(seconds, real_number(line, "seconds", 0, kMostSeconds));
    const std::string event = text_at(line, "event");
    if (event == "epoch") continue;
    const std::string message = text_or(line, "message", "");
    events.push_back(text("step ", count_in(line, "step"), ": ", event, message.empty() ? "" : ", ", message));
  }
  return events;
}

void read_live_file(LiveRun& run, const std::string& folder) {
  const Json live = read_json(folder + "/state.json");
  run.steps = count_in(live, "steps", run.steps);
  run.epochs = count_in(live, "epochs", run.epochs);
  if (const std::vector<std::string> colours = texts_or_none(live, "colours");
      std::all_of(colours.begin(), colours.end(), is_colour))
    run.colours = colours;
  for (const Json& point : live.contains("loss") ? list_at(live, "loss") : Json::array()) {
    if (!point.is_array() || point.size() != 2) refuse("loss", point, "a step and the loss there");
    const Json pair{{"step", point[0]}, {"loss", point[1]}};
    run.losses.emplace_back(real_number(pair, "step", 0, kMostSteps), real_or_nan(pair, "loss"));
  }
  run.lr = number_in(live, "lr");
  run.rate = number_in(live, "rate");
  for (const std::string& message : texts_or_none(live, "messages")) run.messages.push_back(message);
  for (const std::string& warning : texts_or_none(live, "warnings"))
    if (std::find(run.warnings.begin(), run.warnings.end(), warning) == run.warnings.end())
      run.warnings.push_back(warning);
  if (!run.ended()) {
    run.step = std::max(run.step, count_in(live, "step"));
    const auto known = [&](const char* name, double otherwise, double most) {
      return live.contains(name) ? real_number(live, name, 0, most) : otherwise;
    };
    run.seconds += known("seconds", 0, kMostSeconds);  // the manifest has those of the processes before
    run.memory = known("memory", 0, kMostMemory);
    run.silent = std::max(0.0, now() - known("time", now(), HUGE_VAL));
  }
  if (!live.contains("pictures")) return;
  const Json& pictures = member(live, "pictures");
  run.pictured = whole_number(pictures, "step", 0, kMostSteps);
  for (const std::string& caption : texts_at(pictures, "cases")) {
    if (run.pictures.size() == kMostShownCases) break;
    ShownPictures& shown = run.pictures.emplace_back(ShownPictures{caption, {}});
    for (std::size_t i = 0; i < kPictureNames.size(); ++i)
      shown.files.emplace_back(kPictureNames[i], folder + "/" + live_picture(run.pictures.size() - 1, i));
  }
}

// The pictures of the page of a run, which has those of the best weights.
void take_report_pictures(LiveRun& run, const std::string& folder) {
  for (const char* kind : {"only", "worst", "median", "best"}) {
    ShownPictures shown{text("the ", kind, " case, by the best weights"), {}};
    for (const char* name : {"image", "truth", "prediction"})
      if (const std::string file = text(folder, "/", kind, "_", name, ".png"); fs::exists(file))
        shown.files.emplace_back(name, file);
    if (!shown.files.empty() && run.pictures.size() < kMostShownCases) run.pictures.push_back(std::move(shown));
  }
  run.pictured = run.step;
  run.pictures_of_report = true;
}

void take_manifest(LiveRun& run, const Json& manifest) {
  run.state = text_at(manifest, "exit_reason");
  run.data = fs::path(text_at(member(manifest, "dataset"), "path")).stem().string();
  run.loss = text_at(member(manifest, "config"), "loss");
  run.network = network_of(manifest);
  run.steps = whole_number(manifest.at("config"), "steps", 0, kMostSteps);
  run.epochs = count_in(manifest, "epochs");
  run.step = whole_number(manifest, "steps", 0, kMostSteps);
  run.seconds = real_number(manifest, "seconds", 0, kMostSeconds);
  run.memory = real_number(manifest, "peak_memory_bytes", 0, kMostMemory);
  run.warnings = texts_or_none(manifest, "warnings");
  run.classes = texts_or_none(manifest, "classes");
  if (manifest.contains("results")) run.test_dice = number_in(member(manifest.at("results"), "test"), "dice_mean");
}

void read_files(LiveRun& run, const std::string& directory) {
  const std::string manifest = directory + "/run.json", log = directory + "/log.jsonl", live = directory + "/live";
  double seconds = 0;
  reading(manifest, ErrorKind::data, [&] { take_manifest(run, read_json(manifest)); });
  reading(log, ErrorKind::data, [&] {
    const std::string lines = read_text(log);
    run.history = logged_history(lines);
    run.messages = events_of(lines, seconds);
  });
  if (!run.history.empty()) {
    run.step = std::max(run.step, run.history.back().step);
    run.epoch = run.history.back().epoch;
    run.lr = run.history.back().lr;
  }
  if (const std::string state = live + "/state.json"; fs::exists(state)) {
    reading(state, ErrorKind::data, [&] { read_live_file(run, live); });
  } else if (!run.ended()) {  // it trains without --watch, and is heard of at the end of each epoch
    std::error_code unknown;
    const fs::file_time_type heard = fs::last_write_time(log, unknown);
    if (!unknown)
      run.silent = std::max(0.0, std::chrono::duration<double>(fs::file_time_type::clock::now() - heard).count());
    run.seconds = std::max(run.seconds, seconds);
    run.memory = 0;  // not known
  }
  if (run.pictures.empty()) take_report_pictures(run, directory + "/overlays");
  // What the process of the live file has not seen is in the epochs.
  const double first = run.losses.empty() ? HUGE_VAL : run.losses.front().first;
  std::vector<std::pair<double, double>> before;
  for (const EpochRecord& record : run.history)
    if (const auto step = static_cast<double>(record.step); step < first && std::isfinite(record.loss))
      before.emplace_back(step, record.loss);
  run.losses.insert(run.losses.begin(), before.begin(), before.end());
}

}  // namespace

std::string live_picture(std::size_t shown_case, std::size_t picture) {
  return text("case_", shown_case, "_", kPictureNames.at(picture), ".png");
}

double LiveRun::eta() const {  // how long the validation and the test at the end take is not known
  return ended() || step >= steps || !(rate > 0) ? std::nan("") : static_cast<double>(steps - step) / rate;
}

double LiveRun::best_dice() const {
  double best = std::nan("");
  for (const EpochRecord& record : history)
    if (!(record.val_dice <= best)) best = std::isnan(record.val_dice) ? best : record.val_dice;
  return best;
}

double LiveRun::last_loss() const { return losses.empty() ? std::nan("") : losses.back().second; }

LiveRun read_live_run(const std::string& directory) {
  LiveRun run;
  read_files(run, directory);
  return run;
}

Json to_json(const LiveRun& run) {
  Json json{{"state", run.state},
            {"data", run.data},
            {"loss_name", run.loss},
            {"network", run.network},
            {"step", run.step},
            {"steps", run.steps},
            {"epoch", run.epoch},
            {"epochs", run.epochs},
            {"seconds", run.seconds},
            {"steps_per_second", number(run.rate)},
            {"eta_seconds", number(run.eta())},
            {"lr", number(run.lr)},
            {"memory_bytes", run.memory},
            {"best_val_dice", number(run.best_dice())},
            {"test_dice", number(run.test_dice)},
            {"classes", run.classes},
            {"losses", Json::array()},
            {"history", to_json(run.history)},
            {"messages", run.messages},
            {"warnings", run.warnings}};
  for (const auto& [step, loss] : run.losses) json["losses"].push_back({step, number(loss)});
  return json;
}

}  // namespace voxgrad::apps

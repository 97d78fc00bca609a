#include "apps/doctor/run_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>
#include <sstream>
#include <utility>

#include "apps/program/fields.h"
#include "apps/program/words.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "nn/inference/model.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

// Cells of one line of CSV; a quote is doubled inside quotes (csv_cell).
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells{""};
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i)
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      cells.back() += line[i++];
    else if (line[i] == '"')
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      cells.emplace_back();
    else
      cells.back() += line[i];
  return cells;
}

// An empty cell is NaN.
double number_in(const std::string& cell) {
  double value = std::nan("");
  const char* const end = cell.data() + cell.size();
  const auto [stop, code] = std::from_chars(cell.data(), end, value);
  if (!cell.empty() && (code != std::errc{} || stop != end))
    throw Error(ErrorKind::data, "\"" + cell.substr(0, 40) + "\" is no number");
  return value;
}

// Fills `epochs` and `class_names` from the text of metrics.csv (to_csv).
void read_metrics(const std::string& csv, RunFiles& run) {
  constexpr std::size_t kFixed = 5;  // epoch,step,lr,loss,val_dice
  const std::string prefix = "val_dice_";
  std::istringstream lines(csv);
  std::string line;
  std::getline(lines, line);
  const std::vector<std::string> header = cells_of(line);
  if (header.size() < kFixed || header.front() != "epoch") throw Error(ErrorKind::data, "its first line is no header");
  std::vector<EpochRecord> epochs;
  while (std::getline(lines, line)) {
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() != header.size())
      throw Error(ErrorKind::data,
                  text("line ", epochs.size() + 2, " has ", cells.size(), " cells, the header has ", header.size()));
    std::vector<double> values;
    for (const std::string& cell : cells) values.push_back(number_in(cell));
    if (!(values[0] >= 0 && values[0] < 1e15 && values[1] >= 0 && values[1] < 1e15))
      throw Error(ErrorKind::data, text("line ", epochs.size() + 2, " has no epoch and step"));
    epochs.push_back({static_cast<std::int64_t>(values[0]), static_cast<std::int64_t>(values[1]), values[3], values[2],
                      values[4], std::vector<double>(values.begin() + kFixed, values.end())});
  }
  run.epochs = std::move(epochs);
  for (std::size_t i = kFixed; i < header.size(); ++i)
    run.class_names.push_back(header[i].starts_with(prefix) ? header[i].substr(prefix.size()) : header[i]);
}

// The epochs of the log. One that was done again after a resumption counts once.
std::vector<EpochRecord> epochs_of(const std::vector<Json>& log) {
  std::map<std::int64_t, EpochRecord> epochs;
  for (const Json& line : log) {
    if (words_of(line, "event") != "epoch") continue;
    const double epoch = real_of(line, "epoch"), step = real_of(line, "step");
    if (!(epoch >= 0 && epoch < 1e15 && step >= 0 && step < 1e15)) continue;
    EpochRecord record{static_cast<std::int64_t>(epoch),
                       static_cast<std::int64_t>(step),
                       real_of(line, "loss"),
                       real_of(line, "lr"),
                       real_of(line, "val_dice"),
                       {}};
    epochs.insert_or_assign(record.epoch, record);
  }
  std::vector<EpochRecord> list;
  for (auto& [epoch, record] : epochs) list.push_back(std::move(record));
  return list;
}

bool there(const std::string& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

// True if a process holds the lock of a run.
bool locked(const std::string& log) try {
  const int file = open_text(log, O_RDONLY);
  const bool taken = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return taken;
} catch (const Error&) {  // what is wrong with it has been found
  return false;
}

}  // namespace

double real_of(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && is_number(*found) ? to_number(*found) : std::nan("");
}

std::string words_of(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string RunFiles::exit_reason() const { return words_of(manifest, "exit_reason"); }

const Json* RunFiles::last(const std::string& event) const {
  for (auto line = log.rbegin(); line != log.rend(); ++line)
    if (words_of(*line, "event") == event) return &*line;
  return nullptr;
}

RunFiles read_run(const std::string& directory, Device device, std::vector<Finding>& findings) {
  RunFiles run;
  run.directory = directory;
  const auto bad = [&](const std::string& name, const std::string& what, const std::string& remedy, bool failure) {
    findings.push_back({"files", failure, what, name,
                        "what the file held about the training is lost; the other files are looked at all the same.",
                        remedy, ""});
  };
  const std::string again = "go on with `voxgrad train --resume " + shell_word(directory) + "`, which writes it anew";
  // Calls use(name) for a file and says what is wrong with it.
  const auto read = [&](const std::string& name, bool needed, const std::string& remedy, auto&& use) {
    if (!there(directory + "/" + name)) {
      if (needed) bad(name, "the run has no file " + name + ".", remedy, true);
      return;
    }
    try {
      use(directory + "/" + name);
    } catch (const Error& error) {
      bad(name, name + " cannot be used: " + error.message() + ".", remedy, true);
    }
  };
  if (!there(directory + "/log.jsonl") && !there(directory + "/run.json")) {
    bad(directory, "there is no run in " + directory + ": it has neither log.jsonl nor run.json.",
        "give the directory that `voxgrad train` wrote with -o", true);
    return run;
  }
  read("run.json", true, again, [&](const std::string& path) {
    Json manifest = parse_json(read_text(path));
    if (!manifest.is_object()) throw Error(ErrorKind::data, "it is no JSON object");
    run.manifest = std::move(manifest);
  });
  read("log.jsonl", true, "look at metrics.csv instead", [&](const std::string& path) {
    std::istringstream lines(read_text(path));
    std::int64_t broken = 0, number = 0, first = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      Json json = json_or_null(line);
      if (json.is_object())
        run.log.push_back(std::move(json));
      else if (++broken == 1)
        first = number;
    }
    if (broken > 0) throw Error(ErrorKind::data, text(broken, " of its lines cannot be read, first line ", first));
  });
  // A process that was killed has written the epochs up to its last checkpoint.
  const bool trained = run.last("epoch") != nullptr && run.exit_reason() != "running";
  read("metrics.csv", trained, again, [&](const std::string& path) { read_metrics(read_text(path), run); });
  if (run.epochs.empty()) run.epochs = epochs_of(run.log);
  read("config.toml", true, "the settings are in run.json too", [](const std::string& path) { read_text(path); });
  run.in_use = locked(directory + "/log.jsonl");
  for (const char* name : {"last.safetensors", "previous.safetensors"})
    read(name, false, "a resumption takes the other checkpoint", [&](const std::string& path) {
      load_tensors(path);
      run.resumable = true;
    });
  read("best.safetensors", run.exit_reason() == "finished",
       "evaluate last.safetensors instead, or train again with a smaller --lr if a weight is not finite",
       [&](const std::string& path) { nn::load_model(path, device); });
  return run;
}

}  // namespace voxgrad::apps

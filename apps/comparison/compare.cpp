#include "apps/comparison/compare.h"

#include <filesystem>
#include <set>

#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "apps/training/session.h"
#include "apps/training/signals.h"
#include "apps/training/watch.h"
#include "engine/error.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

// As a name of a folder.
std::string folder_name(std::string name) {
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_' && c != '.' && c != '=') c = '_';
  return name;
}

// The settings in which a run that lies there differs from this one; empty if it is the same.
std::string difference(const Json& there, const Json& here) {
  for (const auto& [name, value] : here.items())
    if (name != "data" && (!there.contains(name) || there.at(name) != value))
      return name + " " + (there.contains(name) ? there.at(name).dump() : "(none)") + " there, " + value.dump() +
             " here";
  return "";
}

class Comparer {
 public:
  Comparer(const CompareOptions& options, Device device, Console& console)
      : options_(options), device_(device), console_(console) {}

  Comparison run() {
    const SignalGuard guard;
    prepare();
    for (std::size_t d = 0; d < options_.datasets.size(); ++d)
      for (const std::string& loss : options_.losses)
        for (int k = 0; k < options_.seeds; ++k) {
          comparison_.runs.push_back(one(d, loss, options_.config.seed + static_cast<std::uint64_t>(k)));
          const ComparedRun& run = comparison_.runs.back();
          console_.say(text(done_ + 1, "/", total_, "  ", run.dataset, "  ", loss, "  seed ", run.seed, "  ",
                            run.diverged ? "diverged" : "test Dice " + fixed(foreground_mean(run.cases), 4), "  ",
                            duration(run.seconds)));
          ++done_;
          write();
          if (const int signal = pending_signal()) throw Interrupted{signal};
        }
    return comparison_;
  }

 private:
  // Everything that can be wrong with the question is found before the first long answer.
  void prepare() {
    std::set<std::string> names;
    for (const std::string& loss : options_.losses) losses::make_loss(loss);
    for (const std::string& path : options_.datasets) {
      const data::Dataset dataset = open(path);
      const data::DatasetInfo& info = dataset.info();
      if (!names.insert(info.name).second)
        throw Error(ErrorKind::usage, "compare: two datasets are named " + info.name, "rename one of the files");
      const Plan plan = make_plan(dataset, config_of(path, options_.losses.front(), options_.config.seed));
      if (plan.test.empty()) throw Error(ErrorKind::data, path + ": no cases in the split `test`");
      comparison_.datasets.push_back({info.name, path, info.class_names, static_cast<std::int64_t>(plan.test.size())});
    }
    total_ = options_.datasets.size() * options_.losses.size() * static_cast<std::size_t>(options_.seeds);
    Json settings = to_json(options_.config);
    for (const char* name : {"data", "loss", "seed"}) settings.erase(name);
    comparison_.protocol = {{"command", options_.command},
                            {"losses", options_.losses},
                            {"first_seed", options_.config.seed},
                            {"seeds", options_.seeds},
                            {"settings", settings}};
  }

  TrainConfig config_of(const std::string& path, const std::string& loss, std::uint64_t seed) const {
    TrainConfig config = options_.config;
    config.data = path;
    config.loss = loss;
    config.seed = seed;
    return config;
  }

  data::Dataset open(const std::string& path) const {
    data::DatasetOptions options;
    options.label_map = parse_label_map(options_.config.label_map);
    return data::Dataset::open(path, options);
  }

  ComparedRun one(std::size_t d, const std::string& loss, std::uint64_t seed) {
    const std::string& name = comparison_.datasets[d].name;
    const std::string path = text(options_.out, "/", folder_name(name), "/", folder_name(loss), "/seed_", seed);
    const data::Dataset dataset = open(options_.datasets[d]);
    const Plan plan = make_plan(dataset, config_of(options_.datasets[d], loss, seed));
    ComparedRun result{name, loss, seed, false, {}, 0, 0};
    if (complete(path, plan, dataset, result)) return result;
    Watch watch(console_, text(done_ + 1, "/", total_, " ", name, " ", loss, "  "), false);
    try {
      const bool begun = RunDirectory::exists(path) && fs::exists(path + "/last.safetensors");
      RunDirectory directory = RunDirectory::exists(path) ? RunDirectory::reopen(path) : RunDirectory::create(path);
      Session session(dataset, plan, directory, watch, device_, options_.command);
      if (begun) session.resume();
      session.run();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::diverged) throw;
      console_.warn(text(name, " ", loss, " seed ", seed, ": ", error.what()));
    }
    if (!complete(path, plan, dataset, result))
      throw Error(ErrorKind::io, path + "/run.json: the result was not written");
    return result;
  }

  // True if the run in `path` has ended; then `result` is filled from it.
  bool complete(const std::string& path, const Plan& plan, const data::Dataset& dataset, ComparedRun& result) const {
    if (!fs::exists(path + "/run.json")) return false;
    const Json json = Json::parse(read_text(path + "/run.json"));
    const std::string differs = difference(json.at("config"), to_json(plan.config));
    const bool same_data = json.at("dataset").at("images_crc32") == dataset.info().images_crc32 &&
                           json.at("dataset").at("labels_crc32") == dataset.info().labels_crc32;
    if (!differs.empty() || !same_data)
      throw Error(ErrorKind::usage, path + ": a run of another protocol: " + (differs.empty() ? "other data" : differs),
                  "give this comparison a directory of its own with -o");
    const std::string reason = json.at("exit_reason");
    if (reason != "finished" && reason != "diverged") return false;
    result.seconds = json.at("seconds");
    result.diverged = reason == "diverged";
    if (result.diverged) return true;
    result.val_dice = to_number(json.at("results").at("val").at("dice_mean"));
    result.cases = cases_from_json(json.at("results").at("test_cases"));
    return true;
  }

  void write() const {
    write_text(options_.out + "/results.json", to_json(comparison_).dump(1) + "\n");
    write_text(options_.out + "/results.csv", to_csv(comparison_));
  }

  const CompareOptions& options_;
  Device device_;
  Console& console_;
  Comparison comparison_;
  std::size_t done_ = 0, total_ = 0;
};

}  // namespace

Comparison compare(const CompareOptions& options, Device device, Console& console) {
  return Comparer(options, device, console).run();
}

std::vector<std::string> parse_losses(const std::string& text) {
  std::vector<std::string> result;
  if (text == "all") {
    for (const losses::Spec& spec : losses::registry()) result.push_back(spec.name);
    return result;
  }
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string piece = text.substr(begin, end - begin);
    begin = end + 1;
    const bool parameter = piece.find('=') != std::string::npos && piece.find(':') > piece.find('=');
    if (parameter && !result.empty())
      result.back().append(",").append(piece);
    else if (!piece.empty())
      result.push_back(piece);
  }
  return result;
}

}  // namespace voxgrad::apps

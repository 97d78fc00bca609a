#include "apps/comparison/compare.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "apps/comparison/live.h"
#include "apps/comparison/processes.h"
#include "apps/comparison/protocol.h"
#include "apps/program/fields.h"
#include "apps/program/signals.h"
#include "apps/training/console_observer.h"
#include "apps/training/run_directory.h"
#include "apps/training/session.h"
#include "engine/error.h"
#include "engine/names.h"
#include "engine/parallel.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

constexpr double kRateFactors[]{1, 1.0 / 3, 3};  // of --tune; of equal results the first one is taken

// Returns in words the first setting in which a run that is there already differs from this one; empty if there is
// none.
std::string difference(const Json& there, const Json& here) {
  for (const auto& [name, value] : here.items())
    if (name != "data" && (!there.contains(name) || there.at(name) != value))
      return name + " " + (there.contains(name) ? there.at(name).dump() : "(none)") + " there, " + value.dump() +
             " here";
  return "";
}

bool ended(const Json& manifest) {
  const std::string reason = manifest.at("exit_reason");
  return reason == "finished" || reason == "diverged";
}

// Does the tasks of a protocol that are not done yet, one after the other, and collects the results of all.
class Runner {
 public:
  Runner(const CompareOptions& options, Device device, Console& console)
      : options_(options),
        device_(device),
        console_(console),
        protocol_(options),
        comparison_(protocol_.question()),
        live_(console, protocol_.tasks().size(), work_of_all()) {}

  Comparison run() {
    if (options_.merge) refuse_gaps();
    comparison_.runs.clear();
    try {
      for (const Task& task : protocol_.tasks()) {
        const std::size_t before = trainings_;
        comparison_.runs.push_back(done(options_.tune ? tuned(task) : task));
        if (!shown_.contains(comparison_.runs.back().path)) live_.show(comparison_, trainings_ > before, work_of(task));
        if (const int signal = pending_signal()) throw Interrupted{signal};
      }
    } catch (const Interrupted&) {
      write_what_is_there();
      throw;
    }
    warn_of_differences();
    return comparison_;
  }

  // With --tune the rate of a run, and with it the directory, is known when its three rates have been tried.
  std::vector<RunStatus> status() {
    std::vector<RunStatus> found;
    const auto add = [&](const Task& task) {
      const std::optional<ComparedRun> run = kept(task, protocol_.plan(task));
      const std::string path = protocol_.path(task);
      if (shown_.insert(path).second)
        found.push_back({protocol_.dataset_name(task), task.loss, path,
                         run                                          ? run->diverged ? "diverged" : "complete"
                         : RunDirectory::has_checkpoint(folder(task)) ? "begun"
                                                                      : "missing"});
      return run.has_value();
    };
    for (const Task& task : protocol_.tasks()) {
      bool tried = options_.tune;
      if (options_.tune)
        for (const Task& trial : trials(task)) tried = add(trial) && tried;
      if (tried || !is_trial(task)) add(tried ? tuned(task) : task);
    }
    return found;
  }

  void begin() const {
    Json runs = Json::array();
    for (const Task& task : protocol_.tasks()) {  // with --tune the first seed of a loss is trained with every rate
      for (std::size_t i = 0; i < (is_trial(task) ? std::size(kRateFactors) : 1); ++i)
        runs.push_back(
            {{"dataset", protocol_.dataset_name(task)}, {"loss", task.loss}, {"path", protocol_.path(task)}});
    }
    if (options_.began) options_.began(runs);
    console_.say(text("trainings: ", runs.size(), ", losses: ", options_.losses.size(),
                      ", datasets: ", options_.datasets.size(), ", seeds: ", options_.seeds));
  }

  void warn() {
    for (const ComparedDataset& dataset : comparison_.datasets)
      for (const std::string& warning : dataset.warnings) console_.warn(dataset.name + ": " + warning);
  }

  // Shows what other processes do with the tasks, until all of them have ended. The results are for run() to collect.
  void follow(Processes& processes) {
    int told = 0;
    for (bool first = true; processes.pause(); first = false) {
      if (processes.failed() > told && pending_signal() == 0) {
        told = processes.failed();
        console_.warn(text(told, " of ", options_.jobs,
                           " processes ended before their work was done, as after an error or where memory is short "
                           "(fewer --jobs take less); at the end this process does what they leave"));
      }
      look(!first);
    }
    look(true);
    if (const int signal = pending_signal()) {
      write_what_is_there();
      throw Interrupted{signal};
    }
  }

  // Makes the maps that the losses ask for, in the caches beside the datasets.
  void make_fields() {
    for (const Task& task : protocol_.tasks()) {
      if (task.seed != options_.config.seed || has_ended(task)) continue;
      const Plan plan = protocol_.plan(task);
      if (!plan.fields) continue;
      plan.fields->prepare(
          protocol_.dataset(task), plan.loader.cases, plan.loader.patch, plan.loader.prepare,
          [] {
            if (const int signal = pending_signal()) throw Interrupted{signal};
          },
          [](const std::string&) {});
    }
  }

 private:
  double work_of(const Task& task) const {
    return protocol_.work(task) * (is_trial(task) ? static_cast<double>(std::size(kRateFactors)) : 1);
  }

  double work_of_all() const {
    double work = 0;
    for (const Task& task : protocol_.tasks()) work += work_of(task);
    return work;
  }

  // Runs of a comparison may come from several calls, machines and versions.
  void warn_of_differences() {
    for (const auto& [name, values] : made_with_)
      if (values.size() > 1) {
        const std::string words = "runs of this comparison were not made alike: " + name + " " +
                                  join(std::vector<std::string>(values.begin(), values.end()), " and ");
        console_.warn(words);
        comparison_.datasets.front().warnings.push_back(words);
      }
  }

  // Shows the runs that have ended since the last look.
  void look(bool trained) {
    for (const Task& task : protocol_.tasks()) {
      const std::optional<Task> known = with_rate(task);
      if (!known) continue;
      const std::string path = protocol_.path(*known);
      if (shown_.contains(path) || !has_ended(*known)) continue;
      if (std::optional<ComparedRun> result = kept(*known, protocol_.plan(*known)))
        comparison_.runs.push_back(std::move(*result));
      shown_.insert(path);
      live_.show(comparison_, trained, work_of(task));
    }
  }

  void write_what_is_there() {
    if (options_.of_shards > 1 || comparison_.runs.empty()) return;
    std::map<std::string, std::size_t> place;  // whichever process was faster
    for (const Task& task : protocol_.tasks())
      place.emplace(protocol_.path(with_rate(task).value_or(task)), place.size());
    std::stable_sort(comparison_.runs.begin(), comparison_.runs.end(),
                     [&](const ComparedRun& a, const ComparedRun& b) { return place[a.path] < place[b.path]; });
    try {
      write_comparison(comparison_, options_.out);
    } catch (const Error& nothing_follows) {
      console_.warn(nothing_follows.message());
    }
  }

  void refuse_gaps() {
    std::vector<std::string> missing;
    for (const Task& task : protocol_.tasks())
      if (!options_.tune && !kept(task, protocol_.plan(task))) missing.push_back(protocol_.path(task));
    if (!missing.empty())
      throw Error(ErrorKind::usage,
                  text("--merge: ", missing.size(), " of ", protocol_.tasks().size(),
                       " runs are not complete, the first is ", options_.out, "/", missing.front()),
                  "run the shards that are missing; without --merge this process trains what is left");
  }

  // Returns the task with the learning rate that is best in validation.
  Task tuned(Task task) {
    const std::string key = protocol_.path(protocol_.trial(task));
    if (!rates_.contains(key)) rates_[key] = best_rate(task);
    task.lr = rates_[key];
    return task;
  }

  // Whether --tune trains this task with all rates.
  bool is_trial(const Task& task) const {
    return options_.tune && protocol_.path(protocol_.trial(task)) == protocol_.path(task);
  }

  // The task with its learning rate; nothing while --tune has not tried all of them.
  std::optional<Task> with_rate(const Task& task) {
    if (!options_.tune) return task;
    const std::string key = protocol_.path(protocol_.trial(task));
    if (!trials_.contains(key)) trials_[key] = trials(task);
    for (const Task& trial : trials_[key])
      if (!has_ended(trial)) return std::nullopt;
    return tuned(task);
  }

  std::vector<Task> trials(const Task& task) const {
    std::vector<Task> result;
    for (const double factor : kRateFactors) {
      result.push_back(protocol_.trial(task));
      result.back().lr = factor * protocol_.plan(result.back()).config.lr;
    }
    return result;
  }

  double best_rate(const Task& task) {
    double best = -1, rate = 0;
    for (const Task& trial : trials(task)) {
      const ComparedRun run = done(trial);
      const double dice = run.diverged || std::isnan(run.val_dice) ? -0.5 : run.val_dice;
      if (dice > best) {
        best = dice;
        rate = trial.lr;
      }
    }
    return rate;
  }

  // Returns the result of a task, which is trained if it has not ended yet.
  ComparedRun done(const Task& task) {
    const std::string path = folder(task);
    const Plan plan = protocol_.plan(task);
    if (std::optional<ComparedRun> result = kept(task, plan)) return std::move(*result);
    if (options_.merge)
      throw Error(ErrorKind::usage, "--merge: the run " + path + " is not complete",
                  "run the shard that it belongs to");
    ++trainings_;
    train(task, plan);
    if (std::optional<ComparedRun> result = kept(task, plan)) return std::move(*result);
    throw Error(ErrorKind::io, path + "/run.json: the result was not written");
  }

  // A training that diverges is a result, too.
  void train(const Task& task, const Plan& plan) {
    const std::string path = folder(task), &name = protocol_.dataset_name(task);
    ConsoleObserver shown(console_, text(name, " ", task.loss, "  "), false);
    try {
      const bool begun = RunDirectory::exists(path) && RunDirectory::has_checkpoint(path);
      RunDirectory directory = RunDirectory::exists(path) ? RunDirectory::reopen(path) : RunDirectory::create(path);
      const std::unique_ptr<Observer> more =
          options_.observer ? options_.observer(shown, path, plan, protocol_.dataset(task).info().ignore_label)
                            : nullptr;
      Session session(protocol_.dataset(task), plan, directory, more ? *more : shown, device_, command_of(options_));
      if (begun) session.resume();
      session.run();
      session.save_missing();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::diverged) throw;
      console_.warn(text(name, " ", task.loss, " seed ", task.seed, ": ", error.message()));
    }
  }

  std::string folder(const Task& task) const { return options_.out + "/" + protocol_.path(task); }

  bool has_ended(const Task& task) const {
    const std::string path = folder(task) + "/run.json";
    return fs::exists(path) && reading(path, ErrorKind::data, [&] { return ended(read_json(path)); });
  }

  // Returns the result of a task from its directory, or nothing if the run has not ended. Throws Error(usage) if the
  // directory holds a run of another protocol.
  std::optional<ComparedRun> kept(const Task& task, const Plan& plan) {
    const std::string path = folder(task), file = path + "/run.json";
    if (!fs::exists(file)) return std::nullopt;
    const Json json = read_json(file);
    const DatasetChecksums& sums = protocol_.checksums(task);
    const std::uint32_t description =
        checksum_of_description(protocol_.dataset(task).info(), {plan.loader.cases, plan.val, plan.test});
    const std::string differs = reading(file, ErrorKind::data, [&] {
      const Json& data = json.at("dataset");
      if (data.at("images_crc32") != sums.images || data.at("labels_crc32") != sums.labels)
        return std::string("other images or labels");
      if (data.value("description_crc32", description) != description)  // runs from before this key have none
        return std::string("the dataset had other splits, groups, spacing or names");
      return difference(json.at("config"), to_json(plan.config));
    });
    if (!differs.empty())
      throw Error(ErrorKind::usage, path + ": a run of another protocol: " + differs,
                  "give this comparison a directory of its own with -o");
    return reading(file, ErrorKind::data, [&] { return result_in(json, task, plan); });
  }

  std::optional<ComparedRun> result_in(const Json& json, const Task& task, const Plan& plan) {
    if (!ended(json)) return std::nullopt;
    for (const char* name : {"version", "device", "tf32", "fast"})
      if (json.contains(name)) made_with_[name].insert(dumped(json.at(name)));
    ComparedRun run;
    run.dataset = protocol_.dataset_name(task);
    run.loss = task.loss;
    run.seed = task.seed;
    run.fold = task.fold;
    run.lr = plan.config.lr;
    run.path = protocol_.path(task);
    run.seconds = real_number(json, "seconds", 0, kMostSeconds);
    run.memory = real_number(json, "peak_tensor_bytes", 0, kMostMemory);
    run.diverged = json.at("exit_reason") == "diverged";
    if (run.diverged) return run;
    const Json& results = json.at("results");
    run.val_dice = real_or_nan(results.at("val"), "dice_mean", 0, 1);
    run.history = history_from_json(results.at("history"));
    run.patches_per_case =
        static_cast<double>(whole_number(json, "steps", 0, std::int64_t{1} << 40) * plan.config.batch) /
        static_cast<double>(plan.loader.cases.size());
    run.cases = cases_from(list_at(results, "test_cases"), plan.model.class_names.size(), comparison_.numbers);
    const std::vector<std::string>& ids = protocol_.dataset(task).info().case_ids;
    std::set<std::string> tested, wanted;
    for (const CaseNumbers& one : run.cases) tested.insert(one.id);
    for (const std::int64_t index : plan.test) wanted.insert(nth(ids, index));
    if (tested != wanted || run.cases.size() != wanted.size())
      refuse("test_cases", list_at(results, "test_cases"),
             text("the ", wanted.size(), " test cases of the protocol, each once"));
    return run;
  }

  const CompareOptions& options_;
  Device device_;
  Console& console_;
  const Protocol protocol_;
  std::map<std::string, double> rates_;  // that --tune has found, by the path of Protocol::trial()
  std::map<std::string, std::vector<Task>> trials_;
  Comparison comparison_;
  Live live_;
  std::size_t trainings_ = 0;                               // that this object has begun
  std::set<std::string> shown_;                             // paths of runs
  std::map<std::string, std::set<std::string>> made_with_;  // what run.json says of all runs
};

}  // namespace

std::vector<RunStatus> status(const CompareOptions& options) {
  require_own_directory(options.out);
  Console quiet(-1);
  return Runner(options, Device::cpu, quiet).status();
}

Comparison compare(const CompareOptions& options, Device device, Console& console) {
  const SignalGuard guard;
  require_own_directory(options.out);
  std::optional<Processes> processes;
  if (options.jobs > 1 && !options.merge) {
    if (device == Device::cuda)
      throw Error(ErrorKind::usage, "--jobs with --device cuda: a card is not shared by processes of one program",
                  "start them by hand with --shard i/n");
    // One process makes the distance maps first, because two would write the same cache. All processes are forked
    // before this one opens the datasets, because that starts threads, and a forked process has none of them.
    Processes maps(1, [&](int) {
      Console quiet(-1);
      Runner(options, device, quiet).make_fields();
    });
    while (maps.pause()) {
    }
    if (const int signal = pending_signal()) throw Interrupted{signal};
    processes.emplace(options.jobs, [&](int job) {
      CompareOptions own = options;
      own.shard = options.shard + job * options.of_shards;
      own.of_shards = options.of_shards * options.jobs;
      set_threads(std::max(1, threads() / options.jobs));
      Console quiet(-1);
      Runner part(own, device, quiet);
      try {
        part.run();
      } catch (const Error& error) {  // this process meets it only when the others have ended
        quiet.warn(error.message());
        throw;
      }
    });
  }
  Runner runner(options, device, console);
  runner.warn();
  runner.begin();
  if (processes) runner.follow(*processes);
  return runner.run();
}

}  // namespace voxgrad::apps

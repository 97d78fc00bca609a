// `voxgrad compare` trains several losses on one or more datasets under one protocol, tests and ranks them. It prints
// the ranking per dataset, a summary in words, and the paths of the results and of the report. Several processes may
// share the runs: with --shard, a process does its part (a shard) and prints how many runs are complete; afterwards
// --merge makes the report of all shards, and --status says how far they are.
#include "apps/comparison/compare.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "apps/comparison/forecast.h"
#include "apps/comparison/processes.h"
#include "apps/live/recorder.h"
#include "apps/live/server.h"
#include "apps/live/state.h"
#include "apps/program/signals.h"
#include "apps/program/toml.h"
#include "apps/program/words.h"
#include "apps/report/report.h"
#include "apps/training/memory.h"
#include "apps/training/run_directory.h"
#include "apps/verbs/settings.h"
#include "apps/verbs/verbs.h"
#include "data/sampling/augment.h"
#include "engine/error.h"
#include "engine/names.h"
#include "engine/parallel.h"

namespace voxgrad::apps {
namespace {

constexpr int kMostJobs = 1024, kMostShards = 100'000;
constexpr std::int64_t kMostIndex = 1'000'000'000;  // of a job array; clusters allow a few million
constexpr std::int64_t kMostRuns = 1000;            // of a loss on a dataset
constexpr std::int64_t kShortSteps = 900;           // CompareOptions::short_steps of a preset without steps

// A protocol with a name. 0 means, as in the settings, that the value comes from the data.
struct Preset {
  const char *name, *meaning;
  std::int64_t base, depth, batch, steps;
  double lr;
  const char* augment;
  int seeds, folds;
  bool parallel;  // a training per thread; else one after the other, each on all threads
};
constexpr Preset kPresets[]{
    {"quick", "short trainings, as long as they have to be: a first look in minutes", 16, 4, 1, 0, 0.003, "none", 1, 0,
     true},
    {"standard", "the usual training, three seeds", 0, 0, 0, 600, 0, "", 3, 0, false},
    {"paper", "five folds and three seeds of long trainings", 0, 0, 0, 2000, 0, "", 3, 5, false},
};

struct CompareArguments {
  CompareOptions options;
  std::string losses = "all", preset, shard, watch, max_memory;
  bool dry_run = false, status = false;
  CLI::App* verb = nullptr;
};

// Sets what the preset says, unless a flag or a TOML file says otherwise.
void apply_preset(CompareArguments& arguments, const Program& program) {
  if (arguments.preset.empty()) return;
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.push_back(preset.name);
  const Preset& preset = kPresets[choice("compare: unknown preset", arguments.preset, names)];
  TrainConfig& config = arguments.options.config;
  const auto set = [&](const char* setting, auto& member, auto value) {
    arguments.options.of_preset.insert(setting);
    if (arguments.verb->get_option(option_name(setting))->count() == 0) member = value;
  };
  set("base", config.base, preset.base);
  set("depth", config.depth, preset.depth);
  set("batch", config.batch, preset.batch);
  if (config.epochs == 0) set("steps", config.steps, preset.steps);
  if (preset.steps == 0) arguments.options.short_steps = kShortSteps;
  set("lr", config.lr, preset.lr);
  set("augment", config.augment, preset.augment);
  set("seeds", arguments.options.seeds, preset.seeds);
  set("folds", arguments.options.folds, preset.folds);
  if (preset.parallel && program.common().get_device() == Device::cpu)
    set("jobs", arguments.options.jobs, sensible_jobs(threads()));
}

// The part of this job of an array of Slurm, as i/n. The indices must be a range, with or without a step.
std::string part_of_slurm() {
  const auto number = [](const std::string& name, const char* missing) {
    const char* found = std::getenv(("SLURM_ARRAY_TASK_" + name).c_str());
    const std::string words = found != nullptr ? found : missing;
    std::int64_t value = -1;
    const auto [end, problem] = std::from_chars(words.data(), words.data() + words.size(), value);
    if (problem != std::errc() || end != words.data() + words.size() || value < 0 || value > kMostIndex)
      throw Error(
          ErrorKind::usage,
          text("--shard slurm: SLURM_ARRAY_TASK_", name, found == nullptr ? " is not set" : " is `" + words + "`"),
          "submit it as a job array, or write i/n");
    return value;
  };
  const std::int64_t id = number("ID", ""), count = number("COUNT", ""), least = number("MIN", ""),
                     most = number("MAX", ""), step = std::max<std::int64_t>(1, number("STEP", "1"));
  if (least + (count - 1) * step != most || id < least || id > most || (id - least) % step != 0)
    throw Error(
        ErrorKind::usage,
        text("--shard slurm: the ", count, " indices of the array, ", least, " to ", most, " with ", id, ", have gaps"),
        "write i/n, with i from 0 to n - 1, or submit a range of indices such as 0-15");
  return text((id - least) / step, "/", count);
}

void parse_shard(const std::string& asked, CompareOptions& options) {
  if (asked.empty()) return;
  const std::string words = asked == "slurm" ? part_of_slurm() : asked;
  const std::optional<Part> part = parse_part(words);
  if (!part || part->count > kMostShards)
    throw Error(ErrorKind::usage, text("--shard ", words, ": not a part of a whole of 1 to ", kMostShards, " parts"),
                "write i/n with i from 0 to n - 1, one of n jobs, or slurm in a job array");
  options.shard = part->index;
  options.of_shards = part->count;
}

void check_ranges(const CompareArguments& arguments) {
  const CompareOptions& options = arguments.options;
  if (options.datasets.empty())
    throw Error(ErrorKind::usage, "compare: no dataset given", "voxgrad compare FILE.h5.. --losses ce,dice -o DIR");
  if (options.out.empty() && !arguments.dry_run)
    throw Error(ErrorKind::usage, "compare: no directory given",
                "-o DIR: it gets the runs, the results and the report");
  if (options.losses.empty())
    throw Error(ErrorKind::usage, "compare: no loss given", "--losses all, or --losses ce,dice");
  if (options.seeds < 1) throw Error(ErrorKind::usage, text("--seeds ", options.seeds, " outside 1.."));
  const std::uint64_t first = options.config.seed;
  if (first > std::numeric_limits<std::uint64_t>::max() - static_cast<std::uint64_t>(options.seeds - 1))
    throw Error(ErrorKind::usage,
                text("--seed ", first, " --seeds ", options.seeds, ": there are not so many after it"),
                "take a smaller --seed");
  if (options.folds < 0 || options.folds == 1 || options.folds == 2)
    throw Error(ErrorKind::usage, text("--folds ", options.folds, " outside 3.."),
                "one fold is tested, one validates, the others train; 0: the splits of the file");
  const std::int64_t runs = std::int64_t{options.seeds} * std::max(options.folds, 1);
  if (runs > kMostRuns)
    throw Error(ErrorKind::usage,
                text("--seeds ", options.seeds, options.folds > 0 ? text(" --folds ", options.folds) : "", ": ", runs,
                     " runs of every loss on a dataset, at most ", kMostRuns, " are possible"),
                "fewer --seeds");
  if (options.jobs < 1 || options.jobs > kMostJobs)
    throw Error(ErrorKind::usage, text("--jobs ", options.jobs, " outside 1..", kMostJobs));
  if (options.merge && !arguments.shard.empty())
    throw Error(ErrorKind::usage, "--merge and --shard: the whole is merged", "leave --shard away");
  if (options.merge && arguments.dry_run)
    throw Error(ErrorKind::usage, "--merge and --dry-run: nothing is trained, so there is nothing to plan");
  if (options.merge && !arguments.max_memory.empty())
    throw Error(ErrorKind::usage, "--merge and --max-memory: nothing is trained, so there is nothing to limit");
  // A comparison that an earlier version has begun can go on.
  if (std::error_code ignored; !options.config.augment.empty() && !std::filesystem::exists(options.out, ignored))
    data::require_effect(options.config.augment);
  if (arguments.verb->count("--watch") > 0) {
    if (arguments.dry_run)
      throw Error(ErrorKind::usage, "--dry-run and --watch: nothing is trained, so there is nothing to watch");
    live_port("--watch", arguments.watch);  // a wrong port is found before anything is read
  }
  if (arguments.status && (options.merge || arguments.dry_run || !arguments.shard.empty() ||
                           !arguments.max_memory.empty() || arguments.verb->count("--watch") > 0))
    throw Error(ErrorKind::usage, "--status only looks at what all shards have done",
                "leave --merge, --dry-run, --shard, --max-memory and --watch away");
}

// The processes that have something to do. With --tune one does all trainings of a loss on a dataset.
std::int64_t most_jobs(const CompareOptions& options) {
  const std::int64_t pairs = std::ssize(options.datasets) * std::ssize(options.losses);
  const std::int64_t parts = options.tune ? pairs : pairs * std::max(options.folds, 1) * options.seeds;
  return (parts + options.of_shards - 1) / options.of_shards;
}

// The number of runs in each state, by dataset and loss.
void show_status(const std::vector<RunStatus>& runs, const CompareOptions& options, bool json) {
  const std::vector<std::string> states{"complete", "diverged", "begun", "missing"};
  std::map<std::string, std::int64_t> all;
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::int64_t>> of;
  std::vector<std::pair<std::string, std::string>> order;
  Json list = Json::array();
  for (const RunStatus& run : runs) {
    const std::pair key{run.dataset, run.loss};
    if (!of.contains(key)) order.push_back(key);
    ++of[key][run.state];
    ++all[run.state];
    list.push_back({{"dataset", run.dataset}, {"loss", run.loss}, {"path", run.path}, {"state", run.state}});
  }
  if (json) return print_json({{"runs", list}});
  Table table({"dataset", "loss", "complete", "diverged", "begun", "missing"}, 2);
  for (const auto& key : order) {
    std::vector<std::string> row{key.first, key.second};
    for (const std::string& state : states) row.push_back(text(of[key][state]));
    table.row(row);
  }
  print_text(text(table.str(), options.out, ": of ", count_text(runs.size(), "run"), " ",
                  all["complete"] + all["diverged"], " have ended, ", all["begun"], " are begun and ", all["missing"],
                  " are missing\n"));
}

void run(CompareArguments& arguments, const Program& program) {
  const Common& common = program.common();
  CompareOptions& options = arguments.options;
  toml_text(program.command());  // results.json can name the paths in it
  apply_preset(arguments, program);
  if (common.device != "cpu") options.of_machine += " --device " + common.device;
  if (common.tf32) options.of_machine += " --tf32";
  if (common.fast) options.of_machine += " --fast";
  options.losses = parse_losses(arguments.losses);
  options.config.seed = common.seed;
  // Losses are compared as they are defined, at the resolution of the labels.
  if (!options.config.deep_supervision) options.config.deep_supervision = false;
  parse_shard(arguments.shard, options);
  check_ranges(arguments);
  options.jobs = static_cast<int>(std::clamp<std::int64_t>(most_jobs(options), 1, options.jobs));
  options.cache_bytes /= static_cast<std::size_t>(options.jobs);  // --max-memory may still take fewer jobs
  if (arguments.status) return show_status(status(options), options, common.json);
  Console console = common.console();
  if (!arguments.max_memory.empty()) {
    const int jobs = jobs_within(options, common.get_device(), parse_memory(arguments.max_memory));
    if (jobs < options.jobs)
      console.say(text("jobs      ", jobs, " instead of ", options.jobs, ": as many as --max-memory allows"));
    options.jobs = jobs;
  }
  if (arguments.dry_run) {
    const SignalGuard guard;
    const Forecast found = forecast(options, common.get_device(), [] {
      if (const int signal = pending_signal()) throw Interrupted{signal};
    });
    return common.json ? print_json(to_json(found)) : print_text(forecast_text(found));
  }
  std::optional<LiveServer> server;
  if (arguments.verb->count("--watch") > 0) {
    // Threads begin only when the processes of --jobs have been forked.
    server.emplace(live_port("--watch", arguments.watch));
    options.began = [&](const Json& runs) {
      write_live_plan(options.out, runs);
      server->start(options.out);
      console.say("live page " + server->url());
    };
    options.observer = [](Observer& next, const std::string& run, const Plan& plan, int ignore_label) {
      return std::make_unique<LiveRecorder>(next, run, plan, ignore_label);
    };
  }
  const Comparison comparison = compare(options, common.get_device(), console);
  if (options.of_shards > 1 && common.json)
    return print_json({{"shard", options.shard}, {"of_shards", options.of_shards}, {"runs", comparison.runs.size()}});
  if (options.of_shards > 1)
    return print_text(text("shard ", options.shard, "/", options.of_shards, ": ", comparison.runs.size(),
                           " runs are complete in ", options.out, "; --merge makes the report of all shards\n"));
  const Findings findings = write_comparison(comparison, options.out);
  const std::string report =
      write_report(comparison, findings.analyses, findings.answers, options.out, true, common.get_device());
  if (common.json) return print_text(read_text(options.out + "/results.json"));
  print_text(ranking_text(findings.analyses) + "\n" + join(findings.answers.words, "\n\n") +
             "\n\nresults: " + options.out + "/results.json and results.csv\nreport:  " + report +
             "\npaper:   " + options.out + "/paper\n");
}

}  // namespace

void add_compare(Program& program) {
  const auto arguments = std::make_shared<CompareArguments>();
  CLI::App& verb = program.verb("compare", "train several losses under one protocol, test and rank them",
                                [arguments, &program] { run(*arguments, program); });
  CompareOptions& options = arguments->options;
  std::string presets;
  for (const Preset& preset : kPresets)
    presets += std::string(presets.empty() ? "" : "; ") + preset.name + ": " + preset.meaning;
  arguments->verb = &verb;
  verb.add_option("files", options.datasets, "dataset files");
  verb.add_option("--losses", arguments->losses, "losses as text, separated by commas, or `all`");
  verb.add_option("--seeds", options.seeds, "runs per loss and dataset, with seeds --seed, --seed + 1, ..");
  verb.add_option("--folds", options.folds, "folds of a cross-validation, 3 or more; 0: the splits of the file");
  verb.add_flag("--tune", options.tune, "the best of three learning rates for every loss");
  verb.add_option(
      "--baseline", options.baseline,
      "the loss the others are compared with; empty: dice_ce, or the first loss if that is not one of them");
  verb.add_option("--preset", arguments->preset, presets);
  verb.add_option("--jobs", options.jobs,
                  "processes at the same time, which share --threads; with --preset quick one per thread, at most 8, "
                  "and per GiB of free "
                  "memory");
  verb.add_option("--max-memory", arguments->max_memory,
                  "the memory that all processes may take, e.g. 2GiB or 800MiB: fewer --jobs if those do not fit");
  verb.add_option(
      "--shard", arguments->shard,
      "i/n: do part i (0 ..) of n, for the array jobs of a cluster; slurm: the part of this job of an array");
  verb.add_flag("--merge", options.merge, "train nothing: results and report of what all shards have done");
  verb.add_flag("--status", arguments->status,
                "train nothing: say which runs are complete, diverged, begun or missing");
  verb.add_flag("--dry-run", arguments->dry_run, "say what it will take and which differences it could find, and stop");
  verb.add_option("-o,--out", options.out, "directory of the runs and results; a --dry-run needs none");
  add_watch_flag(verb, arguments->watch);
  add_settings(verb, options.config, {"data", "from", "loss", "fold", "patience"});
  // Where a comparison has other rules than a training:
  verb.get_option("--deep-supervision")
      ->description("the loss at every resolution, weights 2^-k; off unless it is given");
  verb.get_option("--tta")->description(
      "test-time augmentation, the mean over mirrored images: on, off, or auto: if patches are flipped");
  verb.get_option("--steps")->description(
      "length of a training in optimiser steps; 0: with --preset quick 900 times the square root of the number of "
      "foreground classes, at most 3000, else as in `train`");
}

}  // namespace voxgrad::apps

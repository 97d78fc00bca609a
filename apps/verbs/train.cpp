// `voxgrad train` trains a U-Net on a dataset and tests it. It goes on with a run that was interrupted (--resume), or
// runs only two steps and says what the whole training will take (--dry-run). While it works, it shows its progress on
// stderr. At the end it prints a table of the metrics on the test cases, and the best epoch, the time, the memory,
// the run directory and the page that it has written; with --json the same as one document.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>
#include <tuple>

#include "apps/doctor/training_checks.h"
#include "apps/live/recorder.h"
#include "apps/live/server.h"
#include "apps/program/fields.h"
#include "apps/program/signals.h"
#include "apps/program/toml.h"
#include "apps/program/words.h"
#include "apps/report/run_page.h"
#include "apps/training/budget.h"
#include "apps/training/checkpoint.h"
#include "apps/training/console_observer.h"
#include "apps/training/evaluation_text.h"
#include "apps/training/memory.h"
#include "apps/training/preparation.h"
#include "apps/training/session.h"
#include "apps/training/timed_plan.h"
#include "apps/training/transfer.h"
#include "apps/training/validation.h"
#include "apps/verbs/settings.h"
#include "apps/verbs/verbs.h"
#include "engine/backend.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

// With the smoothing that a loss has by itself, a patch without a class teaches nothing about it, and there is no other
// patch in a batch of one (apps/README.md, decision 23).
constexpr const char* kLossOfPictures = "dice_ce:smooth_nr=1,smooth_dr=1";

struct TrainOptions {
  TrainConfig config;
  std::string out, resume, watch, time, max_memory;
  std::int64_t most_memory = 0;  // bytes that --max-memory gives; 0: no limit
  std::vector<Reason> smaller;   // what was made smaller for it
  std::shared_ptr<CasesRead> read = std::make_shared<CasesRead>();
  std::optional<std::vector<Finding>> findings = {};  // of the first batches of the first plan that --time tried
  // With --time, these are known before the steps are planned, because they may read all cases.
  std::optional<DatasetChecksums> checksums = {};
  std::optional<std::vector<std::string>> warnings = {};  // warnings_of() the cases of the plan
  bool dry_run = false;
  CLI::App* verb = nullptr;

  // Sets the limit for the tensors, too. A training that goes on may have another one, because it changes no bit.
  void limit_memory(Device device) {
    if (max_memory.empty()) return;
    most_memory = parse_memory(max_memory);
    backend_of(device).pool().set_limit(static_cast<std::size_t>(most_memory));
  }
  // Prepared cases may take a quarter of it, or of the memory that is free, or more where they need not have more than
  // half of that; others are read again.
  void limit_cache(Plan& plan) const {
    std::size_t& most = plan.loader.cache_bytes;
    const auto available = static_cast<std::size_t>(available_memory_bytes());  // 0: it is not known
    most = most_memory > 0 ? std::min(most, static_cast<std::size_t>(most_memory / 4))
           : available > 0 ? std::max(std::min(most, available / 2), available / 4)
                           : most;
  }
};

// `report` is the path of the page, or empty if it could not be written.
void show(const TrainResult& result, const std::string& report, const std::string& unit, const Common& common) {
  if (common.json) {
    Json json = to_json(result);
    json["report"] = report;
    return print_json(json);
  }
  if (!result.test.empty()) print_text(table(result.test, result.class_names, unit));
  print_text(text(std::isnan(result.val_dice) ? text("last epoch ", result.best_epoch)
                                              : text("best epoch ", result.best_epoch, " of ", result.epochs,
                                                     ", validation Dice ", fixed(result.val_dice, 4)),
                  "; ", duration(result.seconds), ", ", size_text(result.peak_memory), "; ", result.run, "\n"));
  if (const std::string words = outlook(result.rise); !words.empty()) print_text(words + "\n");
  if (result.clean_up) print_text("clean-up: " + choice_text(*result.clean_up, result.class_names) + "\n");
  if (!report.empty()) print_text("report: " + report + "\n");
}

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void end_at_signal() {
  if (const int signal = pending_signal()) throw Interrupted{signal};
}

Costs measure(const data::Dataset& dataset, const Plan& plan, Device device, double seconds, double limit,
              const Costs* known = nullptr, const std::string& folder = "") {
  const SignalGuard guard;
  const Costs costs = measure_costs(dataset, plan, device, seconds, limit, end_at_signal, known, folder);
  end_at_signal();  // one that came after the last look is not lost with the guard
  return costs;
}

// The plan of a training, which may begin with the weights of --from.
Plan plan_of(const TrainOptions& options, TrainConfig config, const data::Dataset& dataset,
             std::int64_t most_voxels = 0) {
  Plan plan;
  if (config.from.empty()) {
    plan = make_plan(dataset, config, nullptr, most_voxels, options.read.get());
  } else {
    const nn::Model source = nn::load_model(model_file(config.from));
    const auto given = [&](const std::string& setting) {
      return options.verb->get_option(option_name(setting))->count() > 0;
    };
    adopt_settings(config, source.spec.net, given);
    if (given("kernels") && config.depth == source.spec.net.depth)
      throw Error(ErrorKind::usage,
                  text("--kernels ", config.kernels, ": with the depth ", config.depth, " of the model ", config.from,
                       " its kernels are taken"),
                  "leave --kernels out, or give another --depth, at which kernels are planned anew");
    plan = make_plan(dataset, config, &source.spec, most_voxels, options.read.get());
    plan.start = std::make_shared<Transfer>(transfer_weights(source, plan));
  }
  if (config.loss == kLossOfPictures)
    plan.reasons.push_back({"loss", config.loss, "smoothed by 1: a patch without a class teaches something about it"});
  for (const Reason& reason : options.smaller) explain(plan, reason.setting, reason.value, reason.why);
  options.limit_cache(plan);
  return plan;
}

// Makes the plan that --max-memory allows; the batch and the patch that are made smaller become settings.
std::pair<Plan, Costs> fit_limit(const data::Dataset& dataset, TrainOptions& options, Device device) {
  FittedPlan fitted = fit_memory(
      options.config, options.most_memory,
      [&](const TrainConfig& config, std::int64_t most_voxels) {
        return plan_of(options, config, dataset, most_voxels);
      },
      [&](const Plan& plan) { return measure(dataset, plan, device, 0, 0); });
  options.smaller = std::move(fitted.smaller);
  return {std::move(fitted.plan), fitted.costs};
}

// The folder that is there and in which a run directory is to be made.
std::string folder_for(const std::string& out) {
  std::filesystem::path folder = out.empty() ? "runs" : out;
  std::error_code ignored;
  while (!folder.empty() && !std::filesystem::is_directory(folder, ignored)) folder = folder.parent_path();
  return folder.empty() ? "." : folder.string();
}

// Makes the plan that --time allows, of which a part is over already.
std::pair<Plan, Costs> fit_time(const data::Dataset& dataset, TrainOptions& options, Clock::time_point start,
                                const Common& common) {
  const Device device = common.get_device();
  const double seconds = parse_time(options.time);
  PlanTrials trials;
  trials.make = [&](const TrainConfig& config) { return plan_of(options, config, dataset); };
  trials.measure = [&](const Plan& plan, double part, double limit, const Costs* known) {
    if (!options.dry_run && !options.checksums) {  // all plans have the same cases
      options.checksums = checksums_of(dataset);
      options.warnings = warnings_of(dataset, {plan.loader.cases, plan.val, plan.test});
    }
    if (!options.dry_run) {
      const SignalGuard guard;
      prepare_maps(dataset, plan, end_at_signal);
      end_at_signal();
      if (!options.findings) options.findings = examine_first_batches(dataset, plan, device);  // this takes time, too
    }
    return measure(dataset, plan, device, part, limit, known, options.dry_run ? "" : folder_for(options.out));
  };
  trials.voxel_seconds = [&](const Plan& plan) { return voxel_seconds(plan, device); };
  trials.left = [&] { return seconds - since(start); };
  auto [plan, costs] = plan_for_time(options.config, options.time, dataset.info(), *options.read, trials);
  common.console().say(text("time      ", plan.steps, " steps of ", fixed(1e3 * costs.step, 0), " ms fit ",
                            options.time, ", with ", count_text(validations(plan), "validation"), " of ",
                            duration(validated_share(plan) * costs.validation), ", and ",
                            duration(validated_share(plan) * costs.clean_up + costs.test + page_seconds(plan, costs)),
                            " for the clean-up, the test and the page"));
  return {std::move(plan), costs};
}

// Does a few steps and predictions, and computes from their time and memory what the whole training will take.
void dry_run(const data::Dataset& dataset, const Plan& plan, const Costs& costs, const Common& common) {
  const std::int64_t epochs = plan.epoch_of(plan.steps),
                     parameters = nn::UNet(plan.model.net, Random(0)).parameter_count();
  const double total = seconds_of(plan, costs), validation = validated_share(plan) * costs.validation,
               clean_up = validated_share(plan) * costs.clean_up;
  if (common.json)
    return print_json({{"parameters", parameters},
                       {"patch", std::vector<std::int64_t>(plan.loader.patch.begin(), plan.loader.patch.end())},
                       {"batch", plan.config.batch},
                       {"steps", plan.steps},
                       {"epochs", epochs},
                       {"step_seconds", costs.step},
                       {"validations", validations(plan)},
                       {"validation_seconds", validation},
                       {"test_seconds", costs.test},
                       {"clean_up_seconds", clean_up},
                       {"page_seconds", page_seconds(plan, costs)},
                       {"seconds", total},
                       {"tensor_memory_bytes", costs.tensors},
                       {"peak_memory_bytes", costs.memory},
                       {"transfer", plan.start ? to_json(*plan.start) : Json()},
                       {"config", to_json(plan.config)},
                       {"reasons", reasons_json(plan)},
                       {"model", Json::parse(nn::to_text(plan.model))},
                       {"augment", data::augment_values(plan.loader.augment)},
                       {"cases", {{"train", plan.loader.cases}, {"val", plan.val}, {"test", plan.test}}},
                       {"warnings", warnings_of(dataset, {plan.loader.cases, plan.val, plan.test})}});
  print_text(summary(plan, dataset.info(), parameters) + (plan.start ? transfer_text(*plan.start) : "") +
             text("memory    ", size_text(costs.tensors), " of tensors, ", size_text(costs.memory), " in all\n",
                  "time      ", duration(total), ": ", plan.steps, " steps of ", fixed(costs.step, 3), " s, ",
                  count_text(validations(plan), "validation"), " of ", duration(validation), ", a test of ",
                  duration(costs.test),
                  plan.chooses_clean_up() ? ", a choice of the clean-up of " + duration(clean_up) : "",
                  ", the page of ", duration(page_seconds(plan, costs)), "\n\n") +
             reasons_text(plan));
  for (const std::string& warning : warnings_of(dataset, {plan.loader.cases, plan.val, plan.test}))
    common.console().warn(warning);
}

// What a training that goes on has to be told again.
std::string flags_again(const TrainOptions& options, const Common& common) {
  const Device device = common.get_device();
  return text(device == Device::cpu ? "" : " --device ", device == Device::cpu ? "" : name_of(device),
              common.tf32 ? " --tf32" : "", common.fast ? " --fast" : "",
              options.max_memory.empty() ? "" : " --max-memory ", options.max_memory);
}

// `server` shows the page; without it there is none.
void run(const data::Dataset& dataset, const Plan& plan, RunDirectory directory, bool resume,
         std::optional<LiveServer>& server, const TrainOptions& options, const Program& program) {
  const Common& common = program.common();
  Console console = common.console();
  ConsoleObserver shown(console);
  std::optional<LiveRecorder> recorder;
  if (server) {
    recorder.emplace(shown, directory.path(), plan, dataset.info().ignore_label);
    server->start(directory.path());
  }
  Observer& observer = recorder ? static_cast<Observer&>(*recorder) : shown;
  Session session(dataset, plan, directory, observer, common.get_device(), program.command(), options.checksums);
  if (resume) session.resume();
  console.say(summary(plan, dataset.info(), nn::UNet(plan.model.net, Random(0)).parameter_count()) +
              (plan.start ? transfer_text(*plan.start) : "") + "run       " + directory.path());
  if (server) console.say("live page " + server->url());
  if (common.get_device() == Device::cuda && !common.tf32)
    console.say(plan.config.amp
                    ? "precision bf16 in steps, f32 in validations; with --tf32 these are several times faster"
                    : "precision f32; with --amp --tf32 a GPU from Ampere (2020) on is several times faster");
  if (resume) console.say(text("resumed   at step ", session.steps_done(), " of ", plan.steps));
  for (const std::string& warning :
       options.warnings ? *options.warnings : warnings_of(dataset, {plan.loader.cases, plan.val, plan.test}))
    session.warn(warning);
  if (plan.start && !plan.test.empty() && has_seen(plan.start->file, dataset) &&
      !has_splits_of(plan.start->file, dataset, {plan.loader.cases, plan.val, plan.test}))
    session.warn(plan.start->file + ": this model has learned from other splits of the same cases, so it may know " +
                 "those that are tested, and their Dice is too good");
  if (!resume)
    for (const Finding& finding :
         options.findings ? *options.findings : examine_first_batches(dataset, plan, common.get_device()))
      if (finding.failure) session.warn(text(finding.what, " ", finding.why, " ", finding.remedy));
  TrainResult result;
  try {
    result = session.run();
  } catch (const Interrupted&) {
    console.say(text("stopped at step ", session.steps_done(), " of ", plan.steps,
                     "; go on with: voxgrad train --resume ", shell_word(directory.path()),
                     flags_again(options, common)));
    throw;
  }
  const auto write_report = [&] { return write_run_page(directory.path(), common.get_device(), &dataset); };
  std::string report;
  bool missing = false;
  try {
    report = write_report();
  } catch (const Error& error) {
    result.warnings.push_back("no report: " + error.message());  // the run itself is complete
    console.warn(result.warnings.back());
    missing = error.kind() == ErrorKind::io;
  }
  result.peak_memory = peak_memory_bytes();  // with the page
  show(result, report, plan.model.training.spacing_unit, common);
  if (server)
    console.say("the live page ends here; it comes again with: voxgrad watch " + shell_word(directory.path()));
  session.save_missing();
  if (missing) write_report();  // as save_missing() does: the exit code says that a file could not be written
}

[[noreturn]] void refuse_change(const std::string& flag, const std::string& run) {
  throw Error(ErrorKind::usage, "train: " + flag + " cannot be changed when a run is resumed",
              "the settings are in " + run + "/config.toml; start a new run to change them");
}

// The plan of a run that goes on. Settings that the dataset cannot have come from a damaged file, for it had them once.
Plan plan_again(const data::Dataset& dataset, const TrainConfig& config, const TensorFile& last,
                const std::string& checkpoint) try {
  const auto model = last.metadata.find("model");
  if (model == last.metadata.end()) throw Error(ErrorKind::usage, "no `model` in its metadata");
  const nn::ModelSpec own = nn::parse_spec(model->second);  // what the rules or another model gave to the run is in it
  return make_plan(dataset, config, &own);
} catch (const Error& error) {
  if (error.kind() != ErrorKind::usage) throw;
  throw Error(ErrorKind::model, checkpoint + ": " + error.message(), "the file is damaged, or the dataset another one");
}

// A run goes on with the settings that it began with.
void resume(const TrainOptions& options, std::optional<LiveServer>& server, const Program& program) {
  visit_settings(options.config, [&](const std::string& name, const auto&, const char*) {
    const CLI::Option* option = options.verb->get_option_no_throw(option_name(name));
    if (name != "data" && option != nullptr && option->count() > 0) refuse_change(option_name(name), options.resume);
  });
  if (!options.time.empty()) refuse_change("--time", options.resume);
  RunDirectory directory = RunDirectory::reopen(options.resume);
  std::string warning;
  TensorFile last = directory.load_last(warning);
  const std::string checkpoint = directory.file("last.safetensors");
  TrainConfig config = reading(checkpoint, ErrorKind::model, [&] {
    const Json settings = metadata_json(last, "config", checkpoint);
    require_all_settings(settings);
    parse_label_map(text_at(settings, "label_map"));
    return config_from_json(settings);
  });
  if (options.verb->get_parent()->count("--seed") > 0 && program.common().seed != config.seed)
    refuse_change("--seed", options.resume);
  if (!options.config.data.empty()) config.data = options.config.data;
  std::error_code unreadable;
  if (!std::filesystem::exists(config.data, unreadable) && !unreadable)
    throw Error(ErrorKind::io, config.data + ": the dataset of " + options.resume + " is not there",
                "say where it is: voxgrad train DATA.h5 --resume " + shell_word(options.resume));
  const data::Dataset dataset = open_dataset(config.data, config.label_map);
  Plan plan = plan_again(dataset, config, last, checkpoint);
  last = {};  // its tensors would stay in memory, for which the training was not planned
  options.limit_cache(plan);
  run(dataset, plan, std::move(directory), true, server, options, program);
}

void train(TrainOptions& options, const Program& program) {
  const Clock::time_point start = Clock::now();
  std::optional<LiveServer> server;  // a port in use is found before anything is read or removed
  if (options.verb->count("--watch") > 0) server.emplace(live_port("--watch", options.watch));
  options.limit_memory(program.common().get_device());
  if (!options.resume.empty()) return resume(options, server, program);
  TrainConfig& config = options.config;
  if (config.data.empty())
    throw Error(ErrorKind::usage, "train: no dataset given", "voxgrad train FILE.h5 --loss dice_ce -o RUN");
  if (!options.time.empty()) parse_time(options.time);
  if (!options.time.empty() && (config.steps > 0 || config.epochs > 0))
    throw Error(ErrorKind::usage, "--time, --steps and --epochs all say how long the training is", "give one of them");
  losses::make_loss(config.loss);  // a misspelt loss is found before the file is read
  if (!config.augment.empty()) data::require_effect(config.augment);
  config.seed = program.common().seed;
  toml_text(program.command());  // config.toml and run.json can name the paths in it
  const Device device = program.common().get_device();
  if (config.amp) require_amp(device);
  const data::Dataset dataset = open_dataset(config.data, config.label_map);
  std::optional<RunDirectory> directory;  // before the plan, which may take minutes; it goes away if that fails
  if (!options.dry_run)
    directory.emplace(options.out.empty() ? create_free_directory(config.data, config.loss)
                                          : RunDirectory::create(options.out));
  if (dataset.info().dims == 2 && options.verb->get_option("--loss")->count() == 0) config.loss = kLossOfPictures;
  auto [plan, costs] = options.most_memory > 0 ? fit_limit(dataset, options, device)
                       : options.time.empty()  ? std::pair{plan_of(options, config, dataset), Costs{}}
                                               : std::pair<Plan, Costs>();
  if (!options.time.empty())
    std::tie(plan, costs) = fit_time(dataset, options, start, program.common());
  else if (options.dry_run && options.most_memory == 0)
    costs = measure(dataset, plan, device, 0, 0);
  require_validations(plan);
  if (options.dry_run) return dry_run(dataset, plan, costs, program.common());
  dataset.verify();  // damaged data leaves no run directory
  run(dataset, plan, std::move(*directory), false, server, options, program);
}

}  // namespace

void add_train(Program& program) {
  const auto options = std::make_shared<TrainOptions>();
  CLI::App& verb = program.verb("train", "train a U-Net", [options, &program] { train(*options, program); });
  options->verb = &verb;
  add_settings(verb, options->config);
  CLI::Option* out =
      verb.add_option("-o,--out", options->out, "run directory (default: runs/DATASET-LOSS, then -2, -3, ..)");
  CLI::Option* resume = verb.add_option("--resume", options->resume, "go on with the run in this directory");
  resume->configurable(false)->excludes(out);
  verb.add_option("--time", options->time,
                  "the time that all may take, e.g. 90s, 20min or 2h: the steps are as many as fit");
  verb.add_option("--max-memory", options->max_memory,
                  "the memory that all may take, e.g. 2GiB or 800MiB: batch and patch are made smaller until they fit");
  add_watch_flag(verb, options->watch);
  verb.add_flag("--dry-run", options->dry_run, "print the plan with its reasons, the memory and the time, and stop")
      ->configurable(false)
      ->excludes(resume)
      ->excludes(verb.get_option("--watch"));
}

}  // namespace voxgrad::apps

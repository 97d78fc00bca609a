#include "apps/comparison/compare.h"

#include <filesystem>

#include "apps/verbs/program.h"
#include "apps/verbs/settings.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

struct CompareArguments {
  CompareOptions options;
  std::string losses = "ce,dice,jaccard,tversky,dice_ce", preset;
  CLI::App* verb = nullptr;
};

// What a preset sets, unless a flag says otherwise.
void apply_preset(CompareArguments& arguments) {
  if (arguments.preset.empty()) return;
  if (arguments.preset != "quick")
    throw Error(ErrorKind::usage, "compare: unknown preset `" + arguments.preset + "`",
                suggestion(arguments.preset, {"quick"}));
  TrainConfig& config = arguments.options.config;
  const auto set = [&](const char* setting, std::int64_t& member, std::int64_t value) {
    if (arguments.verb->get_option(option_name(setting))->count() == 0) member = value;
  };
  set("base", config.base, 8);
  set("depth", config.depth, 3);
  set("batch", config.batch, 4);
  set("steps", config.steps, 150);
  set("validate_every", config.validate_every, 0);
}

void run(CompareArguments& arguments, const Program& program) {
  const Common& common = program.common();
  CompareOptions& options = arguments.options;
  apply_preset(arguments);
  options.losses = parse_losses(arguments.losses);
  options.config.seed = common.seed;
  options.command = program.command();
  if (options.datasets.empty())
    throw Error(ErrorKind::usage, "compare: no dataset given", "voxgrad compare FILE.h5.. --losses ce,dice -o DIR");
  if (options.losses.empty())
    throw Error(ErrorKind::usage, "compare: no loss given", "--losses all, or --losses ce,dice");
  if (options.seeds < 1) throw Error(ErrorKind::usage, text("--seeds ", options.seeds, " outside 1.."));
  Console console = common.console();
  const Comparison comparison = compare(options, common.get_device(), console);
  if (common.json) return print_json(to_json(comparison));
  print_text(ranking_text(comparison) + "\nresults: " + options.out + "/results.json and results.csv\n");
}

}  // namespace

void add_compare(Program& program) {
  const auto arguments = std::make_shared<CompareArguments>();
  CLI::App& verb = program.verb("compare", "train several losses under one protocol, test and rank them",
                                [arguments, &program] { run(*arguments, program); });
  arguments->verb = &verb;
  verb.add_option("files", arguments->options.datasets, "dataset files");
  verb.add_option("--losses", arguments->losses, "losses as text, separated by commas, or `all`");
  verb.add_option("--seeds", arguments->options.seeds, "runs per loss and dataset, with seeds --seed, --seed + 1, ..");
  verb.add_option("--preset", arguments->preset, "quick: a small net and few steps, for a first look");
  verb.add_option("-o,--out", arguments->options.out, "directory of the runs and results")->required();
  add_settings(verb, arguments->options.config, {"data", "loss"});
}

}  // namespace voxgrad::apps

// `voxgrad synth` writes a dataset of phantoms: pictures or volumes that are computed from a seed, with their labels.
// It prints nothing but messages; --list prints a table of the tasks.
#include <filesystem>
#include <tuple>
#include <vector>

#include "apps/program/words.h"
#include "apps/training/config.h"
#include "apps/verbs/verbs.h"
#include "data/phantoms.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

struct SynthOptions {
  std::string task, out, size;
  std::int64_t cases = 0;
  bool list = false;
};

void list(const Common& common) {
  Json json = Json::array();
  Table table({"task", "size", "cases", "classes", ""}, 1);
  for (const data::Phantom& phantom : data::phantoms()) {
    json.push_back({{"name", phantom.name},
                    {"summary", phantom.summary},
                    {"dims", phantom.dims},
                    {"class_names", phantom.class_names},
                    {"size", phantom.size},
                    {"cases", phantom.cases}});
    table.row({phantom.name, sizes_text(phantom.size), std::to_string(phantom.cases),
               std::to_string(phantom.class_names.size()), phantom.summary});
  }
  if (common.json) return print_json(json);
  print_text(table.str());
}

// Whether a file is a phantom, which can be made again.
bool is_phantom(const std::string& path) {
  try {
    const data::Dataset dataset = data::Dataset::open(path);
    const auto source = dataset.info().attributes.find("source");
    return source != dataset.info().attributes.end() && source->second.starts_with("voxgrad synth");
  } catch (const Error&) {
    return false;
  }
}

// Throws Error(usage) where nothing could be written.
data::PhantomOptions wish_of(const data::Phantom& phantom, const std::string& path, const SynthOptions& options,
                             const Common& common) {
  data::PhantomOptions wish;
  wish.cases = options.cases;
  wish.seed = common.seed;
  if (!options.size.empty()) wish.size = parse_sizes(options.size, phantom.dims, "--size");
  if (std::filesystem::exists(path) && !is_phantom(path))
    throw Error(ErrorKind::usage, "synth: " + path + " exists already, and is no phantom",
                "choose another name with -o");
  return wish;
}

void synth(const SynthOptions& options, const Common& common) {
  if (options.list) {
    if (!options.task.empty() || !options.out.empty() || !options.size.empty() || options.cases != 0)
      throw Error(ErrorKind::usage, "synth: --list lists the tasks and writes nothing",
                  "leave out all else, or --list");
    return list(common);
  }
  if (options.cases < 0 || options.cases > data::kMostPhantomCases)
    throw Error(ErrorKind::usage, text("--cases ", options.cases, " outside 0..", data::kMostPhantomCases));
  if (options.task.empty())
    throw Error(ErrorKind::usage, "synth: no task given", "`voxgrad synth --list` lists the tasks; `all` makes each");
  std::vector<std::string> names{"all"};
  for (const data::Phantom& phantom : data::phantoms()) names.push_back(phantom.name);
  choice("synth: unknown task", options.task, names);
  if (options.task == "all" && options.out.empty())
    throw Error(ErrorKind::usage, "synth all: no directory is named", "-o DIR; -o data/bundled for those of the tree");
  std::vector<std::tuple<std::string, std::string, data::PhantomOptions>> wanted;  // name, path and wish
  for (const data::Phantom& phantom : data::phantoms()) {
    if (options.task != "all" && options.task != phantom.name) continue;
    const std::string file = phantom.name + ".h5";
    const std::string path = options.task == "all" ? options.out + "/" + file
                             : options.out.empty() ? file
                                                   : options.out;
    wanted.emplace_back(phantom.name, path, wish_of(phantom, path, options, common));
  }
  if (options.task == "all") std::filesystem::create_directories(options.out);
  Json written = Json::array();
  for (const auto& [name, path, wish] : wanted) {
    data::write_dataset(path, data::make_phantom(name, wish));
    common.console().say("wrote " + path);
    written.push_back(path);
  }
  if (common.json) print_json({{"written", written}});
}

}  // namespace

void add_synth(Program& program) {
  const auto options = std::make_shared<SynthOptions>();
  CLI::App& verb = program.verb("synth", "write a synthetic dataset (phantom)",
                                [options, &program] { synth(*options, program.common()); });
  verb.add_option("task", options->task, "name of the phantom, or `all`");
  verb.add_option("-o,--out", options->out, "file (default TASK.h5); for `all` a directory");
  verb.add_option("--cases", options->cases, "number of cases; 0: as many as the task has by default");
  verb.add_option("--size", options->size, "extents, e.g. 128x128; empty: those of the task");
  verb.add_flag("--list", options->list, "list the tasks");
}

}  // namespace voxgrad::apps

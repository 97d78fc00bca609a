// A comparison as text: its losses, its command line, and the files in which it is kept.
#include <algorithm>
#include <exception>
#include <filesystem>

#include "apps/comparison/compare.h"
#include "apps/program/fields.h"
#include "apps/program/words.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "engine/names.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {

namespace fs = std::filesystem;

namespace {

// Whether runs of a comparison are in the directory, whatever else is.
bool has_runs(const std::string& directory) {
  std::error_code ignored;
  fs::recursive_directory_iterator at(directory, fs::directory_options::skip_permission_denied, ignored), end;
  for (; at != end; at.increment(ignored)) {
    if (at->path().filename() == "log.jsonl" && at.depth() == 3) return true;  // DATASET/LOSS/SEED/log.jsonl
    if (at.depth() == 3) at.disable_recursion_pending();
  }
  return false;
}

}  // namespace

std::vector<std::string> parse_losses(const std::string& text) {
  std::vector<std::string> result;
  if (text == "all") {
    for (const losses::Spec& spec : losses::registry())
      if (spec.objective) result.push_back(spec.name);
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

std::string command_of(const CompareOptions& options) {
  std::string command = "voxgrad compare";
  for (const std::string& path : options.datasets) command += " " + shell_word(path);
  command += " --losses " + (options.losses == parse_losses("all") ? "all" : shell_word(join(options.losses, ",")));
  const bool quick = options.short_steps > 0 && options.config.steps == 0 && options.config.epochs == 0;
  if (quick) command += " --preset quick";
  const Json usual = to_json(usual_comparison()), own = to_json(options.config);
  for (const auto& [name, value] : own.items()) {
    if (value == usual.at(name) && !(quick && options.of_preset.contains(name))) continue;
    std::string flag = name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    if (value.is_boolean())
      command += value.get<bool>() ? " --" + flag : " --no-" + flag;
    else
      command += " --" + flag + " " + (value.is_string() ? shell_word(value.get<std::string>()) : value.dump());
  }
  if (options.seeds != 1) command += text(" --seeds ", options.seeds);
  if (options.folds != 0) command += text(" --folds ", options.folds);
  if (options.tune) command += " --tune";
  if (!options.baseline.empty()) command += " --baseline " + shell_word(options.baseline);
  return command + options.of_machine + " -o AGAIN";
}

void require_own_directory(const std::string& directory) {
  if (fs::exists(directory) && !fs::is_directory(directory))
    throw Error(ErrorKind::io, directory + ": it is no folder", "name a folder with -o");
  const auto refuse = [&](const char* name) {
    throw Error(ErrorKind::usage, directory + "/" + name + " is there, and no comparison has written it",
                "give the comparison a directory of its own with -o");
  };
  const std::string results = directory + "/results.json";
  if (fs::exists(results)) {
    const Json json = json_or_null(read_text(results));
    if (!json.is_object() || !json.contains("protocol")) refuse("results.json");
    return;
  }
  for (const char* name : {"results.csv", "report.html", "overlays", "paper"})
    if (fs::exists(directory + "/" + name) && !has_runs(directory)) refuse(name);
}

Comparison read_comparison(const std::string& directory) {
  const std::string path = directory + "/results.json";
  if (!fs::exists(path))
    throw Error(ErrorKind::io, "no results in " + directory + ": " + path + " does not exist",
                "`voxgrad compare .. -o " + directory + "` writes them, with --merge from the runs of shards");
  return reading(path, ErrorKind::data, [&] { return comparison_from_json(parse_json(read_text(path))); });
}

Findings write_comparison(const Comparison& comparison, const std::string& directory) {
  Findings findings;
  std::exception_ptr nothing_follows;
  try {
    findings = findings_of(comparison);
  } catch (const std::exception&) {  // also for want of memory: what was trained is written all the same
    nothing_follows = std::current_exception();
  }
  Json json = to_json(comparison);
  json["analyses"] = Json::array();
  for (const Analysis& analysis : findings.analyses) json["analyses"].push_back(to_json(analysis));
  json["answers"] = to_json(findings.answers);
  write_text(directory + "/results.json", dumped(json, 1) + "\n");
  write_text(directory + "/results.csv", to_csv(comparison));
  if (nothing_follows) std::rethrow_exception(nothing_follows);
  return findings;
}

}  // namespace voxgrad::apps

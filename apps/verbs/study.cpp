// `voxgrad study` lists what the papers claim about losses, and computes whether it holds. With -o it writes a page and
// the numbers. It ends with exit code 8 if a claim does not hold.
#include <algorithm>
#include <filesystem>
#include <span>

#include "apps/program/words.h"
#include "apps/study/study.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kAllClaims = "all";

struct StudyOptions {
  std::string name, output;
};

void list_claims(const Common& common) {
  Json json = Json::array();
  Table table({"claim", "source"}, 2);
  for (const Claim& claim : claims()) {
    json.push_back({{"claim", claim.name}, {"statement", claim.statement}, {"source", claim.source}});
    table.row({claim.name, claim.source});
  }
  if (common.json) return print_json(json);
  print_text(table.str() + "\n`voxgrad study NAME` computes whether a claim holds, `voxgrad study all` all of them.\n");
}

void study(const StudyOptions& options, const Common& common) {
  if (options.name.empty() && options.output.empty()) return list_claims(common);
  std::vector<std::string> names;
  for (const Claim& claim : claims()) names.push_back(claim.name);
  names.push_back(kAllClaims);
  const std::size_t chosen = options.name.empty() ? claims().size() : choice("study", options.name, names);

  Console console = common.console();
  std::vector<Examined> all;
  for (const Claim& claim : claims())
    if (chosen == claims().size() || claims()[chosen].name == claim.name) {
      console.detail("computing " + claim.name);
      all.push_back(examine(claim));
      if (!common.json) print_text((all.size() > 1 ? "\n" : "") + study_text(all.back()));
    }
  Json json = study_json(all);
  if (!options.output.empty()) {
    const std::filesystem::path folder = options.output;
    std::filesystem::create_directories(folder);
    const std::string numbers = json.dump(1) + "\n", page = study_page(all);
    write_atomically((folder / "study.json").string(), {std::as_bytes(std::span(numbers))});
    write_atomically((folder / "study.html").string(), {std::as_bytes(std::span(page))});
    json["html"] = (folder / "study.html").string();
    if (!common.json) print_text("\n" + (folder / "study.html").string() + "\n");
  }
  if (common.json) print_json(json);
  const auto failed = std::count_if(all.begin(), all.end(), [](const Examined& e) { return !e.evidence.holds(); });
  if (failed > 0) throw Error(ErrorKind::check, text("study: ", count_text(failed, "claim"), " did not hold"));
}

}  // namespace

void add_study(Program& program) {
  const auto options = std::make_shared<StudyOptions>();
  CLI::App& verb =
      program.verb("study", "what the papers claim about losses, computed anew; exit code 8 if a claim does not hold",
                   [options, &program] { study(*options, program.common()); });
  verb.add_option("name", options->name, "a claim, or all; without it the claims are listed");
  verb.add_option("-o,--out", options->output, "a folder for study.html and study.json");
}

}  // namespace voxgrad::apps

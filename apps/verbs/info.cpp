// `voxgrad info` prints the version of the program, the instruction set and the matrix products that it uses, the
// number of threads, and whether there is a card.
#include "apps/program/manifest.h"
#include "apps/verbs/verbs.h"

namespace voxgrad::apps {
namespace {

void info(const Common& common) {
  const Json json = manifest();
  if (common.json) return print_json(json);
  const auto word = [&](const char* name) { return json.at(name).get<std::string>(); };
  print_text("voxgrad   " + word("version") + ", " + word("compiler") + ", " + word("build") + "\n" + "cpu       " +
             word("cpu") + "\n" + "threads   " + json.at("threads").dump() + "\n" + "cuda      " +
             json.at("cuda").at("description").get<std::string>() + "\n");
}

}  // namespace

void add_info(Program& program) {
  program.verb("info", "version, compiler, instruction set, matrix products, threads, devices",
               [&program] { info(program.common()); });
}

}  // namespace voxgrad::apps

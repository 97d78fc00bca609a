// `voxgrad losses` prints a table of all losses, or with a name all that is known of one: formula, parameters, source
// and relations to others. `voxgrad losses eval` computes a loss (losses_eval.cpp).
#include "apps/verbs/losses_text.h"
#include "apps/verbs/verbs.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

struct LossesOptions {
  std::string name;
  bool markdown = false;
};

void list(const LossesOptions& options, const Common& common) {
  if (options.markdown) return print_text(losses_markdown());
  if (!options.name.empty()) {
    const losses::Spec& spec = losses::find_spec(options.name);
    return common.json ? print_json(to_json(spec)) : print_text(explain(spec));
  }
  if (!common.json) return print_text(list_losses() + "\n`voxgrad losses NAME` explains one.\n");
  Json json = Json::array();
  for (const losses::Spec& spec : losses::registry()) json.push_back(to_json(spec));
  print_json(json);
}

}  // namespace

void add_losses(Program& program) {
  const auto options = std::make_shared<LossesOptions>();
  CLI::App& verb = program.verb("losses", "the losses: list, explain, evaluate",
                                [options, &program] { list(*options, program.common()); });
  verb.add_option("name", options->name, "the loss to explain; without it all are listed");
  verb.add_flag("--markdown", options->markdown, "the list as a Markdown table");
  add_losses_eval(program, verb);
}

}  // namespace voxgrad::apps

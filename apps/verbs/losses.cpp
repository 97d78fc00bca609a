// `voxgrad losses` prints a table of all losses, or with a name all that is known of one: formula, parameters, source
// and relations to others. With --html it writes a page for each of them, with pictures. With --for it prints which
// losses to try on a dataset, and why. `voxgrad losses eval` computes a loss (losses_eval.cpp).
#include "apps/training/cases.h"
#include "apps/training/loss_advice.h"
#include "apps/training/plan.h"
#include "apps/verbs/losses_pages.h"
#include "apps/verbs/losses_text.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

struct LossesOptions {
  std::string name, data, label_map, html;
  bool markdown = false;
};

void advise(const LossesOptions& options, const Common& common) {
  const data::Dataset dataset = open_dataset(options.data, options.label_map);
  data::require_labels(dataset, "a choice of losses");
  const std::string fold = only_fold(dataset.info());
  const std::vector<std::int64_t> cases = fold.empty() ? cases_of(dataset, "train") : split_of(dataset, fold).train;
  const std::vector<LossAdvice> advice = advise_losses(data::take_fingerprint(dataset, cases));
  if (!common.json) return print_text(advice_text(advice, options.data));
  Json list = Json::array();
  for (const LossAdvice& one : advice)
    list.push_back({{"loss", one.loss}, {"reason", one.reason}, {"source", one.source}});
  print_json({{"data", options.data}, {"losses", list}});
}

void list(const LossesOptions& options, const Common& common) {
  if (options.markdown && common.json)
    throw Error(ErrorKind::usage, "losses: --markdown and --json are two forms of one list", "leave one of them out");
  if (!options.data.empty()) return advise(options, common);
  if (!options.html.empty()) {
    write_loss_pages(options.html);
    const std::string first = options.html + "/index.html";
    return common.json ? print_json({{"html", first}, {"losses", losses::registry().size()}})
                       : print_text(first + "\n");
  }
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
  CLI::Option* name = verb.add_option("name", options->name, "the loss to explain; without it all are listed");
  CLI::Option* markdown = verb.add_flag("--markdown", options->markdown, "the list as a Markdown table");
  CLI::Option* data = verb.add_option("--for", options->data, "a dataset: which losses to try on it, and why");
  markdown->excludes(name);
  data->excludes(name)->excludes(markdown);
  verb.add_option("--html", options->html, "a folder for a catalogue: a page for each loss, with pictures")
      ->excludes(name)
      ->excludes(markdown)
      ->excludes(data);
  verb.add_option("--label-map", options->label_map, "stored label:class pairs of the dataset, e.g. 0:0,255:1")
      ->needs(data);
  add_losses_eval(program, verb);
}

}  // namespace voxgrad::apps

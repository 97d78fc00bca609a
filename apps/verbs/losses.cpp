#include <algorithm>

#include "apps/verbs/losses_eval.h"
#include "apps/verbs/program.h"
#include "engine/error.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

using losses::Parameter;
using losses::Spec;

struct LossesOptions {
  std::string name;
  bool markdown = false;
};

// "0..1", "one of a, b", "0 or 1".
std::string range_text(const Parameter& parameter) {
  std::string words;
  for (const std::string& choice : parameter.choices) words += (words.empty() ? "" : ", ") + choice;
  if (parameter.kind == losses::Kind::choice) return words;
  if (parameter.kind == losses::Kind::flag) return "0, 1";
  const auto bound = [](double value) {
    return std::isinf(value) ? std::string(value > 0 ? "inf" : "-inf") : losses::shortest_text(value);
  };
  return (words.empty() ? "" : words + ", or ") + bound(parameter.low) + ".." + bound(parameter.high);
}

Json to_json(const Spec& spec) {
  Json parameters = Json::array();
  for (const Parameter& parameter : spec.parameters)
    parameters.push_back({{"name", parameter.name},
                          {"kind", losses::name_of(parameter.kind)},
                          {"default", parameter.standard},
                          {"low", number(parameter.low)},
                          {"high", number(parameter.high)},
                          {"choices", parameter.choices},
                          {"meaning", parameter.meaning}});
  return {{"name", spec.name},       {"family", losses::name_of(spec.family)},
          {"summary", spec.summary}, {"formula", spec.formula},
          {"source", spec.source},   {"helps", spec.helps},
          {"fails", spec.fails},     {"parameters", parameters}};
}

std::string explain(const Spec& spec) {
  Table parameters({"parameter", "default", "range", "meaning"}, 4);
  for (const Parameter& parameter : spec.parameters)
    parameters.row({parameter.name, parameter.standard, range_text(parameter), parameter.meaning});
  return text(spec.name, " (", losses::name_of(spec.family), ")\n  ", spec.summary, "\n\nformula  ", spec.formula,
              "\nsource   ", spec.source, "\nhelps    ", spec.helps, "\nfails    ", spec.fails, "\n\n",
              parameters.str(), "\nvoxgrad train FILE.h5 --loss ", losses::make_loss(spec.name).text(), "\n");
}

std::string markdown() {
  // A | within a cell would end it.
  const auto cell = [](std::string words) {
    for (std::size_t at = 0; (at = words.find('|', at)) != std::string::npos; at += 2) words.insert(at, "\\");
    return words;
  };
  std::string result = "| loss | family | what it is | formula | source |\n| --- | --- | --- | --- | --- |\n";
  for (const Spec& spec : losses::registry())
    result += text("| `", spec.name, "` | ", losses::name_of(spec.family), " | ", cell(spec.summary), " | `",
                   cell(spec.formula), "` | ", cell(spec.source), " |\n");
  return result;
}

void list(const LossesOptions& options, const Common& common) {
  if (options.markdown) return print_text(markdown());
  if (!options.name.empty()) {
    const Spec& spec = losses::find_spec(options.name);
    return common.json ? print_json(to_json(spec)) : print_text(explain(spec));
  }
  Json json = Json::array();
  Table table({"loss", "family", "what it is"}, 3);
  for (const Spec& spec : losses::registry()) {
    json.push_back(to_json(spec));
    table.row({spec.name, losses::name_of(spec.family), spec.summary});
  }
  if (common.json) return print_json(json);
  print_text(table.str() + "\n`voxgrad losses NAME` explains one.\n");
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

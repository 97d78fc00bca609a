#include "apps/verbs/losses_text.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "engine/error.h"
#include "losses/catalogue/identities.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

using losses::Parameter;
using losses::Spec;

constexpr std::size_t kColumns = 100;

// Breaks a text into lines that end before column `columns`; all but the first are indented.
std::string wrapped(const std::string& words, std::size_t indent, std::size_t columns = kColumns) {
  std::string result;
  std::size_t at = indent;
  for (std::size_t begin = 0; begin < words.size();) {
    const std::size_t end = std::min(words.find(' ', begin), words.size());
    const bool first = at == indent;
    if (!first && at + 1 + end - begin > columns) {
      result += "\n" + std::string(indent, ' ');
      at = indent;
    } else if (!first) {
      result += ' ';
      ++at;
    }
    result += words.substr(begin, end - begin);
    at += end - begin;
    begin = end + 1;
  }
  return result;
}

// Puts a name and its explanation side by side.
std::string paragraph(const std::string& name, const std::string& words) {
  constexpr std::size_t kIndent = 10;
  return name + std::string(kIndent - name.size(), ' ') + wrapped(words, kIndent) + "\n";
}

bool letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

// Returns whether a formula has this symbol as a word of its own. An index behind _ is no word.
bool has_symbol(const std::string& formula, const std::string& symbol) {
  for (std::size_t at = formula.find(symbol); at != std::string::npos; at = formula.find(symbol, at + 1)) {
    const std::size_t end = at + symbol.size();
    const bool begins = at == 0 || (!letter(formula[at - 1]) && formula[at - 1] != '_');
    if (begins && (end == formula.size() || !letter(formula[end]))) return true;
  }
  return false;
}

std::string parameter_table(const Spec& spec) {
  constexpr std::size_t kRange = 22;  // what is longer comes before the meaning
  std::size_t name = 9, standard = 7;
  for (const Parameter& parameter : spec.parameters) {
    name = std::max(name, parameter.name.size());
    standard = std::max(standard, parameter.standard.size());
  }
  const auto cell = [](const std::string& words, std::size_t width) {
    return words + std::string(width > words.size() ? width - words.size() : 0, ' ') + "  ";
  };
  std::string result = cell("parameter", name) + cell("default", standard) + cell("range", kRange) + "meaning\n";
  const std::size_t indent = name + standard + kRange + 6;
  for (const Parameter& parameter : spec.parameters) {
    const std::string range = range_text(parameter);
    result += cell(parameter.name, name) + cell(parameter.standard, standard);
    if (range.size() > kRange)
      result += range + "\n" + std::string(indent, ' ');
    else
      result += cell(range, kRange);
    result += wrapped(parameter.meaning, indent) + "\n";
  }
  return result;
}

const char* holds_for(losses::Channels channels) {
  if (channels == losses::Channels::one) return "  (one sigmoid channel)";
  if (channels == losses::Channels::two_classes) return "  (two classes)";
  return channels == losses::Channels::several ? "  (softmax)" : "";
}

// In a cell of a Markdown table a | would end it.
std::string markdown_cell(std::string words) {
  for (std::size_t at = 0; (at = words.find('|', at)) != std::string::npos; at += 2) words.insert(at, "\\");
  return words;
}

}  // namespace

std::string family_title(losses::Family family) {
  switch (family) {
    case losses::Family::distribution: return "distribution: sums over voxels";
    case losses::Family::region: return "region: overlap and size of whole regions";
    case losses::Family::boundary: return "boundary: distances to borders";
    case losses::Family::compound: return "compound: sums of the others";
  }
  return "";
}

std::string symbols(const Spec& spec) {
  static const std::vector<std::pair<std::string, std::string>> meanings{
      {"p", "p probability of the class"},
      {"p_y", "p_y probability of the true class of a voxel"},
      {"t", "t truth, 0 or 1"},
      {"I", "I = sum p t"},
      {"P", "P = sum p"},
      {"G", "G = sum t"},
      {"FP", "FP = P - I"},
      {"FN", "FN = G - I"},
      {"M", "M number of voxels"},
      {"nr", "nr, dr smoothing"},
      {"w_y", "w_y weight of the true class"},
      {"T", "T the Tversky index"},
      {"mean_nc", "mean_nc over samples and classes"},
      {"mean_i", "mean_i over voxels"},
  };
  const bool own = spec.family == losses::Family::compound || spec.name.starts_with("region_size");
  const bool defined = spec.formula.find("T = ") != std::string::npos;  // the formula says what T is
  std::string result;
  for (const auto& [symbol, meaning] : meanings) {
    if ((own && symbol == "p") || (defined && symbol == "T") || !has_symbol(spec.formula, symbol)) continue;
    result += (result.empty() ? "" : "; ") + meaning;
  }
  return result;
}

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

std::vector<std::string> relations(const Spec& spec) {
  std::vector<std::string> result;
  for (const losses::Identity& identity : losses::identities_of(spec.name))
    result.push_back(identity.left + " = " + identity.right + holds_for(identity.channels));
  return result;
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
  Json equal = Json::array();
  for (const losses::Identity& identity : losses::identities_of(spec.name))
    equal.push_back({identity.left, identity.right});
  return {{"name", spec.name},       {"family", losses::name_of(spec.family)},
          {"summary", spec.summary}, {"formula", spec.formula},
          {"source", spec.source},   {"helps", spec.helps},
          {"fails", spec.fails},     {"identities", equal},
          {"parameters", parameters}};
}

std::string list_losses() {
  std::size_t width = 0;
  for (const Spec& spec : losses::registry()) width = std::max(width, spec.name.size());
  std::string result;
  const Spec* before = nullptr;
  for (const Spec& spec : losses::registry()) {
    if (before == nullptr || before->family != spec.family)
      result += (before == nullptr ? "" : "\n") + family_title(spec.family) + "\n";
    result +=
        "  " + spec.name + std::string(width - spec.name.size() + 2, ' ') + wrapped(spec.summary, width + 4) + "\n";
    before = &spec;
  }
  return result;
}

std::string explain(const Spec& spec) {
  std::string result = text(spec.name, " (", losses::name_of(spec.family), ")\n", spec.summary, "\n\n");
  result += paragraph("formula", spec.formula);
  const std::string where = symbols(spec);
  if (!where.empty()) result += paragraph("", where);
  result += paragraph("source", spec.source) + paragraph("helps", spec.helps) + paragraph("fails", spec.fails);
  const char* title = "equal";
  for (const std::string& relation : relations(spec)) {
    result += paragraph(title, relation);
    title = "";
  }
  return result + "\n" + parameter_table(spec) + "\n" + try_it(spec);
}

std::string try_it(const Spec& spec) {
  const std::string trained = (spec.objective ? "" : "dice_ce+") + spec.name;  // a term alone cannot be trained with
  return text("voxgrad train DATA.h5 --loss ", trained, " -o RUN\nvoxgrad predict RUN DATA.h5 --logits -o logits.h5\n",
              "voxgrad losses eval ", spec.name, " logits.h5 --png OUT.png   shows where it pushes\n");
}

std::string advice_text(const std::vector<LossAdvice>& advice, const std::string& data) {
  constexpr std::size_t kIndent = 4;
  const std::string space(kIndent, ' ');
  std::string result, names;
  for (const LossAdvice& one : advice) {
    result += one.loss + "\n" + space + wrapped(one.reason, kIndent) + "\n" + space +
              wrapped("(" + one.source + ")", kIndent) + "\n";
    names += (names.empty() ? "" : ",") + one.loss;
  }
  return result + "\nReasons are no results. To compare them on this data:\n" + space + "voxgrad compare " +
         shell_word(data) + " --losses " + shell_word(names) + " -o DIR\n";
}

std::string losses_markdown() {
  std::string result = "| loss | family | what it is | formula | source |\n| --- | --- | --- | --- | --- |\n";
  for (const Spec& spec : losses::registry())
    result += text("| `", spec.name, "` | ", losses::name_of(spec.family), " | ", markdown_cell(spec.summary), " | `",
                   markdown_cell(spec.formula), "` | ", markdown_cell(spec.source), " |\n");
  return result;
}

}  // namespace voxgrad::apps

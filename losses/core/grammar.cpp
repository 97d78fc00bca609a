#include "losses/core/grammar.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "engine/error.h"

namespace voxgrad::losses {
namespace {

template <class... Parts>
[[noreturn]] void refuse(const std::string& whole, const Parts&... problem) {
  throw Error(ErrorKind::usage, text("loss \"", whole, "\": ", problem...),
              "write name:parameter=value,... and add terms as 0.5*name+0.5*name");
}

bool digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// Whether the '+' at `i` is the sign of an exponent.
bool in_exponent(const std::string& text, std::size_t i) {
  return i >= 2 && i + 1 < text.size() && (text[i - 1] == 'e' || text[i - 1] == 'E') &&
         (digit(text[i - 2]) || text[i - 2] == '.') && digit(text[i + 1]);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == separator && !(separator == '+' && in_exponent(text, i)))
      parts.emplace_back();
    else
      parts.back() += text[i];
  }
  return parts;
}

TermText parse_term(const std::string& whole, const std::string& part) {
  TermText term;
  const std::size_t colon = std::min(part.find(':'), part.size());
  std::string head = part.substr(0, colon);
  if (const std::size_t star = head.find('*'); star != std::string::npos) {
    const auto [stop, error] = std::from_chars(head.data(), head.data() + star, term.weight);
    if (error != std::errc{} || stop != head.data() + star || !std::isfinite(term.weight) || term.weight < 0)
      refuse(whole, "the weight \"", head.substr(0, star), "\" is not a number >= 0");
    head.erase(0, star + 1);
  }
  if (head.empty()) refuse(whole, "a term has no name");
  term.name = head;
  if (colon == part.size()) return term;
  for (const std::string& setting : split(part.substr(colon + 1), ',')) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == setting.size())
      refuse(whole, "\"", setting, "\" is not parameter=value");
    term.settings.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return term;
}

}  // namespace

std::vector<TermText> parse_terms(const std::string& text) {
  std::string dense;
  std::copy_if(text.begin(), text.end(), std::back_inserter(dense),
               [](unsigned char c) { return std::isspace(c) == 0; });
  std::vector<TermText> terms;
  for (const std::string& term : split(dense, '+')) terms.push_back(parse_term(text, term));
  return terms;
}

std::string term_text(double weight, const std::string& name, const Parameters& parameters) {
  const std::string& settings = parameters.text();
  const std::string factor = weight == 1 ? std::string() : text(shortest_text(weight), '*');
  return text(factor, name, settings.empty() ? "" : ":", settings);
}

}  // namespace voxgrad::losses

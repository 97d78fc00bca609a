#include "apps/report/paper/references.h"

#include <algorithm>

#include "engine/error.h"
#include "losses/core/grammar.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

// Returns the reference that a source begins with; nothing if there is none.
const Reference* known_source(const std::string& source) {
  for (const Reference& one : references())
    if (one.cited[0] != '\0' && source.starts_with(one.cited)) return &reference(one.key);
  return nullptr;
}

}  // namespace

const Reference& reference(const std::string& key) {
  const auto found =
      std::find_if(references().begin(), references().end(), [&](const Reference& one) { return one.key == key; });
  check(found != references().end(), "references: no key ", key);
  return *found;
}

std::vector<std::string> sources_of(const std::string& source) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < source.size();) {
    const std::size_t end = std::min(source.find("; ", begin), source.size());
    parts.push_back(source.substr(begin, end - begin));
    begin = end + 2;
  }
  return parts;
}

std::vector<const Reference*> references_of(const std::string& loss) {
  std::vector<const Reference*> found;
  for (const losses::TermText& term : losses::parse_terms(loss))
    for (const losses::Spec& spec : losses::registry())
      if (spec.name == term.name)
        for (const std::string& source : sources_of(spec.source))
          if (const Reference* one = known_source(source); one && std::count(found.begin(), found.end(), one) == 0)
            found.push_back(one);
  return found;
}

std::string bibtex(const Reference& reference) {
  return text("@", reference.type, "{", reference.key, ",\n", reference.fields, "}\n");
}

}  // namespace voxgrad::apps

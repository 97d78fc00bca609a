#include "engine/names.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/error.h"

namespace voxgrad {
namespace {

// Levenshtein distance, one row at a time.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::size_t choose(const std::string& what, const std::string& name, const std::vector<std::string>& known) {
  std::string list;
  std::size_t nearest = 0;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i] == name) return i;
    if (distance(name, known[i]) < distance(name, known[nearest])) nearest = i;
    list += (i == 0 ? "" : ", ") + known[i];
  }
  const bool near = distance(name, known[nearest]) <= std::max<std::size_t>(1, known[nearest].size() / 3);
  throw Error(ErrorKind::usage, text(what, ": unknown name \"", name, "\" (known: ", list, ')'),
              near ? text("did you mean \"", known[nearest], "\"?") : std::string());
}

}  // namespace voxgrad

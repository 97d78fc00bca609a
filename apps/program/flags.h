// The libraries know no command line: their messages speak of "label map" where the program has --label-map. Here is
// the one place that knows both.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "engine/error.h"

namespace voxgrad::apps {

// What a library says in errors of this kind, and what the program says instead.
struct Phrase {
  ErrorKind kind;
  const char *general, *program;  // program: null for memory_hint()
};
std::span<const Phrase> phrases();

// A message or a hint of an error of this kind, in the words of the command line.
std::string with_flags(ErrorKind kind, std::string words);

// Chooses what is said when there is no memory, by the flags that the verb has.
void choose_memory_hint(const std::function<bool(const char*)>& has_flag);
// "a smaller --patch, --batch or --base needs less; --dry-run prints the planned peak"
const std::string& memory_hint();

}  // namespace voxgrad::apps

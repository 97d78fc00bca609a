// Errors. Every failure of the library throws one exception type. Its message says what failed and where, the value
// seen and what was expected, and its hint the likely remedy. Libraries never print, abort or exit.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace voxgrad {

// The kind decides the exit code of the program (apps/main.cpp): usage 2, data 3, model 4, io 5, memory 6, diverged 7,
// check 8. `argument` means that a call broke the contract of a function, which is a bug of the caller; its code is 1.
enum class ErrorKind { argument, usage, data, model, io, memory, diverged, check };

// what() is the message and, if there is a hint, the hint on a second line. message() and hint() return them
// separately, for code that throws the error again with more context.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, const std::string& hint = {})
      : std::runtime_error(hint.empty() ? message : message + "\nhint: " + hint),
        kind_(kind),
        message_(message),
        hint_(hint) {}
  ErrorKind kind() const noexcept { return kind_; }
  const std::string& message() const noexcept { return message_; }
  // One sentence with the remedy; empty if there is no likely one.
  const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorKind kind_;
  std::string message_, hint_;
};

// Concatenates anything that can be written to a stream: text("conv: x ", shape, " has ", 4, " channels"). If a type
// has a function describe(), that is used, so a message says what a tensor is and not what its elements are.
template <class... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
  std::ostringstream out;
  const auto write = [&out](const auto& part) {
    if constexpr (requires { describe(part); })
      out << describe(part);
    else
      out << part;
  };
  (write(parts), ...);
  return std::move(out).str();
}

// Throws Error(argument) with the concatenated parts unless `ok`. Name the public function, the rule and the values:
//   check(a == b, "conv: weight ", w, " takes ", a, " channels, x ", x, " has ", b);
template <class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw Error(ErrorKind::argument, text(parts...));
}

}  // namespace voxgrad

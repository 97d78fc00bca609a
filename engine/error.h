// Errors. Every failure of the library throws one exception type. Its message says what failed and where, the value
// seen and what was expected, and its hint the likely remedy. Libraries never print, abort or exit.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace voxgrad {

// The kind decides the exit code of the program (apps/run_program.cpp): usage 2, data 3, model 4, io 5, memory 6,
// diverged 7, check 8. `argument` means that a call broke the contract of a function, which is a bug of the caller; its
// code is 1.
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

namespace detail {
std::string digits_of(double number);  // six significant ones, as %g
template <class Part>
void append(std::string& out, const Part& part) {
  if constexpr (requires { describe(part); })
    out += describe(part);
  else if constexpr (std::is_same_v<Part, char>)
    out += part;
  else if constexpr (std::is_integral_v<Part>)
    out += std::to_string(part);
  else if constexpr (std::is_floating_point_v<Part>)
    out += digits_of(part);
  else
    out += std::string_view(part);
}
}  // namespace detail

// Concatenates text, numbers and what has a function describe(): text("conv: x ", shape, " has ", 4, " channels").
template <class... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

// Throws Error(argument) with the concatenated parts unless `ok`. Name the public function, the rule and the values:
//   check(a == b, "conv: weight ", w, " takes ", a, " channels, x ", x, " has ", b);
template <class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw Error(ErrorKind::argument, text(parts...));
}

}  // namespace voxgrad

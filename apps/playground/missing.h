// Functions of C++20 that the library of an older emscripten lacks: all of them in 3.1.6, which Debian 12 has, the
// first one up to libc++ 19. CMakeLists.txt includes this file before every source.
#pragma once

#include <version>

#if defined(_LIBCPP_VERSION) && _LIBCPP_VERSION < 200000
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace std {

inline from_chars_result from_chars(const char* first, const char* last, double& value,
                                    chars_format = chars_format::general) {
  const string text(first, last);
  char* end = nullptr;
  const bool begins = !text.empty() && (text[0] == '-' || text[0] == '.' || (text[0] >= '0' && text[0] <= '9'));
  const double read = begins ? strtod(text.c_str(), &end) : 0;
  if (!begins || end == text.c_str()) return {first, errc::invalid_argument};
  value = read;
  return {first + (end - text.c_str()), errc{}};
}

#if _LIBCPP_VERSION < 14000

template <class To, class From>
To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

inline to_chars_result to_chars(char* first, char* last, double value, chars_format, int precision) {
  char text[40];
  const int length = snprintf(text, sizeof text, "%.*g", precision, value);
  if (length > last - first) return {last, errc::value_too_large};
  return {copy_n(text, length, first), errc{}};
}

// The shortest text that is read back as the same number.
inline to_chars_result to_chars(char* first, char* last, double value) {
  char text[40];
  int precision = 1;
  do snprintf(text, sizeof text, "%.*g", precision, value);
  while (strtod(text, nullptr) != value && precision++ < 17);
  return to_chars(first, last, value, chars_format::general, precision);
}

#endif

}  // namespace std
#endif

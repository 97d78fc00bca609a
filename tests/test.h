// What a test file includes: doctest, or a small stand-in where there is only a compiler; -DVOXGRAD_MINITEST (preset
// minimal) takes the stand-in even so.
// Tests use TEST_CASE, CHECK, CHECK_MESSAGE, REQUIRE, CHECK_THROWS_AS, INFO and MESSAGE only, and no SUBCASE.
#pragma once

#include <ostream>
#include <string>

#include "engine/error.h"

#if __has_include(<doctest/doctest.h>) && !defined(VOXGRAD_MINITEST)
#ifdef VOXGRAD_TEST_MAIN
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#endif
#define DOCTEST_CONFIG_SUPER_FAST_ASSERTS  // less to compile
#include <doctest/doctest.h>
#else
#include "tests/minitest.h"
#endif

namespace voxgrad {

// Messages of checks are streams.
template <class T>
requires requires(const T& value) { describe(value); }
std::ostream& operator<<(std::ostream& out, const T& value) { return out << describe(value); }

}  // namespace voxgrad

namespace voxgrad::test {

// What the Error that f throws says, its hint on a second line; "" if it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& whole, const std::string& part) {
  return whole.find(part) != std::string::npos;
}

}  // namespace voxgrad::test

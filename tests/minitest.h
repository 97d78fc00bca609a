// The few macros of doctest that the suite uses, for a machine with nothing but a compiler.
#pragma once

#include <cstdio>
#include <cstring>
#include <exception>
#include <sstream>
#include <string>
#include <vector>

namespace minitest {

struct Case {
  const char* name;
  const char* file;
  void (*body)();
};
struct Failed {};  // thrown by REQUIRE

// Parts of a message are joined by << or by commas, as in doctest.
struct Message {
  std::ostringstream out;
  template <class T>
  Message& operator<<(const T& part) {
    out << part;
    return *this;
  }
  template <class T>
  Message& operator,(const T& part) {
    return *this << part;
  }
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
inline int& failures() {
  static int count = 0;
  return count;
}
inline int& checks() {
  static int count = 0;
  return count;
}
inline bool add(const char* name, const char* file, void (*body)()) {
  cases().push_back({name, file, body});
  return true;
}
inline bool report(bool ok, const char* file, int line, const std::string& what) {
  ++checks();
  if (!ok) {
    ++failures();
    std::printf("%s:%d: FAILED: %s\n", file, line, what.c_str());
  }
  return ok;
}

}  // namespace minitest

#define MINITEST_JOIN2(a, b) a##b
#define MINITEST_JOIN(a, b) MINITEST_JOIN2(a, b)
#define MINITEST_CASE(name, function)                                                          \
  static void function();                                                                      \
  static const bool MINITEST_JOIN(function, _added) = minitest::add(name, __FILE__, function); \
  static void function()
#define TEST_CASE(name) MINITEST_CASE(name, MINITEST_JOIN(minitest_case_, __COUNTER__))
#define CHECK(...) minitest::report(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__)
#define CHECK_MESSAGE(condition, ...)                                                           \
  do {                                                                                          \
    minitest::Message minitest_out;                                                             \
    minitest_out << #condition << ": " << __VA_ARGS__;                                          \
    minitest::report(static_cast<bool>(condition), __FILE__, __LINE__, minitest_out.out.str()); \
  } while (false)
#define REQUIRE(...)                                   \
  do {                                                 \
    if (!CHECK(__VA_ARGS__)) throw minitest::Failed{}; \
  } while (false)
#define CHECK_THROWS_AS(expression, type)                                                \
  do {                                                                                   \
    bool minitest_thrown = false;                                                        \
    try {                                                                                \
      static_cast<void>(expression);                                                     \
    } catch (const type&) {                                                              \
      minitest_thrown = true;                                                            \
    }                                                                                    \
    minitest::report(minitest_thrown, __FILE__, __LINE__, #expression " throws " #type); \
  } while (false)
#define INFO(...) static_cast<void>(0)
#define MESSAGE(...)                                     \
  do {                                                   \
    minitest::Message minitest_out;                      \
    minitest_out << __VA_ARGS__;                         \
    std::printf("%s\n", minitest_out.out.str().c_str()); \
  } while (false)

#ifdef VOXGRAD_TEST_MAIN
int main(int argc, char** argv) {
  std::string wanted;  // --source-file=*engine/tensor.cpp
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], "--source-file=*", 15) == 0) wanted = argv[i] + 15;
  int run = 0;
  for (const minitest::Case& one : minitest::cases()) {
    const std::string file = one.file;
    if (file.size() < wanted.size() || file.compare(file.size() - wanted.size(), wanted.size(), wanted) != 0) continue;
    ++run;
    try {
      one.body();
    } catch (const minitest::Failed&) {
    } catch (const std::exception& error) {
      minitest::report(false, one.file, 0, std::string(one.name) + " threw: " + error.what());
    }
  }
  std::printf("%d cases, %d checks, %d failures\n", run, minitest::checks(), minitest::failures());
  return minitest::failures() != 0 || run == 0;
}
#endif

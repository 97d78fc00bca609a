// Numbers as people read them.
#include "apps/program/console.h"

#include <cmath>

#include "tests/test.h"

using namespace voxgrad::apps;

TEST_CASE("a number of unknown magnitude keeps its digits, and a whole one is whole") {
  CHECK(significant(0) == "0");
  CHECK(significant(255) == "255");
  CHECK(significant(65535) == "65535");
  CHECK(significant(-1024) == "-1024");
  CHECK(significant(10000) == "10000");
  CHECK(significant(123.456) == "123.5");
  CHECK(significant(0.05) == "0.05");
  CHECK(significant(1.23456e-9) == "1.235e-09");
  CHECK(significant(3e38) == "3e+38");
  CHECK(significant(0.123456, 2) == "0.12");
}

TEST_CASE("what is no number is a dash, whatever its sign") {
  for (const double nothing : {std::nan(""), -std::nan("")}) {
    CHECK(significant(nothing) == "-");
    CHECK(fixed(nothing, 2) == "-");
  }
  CHECK(significant(-HUGE_VAL) == "-inf");
}

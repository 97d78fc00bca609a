// Numbers as people read them, and the memory that control groups leave.
#include "apps/program/console.h"

#include <cmath>

#include "tests/files.h"
#include "tests/test.h"

using namespace voxgrad::apps;
using namespace voxgrad::test;

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

TEST_CASE("the limit of a group above that of the process holds; files in its cache give way") {
  constexpr std::int64_t kFree = 1 << 30;
  const Folder folder;
  const std::string list = folder.file("groups"), root = std::filesystem::path(list).parent_path().string();
  std::filesystem::create_directories(folder.file("job/step"));
  write_bytes(folder.file("job/memory.max"), "1000000\n");
  write_bytes(folder.file("job/memory.current"), "400000\n");
  write_bytes(folder.file("job/memory.stat"), "anon 1\ninactive_file 100000\n");
  write_bytes(folder.file("job/step/memory.max"), "max\n");
  write_bytes(list, "0::/job/step\n");
  CHECK(left_in_groups(kFree, list, root) == 700000);
  CHECK(left_in_groups(5, list, root) == 5);
  write_bytes(list, "0::/\n");
  CHECK(left_in_groups(kFree, list, root) == kFree);
  CHECK(left_in_groups(kFree, folder.file("absent"), root) == kFree);
  std::filesystem::create_directories(folder.file("memory/job"));  // version 1
  write_bytes(folder.file("memory/job/memory.limit_in_bytes"), "1000000\n");
  write_bytes(folder.file("memory/job/memory.usage_in_bytes"), "400000\n");
  write_bytes(folder.file("memory/job/memory.stat"), "inactive_file 7\ntotal_inactive_file 100000\n");
  write_bytes(list, "10:cpu:/job\n0::/\n");
  CHECK(left_in_groups(kFree, list, root) == kFree);
  write_bytes(list, "9:cpu,memory:/job\n");
  CHECK(left_in_groups(kFree, list, root) == 700000);
}

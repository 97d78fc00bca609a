// Comparisons that were stopped, killed or cut in parts end with the numbers of one that ran through.
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

// Everything a comparison leaves that no clock decides.
void check_same(const std::string& whole, const std::string& parts) {
  CHECK(!bytes_of(whole + "/results.csv").empty());
  CHECK(bytes_of(whole + "/results.csv") == bytes_of(parts + "/results.csv"));
  CHECK(timeless_results(whole) == timeless_results(parts));
  for (const char* loss : {"ce", "dice"})
    for (const char* seed : {"1", "2"})
      for (const char* name : {"best", "last"}) {
        const std::string file = std::string("/nuclei2d/") + loss + "/seed_" + seed + "/" + name + ".safetensors";
        CHECK(!bytes_of(whole + file).empty());
        CHECK(bytes_of(whole + file) == bytes_of(parts + file));
      }
}

}  // namespace

TEST_CASE("killed, killed while it goes on, killed again, stopped by Ctrl-C: the same results") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32});
  REQUIRE(program(comparison_of({data}, folder.file("whole"))).code == 0);
  const auto start = [&] { return Running(comparison_of({data}, folder.file("parts"))); };
  for (const char* moment : {"1/4", "2/4", "3/4"}) {
    Running process = start();
    REQUIRE(process.saw(moment));
    // Somewhere in the next run.
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    process.send(SIGKILL);
    CHECK(process.wait().code == 256 + SIGKILL);
    CHECK(!std::filesystem::exists(folder.file("parts/results.json")));
  }
  Running process = start();
  REQUIRE(process.saw("1/4"));
  process.send(SIGINT);
  CHECK(process.wait().code == 130);
  CHECK(Json::parse(bytes_of(folder.file("parts/results.json")))["runs"].size() < 4);
  REQUIRE(start().wait().code == 0);
  check_same(folder.file("whole"), folder.file("parts"));
}

TEST_CASE("two shards merged, and two processes, equal one run") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32});
  REQUIRE(program(comparison_of({data}, folder.file("whole"))).code == 0);
  const std::string parts = folder.file("parts");
  const Outcome one = program(comparison_of({data}, parts, {"--shard", "1/2"}));
  REQUIRE(one.code == 0);
  CHECK(contains(one.out, "shard 1/2: 2 runs are complete"));
  const Outcome early = program(comparison_of({data}, parts, {"--merge"}));
  CHECK(early.code == 2);
  CHECK_MESSAGE(contains(early.err, "2 of 4 runs are not complete"), early.err);
  REQUIRE(program(comparison_of({data}, parts, {"--shard", "0/2"})).code == 0);
  CHECK(!std::filesystem::exists(parts + "/results.json"));
  REQUIRE(program(comparison_of({data}, parts, {"--merge"})).code == 0);
  check_same(folder.file("whole"), parts);
  const Outcome jobs = program(comparison_of({data}, folder.file("jobs"), {"--jobs", "2"}));
  REQUIRE_MESSAGE(jobs.code == 0, jobs.err);
  check_same(folder.file("whole"), folder.file("jobs"));
}

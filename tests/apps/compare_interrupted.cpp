// ctest labels: unsanitized
// Comparisons that were stopped, killed or cut in parts end with the numbers of one that ran through.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <thread>

#include "apps/comparison/processes.h"
#include "apps/training/run_directory.h"
#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

// A comparison that runs through. It is made once, because it takes seconds and is the same for every test.
struct Whole {
  Folder folder;
  std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), out = folder.file("whole");
  Whole() { REQUIRE(program(comparison_of({data}, out)).code == 0); }
};
const Whole& whole() {
  static const Whole made;
  return made;
}

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

// What Slurm tells a job of an array, while this object lives.
struct JobOfArray {
  JobOfArray(int id, int count, int least, int most, int step) {
    set("ID", id), set("COUNT", count), set("MIN", least), set("MAX", most), set("STEP", step);
  }
  ~JobOfArray() {
    for (const std::string& name : names) unsetenv(name.c_str());
  }
  JobOfArray(const JobOfArray&) = delete;
  JobOfArray& operator=(const JobOfArray&) = delete;
  std::vector<std::string> names;

 private:
  void set(const std::string& name, int value) {
    names.push_back("SLURM_ARRAY_TASK_" + name);
    setenv(names.back().c_str(), std::to_string(value).c_str(), 1);
  }
};

}  // namespace

TEST_CASE("killed, killed while it goes on, killed again, stopped by Ctrl-C: the same results") {
  const Folder folder;
  const std::string& data = whole().data;
  const auto start = [&] { return Running(comparison_of({data}, folder.file("parts"))); };
  bool complete = false;
  for (const char* moment : {"1/4", "2/4", "3/4"}) {
    Running process = start();
    REQUIRE(process.saw(moment));
    // Somewhere in the next run.
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    process.send(SIGKILL);
    const int code = process.wait().code;  // 0 if the last run was done before this process had its turn
    CHECK((code == 256 + SIGKILL || (code == 0 && std::string(moment) == "3/4")));
    CHECK((code == 0 || !std::filesystem::exists(folder.file("parts/results.json"))));
    complete = code == 0;
  }
  Running process = start();
  REQUIRE(process.saw("1/4"));
  process.send(SIGINT);
  const int code = process.wait().code;
  CHECK((code == 130 || code == 0));
  if (code == 130 && !complete) CHECK(Json::parse(bytes_of(folder.file("parts/results.json")))["runs"].size() < 4);
  REQUIRE(start().wait().code == 0);
  check_same(whole().out, folder.file("parts"));
}

TEST_CASE("two shards merged equal one run; --status says how far they are") {
  const Folder folder;
  const std::string& data = whole().data;
  const std::string parts = folder.file("parts");
  const auto states = [&] {
    std::map<std::string, int> number;
    const Outcome outcome = program(comparison_of({data}, parts, {"--status", "--json"}));
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    const Json status = Json::parse(outcome.out);
    for (const Json& run : status.at("runs")) ++number[run.at("state")];
    return number;
  };
  CHECK(states() == std::map<std::string, int>{{"missing", 4}});
  const JobOfArray job(9, 2, 1, 9, 8);  // the second of two
  const Outcome one = program(comparison_of({data}, parts, {"--shard", "slurm"}));
  REQUIRE(one.code == 0);
  CHECK(contains(one.out, "shard 1/2: 2 runs are complete"));
  const Outcome early = program(comparison_of({data}, parts, {"--merge"}));
  CHECK(early.code == 2);
  CHECK_MESSAGE(contains(early.err, "2 of 4 runs are not complete"), early.err);
  CHECK(states() == std::map<std::string, int>{{"complete", 2}, {"missing", 2}});
  const std::string manifest = parts + "/nuclei2d/ce/seed_2/run.json";
  std::filesystem::rename(manifest, folder.file("kept.json"));  // as if it had been stopped after a checkpoint
  CHECK(states() == std::map<std::string, int>{{"begun", 1}, {"complete", 1}, {"missing", 2}});
  const std::string seed_2 = parts + "/nuclei2d/ce/seed_2/", last = seed_2 + "last.safetensors";
  std::filesystem::rename(last, seed_2 + "previous.safetensors");  // as if it had been killed between two renames
  CHECK(states() == std::map<std::string, int>{{"begun", 1}, {"complete", 1}, {"missing", 2}});
  std::filesystem::rename(seed_2 + "previous.safetensors", last);
  std::filesystem::rename(folder.file("kept.json"), manifest);
  REQUIRE(program(comparison_of({data}, parts, {"--shard", "0/2"})).code == 0);
  const Outcome all = program(comparison_of({data}, parts, {"--status"}));
  CHECK_MESSAGE(contains(all.out, "of 4 runs 4 have ended, 0 are begun and 0 are missing"), all.out);
  CHECK(!std::filesystem::exists(parts + "/results.json"));
  Json other = Json::parse(bytes_of(manifest));
  other["results"]["test_cases"][0]["id"] = "other";
  std::filesystem::rename(manifest, folder.file("kept.json"));
  write_bytes(manifest, other.dump());
  const Outcome refused = program(comparison_of({data}, parts, {"--merge"}));
  CHECK(refused.code == 3);
  CHECK_MESSAGE(contains(refused.err, "test cases of the protocol, each once"), refused.err);
  std::filesystem::rename(folder.file("kept.json"), manifest);
  REQUIRE(program(comparison_of({data}, parts, {"--merge"})).code == 0);
  check_same(whole().out, parts);
}

TEST_CASE("--shard slurm outside an array, and in one with gaps") {
  const Folder folder;
  const std::vector<std::string> command = comparison_of({whole().data}, folder.file("parts"), {"--shard", "slurm"});
  const Outcome outside = program(command);
  CHECK(outside.code == 2);
  CHECK_MESSAGE(contains(outside.err, "SLURM_ARRAY_TASK_ID is not set"), outside.err);
  const JobOfArray job(3, 6, 1, 9, 1);  // of --array=1,3,6-9
  const Outcome gaps = program(command);
  CHECK(gaps.code == 2);
  CHECK_MESSAGE(contains(gaps.err, "the 6 indices of the array, 1 to 9 with 3, have gaps"), gaps.err);
}

TEST_CASE("two processes: stopped by Ctrl-C, killed, gone on, with the results of one") {
  const Folder folder;
  const std::string& data = whole().data;
  const auto start = [&] { return Running(comparison_of({data}, folder.file("parts"), {"--jobs", "2"})); };
  // More seeds than the whole has, so that some runs are left when the signal arrives, however slow this process is.
  Running stopped(comparison_of({data}, folder.file("parts"), {"--jobs", "2", "--seeds", "20"}));
  REQUIRE(stopped.saw("1/40"));
  stopped.send(SIGINT);
  CHECK(stopped.wait().code == 130);
  CHECK(Json::parse(bytes_of(folder.file("parts/results.json")))["runs"].size() < 40);
  std::filesystem::remove(folder.file("parts/results.json"));
  Running killed = start();
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  killed.send(SIGKILL);
  CHECK(killed.wait().code == 256 + SIGKILL);
  const Outcome outcome = start().wait();
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(contains(outcome.err, "4/4"));
  check_same(whole().out, folder.file("parts"));
}

TEST_CASE("two processes whose losses need maps in the cache: no warning, the results of one") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32});
  const auto compared = [&](const std::string& out, const std::string& jobs) {
    std::filesystem::remove(folder.file("nuclei2d.cache.h5"));
    return program(comparison_of(
        {data}, folder.file(out),
        {"--losses", "gd_boundary,dice_hd,dpce,boundary", "--seeds", "1", "--steps", "20", "--jobs", jobs}));
  };
  const Outcome one = compared("one", "1"), two = compared("two", "2");
  REQUIRE_MESSAGE(one.code == 0, one.err);
  REQUIRE_MESSAGE(two.code == 0, two.err);
  CHECK_MESSAGE(!contains(two.err, "warning"), two.err);
  CHECK(std::filesystem::exists(std::filesystem::path(data).replace_extension(".cache.h5")));
  CHECK(!bytes_of(folder.file("one/results.csv")).empty());
  CHECK(bytes_of(folder.file("one/results.csv")) == bytes_of(folder.file("two/results.csv")));
}

TEST_CASE("Ctrl-C while the maps for two processes are made ends them, and leaves no cache") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 16, {320, 320}), cache = folder.file("nuclei2d.cache.h5");
  Running process(
      comparison_of({data}, folder.file("out"),
                    {"--losses", "gd_boundary,dice_hd,dpce,boundary", "--seeds", "1", "--steps", "2", "--jobs", "2"}));
  for (int i = 0; i < 20'000 && !std::filesystem::exists(cache + ".tmp"); ++i) ::usleep(1000);
  REQUIRE(std::filesystem::exists(cache + ".tmp"));
  process.send(SIGINT);
  CHECK(process.wait().code == 130);
  CHECK(!std::filesystem::exists(cache));
  CHECK(!std::filesystem::exists(cache + ".tmp"));
}

TEST_CASE("an error beside the processes does not wait until they have done their work") {
  const auto start = std::chrono::steady_clock::now();
  const auto fail = [] {
    const Processes working(2, [](int) { ::sleep(60); });
    throw Error(ErrorKind::io, "the disk is full");
  };
  CHECK(contains(error_of(fail), "the disk is full"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));
}

TEST_CASE("processes that fail are counted, and one of a comparison says why") {
  Processes three(3, [](int number) {
    if (number == 1) ::raise(SIGKILL);
    if (number == 2) throw Error(ErrorKind::io, "the disk is full");
  });
  three.wait();
  CHECK(three.failed() == 2);
  const Folder folder;
  const std::string run = folder.file("parts/nuclei2d/ce/seed_1");
  const RunDirectory held = RunDirectory::create(run);
  const Outcome outcome = program(comparison_of({whole().data}, folder.file("parts"), {"--jobs", "2"}));
  CHECK(outcome.code == 2);
  CHECK_MESSAGE(contains(outcome.err, "warning: run directory " + run + ": another process"), outcome.err);
}

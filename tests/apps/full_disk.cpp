// A disk that is full during a training: a warning, the old checkpoint stays, the training goes on; exit code 5 at the
// end, because the result is not whole. Played with a limit on the size of files, which write() reports like one.
#include "engine/io/safetensors.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

TEST_CASE("a disk that is full from the start: nothing is saved, and that is said") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  const auto limit = [] {
    const rlimit bytes{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &bytes);
  };
  const Outcome outcome = program(small_training(data, run), limit);
  CHECK_MESSAGE(outcome.code == 5, outcome.code, "\n", outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "warning: "), outcome.err);
  CHECK(contains(outcome.err, "training goes on"));
  CHECK(contains(outcome.err, "epoch 3/3"));
  CHECK(contains(outcome.err, "error: "));
  CHECK_MESSAGE(contains(outcome.err, "File too large"), outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "warning: no report: "), outcome.err);
  CHECK(contains(outcome.out, "best epoch"));
  for (const auto& entry : std::filesystem::directory_iterator(run))
    CHECK_MESSAGE(!contains(entry.path().filename().string(), "safetensors"), entry.path().string());
}

#ifdef __linux__
TEST_CASE("a disk that fills up later: the checkpoint from before stays, and the run can be resumed to the same bits") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 20, {48, 48});
  const std::string whole = folder.file("whole"), run = folder.file("run");
  std::vector<std::string> words = small_training(data, whole), other = small_training(data, run);
  for (std::vector<std::string>* training : {&words, &other})
    *std::find(training->begin(), training->end(), "44") = "100";
  REQUIRE(program(words).code == 0);
  Running process(other);
  REQUIRE(process.saw("epoch 1/"));
  process.limit_file_size(200);
  const Outcome outcome = process.wait();
  CHECK_MESSAGE(outcome.code == 5, outcome.code, "\n", outcome.err);
  CHECK(contains(outcome.err, "epoch 5/5"));
  const TensorFile last = load_tensors(run + "/last.safetensors");
  CHECK(std::stoi(last.metadata.at("step")) >= 20);
  CHECK(std::stoi(last.metadata.at("step")) < 100);
  CHECK(!std::filesystem::exists(run + "/next.safetensors"));
  const std::string log = bytes_of(run + "/log.jsonl");
  CHECK_MESSAGE(log.ends_with("}\n"), log);  // whole lines only
  REQUIRE(program({"train", "--resume", run}).code == 0);
  CHECK(bytes_of(run + "/last.safetensors") == bytes_of(whole + "/last.safetensors"));
  CHECK(bytes_of(run + "/best.safetensors") == bytes_of(whole + "/best.safetensors"));
}
#endif

TEST_CASE("a file that cannot be written: exit code 5 with its name; it is written anew when the run goes on") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  for (const char* name : {"metrics.csv", "curves.svg", "run.json"}) {
    const std::string path = run + "/" + name, whole = bytes_of(path);
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);  // which no rename replaces
    const Outcome failed = program({"train", "--resume", run});
    CHECK_MESSAGE(failed.code == 5, name, ": ", failed.code, "\n", failed.err);
    // The settings in run.json are read before they are written.
    const std::string verb = std::string(name) == "run.json" ? "cannot open " : "cannot write ";
    CHECK_MESSAGE(contains(failed.err, verb + path), failed.err);
    std::filesystem::remove(path);
    write_bytes(path + ".tmp", "half of");
    REQUIRE(program({"train", "--resume", run}).code == 0);
    CHECK_MESSAGE((bytes_of(path) == whole || std::string(name) == "run.json"), name);  // that one has times
    CHECK(!std::filesystem::exists(path + ".tmp"));
  }
}

TEST_CASE("a page of a run that cannot be written: exit code 5, and the run is complete but for it") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  std::filesystem::remove(run + "/report.html");
  std::filesystem::create_directory(run + "/report.html");
  const Outcome failed = program({"train", "--resume", run});
  CHECK_MESSAGE(failed.code == 5, failed.code, "\n", failed.err);
  CHECK_MESSAGE(contains(failed.err, "warning: no report: cannot write " + run + "/report.html"), failed.err);
  CHECK_MESSAGE(contains(failed.err, "error: cannot write " + run + "/report.html"), failed.err);
  CHECK(contains(failed.out, "best epoch"));
  std::filesystem::remove(run + "/report.html");
  CHECK(program({"train", "--resume", run}).code == 0);
  CHECK(std::filesystem::is_regular_file(run + "/report.html"));
}

TEST_CASE("a disk that is full while a dataset is written: exit code 5, the reason, no half of a file, a quiet end") {
  const Folder folder;
  const auto limit = [] {
    const rlimit bytes{30000, 30000};
    ::setrlimit(RLIMIT_FSIZE, &bytes);
  };
  const Outcome outcome = program({"synth", "nuclei2d", "-o", folder.file("n.h5"), "--cases", "20"}, limit);
  CHECK_MESSAGE(outcome.code == 5, outcome.code, "\n", outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "n.h5: write: File too large"), outcome.err);
  CHECK_MESSAGE(!contains(outcome.err, "HDF5"), outcome.err);  // "infinite loop closing library"
  CHECK(std::filesystem::is_empty(folder.file("")));
}

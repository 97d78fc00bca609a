// The run directory: one writer, whole checkpoints, a readable log.
#include "apps/training/run_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include "engine/ops.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using test::contains;
using test::error_of;

namespace {

TensorFile checkpoint(double value) { return {{{"w", full({4}, value)}}, {{"step", std::to_string(value)}}}; }

double value_of(const TensorFile& file) { return file.tensors.at(0).tensor.to_vector<double>().at(0); }

}  // namespace

TEST_CASE("a second writer is refused while the first one lives, and may go on afterwards") {
  const test::Folder folder;
  const std::string path = folder.file("a/run");
  {
    RunDirectory first = RunDirectory::create(path);
    first.save_last(checkpoint(1));
    const std::string again = error_of([&] { RunDirectory::reopen(path); });
    CHECK_MESSAGE(contains(again, "another process is training there"), again);
    CHECK(contains(error_of([&] { RunDirectory::create(path); }), "another process"));
  }
  CHECK(error_of([&] { RunDirectory::reopen(path); }).empty());
  const std::string taken = error_of([&] { RunDirectory::create(path); });
  CHECK_MESSAGE(contains(taken, "a run is in it already"), taken);
  CHECK(contains(taken, "--resume"));
  CHECK(contains(error_of([&] { RunDirectory::reopen(folder.file("none")); }), "no run in"));
}

TEST_CASE("a run without a checkpoint may be started again, and nothing of it is left") {
  const test::Folder folder;
  const std::string path = folder.file("run");
  {
    RunDirectory killed = RunDirectory::create(path);
    killed.log({{"event", "start"}});
    killed.write("run.json", "{}");
    killed.save_best(checkpoint(1));
  }
  std::string warning;
  const std::string message = error_of([&] { RunDirectory::reopen(path).load_last(warning); });
  CHECK_MESSAGE(contains(message, "no checkpoint"), message);
  CHECK_MESSAGE(contains(message, "starts it again"), message);
  RunDirectory again = RunDirectory::create(path);
  CHECK(test::bytes_of(path + "/log.jsonl").empty());
  CHECK(!std::filesystem::exists(path + "/run.json"));
  CHECK(!std::filesystem::exists(path + "/best.safetensors"));
}

TEST_CASE("the model of a finished run is kept, although its checkpoints were removed") {
  const test::Folder folder;
  const std::string path = folder.file("run");
  {
    RunDirectory finished = RunDirectory::create(path);
    finished.log({{"event", "start"}});
    finished.write("run.json", R"({"exit_reason": "finished"})");
    finished.save_best(checkpoint(1));
  }
  const std::string message = error_of([&] { RunDirectory::create(path); });
  CHECK_MESSAGE(contains(message, "the model of a finished training is in it"), message);
  CHECK(std::filesystem::exists(path + "/best.safetensors"));
  CHECK(std::filesystem::exists(path + "/run.json"));
  std::filesystem::remove(path + "/run.json");
  std::filesystem::create_directory(path + "/run.json");  // it cannot be read
  CHECK(!error_of([&] { RunDirectory::create(path); }).empty());
  CHECK(std::filesystem::exists(path + "/best.safetensors"));
}

TEST_CASE("files that no training has written are not replaced, and others in the directory do not matter") {
  const test::Folder folder;
  std::filesystem::create_directory(folder.file("notes"));
  test::write_bytes(folder.file("notes/thesis.txt"), "x");
  CHECK(error_of([&] { RunDirectory::create(folder.file("notes")); }).empty());
  CHECK(test::bytes_of(folder.file("notes/thesis.txt")) == "x");
  for (const std::string name : {"best.safetensors", "last.safetensors", "config.toml", "report.html", "live/a.txt"}) {
    const std::string path = folder.file("of_others");
    std::filesystem::create_directories(path + "/live");
    if (name != "live/a.txt") std::filesystem::remove(path + "/live");
    test::write_bytes(path + "/" + name, "theirs");
    for (const char* log : {"", "{\"x\": 1}\n"}) {
      if (*log != 0) test::write_bytes(path + "/log.jsonl", log);
      const std::string message = error_of([&] { RunDirectory::create(path); });
      CHECK_MESSAGE(contains(message, "no training has written it"), name, ": ", message);
      CHECK_MESSAGE(test::bytes_of(path + "/" + name) == "theirs", name);
      CHECK_MESSAGE(std::filesystem::exists(path + "/log.jsonl") == (*log != 0), name);
    }
    std::filesystem::remove_all(path);
  }
}

TEST_CASE("a run in which nothing was written, or that was discarded, leaves no directory; a resumed one stays") {
  const test::Folder folder;
  const std::string path = folder.file("run");
  { RunDirectory::create(path); }
  CHECK(!std::filesystem::exists(path));
  {
    RunDirectory run = RunDirectory::create(path);
    run.save_last(checkpoint(1));
    run.log({{"event", "error"}});
    run.discard();
  }
  CHECK(!std::filesystem::exists(path));
  { RunDirectory::create(path).save_last(checkpoint(1)); }
  CHECK_THROWS_AS(RunDirectory::create(path), Error);
  RunDirectory::reopen(path).discard();
  CHECK(std::filesystem::exists(path + "/last.safetensors"));
  std::filesystem::create_directories(folder.file("other"));
  test::write_bytes(folder.file("other/notes.txt"), "mine");
  { RunDirectory::create(folder.file("other")); }
  CHECK(test::bytes_of(folder.file("other/notes.txt")) == "mine");
}

TEST_CASE("a run that goes on shows no live page of the process before") {
  const test::Folder folder;
  const std::string path = folder.file("run");
  RunDirectory::create(path).log({{"event", "start"}});
  std::filesystem::create_directories(path + "/live");
  test::write_bytes(path + "/live/state.json", "{}");
  RunDirectory::reopen(path);
  CHECK(!std::filesystem::exists(path + "/live"));
  CHECK(RunDirectory::exists(path));
}

TEST_CASE("a run without a directory of its own takes the first that has no run and that no process holds") {
  const test::Folder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.file(""));
  std::filesystem::create_directories("runs/a-ce");
  test::write_bytes("runs/a-ce/log.jsonl", "");  // of a process that was killed while it planned
  std::vector<std::string> paths;
  {
    RunDirectory first = create_free_directory("data/a.h5", "ce");
    paths.push_back(first.path());
    paths.push_back(create_free_directory("data/a.h5", "ce").path());
    first.log({{"event", "start"}});
  }
  paths.push_back(create_free_directory("data/a.h5", "ce").path());
  std::filesystem::current_path(before);
  CHECK(paths == std::vector<std::string>{"runs/a-ce", "runs/a-ce-2", "runs/a-ce-2"});
}

TEST_CASE("a pipe in place of a file of a run is refused at once") {
  const test::Folder folder;
  const std::string path = folder.file("run"), pipe = path + "/log.jsonl";
  std::filesystem::create_directory(path);
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  ::alarm(20);  // ends the test where something waits
  for (const std::string& message :
       {error_of([&] { read_text(pipe); }), error_of([&] { read_json(pipe); }),
        error_of([&] { RunDirectory::create(path); }), error_of([&] { RunDirectory::reopen(path); })})
    CHECK_MESSAGE(contains(message, "cannot open " + pipe + ": it is no regular file"), message);
  ::alarm(0);
  CHECK(std::filesystem::is_fifo(pipe));
  CHECK(contains(error_of([&] { read_text(path); }), "Is a directory"));
}

TEST_CASE("a text of a run that fills the disk is refused before it is read") {
  const test::Folder folder;
  const std::string path = folder.file("run.json");
  test::write_bytes(path, "{}");
  std::filesystem::resize_file(path, (1ULL << 30) + 1);  // a hole that takes no place
  for (const std::string& message : {error_of([&] { read_text(path); }), error_of([&] { read_json(path); })})
    CHECK_MESSAGE(message.starts_with(path + ": it has 1073741825 bytes"), message);
}

TEST_CASE("brackets without end in place of the first event are a file of others, and in run.json no end of a run") {
  const test::Folder folder;
  const std::string path = folder.file("run"), deep(1'000'000, '[');
  std::filesystem::create_directory(path);
  test::write_bytes(path + "/log.jsonl", "{\"event\":" + deep + "\n");
  test::write_bytes(path + "/best.safetensors", "theirs");
  CHECK(contains(error_of([&] { RunDirectory::create(path); }), "no training has written it"));
  test::write_bytes(path + "/log.jsonl", "");
  test::write_bytes(path + "/run.json", "{\"exit_reason\":" + deep + std::string(deep.size(), ']') + "}");
  CHECK(error_of([&] { RunDirectory::create(path); }).empty());
}

TEST_CASE("a directory that cannot be made is an error with the reason") {
  const test::Folder folder;
  test::write_bytes(folder.file("file"), "x");
  const std::string message = error_of([&] { RunDirectory::create(folder.file("file/run")); });
  CHECK_MESSAGE(contains(message, "Not a directory"), message);
}

TEST_CASE("checkpoints: the last, the one before, and what happens when the last is damaged") {
  const test::Folder folder;
  RunDirectory run = RunDirectory::create(folder.file("run"));
  std::string warning;
  run.save_last(checkpoint(1));
  CHECK(value_of(run.load_last(warning)) == 1);
  run.save_last(checkpoint(2));
  run.save_last(checkpoint(3));
  CHECK(value_of(run.load_last(warning)) == 3);
  CHECK(warning.empty());
  CHECK(value_of(load_tensors(run.file("previous.safetensors"))) == 2);
  std::string bytes = test::bytes_of(run.file("last.safetensors"));
  bytes[bytes.size() - 3] ^= 1;
  test::write_bytes(run.file("last.safetensors"), bytes);
  CHECK(value_of(run.load_last(warning)) == 2);
  CHECK_MESSAGE(contains(warning, "going on from"), warning);
}

TEST_CASE("checkpoints: a process that was killed before, between and after the renames") {
  const test::Folder folder;
  const std::string path = folder.file("run");
  const auto file = [&](const std::string& name) { return path + "/" + name + ".safetensors"; };
  const auto goes_on_with = [&](double value) {
    std::string warning;
    CHECK(value_of(RunDirectory::reopen(path).load_last(warning)) == value);
  };
  RunDirectory::create(path).log({{"event", "start"}});
  CHECK(!RunDirectory::has_checkpoint(path));
  save_tensors(file("next"), checkpoint(1));
  goes_on_with(1);
  CHECK(!RunDirectory::has_checkpoint(path));  // so the same command may also begin the run again
  std::filesystem::rename(file("next"), file("last"));
  CHECK(RunDirectory::has_checkpoint(path));
  save_tensors(file("next"), checkpoint(2));
  goes_on_with(1);
  std::filesystem::rename(file("last"), file("previous"));
  CHECK(RunDirectory::has_checkpoint(path));
  CHECK(contains(error_of([&] { RunDirectory::create(path); }), "a run is in it already"));
  goes_on_with(1);
  RunDirectory::reopen(path).save_last(checkpoint(3));
  goes_on_with(3);
  CHECK(!std::filesystem::exists(file("next")));
}

TEST_CASE("the log has one JSON document a line and is appended to") {
  const test::Folder folder;
  const std::string path = folder.file("run");
  RunDirectory::create(path).log({{"event", "start"}, {"loss", number(std::nan(""))}});
  RunDirectory::reopen(path).log({{"event", "end"}});
  CHECK(test::bytes_of(path + "/log.jsonl") == "{\"event\":\"start\",\"loss\":\"NaN\"}\n{\"event\":\"end\"}\n");
}

TEST_CASE("a log that is a link is not followed to the file of somebody else") {
  const test::Folder folder;
  const std::string run = folder.file("run"), other = folder.file("other.txt");
  { RunDirectory::create(run).save_last(checkpoint(1)); }
  test::write_bytes(other, "mine");
  std::filesystem::remove(run + "/log.jsonl");
  std::filesystem::create_symlink(other, run + "/log.jsonl");
  CHECK(contains(error_of([&] { RunDirectory::reopen(run).log({{"event", "start"}}); }), "log.jsonl"));
  CHECK(test::bytes_of(other) == "mine");
  const std::string fresh = folder.file("fresh"), nothing = folder.file("nothing.txt");
  std::filesystem::create_directories(fresh);
  std::filesystem::create_symlink(nothing, fresh + "/log.jsonl");
  CHECK(!error_of([&] { RunDirectory::create(fresh); }).empty());
  CHECK(!std::filesystem::exists(nothing));
}

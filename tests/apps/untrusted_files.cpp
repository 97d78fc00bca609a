// Files of which the HDF5 library dies: a process that dies in its place, and what the program says of it.
#include "apps/program/untrusted_files.h"

#include <hdf5.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <vector>

#include "data/h5/h5.h"
#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

std::string death(void (*read)(const std::string&)) {
  return error_of([&] { apps::read_in_child("folder/s.h5", {1, 64}, read); });
}

volatile long spun = 0;

}  // namespace

TEST_CASE("whatever kills the process that looks at a file first is said of the file") {
  const std::string crashed = death([](const std::string&) { ::raise(SIGSEGV); });
  CHECK_MESSAGE(contains(crashed, "folder/s.h5: the HDF5 library crashed on this file (Segmentation fault)"), crashed);
  CHECK(contains(crashed, "hint: fetch it or write it again"));
  CHECK(contains(death([](const std::string&) { ::raise(SIGABRT); }), "crashed on this file (Aborted)"));
  CHECK(contains(death([](const std::string&) {
                   for (;;) spun = spun + 1;
                 }),
                 "did not end within 1 s on this file"));
  CHECK(contains(death([](const std::string&) { throw std::bad_alloc(); }), "wanted more than 64 MiB"));
  CHECK(death([](const std::string&) {}).empty());
  CHECK(death([](const std::string&) { throw Error(ErrorKind::data, "is refused"); }).empty());
}

TEST_CASE("a text that fills the memory of the process is not read by the program either") {
  const Folder folder;
  const std::string path = folder.file("texts.h5");
  constexpr std::size_t kTexts = 1000, kLong = std::size_t{4} << 20;
  {
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    const hsize_t count = kTexts;
    const hid_t space = H5Screate_simple(1, &count, nullptr),
                note = H5Acreate2(file, "note", type, space, H5P_DEFAULT, H5P_DEFAULT);
    const std::string letters(kLong, 'a');
    std::vector<const char*> texts(kTexts, nullptr);
    texts[0] = letters.c_str();
    REQUIRE(H5Awrite(note, type, texts.data()) >= 0);
    H5Aclose(note);
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
  }
  std::string bytes = bytes_of(path);  // each text is its length, the place of a heap, and a number in it
  const std::string zeros((kTexts - 1) * 16, '\0');
  std::size_t at = bytes.find(zeros);
  const std::string length = {0, 0, 0x40, 0};
  at = bytes.rfind(length, at);
  REQUIRE(at != std::string::npos);
  const std::string reference = bytes.substr(at, 16);
  for (std::size_t i = 1; i < kTexts; ++i) bytes.replace(at + 16 * i, 16, reference);
  write_bytes(path, bytes);
  const std::string error = error_of([&] { apps::read_in_child(path, {10, 256}, data::h5::walk); });
  CHECK_MESSAGE(contains(error, "wanted more than 256 MiB"), error);
}

TEST_CASE("a larger file may be looked at for longer") {
  CHECK(apps::limits_for(0).seconds == 10);
  CHECK(apps::limits_for(std::uintmax_t{1} << 30).seconds == 74);
  CHECK(apps::limits_for(std::uintmax_t{1} << 50).seconds == 610);
}

TEST_CASE("a file is refused if nobody knows how the process ended that looked at it") {
  ::signal(SIGCHLD, SIG_IGN);
  const std::string ended = death([](const std::string&) {});
  ::signal(SIGCHLD, SIG_DFL);
  CHECK_MESSAGE(contains(ended, "folder/s.h5: a process of its own looked at it, and its end is not known"), ended);
}

TEST_CASE("a process that was started with SIGCHLD ignored looks at files all the same") {
  const Folder folder;
  const std::string path = folder.file("s.h5");
  std::string bytes = bytes_of(VOXGRAD_SOURCE_DIR "/data/bundled/organ3d.h5");
  const auto inspect = [&] {
    write_bytes(path, bytes);
    return program({"inspect", path}, [] { ::signal(SIGCHLD, SIG_IGN); });
  };
  CHECK(inspect().code == 0);
  bytes[2520] = '\xFF';  // HDF5 1.10.8 dies of it, see below
  const Outcome outcome = inspect();
  CHECK_MESSAGE(outcome.code == 3, outcome.code, " ", outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "s.h5"), outcome.err);
}

TEST_CASE("memory that this process may not have itself is not said of the file") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit low = before;
  low.rlim_cur = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (rlim_t{63} << 20);
  REQUIRE(::setrlimit(RLIMIT_AS, &low) == 0);
  const std::string said = death([](const std::string&) { throw std::bad_alloc(); });
  ::setrlimit(RLIMIT_AS, &before);
  CHECK_MESSAGE(contains(said, "folder/s.h5: there is no memory to look at it"), said);
  CHECK(contains(said, "ulimit -v"));
}

TEST_CASE("the process that looks at a file reads it with HDF5, also beside threads that do") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 4, {32, 32});
  const data::Dataset open = data::Dataset::open(data);
  for (int i = 0; i < 3; ++i) apps::read_in_child(data, {}, data::h5::walk);
  CHECK(open.read(0).image.numel() == 32 * 32);
}

// Bundled datasets with a few other bytes, in the heap of texts of variable length. HDF5 1.10.8 dies of each; of the
// last one only when the program ends.
TEST_CASE("no verb dies of a damaged file") {
  struct Damage {
    const char* dataset;
    std::vector<std::pair<std::size_t, char>> changes;
  };
  const Folder folder;
  const std::string path = folder.file("s.h5"), out = folder.file("out");
  for (const Damage& damage : {Damage{"organ3d", {{2520, '\xFF'}}}, Damage{"vessels2d", {{15266, '\x4D'}}},
                               Damage{"organs2d", {{2076, '\xFF'}, {2479, '\x01'}}},
                               Damage{"organs2d",
                                      {{1548, '\x01'},
                                       {2073, '\x10'},
                                       {2238, '\x4F'},
                                       {2239, '\x43'},
                                       {2240, '\x48'},
                                       {2241, '\x4B'},
                                       {2242, '\x06'},
                                       {2243, '\x11'},
                                       {2244, '\x00'},
                                       {2245, '\x00'},
                                       {21198, '\x0B'}}}}) {
    std::string bytes = bytes_of(text(VOXGRAD_SOURCE_DIR, "/data/bundled/", damage.dataset, ".h5"));
    for (const auto& [at, byte] : damage.changes) bytes[at] = byte;
    write_bytes(path, bytes);
    for (const std::vector<std::string>& command : {std::vector<std::string>{"inspect", path},
                                                    {"train", path, "-o", out, "--steps", "1"},
                                                    {"import", path + ":/images", "--unlabelled", "-o", out + ".h5"},
                                                    {"metrics", path, path}}) {
      const Outcome outcome = program(command);
      CHECK_MESSAGE(outcome.code == 3, damage.dataset, ", ", command.front(), ": ", outcome.code, " ", outcome.err);
      CHECK_MESSAGE(contains(outcome.err, "s.h5"), damage.dataset, ", ", command.front(), ": ", outcome.err);
    }
    const Outcome outcome = program({"doctor", path, "--data-only"});
    CHECK_MESSAGE(outcome.code == 8, damage.dataset, ": ", outcome.code, " ", outcome.err);
    CHECK_MESSAGE(contains(outcome.out, "s.h5"), damage.dataset, ": ", outcome.out);
  }
}

TEST_CASE("no verb waits at a pipe in place of a file of a run or a comparison") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 8, {32, 32}), out = folder.file("out");
  const std::vector<std::string> compared =
      comparison_of({data}, out, {"--losses", "ce", "--seeds", "1", "--steps", "2"});
  REQUIRE(program(compared).code == 0);
  const std::string run = out + "/nuclei2d/ce/seed_1";
  // Runs the program with a pipe in place of the file, which is back afterwards.
  const auto with_pipe = [](const std::string& file, const std::vector<std::string>& words, int code) {
    std::filesystem::rename(file, file + ".kept");
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    const Outcome outcome = program(words, [] { ::alarm(20); });
    CHECK_MESSAGE(outcome.code == code, words.front(), ", ", file, ": ", outcome.code, " ", outcome.err);
    CHECK_MESSAGE(contains(outcome.out + outcome.err, file + ": it is no regular file"), words.front(), ": ",
                  outcome.out, outcome.err);
    std::filesystem::rename(file + ".kept", file);
  };
  for (const char* name : {"/run.json", "/log.jsonl"}) {
    with_pipe(run + name, {"doctor", run}, 8);
    with_pipe(run + name, {"train", "--resume", run}, 5);
  }
  with_pipe(run + "/run.json", {"report", run}, 5);
  with_pipe(run + "/run.json", compared, 5);
  with_pipe(run + "/log.jsonl", {"train", data, "-o", run}, 5);
  with_pipe(out + "/results.json", {"report", out}, 5);
}

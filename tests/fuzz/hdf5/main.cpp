// Untrusted HDF5 files: fuzz_hdf5 [COUNT [SEED [hostile|changed [FIRST]]]], FIRST to go on at a finding.
// First, COUNT files whose pieces are not what they should be (hostile.h): each is read, or is an Error that names it.
// Then COUNT / 4 copies of bundled datasets with changed bytes. The HDF5 library dies of some of them; with the process
// that looks at each file first (apps/program/untrusted_files.h) none of these deaths reaches who opens it.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>

#include "apps/program/untrusted_files.h"
#include "data/dataset.h"
#include "data/exchange/import.h"
#include "data/h5/h5.h"
#include "data/label_file.h"
#include "engine/error.h"
#include "engine/random.h"
#include "tests/files.h"
#include "tests/fuzz/hdf5/hostile.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct Tally {
  std::uint64_t read = 0, refused = 0;
};

// Everything that opens a dataset. Returns what is wrong with the behaviour, "" if nothing is.
std::string read_all(const std::string& path, Tally& tally) {
  const std::string name = std::filesystem::path(path).filename().string();
  std::string wrong;
  const auto attempt = [&](auto&& read) {
    try {
      read();
      ++tally.read;
    } catch (const Error& error) {
      ++tally.refused;
      const std::string& message = error.message();
      // A case, an array or the file; DatasetInfo names the file without its ending.
      if (message.find(name) == std::string::npos && message.find('/') == std::string::npos &&
          message.find("case ") == std::string::npos)
        wrong = "the message names nothing: " + message;
    } catch (const std::exception& error) {
      wrong = error.what();
    }
  };
  attempt([&] {
    const data::Dataset dataset = data::Dataset::open(path);
    for (const auto& [split, cases] : dataset.info().splits) static_cast<void>(dataset.split(split));
    for (std::int64_t i = 0; i < dataset.size(); ++i) dataset.read(i);
  });
  attempt([&] {
    const data::LabelFile file(path, {});
    for (std::size_t i = 0; i < file.case_ids().size(); ++i) file.read(i);
  });
  attempt([&] {
    data::ImportOptions options;
    options.dry_run = true;
    options.discover.axes = "NYXC";
    options.discover.labels = false;
    data::import_dataset({path + ":/images"}, "", options);
  });
  return wrong;
}

// In a process of its own, because HDF5 dies of writing some of them. What is there then is read all the same.
void write_apart(const std::string& path, std::uint64_t number) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit core{0, 0}, time{5, 6};
    ::setrlimit(RLIMIT_CORE, &core);
    ::setrlimit(RLIMIT_CPU, &time);
    write_hostile(path, number);
    ::_exit(0);
  }
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void look_first(const std::string& file) { apps::read_in_child(file, {4, 1024}, data::h5::walk); }

bool hostile_files(std::uint64_t count, std::uint64_t seed, std::uint64_t first, const std::string& path) {
  Tally tally;
  data::h5::set_precheck(look_first);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = first; i < count; ++i) {
#ifdef __GLIBC__
    if (i % 256 == 0) ::malloc_trim(0);  // each child would copy what HDF5 has left behind in the heap
#endif
    const std::uint64_t number = Random(seed).fork(i).bits64();
    write_apart(path, number);
    const auto before = std::chrono::steady_clock::now();
    std::string wrong = read_all(path, tally);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    if (wrong.empty() && seconds > 10) wrong = text(seconds, " s");
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    if (wrong.empty() && usage.ru_maxrss > 3000L * 1024) wrong = text(usage.ru_maxrss / 1024, " MB of memory");
    if (wrong.empty()) continue;
    std::printf("hostile file %llu of seed %llu: %s\n", static_cast<unsigned long long>(i),
                static_cast<unsigned long long>(seed), wrong.c_str());
    return false;
  }
  std::printf("%llu hostile files: %llu times read, %llu times refused, %.1f s\n",
              static_cast<unsigned long long>(count - first), static_cast<unsigned long long>(tally.read),
              static_cast<unsigned long long>(tally.refused),
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return count == first || (tally.read > 0 && tally.refused > 0);
}

// Changes bytes, most of them in what is no pixel: behind the names of HDF5's own structures.
std::string mutated(const std::string& good, const std::vector<std::size_t>& places, Random& random) {
  std::string bytes = good;
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.bits64() % n); };
  for (std::size_t change = std::size_t{1} << below(6); change > 0; --change) {
    const std::size_t near[]{64, 600, 2000};
    std::size_t at = below(8) == 0 ? below(bytes.size()) : places[below(places.size())] + below(near[below(3)]);
    at = std::min(at, bytes.size() - 64);
    const std::uint64_t numbers[]{0, 1, ~0ull, 1ull << below(64), bytes.size(), below(bytes.size()), 1ull << 31};
    switch (below(5)) {
      case 0: bytes[at] = static_cast<char>(random.bits()); break;
      case 1: bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8)); break;
      case 2: bytes[at] = static_cast<char>(numbers[below(4)]); break;
      case 3: std::memcpy(bytes.data() + at, &numbers[below(7)], std::size_t{2} << below(3)); break;
      default: bytes.replace(at, 32, good, std::min(places[below(places.size())], bytes.size() - 32), 32);
    }
  }
  return bytes;
}

// How a process ends that reads the file, with or without somebody who looks at it first.
int end_of_reader(const std::string& path, bool guarded) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit core{0, 0}, time{30, 31}, memory{rlim_t{4} << 30, rlim_t{4} << 30};
    ::setrlimit(RLIMIT_CORE, &core);
    ::setrlimit(RLIMIT_CPU, &time);
    if (!guarded) ::setrlimit(RLIMIT_AS, &memory);
    Tally tally;
    if (guarded)
      data::h5::set_precheck([](const std::string& file) { apps::read_in_child(file, {4, 1024}, data::h5::walk); });
    ::_exit(read_all(path, tally).empty() ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

bool mutated_files(std::uint64_t count, std::uint64_t seed, std::uint64_t first, const std::string& path) {
  std::vector<std::string> good;
  std::vector<std::vector<std::size_t>> places;
  for (const char* name : {"lesions2d", "organ3d", "nuclei2d"}) {
    good.push_back(bytes_of(text(VOXGRAD_SOURCE_DIR, "/data/bundled/", name, ".h5")));
    std::vector<std::size_t>& found = places.emplace_back();
    for (const char* mark : {"\x89HDF", "TREE", "HEAP", "SNOD", "GCOL", "OHDR", "OCHK"})
      for (std::size_t at = good.back().find(mark); at != std::string::npos; at = good.back().find(mark, at + 1))
        found.push_back(at);
  }
  std::uint64_t died = 0, reached = 0;
  for (std::uint64_t i = first; i < count; ++i) {
    Random random = Random(seed).fork(i);
    const std::size_t which = static_cast<std::size_t>(random.bits64() % good.size());
    write_bytes(path, mutated(good[which], places[which], random));
    if (count > 200 && WIFSIGNALED(end_of_reader(path, false))) ++died;  // only counted: it takes as long again
    const int status = end_of_reader(path, true);
    if (status == 0) continue;
    const std::string kept = text(path, ".", i);
    std::filesystem::copy_file(path, kept, std::filesystem::copy_options::overwrite_existing);
    std::printf("changed file %llu of seed %llu: ended by %s %d; it is %s\n", static_cast<unsigned long long>(i),
                static_cast<unsigned long long>(seed), WIFSIGNALED(status) ? "signal" : "exit code",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), kept.c_str());
    ++reached;
  }
  std::printf("%llu changed files: %llu readers died without somebody who looked first, %llu with\n",
              static_cast<unsigned long long>(count - first), static_cast<unsigned long long>(died),
              static_cast<unsigned long long>(reached));
  return reached == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const std::string only = argc > 3 ? argv[3] : "";
  const std::uint64_t first = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 0;
  const Folder folder;
  const std::string path = folder.file("stranger.h5");
  std::printf("the last file is %s\n", path.c_str());
  std::fflush(stdout);
  bool good = true;
  if (only != "changed") good = hostile_files(count, seed, first, path);
  std::fflush(stdout);
  if (good && only != "hostile")
    good = mutated_files(only == "changed" ? count : count / 4, seed, only == "changed" ? first : 0, path);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

// Calls a target without libFuzzer:
//   fuzz_NAME [FILE|FOLDER..]            its seeds, and these inputs
//   fuzz_NAME --count N [--from SEED]    N mutations of the seeds, too
//   fuzz_NAME --write FOLDER             writes the seeds there: the first corpus of libFuzzer
// The input of the moment is kept in a file, whose name is said first, so that it is there if the process dies.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>

#include "engine/random.h"
#include "tests/data/formats/files.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;
namespace fs = std::filesystem;

namespace {

constexpr long kMostMegabytes = 3000;  // with what the sanitizer keeps
constexpr double kMostSeconds = 10;    // for one input, under the sanitizer on a slow machine

// Numbers around which sizes and offsets go wrong.
constexpr std::uint64_t kNumbers[] = {0,          1,     2,          3,          7,          8,
                                      16,         255,   256,        1000,       32767,      32768,
                                      65535,      65536, 1 << 20,    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                      1ull << 40, ~0ull, 1ull << 63, 0x7FC00000, 0x7F800000};

// One to eight changes, most of them in the first bytes, where headers are.
std::string mutated(const std::vector<std::string>& from, Random& random) {
  const auto below = [&](std::size_t n) {
    return n == 0 ? std::size_t{0} : static_cast<std::size_t>(random.bits64() % n);
  };
  std::string bytes = from[below(from.size())];
  const std::size_t changes = 1 + below(below(8) + 1);
  for (std::size_t change = 0; change < changes && !bytes.empty(); ++change) {
    const std::size_t at = below(random.bits() % 4 != 0 ? std::min<std::size_t>(bytes.size(), 600) : bytes.size());
    switch (below(10)) {
      case 0: bytes[at] = static_cast<char>(random.bits()); break;
      case 1:
      case 2: bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8)); break;
      case 3: bytes[at] = static_cast<char>(bytes[at] + (random.bits() % 2 != 0 ? 1 : -1)); break;
      case 4: bytes.resize(at); break;
      case 5: {
        const std::string& other = from[below(from.size())];
        const std::size_t first = below(other.size());
        bytes.replace(at, below(bytes.size() - at), other.substr(first, below(200)));
        break;
      }
      case 6: bytes.erase(at, below(16)); break;
      case 7: bytes.insert(at, bytes.substr(at, below(32))); break;
      default: {
        std::string number;
        const std::uint64_t value = kNumbers[below(std::size(kNumbers))];
        const bool big = random.bits() % 2 != 0;
        switch (below(4)) {
          case 0: append(number, static_cast<std::uint16_t>(value), big); break;
          case 1: append(number, static_cast<std::uint32_t>(value), big); break;
          case 2: append(number, value, big); break;
          default: number = std::to_string(value); break;
        }
        bytes.replace(at, std::min(number.size(), bytes.size() - at), number);
      }
    }
  }
  return bytes;
}

long megabytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

class Replay {
 public:
  Replay() : last_(folder_.file("input")) {
    std::printf("the last input is kept in %s\n", last_.c_str());
    std::fflush(stdout);
  }
  // Says what is wrong with an input, if anything is.
  bool good(const std::string& bytes, const std::string& name) {
    write_bytes(last_, bytes);
    const auto start = std::chrono::steady_clock::now();
    std::string wrong;
    try {
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    } catch (const std::exception& error) {
      wrong = error.what();
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (wrong.empty() && seconds > kMostSeconds) wrong = text(seconds, " s");
    if (wrong.empty() && megabytes() > kMostMegabytes) wrong = text(megabytes(), " MB of memory");
    if (wrong.empty()) return true;
    const std::string name_kept = text("voxgrad-fuzz-finding-", ::getpid(), '-', ++found_);
    const std::string kept = (fs::temp_directory_path() / name_kept).string();
    write_bytes(kept, bytes);
    std::printf("%s: %s; the input is %s\n", name.c_str(), wrong.c_str(), kept.c_str());
    return false;
  }

 private:
  Folder folder_;
  std::string last_;
  int found_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t count = 0, from = 1;
  std::vector<std::string> inputs;
  const std::vector<std::string> valid = seeds();
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("--") && i + 1 == argc) {
      std::printf("%s needs a value\n", word.c_str());
      return EXIT_FAILURE;
    }
    if (word == "--count")
      count = std::strtoull(argv[++i], nullptr, 10);
    else if (word == "--from")
      from = std::strtoull(argv[++i], nullptr, 10);
    else if (word == "--write") {
      const fs::path folder = argv[++i];
      fs::create_directories(folder);
      for (std::size_t seed = 0; seed < valid.size(); ++seed)
        write_bytes((folder / text("seed_", seed)).string(), valid[seed]);
      return EXIT_SUCCESS;
    } else if (fs::is_directory(word)) {
      for (const fs::directory_entry& entry : fs::directory_iterator(word)) inputs.push_back(entry.path().string());
    } else if (fs::exists(word)) {
      inputs.push_back(word);
    } else {
      std::printf("%s: there is no such file or folder\n", word.c_str());
      return EXIT_FAILURE;
    }
  }
  Replay replay;
  for (std::size_t seed = 0; seed < valid.size(); ++seed) {
    const std::uint64_t before = tally().read;
    if (!replay.good(valid[seed], text("seed ", seed))) return EXIT_FAILURE;
    if (tally().read == before) {
      std::printf("seed %zu is refused\n", seed);
      return EXIT_FAILURE;
    }
  }
  for (const std::string& input : inputs)
    if (!replay.good(bytes_of(input), input)) return EXIT_FAILURE;
  for (std::uint64_t i = 0; i < count; ++i) {
    Random random = Random(from).fork(i);
    if (!replay.good(mutated(valid, random), text("mutation ", i, " of ", from))) return EXIT_FAILURE;
  }
  std::printf("%zu seeds, %zu files, %llu mutations: %llu read, %llu refused, %ld MB at most\n", valid.size(),
              inputs.size(), static_cast<unsigned long long>(count), static_cast<unsigned long long>(tally().read),
              static_cast<unsigned long long>(tally().refused), megabytes());
  return valid.empty() ? EXIT_FAILURE : EXIT_SUCCESS;
}

// The messages of the libraries in the words of the command line.
#include "apps/program/flags.h"

#include <filesystem>
#include <set>

#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;

TEST_CASE("a hint of a library names the flag when the program prints it") {
  CHECK(with_flags(ErrorKind::usage, "use device cpu, or build") == "use --device cpu, or build");
  CHECK(with_flags(ErrorKind::data, "use the label map 0:0,255:1") == "--label-map 0:0,255:1");
}

TEST_CASE("where no memory is left, the hint names only flags that the verb has") {
  const auto hint = [](const std::set<std::string>& flags) {
    choose_memory_hint([&](const char* flag) { return flags.contains(flag); });
    return with_flags(ErrorKind::memory, "smaller patches, fewer of them at a time or fewer channels need less");
  };
  CHECK(hint({"--patch", "--masks", "--dry-run"}) == "end other programs, or take a machine with more memory");
  CHECK(hint({"--patch", "--batch", "--base", "--dry-run"}) ==
        "a smaller --patch, --batch or --base needs less; --dry-run prints the planned peak");
  CHECK(hint({"--cases", "--size"}) == "a smaller --cases or --size needs less");
  CHECK(hint({"--shape"}) == "a smaller --shape needs less");
  CHECK(hint({}) == "end other programs, or take a machine with more memory");
}

TEST_CASE("other words and other kinds of errors stay as they are") {
  CHECK(with_flags(ErrorKind::data, "value 7 is not in the label map") == "value 7 is not in the label map");
  CHECK(with_flags(ErrorKind::io, "use device cpu") == "use device cpu");
  CHECK(with_flags(ErrorKind::usage, "").empty());
}

TEST_CASE("every phrase of the table is one that a library says") {
  std::string sources;
  for (const char* folder : {"engine", "nn", "losses", "data"})
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(std::string(VOXGRAD_SOURCE_DIR) + "/" + folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".cpp" || extension == ".cu" || extension == ".h")
        sources += test::bytes_of(entry.path().string());
    }
  REQUIRE(sources.size() > 100'000);
  for (const Phrase& phrase : phrases()) CHECK_MESSAGE(test::contains(sources, phrase.general), phrase.general);
}

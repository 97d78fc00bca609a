// Which cases `evaluate` takes where nobody says it, and what it says of a model that may know them.
#include <utility>

#include "apps/program/json.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

TEST_CASE("of a file without splits that a model has not learned from, all cases are measured") {
  const Folder folder;
  const std::string own = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run"),
                    others = folder.file("others.h5");
  REQUIRE(program(small_training(own, run)).code == 0);
  data::DatasetContents contents = data::make_phantom("nuclei2d", {10, {32, 32}, 2});
  contents.splits.clear();
  data::write_dataset(others, contents);
  const auto evaluated = [&](const std::string& data, const std::vector<std::string>& more, std::string* said) {
    std::vector<std::string> words{"evaluate", run, data, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = program(words);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    if (said != nullptr) *said = outcome.err;
    return Json::parse(outcome.out);
  };
  std::string said;
  const Json all = evaluated(others, {}, &said), some = evaluated(others, {"--split", "test"}, nullptr);
  CHECK(all["split"] == "all");
  CHECK(all["cases"].size() == 10);
  CHECK_MESSAGE(contains(said, "all cases: the file has no splits"), said);
  CHECK(!contains(said, "warning"));
  CHECK(some["split"] == "test");
  CHECK(some["cases"].size() < 5);
  contents.cases.resize(1);
  data::write_dataset(others, contents);
  CHECK(evaluated(others, {}, nullptr)["cases"].size() == 1);

  // The training drew its splits, and the test is what it left out.
  contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  contents.splits.clear();
  const std::string drawn = folder.file("drawn.h5"), second = folder.file("second");
  data::write_dataset(drawn, contents);
  REQUIRE(program(small_training(drawn, second)).code == 0);
  const Outcome tested = program({"evaluate", second, drawn, "--json"});
  REQUIRE_MESSAGE(tested.code == 0, tested.err);
  CHECK(Json::parse(tested.out)["split"] == "test");
  CHECK_MESSAGE(!contains(tested.err, "warning"), tested.err);
}

TEST_CASE("a model that learned from the same images in other splits is warned about") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run"),
                    again = folder.file("again.h5");
  REQUIRE(program(small_training(data, run)).code == 0);
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  std::swap(contents.splits["train"], contents.splits["test"]);
  data::write_dataset(again, contents);
  const std::string words = "learned from cases of the split test";
  const Outcome own = program({"evaluate", run, data}), exchanged = program({"evaluate", run, again});
  REQUIRE_MESSAGE(own.code == 0, own.err);
  REQUIRE_MESSAGE(exchanged.code == 0, exchanged.err);
  CHECK_MESSAGE(!contains(own.err, words), own.err);
  CHECK_MESSAGE(contains(exchanged.err, words), exchanged.err);
  CHECK(!contains(program({"evaluate", run, again, "--split", "train"}).err, "learned from cases"));
}

// What a dry run foretells. It compares the memory of whole processes, so tests/CMakeLists.txt gives this test alone an
// address sanitizer that keeps little of what is released.
#include <set>

#include "apps/program/json.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
namespace fs = std::filesystem;

TEST_CASE("a plan says what was asked for and what follows from the data") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organ3d", 6, {16, 32, 32});
  const auto reason_of = [&](const std::vector<std::string>& more, const std::string& setting) {
    std::vector<std::string> words{"train", data, "--base", "4", "--dry-run", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Json json = Json::parse(program(words).out);
    for (const Json& reason : json["reasons"])
      if (reason["setting"] == setting) return reason;
    return Json();
  };
  const std::vector<std::string> slices{"--dims", "2"};
  CHECK(reason_of({}, "dims")["value"] == "3");
  CHECK(reason_of({}, "dims")["why"] == "the cases are volumes");
  CHECK(reason_of(slices, "dims")["why"] == "as asked");
  CHECK(reason_of(slices, "patch")["value"] == "1x32x32");
  CHECK(reason_of({"--dims", "2", "--patch", "16x32"}, "patch")["value"] == "1x16x32");
  const Outcome two = program({"train", data, "--dry-run", "--dims", "2", "--patch", "2x16x16"});
  CHECK(two.code == 2);
  CHECK_MESSAGE(contains(two.err, "a patch has one slice"), two.err);
}

TEST_CASE("volumes are trained and predicted slice by slice") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organ3d", 6, {12, 32, 32}), run = folder.file("run");
  const Outcome trained = program({"train", data, "-o", run, "--base", "4", "--steps", "8", "--dims", "2", "--json"});
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  CHECK(Json::parse(trained.out)["test"].size() > 0);
  const Outcome predicted = program({"predict", run, data, "-o", folder.file("labels.h5")});
  CHECK_MESSAGE(predicted.code == 0, predicted.err);
}

TEST_CASE("a dry run trains nothing and foretells memory and time") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {48, 48});
  const Outcome outcome = program(small_training(data, folder.file("run"), {"--dry-run", "--json"}));
  REQUIRE(outcome.code == 0);
  const Json json = Json::parse(outcome.out);
  for (const char* name :
       {"parameters", "step_seconds", "seconds", "peak_memory_bytes", "tensor_memory_bytes", "steps"})
    CHECK_MESSAGE(json[name] > 0, name);
  // Whoever repeats the training elsewhere needs the network, the changes of the samples, and the cases.
  CHECK(json["model"]["depth"] == 2);
  CHECK(json["model"]["patch"] == Json{32, 32});
  CHECK(json["augment"]["rotate"] == 0.2);
  std::set<std::int64_t> cases;
  for (const char* split : {"train", "val", "test"})
    for (const Json& index : json["cases"][split]) cases.insert(index.get<std::int64_t>());
  CHECK(cases.size() == 10);
  CHECK(!fs::exists(folder.file("run")));
  std::vector<std::string> settings;
  for (const Json& reason : json["reasons"]) {
    settings.push_back(reason["setting"]);
    CHECK_MESSAGE(!reason["why"].get<std::string>().empty(), settings.back());
    CHECK_MESSAGE(!reason["value"].get<std::string>().empty(), settings.back());
  }
  CHECK(settings.front() == "crop");
  CHECK(settings.back() == "lr");
  const Json trained = Json::parse(program(small_training(data, folder.file("run"), {"--json", "-q"})).out);
  CHECK(trained["parameters"] == json["parameters"]);
  const double ratio = trained["peak_memory_bytes"].get<double>() / json["peak_memory_bytes"].get<double>();
  CHECK_MESSAGE(ratio > 0.8, "peak memory ", ratio, " of what was planned");
  CHECK_MESSAGE(ratio < 1.2, "peak memory ", ratio, " of what was planned");
}

TEST_CASE("the planned peak has the copies of the weights that a training makes") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {48, 48});
  std::vector<std::string> words{"train",
                                 data,
                                 "-o",
                                 folder.file("run"),
                                 "--base",
                                 "48",
                                 "--depth",
                                 "5",
                                 "--batch",
                                 "1",
                                 "--patch",
                                 "48",
                                 "--steps",
                                 "2",
                                 "--json",
                                 "-q",
                                 "--deep-supervision"};
  const auto peak = [&] { return Json::parse(program(words).out)["peak_memory_bytes"].get<double>(); };
  const double trained = peak();
  words.push_back("--dry-run");
  const double ratio = trained / peak();
  CHECK_MESSAGE((ratio > 0.9 && ratio < 1.1), "peak memory ", ratio, " of what was planned");
}

TEST_CASE("pictures have a smoothed Dice by default; volumes, and who names a loss, have the loss that is named") {
  const Folder folder;
  const std::string flat = phantom_file(folder, "nuclei2d", 6, {32, 32}),
                    deep = phantom_file(folder, "organ3d", 6, {16, 16, 16});
  const auto loss = [](const std::string& data, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"train", data, "--base", "4", "--depth", "2", "--steps", "2", "--dry-run", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = program(words);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return Json::parse(outcome.out)["config"]["loss"].get<std::string>();
  };
  CHECK(loss(flat) == "dice_ce:smooth_nr=1,smooth_dr=1");
  CHECK(loss(deep) == "dice_ce");
  CHECK(loss(flat, {"--loss", "dice_ce"}) == "dice_ce");
  write_bytes(folder.file("c.toml"), "loss = \"dice_ce\"\n");
  CHECK(loss(flat, {"--config", folder.file("c.toml")}) == "dice_ce");
}

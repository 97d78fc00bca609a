// ctest labels: unsanitized
// Trainings with the real program: they learn, they are repeatable to the last bit, and they leave what they promise.
#include "apps/program/json.h"
#include "engine/io/safetensors.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
namespace fs = std::filesystem;

namespace {

void check_same_files(const std::string& a, const std::string& b) {
  for (const char* name : {"last.safetensors", "best.safetensors", "metrics.csv", "curves.svg"}) {
    const std::string left = bytes_of(a + "/" + name), right = bytes_of(b + "/" + name);
    CHECK(!left.empty());
    CHECK_MESSAGE(left == right, name, " of ", a, " and ", b, " differ");
  }
}

// True if every value of `part` is in `whole`, at the same place.
bool holds(const Json& whole, const Json& part) {
  if (!part.is_structured()) return whole == part;
  if (whole.type() != part.type() || (part.is_array() && whole.size() != part.size())) return false;
  for (const auto& [key, value] : part.items())
    if (part.is_array() ? !holds(whole[std::stoul(key)], value) : !whole.contains(key) || !holds(whole[key], value))
      return false;
  return true;
}

}  // namespace

TEST_CASE("the unit of the intensities does not matter") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  std::vector<double> dice;
  for (const float unit : {1.0f, 0x1p-40f, 0x1p100f}) {  // powers of two, so that the pictures are the same to the bit
    data::DatasetContents scaled = contents;
    for (data::Case& one : scaled.cases) {
      one.image = one.image.clone();
      for (std::int64_t i = 0; i < one.image.numel(); ++i) one.image.data<float>()[i] *= unit;
    }
    scaled.image_dtype = DType::f32;
    data::write_dataset(folder.file("d.h5"), scaled);
    const std::string run = folder.file("run");
    const Outcome outcome = program(small_training(folder.file("d.h5"), run, {"--json", "-q"}));
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    dice.push_back(Json::parse(outcome.out)["val"]["dice_mean"].get<double>());
    fs::remove_all(run);
  }
  CHECK(dice[0] > 0.3);
  CHECK(std::abs(dice[1] - dice[0]) < 0.05);
  CHECK(std::abs(dice[2] - dice[0]) < 0.05);
}

TEST_CASE("what makes a training poor is said before it begins, and that a model finds nothing at its end") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  contents.class_names = {"background", "nucleus, round", "rare"};
  contents.splits = {{"train", {0, 1, 2, 3}}, {"test", {4}}};
  const std::string data = folder.file("d.h5"), run = folder.file("run");
  data::write_dataset(data, contents);
  const Outcome foretold = program(small_training(data, run, {"--dry-run"}));
  CHECK_MESSAGE(contains(foretold.err, "warning: no validation cases"), foretold.err);
  const Outcome poor = program(small_training(data, run, {"--json"}));
  REQUIRE_MESSAGE(poor.code == 0, poor.err);
  CHECK_MESSAGE(contains(poor.err, "warning: no validation cases"), poor.err);
  CHECK_MESSAGE(contains(poor.err, "warning: class 2 (\"rare\") is in no training case"), poor.err);
  CHECK(Json::parse(poor.out)["warnings"].size() == 2);
  CHECK(contains(bytes_of(run + "/metrics.csv"), ",\"val_dice_nucleus, round\",val_dice_rare\n"));
  const std::string compared = folder.file("compared");
  const Outcome comparison = program(
      {"compare", data, "--losses", "ce,dice", "--steps", "2", "--base", "4", "--depth", "2", "-o", compared, "-q"});
  REQUIRE_MESSAGE(comparison.code == 0, comparison.err);
  CHECK_MESSAGE(contains(comparison.err, "warning: d: class 2 (\"rare\")"), comparison.err);
  CHECK(Json::parse(bytes_of(compared + "/results.json"))["datasets"][0]["warnings"].size() == 2);

  for (data::Case& one : contents.cases)  // only the tested case has foreground
    if (&one != &contents.cases[4]) one.label = zeros(one.label.shape(), DType::u8);
  contents.class_names.pop_back();
  data::write_dataset(data, contents);
  const Outcome nothing = program({"train", data, "-o", folder.file("nothing"), "--loss", "ce", "--base", "4",
                                   "--depth", "2", "--steps", "60", "--lr", "0.02"});
  REQUIRE_MESSAGE(nothing.code == 0, nothing.err);
  CHECK_MESSAGE(contains(nothing.err, "no training case has any foreground"), nothing.err);
  CHECK_MESSAGE(contains(nothing.err, "the model finds nothing"), nothing.err);
}

TEST_CASE("validations that cannot find anything leave the last weights") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  contents.splits = {{"train", {0, 1, 2, 3, 4, 5}}, {"val", {6, 7}}, {"test", {8, 9}}};
  for (const std::size_t i : {6u, 7u}) contents.cases[i].label = zeros(contents.cases[i].label.shape(), DType::u8);
  data::write_dataset(folder.file("d.h5"), contents);
  const Outcome outcome = program({"train", folder.file("d.h5"), "-o", folder.file("run"), "--base", "4", "--depth",
                                   "2", "--steps", "60", "--validate-every", "1", "--lr", "1e-30", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Json result = Json::parse(outcome.out);
  CHECK(result["epochs"] == 3);
  CHECK(result["val"]["dice_mean"] == 0);
  CHECK(result["best_epoch"] == 3);
}

TEST_CASE("a training on a phantom learns to segment it") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 20, {48, 48});
  const Outcome trained = program({"train", data, "-o", folder.file("run"), "--base", "8", "--depth", "3", "--steps",
                                   "120", "--batch", "4", "--json", "-q"});
  REQUIRE(trained.code == 0);
  const Json json = Json::parse(trained.out);
  CHECK_MESSAGE(json["test"]["dice_mean"] > 0.8, trained.out);
  CHECK(json["test"]["dice"]["1"] == json["test"]["dice_mean"]);
  CHECK(json["val"]["dice_mean"] > 0.7);  // four cases
  CHECK(json["parameters"] > 1000);
  CHECK(json["seconds"] > 0);
  CHECK(json["peak_memory_bytes"] > 1e6);
  for (const char* name : {"config.toml", "run.json", "log.jsonl", "metrics.csv", "curves.svg", "last.safetensors",
                           "previous.safetensors", "best.safetensors"})
    CHECK_MESSAGE(fs::exists(folder.file(std::string("run/") + name)), name);
  const Json manifest = Json::parse(bytes_of(folder.file("run/run.json")));
  CHECK(manifest["exit_reason"] == "finished");
  CHECK(manifest["results"]["test"] == json["test"]);

  // The model that was saved is the one that was tested; evaluate, predict and metrics say the same.
  const Json evaluated = Json::parse(program({"evaluate", folder.file("run"), data, "--json"}).out);
  CHECK(evaluated["mean"]["dice"] == json["test"]["dice_mean"]);
  CHECK(evaluated["interval"]["dice"][0] == "NaN");  // of too few cases
  CHECK((evaluated["unit"] == "mm" || evaluated["unit"] == "px"));
  const std::string predicted = folder.file("prediction.h5");
  REQUIRE(program({"predict", folder.file("run"), data, "-o", predicted, "--split", "test", "--probabilities"}).code ==
          0);
  const Json compared = Json::parse(program({"metrics", predicted, data, "--json"}).out);
  // evaluate knows the probabilities as well: what it has more is added to what metrics must have.
  CHECK(compared["cases"].size() == 4);
  CHECK(evaluated["cases"][0].contains("calibration_error"));
  for (const char* part : {"cases", "mean"}) CHECK_MESSAGE(holds(evaluated[part], compared[part]), part);
}

TEST_CASE("the same seed gives the same bits for any number of threads") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 12, {48, 48});
  for (const char* threads : {"1", "2", "3"})
    REQUIRE(program(small_training(data, folder.file(threads), {"--threads", threads, "--dropout", "0.2"})).code == 0);
  check_same_files(folder.file("1"), folder.file("2"));
  check_same_files(folder.file("1"), folder.file("3"));
  REQUIRE(program(small_training(data, folder.file("other"), {"--seed", "2", "--dropout", "0.2"})).code == 0);
  CHECK(bytes_of(folder.file("1/last.safetensors")) != bytes_of(folder.file("other/last.safetensors")));
}

TEST_CASE("every option of the network and the optimiser trains") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 12, {48, 48});
  const std::vector<std::vector<std::string>> variants{
      {"--norm", "batch", "--residual", "--optimizer", "sgd"},
      {"--norm", "group", "--deep-supervision", "--depth", "3", "--schedule", "poly"},
      {"--norm", "none", "--lr", "0.0005", "--clip", "1"},
      {"--ema", "0.9", "--foreground", "1", "--schedule", "plateau"}};
  for (std::size_t i = 0; i < variants.size(); ++i) {
    std::vector<std::string> words = small_training(data, folder.file(std::to_string(i)), {"--json", "-q"});
    words.insert(words.end(), variants[i].begin(), variants[i].end());
    if (i == 1)
      words.erase(std::find(words.begin(), words.end(), "--depth"),
                  std::find(words.begin(), words.end(), "--depth") + 2);
    if (i == 3) *(std::find(words.begin(), words.end(), "--steps") + 1) = "80";  // epochs that plateau can wait for
    if (i == 2) *(std::find(words.begin(), words.end(), "--augment") + 1) = "none";
    const Outcome outcome = program(words);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(Json::parse(outcome.out)["val"]["dice_mean"].is_number());
    // What was saved can be loaded again, with the same result.
    const Json evaluated = Json::parse(program({"evaluate", folder.file(std::to_string(i)), data, "--json"}).out);
    CHECK(evaluated["mean"]["dice"] == Json::parse(outcome.out)["test"]["dice_mean"]);
  }
}

TEST_CASE("a volume with thick slices trains, larger cases than the patch are tested by windows") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organ3d", 8, {12, 32, 32});
  const Outcome outcome = program(
      {"train", data, "-o", folder.file("run"), "--base", "4", "--patch", "8x16x16", "--steps", "24", "--json", "-q"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(Json::parse(outcome.out)["test"]["dice_mean"].is_number());
  const TensorFile model = load_tensors(folder.file("run/best.safetensors"));
  CHECK(Json::parse(model.metadata.at("model"))["strides"][0] == Json::array({1, 2, 2}));
}

// ctest labels: gpu slow
// Whole trainings by the program on the card: what the CPU learns, in one recorded piece per step, and in mixed
// precision.
#include "apps/program/json.h"
#include "engine/backend.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

std::vector<std::string> training(const std::string& data, const std::string& run, const std::vector<std::string>& more,
                                  const std::string& loss) {
  std::vector<std::string> words{"train",   data, "-o",      run, "--base", "4",  "--depth", "3",  "--batch", "2",
                                 "--patch", "32", "--steps", "8", "--loss", loss, "--clip",  "0.5"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// run.json of a training that must succeed. `said` becomes what it printed.
Json train(const Folder& folder, const std::string& data, const std::string& name, const std::vector<std::string>& more,
           std::string* said = nullptr, const std::string& loss = "dice_ce") {
  const Outcome outcome = program(training(data, folder.file(name), more, loss));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  if (said != nullptr) *said = outcome.err;
  return Json::parse(bytes_of(folder.file(name + "/run.json")));
}

double loss_of(const Json& manifest) { return manifest["results"]["history"].back()["loss"]; }

}  // namespace

TEST_CASE("trainings by the program on the card") {
  if (!has_device(Device::cuda)) return;
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {32, 32});
  const std::vector<std::string> more{"--deep-supervision", "--ema", "0.9"};
  const auto on_card = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--device", "cuda"});
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  };
  std::string said, said_mixed;
  const Json cpu = train(folder, data, "cpu", more), card = train(folder, data, "card", on_card({}), &said),
             mixed = train(folder, data, "mixed", on_card({"--amp", "--fast"}), &said_mixed);
  const double expected = loss_of(cpu);
  CHECK_MESSAGE(std::fabs(loss_of(card) - expected) < 1e-4 * expected, loss_of(card), " instead of ", expected);
  CHECK_MESSAGE(std::fabs(loss_of(mixed) - expected) < 1e-2 * expected, loss_of(mixed), " instead of ", expected);
  for (const Json& manifest : {card, mixed}) {
    CHECK_MESSAGE(manifest["replay"]["steps"] == 6, manifest["replay"].dump());
    CHECK(manifest["replay"]["refusal"] == "");
  }
  CHECK(cpu["replay"]["steps"] == 0);
  CHECK(card["fast"] == false);
  CHECK(mixed["fast"] == true);
  CHECK(mixed["config"]["amp"] == true);
  CHECK_MESSAGE(contains(said, "precision f32; with --amp --tf32 a GPU"), said);
  CHECK_MESSAGE(contains(said_mixed, "precision bf16 in steps, f32 in validations; with --tf32"), said_mixed);
}

TEST_CASE("a training whose spacing differs from batch to batch is called, and run.json says why") {
  if (!has_device(Device::cuda)) return;
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {6, {32, 32}, 1});
  for (std::size_t i = 0; i < contents.cases.size(); ++i)
    contents.cases[i].spacing.assign(2, 1 + 0.1 * static_cast<double>(i));
  data::write_dataset(folder.file("spaced.h5"), contents);
  std::string said;
  const Json manifest = train(folder, folder.file("spaced.h5"), "run",
                              {"--device", "cuda", "--tf32", "--spacing", "none"}, &said, "dice_ce+boundary");
  CHECK(manifest["replay"]["steps"] == 0);
  CHECK(manifest["replay"]["called"] == 8);
  CHECK_MESSAGE(contains(manifest["replay"]["refusal"].get<std::string>(), "spacing, which differs"),
                manifest["replay"].dump());
  CHECK_MESSAGE(!contains(said, "several times faster"), said);
}

TEST_CASE("the benchmark of losses on the card counts what a loss is in one piece") {
  if (!has_device(Device::cuda)) return;
  const Outcome outcome = program(
      {"bench", "losses", "--device", "cuda", "--losses", "dice,ce", "--shape", "2,16,16", "--repeats", "2", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Json rows = Json::parse(outcome.out);
  CHECK(rows.size() == 2);
  for (const Json& row : rows) {
    CHECK_MESSAGE(row["refusal"] == "", row.dump());
    CHECK_MESSAGE(row["recorded"] > 2, row.dump());
    CHECK_MESSAGE(row["recorded"] < 12, row.dump());
  }
}

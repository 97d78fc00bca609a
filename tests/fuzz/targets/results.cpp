// results.json of a comparison. What was read is written, and read again as the same document; then it is ranked.
#include "apps/comparison/results.h"

#include "apps/comparison/answers.h"
#include "apps/program/fields.h"
#include "apps/program/manifest.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

std::vector<std::string> voxgrad::test::seeds() {
  apps::Comparison comparison;
  comparison.protocol = {{"seeds", 1}, {"folds", 0}, {"settings", {{"loss", "ce"}, {"steps", 2}}}};
  comparison.versions = apps::manifest();
  comparison.numbers = {"dice", "hd95", "tp", "fp", "fn", "tn", "relative_volume_difference"};
  comparison.datasets = {{"d", "d.h5", 2, {"background", "cell"}, {{"a", 0.25, 3.5, "p"}, {"b", 0, NAN}}}};
  comparison.datasets[0].used = {{"class_colours", "#000000,#ff0000"}};
  apps::ComparedRun run;
  run.dataset = "d";
  run.loss = "ce";
  run.cases = {{"a", {{0.5, HUGE_VAL, 1, 2, 3, 4, -0.25}}, 12}, {"b", {{NAN, NAN, 0, 0, 0, 10, NAN}}}};
  run.val_dice = 0.5;
  run.history = {{1, 2, 0.7, 1e-3, 0.5, {0.5}}};
  run.path = "d/ce/seed_1";
  comparison.runs = {run, run};
  comparison.runs[1].loss = "dice";
  return {apps::to_json(comparison).dump()};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = test::text_of(data, size);
  read_or_refuse([&] {
    const apps::Comparison comparison =
        apps::reading("input", ErrorKind::data, [&] { return apps::comparison_from_json(Json::parse(bytes)); });
    const std::string written = apps::dumped(apps::to_json(comparison));
    if (apps::dumped(apps::to_json(apps::comparison_from_json(Json::parse(written)))) != written)
      throw std::logic_error("written and read again: " + written);
    apps::to_csv(comparison);
    apps::findings_of(comparison);
  });
  return 0;
}

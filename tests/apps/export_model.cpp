// `export` makes an ONNX file of a run or of its model, and masks of labels; it refuses what does not fit. What is in
// the file is tested by nn/exchange/onnx.cpp and tests/exchange.
#include "tests/apps/support.h"
#include "tests/data/recipe.h"
#include "tests/files.h"

using namespace voxgrad;
using namespace voxgrad::test;

TEST_CASE("a run and its model become the same ONNX file, and flags change it") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  const std::string first = folder.file("a.onnx"), second = folder.file("b.onnx");
  const Outcome outcome = program({"export", run, "-o", first, "--json"});
  REQUIRE(outcome.code == 0);
  CHECK(contains(outcome.out, first));
  CHECK(contains(outcome.err, "wrote " + first));
  const std::string model = run + "/best.safetensors";
  REQUIRE(program({"export", model, "-o", second}).code == 0);
  CHECK(bytes_of(first) == bytes_of(second));
  CHECK(contains(bytes_of(first), "logits"));
  REQUIRE(program({"export", model, "-o", second, "--overwrite", "--probabilities", "--normalise"}).code == 0);
  CHECK(contains(bytes_of(second), "probabilities"));
  CHECK(contains(bytes_of(second), "normalised"));

  const auto refusal = [](const std::vector<std::string>& words) {
    const Outcome refused = program(words);
    CHECK(refused.code == 2);
    return refused.err;
  };
  CHECK(contains(refusal({"export", run, "-o", first}), "exists already"));
  CHECK(contains(refusal({"export", run, "-o", folder.file("masks")}), "hint: -o model.onnx"));
  CHECK(contains(refusal({"export", run, "-o", folder.file("c.onnx"), "--as", "png"}), "--as is about labels"));
  CHECK(contains(refusal({"export", data, "-o", folder.file("d"), "--normalise"}), "--normalise is about models"));
  CHECK(program({"export", folder.file(""), "-o", folder.file("c.onnx")}).code == 5);
}

TEST_CASE("labels of a dataset whose values are no classes are exported with a label map") {
  const Folder folder;
  Recipe recipe;
  for (std::uint8_t& value : recipe.label_values) value = value == 1 ? 7 : 0;
  recipe.write(folder.file("raw.h5"));
  const Outcome refused = program({"export", folder.file("raw.h5"), "-o", folder.file("a")});
  CHECK(refused.code == 3);
  const Outcome outcome =
      program({"export", folder.file("raw.h5"), "-o", folder.file("b"), "--label-map", "0:0,7:1", "--json"});
  CHECK_MESSAGE(outcome.code == 0, outcome.err);
  CHECK_MESSAGE(contains(outcome.out, "img_001.png"), outcome.out);
}

// `voxgrad bench` on tiny inputs: the keys that scripts read, and that what it writes belongs together.
#include <algorithm>
#include <cmath>

#include "apps/benchmark/benchmark.h"
#include "data/sampling/augment.h"
#include "engine/io/safetensors.h"
#include "engine/ops.h"
#include "losses/core/loss.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

Json bench_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "bench");
  arguments.push_back("--json");
  const Outcome outcome = program(arguments);
  INFO(arguments[1], ": ", outcome.err);
  REQUIRE(outcome.code == 0);
  return Json::parse(outcome.out);
}

bool has(const Json& json, const std::vector<std::string>& keys) {
  for (const std::string& key : keys)
    if (!json.contains(key) || (json[key].is_number() && !(json[key] > 0))) return false;
  return true;
}

// Base 4, depth 2.
std::vector<std::string> tiny(const std::string& verb, const std::vector<std::string>& more = {},
                              const std::string& patch = "16") {
  std::vector<std::string> words{verb,      "--base", "4",         "--depth", "2",         "--batch", "2",
                                 "--patch", patch,    "--repeats", "2",       "--threads", "1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Tensor tensor_of(const TensorFile& file, const std::string& name) {
  for (const NamedTensor& entry : file.tensors)
    if (entry.name == name) return entry.tensor;
  throw std::runtime_error("no " + name);
}

}  // namespace

TEST_CASE("bench memory: what the forward pass saves is freed by the backward pass") {
  const Json rows = bench_json({"memory", "--base", "4", "--depth", "2", "--batch", "2", "--patch", "32"});
  REQUIRE(rows.size() > 8);
  double before = 0;
  for (const Json& row : rows) {
    const double in_use = row["in_use_mib"].get<double>();
    CHECK(row["peak_mib"].get<double>() >= in_use);
    if (row["part"] == "before") before = in_use;
    if (row["part"] == "forward") CHECK(in_use > 2 * before);
  }
  CHECK(rows[1]["operation"] == "network");
  CHECK(rows[2]["operation"] == "loss");
  CHECK(rows[3]["part"] == "backward");
  const Json first_layer = rows[rows.size() - 2], step = rows.back();  // the backward pass ends at the first layer
  CHECK(first_layer["operation"] == "conv");
  CHECK(first_layer["shape"] == "[2, 32, 32, 4]");
  CHECK(std::abs(first_layer["in_use_mib"].get<double>() - before) < 0.01);
  CHECK(step["in_use_mib"].get<double>() == before);
}

TEST_CASE("bench loader: every number of threads, and every kind of change alone") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 8, {32, 32});
  const Json rows = bench_json({"loader", data, "--augment", "elastic", "--batch", "2", "--repeats", "2"});
  REQUIRE(rows.size() == 3 + data::augment_changes().size() + 1);
  for (const Json& row : rows) CHECK(has(row, {"change", "median_ms", "min_ms", "batches_per_s"}));
  CHECK(rows[2]["threads"] == 2);
  CHECK(rows[2]["change"] == "elastic");
  CHECK(rows[3]["change"] == "flip=1");
  CHECK(rows.back()["change"] == "none");
}

TEST_CASE("bench kernels: the rates of what moves maps") {
  const Json rows = bench_json({"kernels", "--shape", "2,8,8,4", "--repeats", "2"});
  CHECK(rows.size() > 10);
  for (const Json& row : rows) CHECK(has(row, {"kernel", "type", "median_ms", "gb_per_s", "share_of_copy"}));
  CHECK(rows[0]["share_of_copy"] == 1);
}

TEST_CASE("train and infer report the keys of the contract, in both dimensions") {
  const std::vector<std::string> keys{"median_ms", "min_ms", "voxels_per_s", "peak_memory_bytes", "gflops_effective"};
  for (const char* verb : {"train", "infer"}) {
    const Json planes = bench_json(tiny(verb, {"--norm", "batch"}));
    CHECK(has(planes, keys));
    CHECK(planes["repeats"] == 2);
    CHECK(planes["threads"] == 1);
    const double seconds = planes["median_ms"].get<double>() / 1000;
    CHECK(std::abs(planes["voxels_per_s"].get<double>() * seconds - 2 * 16 * 16) < 1e-3);
    CHECK(has(bench_json(tiny(verb, {"--dims", "3"}, "8x16x8")), keys));
  }
}

TEST_CASE("the network of bench has doubling channels without a limit") {
  apps::NetworkOptions options;
  options.base = 64;
  options.depth = 5;
  options.patch = "16";
  std::int64_t widest = 0;
  const apps::BenchNetwork network = apps::make_network(options);
  for (const apps::ConvLayer& layer : apps::conv_layers(*network.net, network.x.shape()))
    widest = std::max(widest, layer.weight[0]);
  CHECK(widest == 1024);
}

TEST_CASE("layers of a network: extents follow the poolings, operations are counted by the definition") {
  apps::NetworkOptions options;
  options.base = 4;
  options.depth = 2;
  options.batch = 1;
  options.patch = "16";
  const apps::BenchNetwork network = apps::make_network(options);
  const std::vector<apps::ConvLayer> layers = apps::conv_layers(*network.net, network.x.shape());
  CHECK(layers.size() == 8);
  CHECK(layers[0].name == "encoder.0.conv1");
  CHECK(layers[0].on_input);
  CHECK(layers[0].x == network.x.shape());
  CHECK(layers[0].flops() == 2.0 * 16 * 16 * 9 * 1 * 4);
  for (const apps::ConvLayer& layer : layers) {
    if (layer.name == "encoder.1.conv1") CHECK(layer.x == Shape({1, 8, 8, 4}));
    if (layer.name == "decoder.0.conv1") CHECK(layer.x == Shape({1, 16, 16, 8}));
    if (layer.name != "up.0") continue;
    CHECK(layer.transposed);
    CHECK(layer.y == Shape({1, 8, 8, 8}));
    CHECK(layer.x == Shape({1, 16, 16, 4}));
    CHECK(layer.flops() == 2.0 * 8 * 8 * 8 * 4 * 4);
  }
}

TEST_CASE("conv: every layer in its passes; --explain says the kernel without a time") {
  std::vector<std::string> words = tiny("conv");
  const Json timed = bench_json(words);
  CHECK(contains(program({"bench", "conv", "--explain", "--repeats", "2"}).err, "--repeats excludes --explain"));
  const auto repeats = std::find(words.begin(), words.end(), "--repeats");
  words.erase(repeats, repeats + 2);
  words.push_back("--explain");
  const Json explained = bench_json(words);
  CHECK(timed.size() == 8 * 3 - 1);  // nobody asks for the gradient of the image
  REQUIRE(explained.size() == timed.size());
  for (std::size_t i = 0; i < timed.size(); ++i) {
    CHECK(
        has(timed[i], {"median_ms", "min_ms", "voxels_per_s", "peak_memory_bytes", "gflops_effective", "peak_share"}));
    CHECK(explained[i]["kernel"] == timed[i]["kernel"]);
    CHECK(!explained[i]["reason"].get<std::string>().empty());
    CHECK(!explained[i].contains("median_ms"));
  }
  CHECK(contains(program({"bench", "conv", "--explain"}).out, "winograd"));
}

TEST_CASE("losses and distance report the keys of the contract") {
  const Json losses = bench_json(
      {"losses", "--losses", "ce,tversky:alpha=0.3,beta=0.7", "--shape", "2,9,7", "--classes", "3", "--repeats", "1"});
  REQUIRE(losses.size() == 2);
  CHECK(losses[1]["loss"] == "tversky:alpha=0.3,beta=0.7");
  for (const Json& row : losses) CHECK(has(row, {"forward_ms", "backward_ms", "gb_per_s"}));
  CHECK(has(bench_json({"distance", "--shape", "9,8,7", "--spacing", "3,1,1", "--repeats", "1"}),
            {"median_ms", "voxels_per_s"}));
}

TEST_CASE("the loader of a file that has folds alone is measured with the first of them") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {6, {32, 32}, 1});
  contents.splits = {{"fold_0/val", {0, 1}}, {"fold_1/val", {2, 3}}, {"fold_2/val", {4, 5}}};
  data::write_dataset(folder.file("folds.h5"), contents);
  CHECK(bench_json({"loader", folder.file("folds.h5"), "--repeats", "1"}).size() > 3);
}

TEST_CASE("a dump holds one step: its loss belongs to its logits, its weights can be loaded again") {
  const Folder folder;
  const std::string path = folder.file("dump.safetensors");
  bench_json(tiny("train", {"--dump", path, "--seed", "5"}));
  const TensorFile file = load_tensors(path);
  const Tensor value = losses::make_loss("dice_ce")(tensor_of(file, "bench.logits"), tensor_of(file, "bench.labels"));
  CHECK(std::abs(value.item() - tensor_of(file, "bench.loss").item()) < 1e-6);
  CHECK(tensor_of(file, "gradient.encoder.0.conv1.weight").shape() == Shape({4, 1, 3, 3}));  // PyTorch's order
  // Neither the weights that are read nor a file of another kind are replaced, a dump is.
  const std::string before = bytes_of(path), other = folder.file("notes.txt");
  const Outcome over = program({"bench", "train", "--weights", path, "--dump", path});
  CHECK_MESSAGE((over.code == 2 && contains(over.err, "--dump " + path + ": this file is read")), over.err);
  CHECK(bytes_of(path) == before);
  write_bytes(other, "mine");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"train", "--dump", other},
                                                {"losses", "--losses", "ce", "--shape", "1,8,8", "--dump", other},
                                                {"distance", "--shape", "8,8", "--dump", other}}) {
    std::vector<std::string> all = words;
    all.insert(all.begin(), "bench");
    CHECK(program(all).code == 2);
    CHECK(bytes_of(other) == "mine");
  }
  bench_json({"distance", "--shape", "8,8", "--repeats", "1", "--dump", folder.file("dump.safetensors")});
  CHECK(bytes_of(path) != before);
  write_bytes(path, before);
  // Another seed, but the same weights: with the image of this seed the logits would be those of the dump.
  apps::NetworkOptions options;
  options.base = 4;
  options.depth = 2;
  options.patch = "16";
  options.seed = 6;
  options.weights = path;
  const apps::BenchNetwork network = apps::make_network(options);
  const Tensor logits = (*network.net)(tensor_of(file, "bench.x"));
  CHECK(logits.to_vector<float>() == tensor_of(file, "bench.logits").to_vector<float>());
}

TEST_CASE("what cannot be measured is refused with the reason") {
  CHECK(program({"bench"}).code == 2);
  CHECK(contains(program({"bench", "train", "--norm", "layer"}).err, "norm"));
  CHECK(program({"bench", "train", "--patch", "x"}).code == 2);
  CHECK(program({"bench", "losses", "--shape", "4"}).code == 2);
  for (const char* odd : {"4,127,127,32", "4,128,127,32", "2,1,8,4", "2,8,8,7,4"}) {
    const Outcome outcome = program({"bench", "kernels", "--repeats", "1", "--shape", odd});
    CHECK_MESSAGE(outcome.code == 2, odd, ": ", outcome.code);
    CHECK_MESSAGE(contains(outcome.err, "cannot be halved\nhint: write samples, even extents"), outcome.err);
  }
  CHECK(program({"bench", "distance", "--spacing", "1,2"}).code == 2);
  CHECK(program({"bench", "train", "--weights", "/nonexistent"}).code == 5);
}

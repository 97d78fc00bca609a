// ctest labels: unsanitized
// Trainings that begin with the weights of a model: what is taken, what is drawn anew, and that it helps.
#include "apps/training/transfer.h"

#include <filesystem>
#include <set>

#include "apps/program/json.h"
#include "apps/training/preparation.h"
#include "apps/training/trainer.h"
#include "engine/ops.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

nn::Model model_of(const std::vector<std::string>& classes, std::int64_t channels = 1, std::int64_t base = 4) {
  nn::Model model;
  model.spec.net = {.in_channels = channels, .classes = std::ssize(classes), .base = base, .depth = 2};
  model.spec.class_names = classes;
  model.spec.window = {16, 16};
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(11));
  model.path = "old";
  return model;
}

Plan plan_of(const std::vector<std::string>& classes, std::int64_t channels = 1, std::int64_t base = 4) {
  Plan plan;
  plan.model = model_of(classes, channels, base).spec;
  return plan;
}

Tensor named(const std::vector<NamedTensor>& state, const std::string& name) {
  for (const NamedTensor& entry : state)
    if (entry.name == name) return entry.tensor;
  return {};
}

std::vector<float> row(const Tensor& x, std::int64_t i) { return slice(x, 0, i, i + 1).to_vector<float>(); }

// A phantom of another seed than phantom_file() has.
std::string other_phantom(const Folder& folder, std::uint64_t seed) {
  const std::string path = folder.file(text("other", seed, ".h5"));
  data::write_dataset(path, data::make_phantom("nuclei2d", {20, {48, 48}, seed}));
  return path;
}

Json run_of(const std::string& directory) { return Json::parse(bytes_of(directory + "/run.json")); }

}  // namespace

TEST_CASE("equal classes take everything; others keep their weights by name, and new ones are drawn") {
  const nn::Model old = model_of({"background", "liver", "spleen"});
  const std::vector<NamedTensor> weights = old.net->state();
  const Transfer same = transfer_weights(old, plan_of({"background", "liver", "spleen"}));
  CHECK(same.drawn.empty());
  CHECK(same.taken == std::ssize(weights));
  for (const NamedTensor& entry : same.state)
    CHECK(entry.tensor.to_vector<float>() == named(weights, entry.name).to_vector<float>());

  const Plan plan = plan_of({"background", "kidney", "liver", "tumour"});
  const Transfer other = transfer_weights(old, plan);
  CHECK(other.classes == std::vector<std::string>{"background", "liver"});
  CHECK(other.drawn_classes == std::vector<std::string>{"kidney", "tumour"});
  const std::vector<NamedTensor> fresh = fresh_model(plan, Device::cpu).net->state();
  for (const char* head : {"heads.0.weight", "heads.0.bias"}) {
    const Tensor now = named(other.state, head), before = named(weights, head), drawn = named(fresh, head);
    CHECK(row(now, 0) == row(before, 0));
    CHECK(row(now, 1) == row(drawn, 1));
    CHECK(row(now, 2) == row(before, 1));
    CHECK(row(now, 3) == row(drawn, 3));
  }
  const std::string said = transfer_text(other);
  CHECK_MESSAGE(contains(said, "classes background, liver; drawn anew: kidney, tumour"), said);
  Plan begun = plan;
  begun.start = std::make_shared<Transfer>(other);
  CHECK(named(fresh_model(begun, Device::cpu).net->state(), "encoder.0.conv2.weight").to_vector<float>() ==
        named(weights, "encoder.0.conv2.weight").to_vector<float>());
}

TEST_CASE("other channels cost the first convolution and the normalisation; another base is refused") {
  const nn::Model old = model_of({"background", "liver"});
  const Transfer colour = transfer_weights(old, plan_of({"background", "liver"}, 3));
  CHECK(colour.drawn == std::vector<std::string>{"encoder.0.conv1.weight"});
  CHECK(!colour.normalisation);
  try {
    transfer_weights(old, plan_of({"background", "liver"}, 1, 8));
    FAIL("was not refused");
  } catch (const Error& error) {
    CHECK(contains(error.message(), "no weight of its encoder fits"));
    CHECK(contains(error.hint(), "--base 4 --depth 2"));
  }
}

TEST_CASE("voxels of another size than those of the model are said, unless images are resampled") {
  nn::Model old = model_of({"background", "liver"});
  Plan plan = plan_of({"background", "liver"});
  const auto said = [&](std::vector<double> least, std::vector<double> most) {
    plan.model.training = {.least_spacing = least, .most_spacing = most, .spacing_unit = "mm"};
    return transfer_text(transfer_weights(old, plan));
  };
  old.spec.training = {.least_spacing = {1, 1}, .most_spacing = {1, 1}, .spacing_unit = "mm"};
  CHECK(contains(said({0.5, 0.5}, {0.5, 0.5}),
                 "the model knows voxels of 1x1 mm, these have 0.5x0.5 mm; --spacing 1x1 resamples them"));
  CHECK(!contains(said({1.2, 1}, {1.2, 1}), "the model knows voxels"));
  plan.model.preparation.spacing = {1, 1};
  CHECK(!contains(said({0.5, 0.5}, {0.5, 0.5}), "the model knows voxels"));
}

TEST_CASE("images are prepared as for the model if the data ask for the same kind of normalisation") {
  nn::ModelSpec ours, theirs;
  CHECK(same_kind(ours, theirs));
  theirs.normalisation = {.kind = nn::Normalisation::Kind::zscore_dataset, .mean = {1}, .deviation = {2}};
  CHECK(!same_kind(ours, theirs));
  theirs = ours;
  theirs.net.in_channels = 2;
  CHECK(!same_kind(ours, theirs));

  const Folder folder;
  const std::string file = phantom_file(folder, "nuclei2d", 10, {32, 32});
  const data::Dataset dataset = open_dataset(file, "");
  nn::ModelSpec source;
  source.preparation = {.crop = true, .spacing = {2, 2}};
  const auto prepared_as = [&](const std::string& crop, nn::Normalisation::Kind kind) {
    TrainConfig config;
    config.crop = crop;
    nn::ModelSpec model;
    source.normalisation.kind = kind;
    CasesRead read;
    static_cast<void>(plan_preparation(config, model, dataset, {0, 1}, {}, &source, read));
    return model.preparation;
  };
  CHECK(prepared_as("auto", nn::Normalisation::Kind::zscore_case).crop);
  CHECK(prepared_as("auto", nn::Normalisation::Kind::zscore_case).spacing == std::vector<double>{2, 2});
  CHECK(!prepared_as("off", nn::Normalisation::Kind::zscore_case).crop);
  CHECK(prepared_as("auto", nn::Normalisation::Kind::none).spacing.empty());
  source.training.spacing_unit = "mm";
  CHECK(prepared_as("auto", nn::Normalisation::Kind::zscore_case).spacing.size() == 2);
  source.training.spacing_unit = "px";  // the images have millimetres
  CHECK(prepared_as("auto", nn::Normalisation::Kind::zscore_case).spacing.empty());
}

TEST_CASE("settings of the network are those of the model unless they are given") {
  TrainConfig config;
  config.base = 8;
  const std::set<std::string> given{"base"};
  nn::UNetConfig net{.base = 24, .depth = 3, .norm = nn::Norm::group, .residual = true, .dropout = 0.1};
  net.deep_supervision = true;
  adopt_settings(config, net, [&](const std::string& name) { return given.contains(name); });
  CHECK(config.base == 8);
  CHECK(config.depth == 3);
  CHECK(config.norm == "group");
  CHECK(config.residual);
  CHECK(config.dropout == 0.1);
  CHECK(config.deep_supervision);
  config = {};
  config.loss = "dice_hd";  // it would need distances at every resolution: a rule leaves it off
  adopt_settings(config, net, [](const std::string&) { return false; });
  CHECK(!config.deep_supervision.has_value());
}

TEST_CASE("a training that begins with a model is far better after a few steps, and resumes without the model") {
  const Folder folder;
  const std::string old = folder.file("old"), data = other_phantom(folder, 7), run = folder.file("run");
  REQUIRE(program({"train", other_phantom(folder, 3), "-o", old, "--base", "6", "--depth", "3", "--norm", "group",
                   "--batch", "4", "--steps", "150", "-q"})
              .code == 0);
  const std::vector<std::string> few{"train", data, "--steps", "8", "--batch", "4", "--lr", "3e-4"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> words = few;
    words.insert(words.end(), more.begin(), more.end());
    return program(words);
  };
  const Outcome dry = with({"--from", old, "--dry-run", "--json"});
  REQUIRE_MESSAGE(dry.code == 0, dry.err);
  CHECK(Json::parse(dry.out)["transfer"]["drawn"].empty());
  const Outcome begun = with({"--from", old, "-o", run});
  REQUIRE_MESSAGE(begun.code == 0, begun.err);
  CHECK_MESSAGE(contains(begun.err, "normalisation of the model"), begun.err);
  REQUIRE(with({"-o", folder.file("scratch"), "--base", "6", "--depth", "3", "--norm", "group", "-q"}).code == 0);
  const auto dice = [&](const std::string& name) {
    return run_of(folder.file(name))["results"]["test"]["dice_mean"].get<double>();
  };
  CHECK_MESSAGE(dice("run") > dice("scratch") + 0.2, dice("run"), " ", dice("scratch"));
  const Json manifest = run_of(run);
  CHECK(manifest["config"]["from"] == old);
  CHECK(manifest["config"]["base"] == 6);
  CHECK(manifest["config"]["norm"] == "group");
  CHECK(manifest["transfer"]["file"] == old + "/best.safetensors");

  // Killed before its end, and the model is gone.
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  const auto start = [&](const std::string& out) {
    return std::vector<std::string>{"train", data, "--batch", "4", "--from", old, "--steps", "120", "-o", out};
  };
  REQUIRE(program(start(whole)).code == 0);
  Running first(start(parts));
  REQUIRE(first.saw("epoch 1/"));
  first.send(SIGKILL);
  first.wait();
  std::filesystem::remove_all(old);
  const Outcome resumed = program({"train", "--resume", parts});
  REQUIRE_MESSAGE(resumed.code == 0, resumed.err);
  for (const char* name : {"last.safetensors", "best.safetensors", "metrics.csv"})
    CHECK_MESSAGE(bytes_of(whole + "/" + name) == bytes_of(parts + "/" + name), name);
  CHECK(run_of(parts)["transfer"] == run_of(whole)["transfer"]);
  const Outcome gone = with({"--from", old, "-o", folder.file("no")});
  CHECK(gone.code == 5);
}

TEST_CASE("a model of other axes is refused") {
  const Folder folder;
  const std::string volumes = phantom_file(folder, "organ3d", 6, {16, 16, 16});
  const nn::Model flat = model_of({"background", "organ"});
  nn::save_model(folder.file("flat.safetensors"), flat);
  const Outcome outcome = program({"train", volumes, "--from", folder.file("flat.safetensors"), "--dry-run"});
  CHECK(outcome.code == 2);
  CHECK_MESSAGE(contains(outcome.err, "the model has 2 spatial axes"), outcome.err);
}

TEST_CASE("thin stacks that begin with a model of volumes stay volumes; slices are refused with the remedy") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("organ3d", {6, {8, 32, 32}, 1});
  for (data::Case& one : contents.cases) {
    one.image = slice(one.image, 0, 2, 6);
    one.label = slice(one.label, 0, 2, 6);
    one.spacing = {8, 1, 1};
  }
  const std::string stacks = folder.file("stacks.h5"), file = folder.file("volumes.safetensors");
  data::write_dataset(stacks, contents);
  CHECK(contains(program({"train", stacks, "--dry-run"}).out, "thick slices"));
  nn::Model model;
  model.spec.net = {.dims = 3, .in_channels = 1, .classes = std::ssize(contents.class_names), .base = 4, .depth = 2};
  model.spec.window = {16, 16, 16};
  model.spec.class_names = contents.class_names;
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(1));
  nn::save_model(file, model);
  const Outcome begun = program({"train", stacks, "--from", file, "--dry-run", "--json"});
  REQUIRE_MESSAGE(begun.code == 0, begun.err);
  CHECK(Json::parse(begun.out)["config"]["dims"] == 3);
  const Outcome slices = program({"train", stacks, "--from", file, "--dims", "2", "--dry-run"});
  CHECK(slices.code == 2);
  CHECK_MESSAGE(contains(slices.err, "train with --dims 3"), slices.err);
  model.spec.net.residual = true;  // the shortcuts of which have no extent and fit
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(1));
  nn::save_model(file, model);
  const Outcome residual = program({"train", stacks, "--from", file, "--dims", "2", "--dry-run"});
  CHECK(residual.code == 2);
  CHECK_MESSAGE(contains(residual.err, "train with --dims 3"), residual.err);
}

TEST_CASE("a training slice by slice that begins with a model of volumes has kernels of one slice") {
  const Folder folder;
  const data::Dataset volumes = data::Dataset::open(phantom_file(folder, "organ3d", 6, {16, 16, 16}));
  nn::ModelSpec source;
  source.net = {.dims = 3, .in_channels = 1, .classes = volumes.classes(), .base = 4, .depth = 3};
  source.window = {16, 16, 16};
  TrainConfig config;
  config.dims = 2;
  config.base = 4;
  config.depth = 3;
  const Plan plan = make_plan(volumes, config, &source);
  CHECK(plan.model.window == Shape{1, 16, 16});
  REQUIRE(plan.model.net.strides.size() == 2);
  for (const Extents& stride : plan.model.net.strides) CHECK(stride == Extents{1, 2, 2});
  for (const Extents& kernel : plan.model.net.kernels) CHECK(kernel == Extents{1, 3, 3});
  const nn::ModelSpec own = plan.model;  // with which the run goes on
  CHECK(make_plan(volumes, plan.config, &own).model.window == plan.model.window);
}

TEST_CASE("the settings of a training that began with a model are those of another one, which says what it may know") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), old = folder.file("old"),
                    run = folder.file("run");
  REQUIRE(program(small_training(data, old, {"--fold", "0/3"})).code == 0);
  const Outcome begun = program(small_training(data, run, {"--fold", "1/3", "--from", old}));
  REQUIRE_MESSAGE(begun.code == 0, begun.err);
  CHECK_MESSAGE(contains(begun.err, "has learned from other splits of the same cases"), begun.err);
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  const data::Dataset before = data::Dataset::open(data);
  for (const auto& [name, cases] : before.info().splits) contents.splits[name] = cases;
  std::swap(contents.splits["train"], contents.splits["test"]);
  data::write_dataset(folder.file("swapped.h5"), contents);
  const std::string whole = folder.file("whole");
  REQUIRE(program(small_training(data, whole)).code == 0);
  CHECK(!contains(program(small_training(data, folder.file("x"), {"--from", whole})).err, "has learned from other"));
  const Outcome swapped = program(small_training(folder.file("swapped.h5"), folder.file("y"), {"--from", whole}));
  CHECK_MESSAGE(contains(swapped.err, "has learned from other splits of the same cases"), swapped.err);
  contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  for (const auto& [name, cases] : before.info().splits) contents.splits[name] = cases;
  contents.cases[0].label.set({0, 0}, 1 - contents.cases[0].label.at(0, 0));  // a mask was corrected
  contents.class_names.emplace_back("debris");                                // and there is a class more
  data::write_dataset(folder.file("corrected.h5"), contents);
  const Outcome corrected =
      program(small_training(folder.file("corrected.h5"), folder.file("z"), {"--fold", "1/3", "--from", old}));
  CHECK_MESSAGE(contains(corrected.err, "has learned from other splits of the same cases"), corrected.err);
  CHECK(!contains(program(small_training(folder.file("corrected.h5"), folder.file("v"), {"--from", whole})).err,
                  "has learned from other"));
  const Outcome again =
      program({"train", "--config", run + "/config.toml", "--fold", "0/3", "-o", folder.file("again")});
  REQUIRE_MESSAGE(again.code == 0, again.err);
  CHECK_MESSAGE(!contains(again.err, "has learned from other splits"), again.err);
}

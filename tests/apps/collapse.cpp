// Numbers that are not finite in a training: the message names the step, the layer and the cause, and nothing broken is
// ever saved as the best model.
#include "apps/training/collapse.h"

#include "apps/training/layers.h"
#include "apps/training/trainer.h"
#include "engine/ops.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

TrainConfig small_config() {
  TrainConfig config;
  config.base = 4;
  config.depth = 2;
  config.batch = 2;
  config.patch = "32";
  config.steps = 44;
  return config;
}

// What a training says that takes at most `steps` steps after `change` was made to its plan.
template <class F>
std::string failure_of(const TrainConfig& config, F&& change, int steps = 5) {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  Plan plan = make_plan(dataset, config);
  change(plan);
  Trainer trainer(dataset, plan, Device::cpu);
  return error_of([&] {
    for (int i = 0; i < steps; ++i) trainer.step();
  });
}

void check_has(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) CHECK_MESSAGE(contains(message, part), part, " is not in: ", message);
}

TensorFile scaled(TensorFile file, double factor) {
  for (NamedTensor& entry : file.tensors)
    if (entry.name.ends_with("weight")) entry.tensor = affine(entry.tensor, factor, 0);
  return file;
}

}  // namespace

TEST_CASE("the layers that are visited one by one are those of the network") {
  const Tensor images = random_normal({2, 16, 16, 1}, 7);
  int compared = 0;
  for (const nn::Norm norm : {nn::Norm::batch, nn::Norm::instance, nn::Norm::group, nn::Norm::none})
    for (const bool residual : {false, true})
      for (const int depth : {1, 3}) {
        nn::UNetConfig config;
        config.base = 6;
        config.depth = depth;
        config.norm = norm;
        config.residual = residual;
        config.slope = 0.1;
        config.strided = norm == nn::Norm::batch || norm == nn::Norm::none;
        config.deep_supervision = true;
        nn::UNet net(config, Random(3));
        const std::vector<NamedTensor> before = net.state();
        std::map<std::string, Tensor> maps;
        visit_layers(net, images, [&](const std::string& layer, const Tensor& map) { maps[layer] = map; });
        const std::vector<NamedTensor> after = net.state();
        for (std::size_t i = 0; i < before.size(); ++i) CHECK(allclose(before[i].tensor, after[i].tensor, 0, 0));
        const std::vector<Tensor> logits = net.outputs(images);
        for (std::size_t k = 0; k < logits.size(); ++k) {
          const std::string head = "heads." + std::to_string(k);
          REQUIRE(maps.contains(head));
          CHECK_MESSAGE(allclose(maps[head], logits[k].detach(), 1e-3, 1e-4), head, " depth ", depth);
          ++compared;
        }
        for (const NamedTensor& parameter : net.parameters())
          CHECK_MESSAGE(maps.contains(parameter.name.substr(0, parameter.name.rfind('.'))), parameter.name);
      }
  CHECK(compared == 8 * 3);
}

TEST_CASE("a learning rate that is too large is named with the growth of the weights, the layer and a smaller rate") {
  TrainConfig config = small_config();
  config.lr = 1e38;
  config.norm = "none";
  config.optimizer = "sgd";
  config.schedule = "constant";
  config.clip = 0;
  check_has(failure_of(config, [](Plan& plan) { plan.schedule.warmup = 0; }),
            {"step 1 (epoch 1)", "times that before the first step", "the learning rate 1e+38 is too large",
             "first in encoder.0.conv", "--lr, for instance 0.001"});
}

TEST_CASE("an image that is huge after the normalisation is named with its case") {
  const std::string message = failure_of(small_config(), [](Plan& plan) {
    plan.loader.augment = {};
    plan.loader.prepare = [](data::Case& one) {
      for (std::int64_t i = 0; i < one.image.numel(); ++i) one.image.data<float>()[i] *= 3e38f;
    };
  });
  check_has(message,
            {"step 0", "patch 0 of the batch (case \"", "after the normalisation", "a smaller --lr does not help"});
}

TEST_CASE("a forward pass that overflows is named with its first layer and the largest value before it") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  TrainConfig config = small_config();
  config.norm = "none";
  Trainer trainer(dataset, make_plan(dataset, config), Device::cpu);
  TensorFile file = trainer.state();
  for (NamedTensor& entry : file.tensors)  // the last layer adds the channels of the one before
    if (entry.name == "decoder.0.conv2.bias")
      entry.tensor = full(entry.tensor.shape(), 3.3e38);
    else if (entry.name == "heads.0.weight")
      entry.tensor = full(entry.tensor.shape(), 1);
  trainer.load_state(file, 0);
  const std::string message = error_of([&] { trainer.step(); });
  check_has(message, {"step 0", "first in heads.0; the largest value before it is 3.3e+38, in decoder.0.conv2"});
}

TEST_CASE("a loss that overflows is named with its term") {
  TrainConfig config = small_config();
  config.loss = "dice+1e300*ce";
  check_has(failure_of(config, [](Plan&) {}), {"step 0", "the norm of the gradient is", "the term 1e+300*ce",
                                               "derivative that is not finite", "another --loss"});
  CHECK(terms_of("0.5*dice:background=0+ce:weights=0.2/1e+2") ==
        std::vector<std::string>{"0.5*dice:background=0", "ce:weights=0.2/1e+2"});
}

TEST_CASE("weights that are not finite are not loaded, and huge ones are named") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  TrainConfig config = small_config();
  config.norm = "none";
  Trainer trainer(dataset, make_plan(dataset, config), Device::cpu);
  trainer.load_state(scaled(trainer.state(), 1e30), 0);
  check_has(error_of([&] { trainer.step(); }), {"step 0", "the norm of the weights is", "first in encoder."});
  const std::string output = error_of([&] { trainer.require_finite(); });
  check_has(output, {"the step has broken the weights", "the output of the network is not finite"});
  TensorFile file = trainer.state();
  file.tensors.front().tensor = full(file.tensors.front().tensor.shape(), std::nan(""));
  check_has(error_of([&] { trainer.load_state(file, 0); }), {file.tensors.front().name + " is not finite"});
}

TEST_CASE("the smaller rate that is advised is that of --lr, whatever the schedule has made of it") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  TrainConfig config = small_config();
  config.norm = "none";
  config.steps = 440;  // the first ones warm up
  config.lr = 0.005;
  for (const std::string way : {"stop", "skip"}) {
    config.on_nan = way;
    Trainer trainer(dataset, make_plan(dataset, config), Device::cpu);
    trainer.load_state(scaled(trainer.state(), 1e30), 0);
    const std::string message = error_of([&] { trainer.step(); });
    check_has(message, {"step 0", "--lr, for instance 0.0005"});
    CHECK_MESSAGE(contains(message, "--on-nan") == (way == "stop"), message);
  }
}

TEST_CASE("a last step that breaks the weights ends with exit code 7 and is not the best model") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32});
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  contents.splits = {{"train", {0, 1, 2, 3}}};
  const std::string alone = folder.file("alone.h5");
  data::write_dataset(alone, contents);
  int number = 0;
  for (const std::string& file : {data, alone})  // with and without cases to validate on
    for (const std::string norm : {"instance", "none"}) {
      const std::string run = folder.file("run" + std::to_string(number++));
      const Outcome outcome = program({"train", file, "-o", run, "--base", "4", "--depth", "2", "--steps", "1", "--lr",
                                       "1e38", "--schedule", "constant", "--norm", norm, "-q"});
      CHECK_MESSAGE(outcome.code == 7, outcome.code, outcome.err);
      check_has(outcome.err,
                {"step 0", "the step has broken the weights", "the learning rate 1e+38", "--lr, for instance 0.001"});
      CHECK(!std::filesystem::exists(run + "/best.safetensors"));
    }
}

TEST_CASE("a model whose output is not finite segments nothing") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run, {"--norm", "none", "--lr", "0.0001"})).code == 0);
  save_tensors(run + "/best.safetensors", scaled(load_tensors(run + "/best.safetensors"), 1e30));
  const Outcome outcome = program({"evaluate", run, data});
  CHECK(outcome.code == 4);
  check_has(outcome.err, {"case \"", "the output of the network is not finite"});
}

TEST_CASE("a training goes on after steps that are not finite, and learns: rollback and skip") {
  const Folder folder;
  const auto val_dice = [&](const std::string& name, const data::DatasetContents& contents, const std::string& way,
                            const std::string& rate, const std::string& clip, const std::string& said,
                            const std::string& norm = "none") {
    data::write_dataset(folder.file(name + ".h5"), contents);
    const Outcome outcome = program({"train",       folder.file(name + ".h5"),
                                     "-o",          folder.file(name),
                                     "--base",      "4",
                                     "--depth",     "2",
                                     "--batch",     "2",
                                     "--steps",     "160",
                                     "--loss",      "ce",
                                     "--norm",      norm,
                                     "--clip",      clip,
                                     "--optimizer", "sgd",
                                     "--lr",        rate,
                                     "--schedule",  "constant",
                                     "--augment",   "none",
                                     "--normalise", "none",
                                     "--on-nan",    way});
    CHECK_MESSAGE(contains(outcome.err, said), outcome.err);
    REQUIRE(outcome.code == 0);
    const apps::Json run = apps::Json::parse(bytes_of(folder.file(name + "/run.json")));
    double best = 0;
    for (const apps::Json& epoch : run["results"]["history"]) best = std::max(best, epoch["val_dice"].get<double>());
    return best;
  };
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  contents.splits = {{"train", {0, 1, 2, 3, 4, 5, 6, 7}}, {"val", {8, 9}}, {"test", {10, 11}}};
  CHECK(val_dice("high", contents, "rollback", "10", "0", "with half the learning rate") > 0.4);
  contents.image_dtype = DType::f32;
  for (data::Case& one : contents.cases) one.image = affine(one.image, 1 / 64.0, -1);
  contents.cases[3].image = affine(contents.cases[3].image, 1e38, 0);
  CHECK(val_dice("huge", contents, "skip", "0.05", "1", "this step is left out") > 0.4);
  // Batch norm has seen the numbers of the step that is left out; and what measures steps leaves them out, too.
  CHECK(val_dice("statistics", contents, "skip", "0.05", "1", "this step is left out", "batch") > 0.4);
  const Outcome planned =
      program({"train", folder.file("huge.h5"), "--base", "4", "--depth", "2", "--batch", "2", "--norm", "none",
               "--augment", "none", "--normalise", "none", "--on-nan", "skip", "--steps", "160", "--dry-run"});
  CHECK_MESSAGE(planned.code == 0, planned.err);
}

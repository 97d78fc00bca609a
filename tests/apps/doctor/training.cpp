// Plans and datasets with a known fault: the checks of the first batches and steps name it. The bundled datasets have
// none.
// ctest labels: slow
#include "apps/doctor/training_checks.h"

#include "apps/doctor/training_checks_detail.h"
#include "apps/training/trainer.h"
#include "engine/ops.h"
#include "losses/core/registry.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

TrainConfig small_plan_config() {
  TrainConfig config;
  config.base = 4;
  config.depth = 2;
  config.batch = 4;
  return config;
}

data::DatasetContents nuclei() { return data::make_phantom("nuclei2d", {12, {32, 32}, 1}); }

// The findings of one check for a dataset and settings, as text, failures with a "!".
std::string found_by(const std::string& check, const data::DatasetContents& contents, const TrainConfig& config) {
  const Folder folder;
  data::write_dataset(folder.file("d.h5"), contents);
  std::string all;
  for (const Finding& one : examine_training(data::Dataset::open(folder.file("d.h5")), config, Device::cpu, {})) {
    CHECK_MESSAGE((!one.why.empty() && !one.remedy.empty() && !one.where.empty()), one.what);
    if (one.check == check) all += (one.failure ? "! " : "") + one.what + " | " + one.where + " | " + one.remedy + "\n";
  }
  return all;
}

void check_finds(const std::string& check, const data::DatasetContents& contents, const TrainConfig& config,
                 const std::vector<std::string>& parts) {
  const std::string found = found_by(check, contents, config);
  for (const std::string& part : parts) CHECK_MESSAGE(contains(found, part), check, ": ", part, " is not in: ", found);
}

TrainConfig with_loss(const std::string& loss) {
  TrainConfig config = small_plan_config();
  config.loss = loss;
  return config;
}

template <class F>
data::DatasetContents with_cases(F&& change) {
  data::DatasetContents contents = nuclei();
  for (std::size_t i = 0; i < contents.cases.size(); ++i) {
    data::Case& one = contents.cases[i];
    one.image = one.image.clone();
    one.label = one.label.clone();
    change(one, i);
  }
  return contents;
}

// A trial of the network after `change` was made to its weights.
template <class F>
std::vector<Finding> after_change(void (*check)(Trial&, std::vector<Finding>&), F&& change) {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  Trial trial(dataset, make_plan(dataset, small_plan_config()), Device::cpu);
  std::vector<Finding> findings;
  check(trial, findings);
  CHECK_MESSAGE(findings.empty(), report_of(findings));
  for (const NamedTensor& entry : trial.net->parameters()) change(entry);
  check(trial, findings);
  return findings;
}

}  // namespace

TEST_CASE("patches without foreground and batches of one class are named") {
  const auto empty = with_cases([](data::Case& one, std::size_t) { one.label = zeros(one.label.shape(), DType::u8); });
  check_finds("batch_labels", empty, small_plan_config(),
              {"! all voxels of the first", "class 0 (\"background\")", "--foreground 1"});
  const auto few = with_cases([](data::Case& one, std::size_t i) {
    if (i != 3) one.label = zeros(one.label.shape(), DType::u8);
  });
  check_finds("foreground_patches", few, small_plan_config(),
              {"patches", "show foreground; at least 33 %", "--foreground 0.67"});
  const auto elsewhere = with_cases([](data::Case& one, std::size_t i) {  // none of the patches shows it
    one.image = full({64, 64, 1}, static_cast<float>(i));
    one.label = zeros({64, 64}, DType::u8);
    one.image.data<float>()[0] = 100;
    one.label.data<std::uint8_t>()[0] = i == 3 ? 1 : 0;
  });
  TrainConfig small_patch = small_plan_config();
  small_patch.patch = "16";
  small_patch.foreground = 0;
  const std::string remark = found_by("batch_labels", elsewhere, small_patch);
  CHECK_MESSAGE(remark.starts_with("all voxels of the first"), remark);
  auto ignored = with_cases([](data::Case& one, std::size_t) { one.label = full(one.label.shape(), 255, DType::u8); });
  ignored.ignore_label = 255;
  check_finds("batch_labels", ignored, small_plan_config(),
              {"! 100.0 % of the voxels", "the label 255, which is ignored"});
}

TEST_CASE("images that are constant or have a spike are named") {
  const auto flat = with_cases([](data::Case& one, std::size_t) { one.image = full(one.image.shape(), 7); });
  TrainConfig plain = small_plan_config();
  plain.augment = "none";
  check_finds("batch_intensities", flat, plain, {"! in ", "all voxels have one value"});
  check_finds("dead_channels", flat, plain, {"! ", "channels of encoder.0.norm1 have one value"});
  auto spike = with_cases([](data::Case& one, std::size_t) { one.image.data<float>()[40] = 3e4f; });
  spike.image_dtype = DType::f32;
  check_finds("batch_intensities", spike, plain, {"values beyond 20 standard deviations", "case \""});
  plain.normalise = "none";  // raw values are no standard deviations
  CHECK(found_by("batch_intensities", spike, plain).empty());
}

TEST_CASE("a loss of the wrong sign, an unusual size, terms apart or zero weights is named") {
  {
    const Folder folder;
    const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
    Trial trial(dataset, make_plan(dataset, with_loss("dice")), Device::cpu);
    LossValues values = trial.values_of("dice");
    std::swap(values.right, values.wrong);  // as a new loss with a wrong sign would have it
    trial.known = {values};
    std::vector<Finding> findings;
    check_loss_value(trial, findings);
    REQUIRE(findings.size() == 1);
    CHECK_MESSAGE(contains(findings[0].what, "the loss dice is not lower where the output is right"), findings[0].what);
  }
  check_finds("loss_value", nuclei(), with_loss("1e6*dice_ce"),
              {"! ", "has an unusual size", "dice_ce has the weight 1e+06"});
  check_finds("loss_value", nuclei(), with_loss("1e-6*dice"),
              {"! ", "has an unusual size", "dice has the weight 1e-06"});
  check_finds("loss_value", nuclei(), with_loss("1e308*dice_ce"), {"! ", "is not finite"});
  check_finds("loss_terms", nuclei(), with_loss("dice+100000*ce"),
              {"the gradient of 100000*ce is ", "times that of dice", "term dice"});
  const auto empty = with_cases([](data::Case& one, std::size_t) { one.label = zeros(one.label.shape(), DType::u8); });
  check_finds("loss_value", empty, with_loss("ce:weights=0/1"), {"! ", "has no gradient", "class weights are 0"});
}

TEST_CASE("layers without a gradient and dead channels are named") {
  const auto heads = after_change(check_gradients, [](const NamedTensor& entry) {
    if (entry.name == "heads.0.weight") copy_into(entry.tensor, zeros(entry.tensor.shape()));
  });
  REQUIRE(heads.size() == 1);
  CHECK_MESSAGE(contains(heads[0].what, "layers get no gradient at all, first encoder.0.conv1.weight"), heads[0].what);
  const auto large = after_change(check_gradients, [](const NamedTensor& entry) {
    if (entry.name == "encoder.1.norm2.weight") copy_into(entry.tensor, full(entry.tensor.shape(), 1e-7));
  });
  CHECK_MESSAGE(contains(report_of(large), "times the median of all layers"), report_of(large));
  const auto biased = after_change(check_gradients, [](const NamedTensor& entry) {
    if (entry.name == "heads.0.bias") copy_into(entry.tensor, tensor({0, 90}));
  });
  CHECK_MESSAGE(contains(report_of(biased), "the loss of the new network is"), report_of(biased));
  const auto dead = after_change(check_dead_channels, [](const NamedTensor& entry) {
    if (entry.name == "decoder.0.norm1.weight") copy_into(entry.tensor, zeros(entry.tensor.shape()));
  });
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].failure);
  CHECK_MESSAGE(contains(dead[0].what, "4 of 4 channels of decoder.0.norm1"), dead[0].what);
}

TEST_CASE("a rate that is too large or too small, and labels that cannot be learned are named") {
  TrainConfig wild = small_plan_config();
  wild.lr = 20;
  check_finds("learning_rate", nuclei(), wild, {"! with the planned rate 20", "try --lr 2"});
  wild.loss = "dice";  // never above 1
  check_finds("learning_rate", nuclei(), wild, {"! ", "the norm of the weights grows"});
  wild.norm = "none";
  wild.lr = 1e30;
  check_finds("learning_rate", nuclei(), wild, {"! ", "step ", "first in "});
  TrainConfig slow = small_plan_config();
  slow.lr = 1e-7;
  check_finds("memorising", nuclei(), slow, {"! after ", "has hardly fallen", "--lr 1e-06"});
  auto noise = data::make_phantom("nuclei2d", {12, {96, 96}, 1});
  for (std::size_t i = 0; i < noise.cases.size(); ++i) {
    Random random(i + 1);
    const Tensor& label = noise.cases[i].label = noise.cases[i].label.clone();
    for (std::int64_t k = 0; k < label.numel(); ++k) label.data<std::uint8_t>()[k] = random.below(8) == 0 ? 1 : 0;
  }
  check_finds("memorising", noise, small_plan_config(), {"! after ", "masks fit the images"});
}

TEST_CASE("every loss of the registry has the right sign, and none is called broken") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "organs2d", 12, {32, 32}));
  for (const losses::Spec& spec : losses::registry()) {
    TrainConfig config = small_plan_config();
    config.base = 8;
    config.lr = 0.01;  // learns by heart in fewer steps
    config.loss = spec.name;
    for (const Finding& one : examine_training(dataset, config, Device::cpu, {}))
      CHECK_MESSAGE(!one.failure, spec.name, ": ", one.what);
  }
}

TEST_CASE("the checks change no bit of a training") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  TrainConfig config = small_plan_config();
  config.dropout = 0.2;
  std::vector<std::vector<NamedTensor>> states;
  for (const bool examined : {false, true}) {
    const Plan plan = make_plan(dataset, config);
    Trainer trainer(dataset, plan, Device::cpu);
    for (int step = 0; step < 3; ++step) {
      if (examined) examine_first_batches(dataset, plan, Device::cpu);
      trainer.step();
    }
    states.push_back(trainer.state().tensors);
  }
  for (std::size_t i = 0; i < states[0].size(); ++i) CHECK(allclose(states[0][i].tensor, states[1][i].tensor, 0, 0));
}

TEST_CASE("bundled datasets give no failure") {
  for (const std::string name : {"nuclei2d", "tumour3d"}) {
    const data::Dataset dataset =
        data::Dataset::open(std::string(VOXGRAD_SOURCE_DIR) + "/data/bundled/" + name + ".h5");
    TrainConfig config;
    config.base = 8;
    std::vector<std::string> told;
    const auto findings =
        examine_training(dataset, config, Device::cpu, [&](const std::string& what) { told.push_back(what); });
    CHECK_MESSAGE(findings.empty(), name, ": ", report_of(findings));
    CHECK(told.size() == training_checks().size());
    CHECK(examine_first_batches(dataset, make_plan(dataset, config), Device::cpu).empty());
  }
}

TEST_CASE("a training says before its first step what the first batches show") {
  const Folder folder;
  const std::string data = folder.file("d.h5");
  data::write_dataset(data, nuclei());
  const Outcome outcome = program({"train", data, "-o", folder.file("run"), "--base", "4", "--depth", "2", "--steps",
                                   "2", "--loss", "1e6*dice_ce", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "warning: the loss 1e6*dice_ce has an unusual size"), outcome.err);
  CHECK(contains(outcome.out, "has an unusual size"));
}

// The truth of a training: labels, or the label probabilities of the file.
#include <cmath>
#include <filesystem>

#include "apps/program/json.h"
#include "apps/training/preparation.h"
#include "apps/training/trainer.h"
#include "engine/ops.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

// Nuclei whose probabilities are those of the labels, and `doubt` less for the likeliest class than 1.
std::string probable_file(const Folder& folder, const std::string& name, float doubt, std::int64_t cases = 12) {
  data::DatasetContents contents = data::make_phantom("nuclei2d", {cases, {32, 32}, 1});
  for (data::Case& one : contents.cases) {
    one.probabilities = full(one.label.shape() + Shape{2}, doubt);
    for (std::int64_t v = 0; v < one.label.numel(); ++v)
      one.probabilities.data<float>()[2 * v + one.label.data<std::uint8_t>()[v]] = 1 - doubt;
  }
  data::write_dataset(folder.file(name), contents);
  return folder.file(name);
}

TrainConfig small_config(const std::string& path) {
  TrainConfig config;
  config.data = path;
  config.base = 4;
  config.depth = 3;
  config.batch = 2;
  config.patch = "16";
  config.steps = 44;
  config.deep_supervision = false;  // coarse probabilities are means, coarse labels are those of one voxel
  return config;
}

std::vector<double> losses_of(const data::Dataset& dataset, const TrainConfig& config, int steps) {
  Trainer trainer(dataset, make_plan(dataset, config), Device::cpu);
  std::vector<double> values;
  for (int i = 0; i < steps; ++i) values.push_back(trainer.step().loss);
  return values;
}

}  // namespace

TEST_CASE("certain probabilities train like the labels, and others do not") {
  const Folder folder;
  for (const std::string loss : {"dice_ce", "ce", "focal", "tversky"}) {
    const data::Dataset certain = data::Dataset::open(probable_file(folder, "c.h5", 0));
    TrainConfig config = small_config(certain.info().path);
    config.augment = "none,flip=0.5";
    config.loss = loss;
    const std::vector<double> found = losses_of(certain, config, 4);
    config.targets = "labels";
    const std::vector<double> expected = losses_of(certain, config, 4);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      INFO(loss, " step ", i, ": ", found[i], " ", expected[i]);
      CHECK(std::abs(found[i] - expected[i]) <= 1e-6);
    }
    const data::Dataset doubtful = data::Dataset::open(probable_file(folder, "d.h5", 0.2f));
    CHECK(losses_of(doubtful, config, 1)[0] == expected[0]);  // by the labels, which are the same
    config.targets = "auto";
    CHECK(std::abs(losses_of(doubtful, config, 1)[0] - expected[0]) > 1e-3);
  }
}

TEST_CASE("a plan takes the probabilities if the file has them, and says so") {
  const Folder folder;
  const data::Dataset with = data::Dataset::open(probable_file(folder, "p.h5", 0.25f));
  const data::Dataset without = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  const auto targets = [](const data::Dataset& dataset, const std::string& wish, const std::string& loss = "dice_ce") {
    TrainConfig config = small_config(dataset.info().path);
    config.targets = wish;
    config.loss = loss;
    const Plan plan = make_plan(dataset, config);
    CHECK(plan.loader.probabilities == (plan.config.targets == "probabilities"));
    CHECK(contains(reasons_text(plan), "targets"));
    return plan.config.targets;
  };
  CHECK(targets(with, "auto") == "probabilities");
  CHECK(targets(with, "probabilities") == "probabilities");
  CHECK(targets(with, "labels") == "labels");
  CHECK(targets(with, "labels", "boundary") == "labels");
  CHECK(targets(without, "auto", "boundary") == "labels");
  const auto refused = [&](const data::Dataset& dataset, const std::string& wish, const std::string& loss,
                           const std::string& words) {
    const std::string found = error_of([&] { targets(dataset, wish, loss); });
    CHECK_MESSAGE(contains(found, words), found);
  };
  refused(without, "probabilities", "ce", "has no label probabilities, which --targets probabilities asks for");
  refused(with, "soft", "ce", "--targets");
  for (const std::string loss : {"boundary", "lovasz_softmax", "skeleton_recall", "hausdorff_dt"}) {
    refused(with, "auto", "0.5*ce+" + loss, loss + " has no meaning for the label probabilities of ");
    refused(with, "auto", loss, "hint: add --targets labels");
  }
}

TEST_CASE("coarser probabilities are means, and ignored where more than half is") {
  const Tensor p = from_vector<float>({1, 2, 4, 2}, {1, 0, 0.5f, 0.5f, 0, 0, 0, 0,  //
                                                     1, 0, 0, 1, 0, 0, 0.25f, 0.75f});
  CHECK(coarser_probabilities(p, {2, 2}).to_vector<float>() == std::vector<float>{0.625f, 0.375f, 0, 0});
  const std::vector<float> rows = coarser_probabilities(p, {1, 2}).to_vector<float>();
  CHECK(rows == std::vector<float>{0.75f, 0.25f, 0, 0, 0.5f, 0.5f, 0.25f, 0.75f});  // half of the last is known
  CHECK(coarser_probabilities(p, {1, 1}).to_vector<float>() == p.to_vector<float>());
}

TEST_CASE("with deep supervision every resolution has probabilities") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(probable_file(folder, "p.h5", 0.25f));
  TrainConfig config = small_config(dataset.info().path);
  config.deep_supervision = true;
  const Plan plan = make_plan(dataset, config);
  Feed feed(dataset, plan, Device::cpu);
  data::Loader loader(dataset, plan.loader);
  const std::vector<Truth>& truths = feed.batch(0).truths;
  REQUIRE(truths.size() == 2);
  CHECK(same<float>(truths[0].probabilities, loader.batch(0).probabilities));
  CHECK(same<float>(truths[1].probabilities, coarser_probabilities(truths[0].probabilities, {2, 2})));
  CHECK(truths[1].labels.shape() == Shape{2, 8, 8});
  CHECK(std::isfinite(losses_of(dataset, config, 2)[1]));
}

TEST_CASE("probabilities are cropped and resampled with the image") {
  nn::ModelSpec model;
  model.net.dims = 2;
  model.preparation = {.crop = true, .spacing = {1, 1}};
  data::Case one;
  one.id = "a";
  one.spacing = {2, 1};
  one.image = zeros({3, 3, 1});  // the first row and the last column are empty
  one.label = zeros({3, 3}, DType::u8);
  one.probabilities = zeros({3, 3, 2});
  for (std::int64_t v = 0; v < 9; ++v) {
    const bool inside = v >= 3 && v % 3 < 2;
    one.image.data<float>()[v] = inside ? static_cast<float>(v) : 0;
    one.probabilities.data<float>()[2 * v] = v < 6 ? 1 : 0;
    one.probabilities.data<float>()[2 * v + 1] = v < 6 ? 0 : 1;
  }
  prepare_case(model, 255, one);
  CHECK(one.label.shape() == Shape{4, 2});
  REQUIRE(one.probabilities.shape() == Shape{4, 2, 2});
  const std::vector<float> found = one.probabilities.to_vector<float>();
  const std::vector<float> of_rows{0, 0.25f, 0.75f, 1};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const float second = of_rows[i / 4];
    CHECK(std::abs(found[i] - (i % 2 == 0 ? 1 - second : second)) < 1e-6f);
  }
}

TEST_CASE("a training of probabilities that was interrupted goes on to the same bits") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(probable_file(folder, "p.h5", 0.2f));
  const Plan plan = make_plan(dataset, small_config(dataset.info().path));
  Trainer whole(dataset, plan, Device::cpu), first(dataset, plan, Device::cpu);
  for (int i = 0; i < 6; ++i) whole.step();
  for (int i = 0; i < 3; ++i) first.step();
  Trainer second(dataset, plan, Device::cpu);
  second.load_state(first.state(), 0);
  for (int i = 0; i < 3; ++i) second.step();
  const auto a = whole.weights(), b = second.weights();
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(same<float>(a[i].tensor, b[i].tensor));
}

TEST_CASE("the program trains with probabilities, resumes with the same ones only, and refuses before it writes") {
  const Folder folder;
  const std::string path = probable_file(folder, "p.h5", 0.2f), other = probable_file(folder, "o.h5", 0.1f);
  const std::string run = folder.file("run"), refused = folder.file("refused");
  const Outcome trained = program(small_training(path, run));
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  CHECK_MESSAGE(contains(trained.err, "of label probabilities"), trained.err);
  CHECK(contains(bytes_of(run + "/config.toml"), "targets = \"probabilities\""));
  CHECK(program({"train", "--resume", run}).code == 0);
  const Outcome changed = program({"train", "--resume", run, other});
  CHECK(changed.code == 3);
  CHECK_MESSAGE(contains(changed.err, "its content is not what"), changed.err);
  CHECK(contains(program({"train", "--resume", run, "--targets", "labels"}).err, "--targets cannot be changed"));

  const Outcome failed = program({"train", path, "--loss", "boundary", "--steps", "4", "-o", refused});
  CHECK(failed.code == 2);
  CHECK_MESSAGE(contains(failed.err, "boundary has no meaning for the label probabilities"), failed.err);
  CHECK(contains(failed.err, "add --targets labels"));
  CHECK(!std::filesystem::exists(refused));
  const Outcome compared = program({"compare", path, "--losses", "ce,boundary", "--steps", "4", "-o", refused});
  CHECK(compared.code == 2);
  CHECK_MESSAGE(contains(compared.err, "add --targets labels"), compared.err);
  CHECK(!std::filesystem::exists(refused));

  CHECK(contains(program({"inspect", path}).out, "with label probabilities"));
  CHECK(Json::parse(program({"inspect", path, "--json"}).out)["label_probabilities"] == true);
}

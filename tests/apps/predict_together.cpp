// Several predictions that become one: mirrored images, several models, and what is cleaned up afterwards.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/program/json.h"
#include "data/dataset.h"
#include "data/exchange/output.h"
#include "data/h5/h5.h"
#include "data/label_file.h"
#include "engine/ops.h"
#include "nn/inference/clean_up.h"
#include "nn/inference/windows.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

nn::Model model_of(std::uint64_t seed) {
  nn::Model model;
  model.spec.net = {.dims = 2, .in_channels = 1, .classes = 3, .base = 4, .depth = 2};
  model.spec.window = {16, 16};
  model.spec.class_names = {"background", "cell", "nucleus"};
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(seed));
  model.net->train(false);
  return model;
}

data::Image noise() {
  data::Image image;
  image.values = empty({24, 30, 1});
  image.element = data::h5::Element::u8;
  image.spacing = {1, 1};
  for (std::int64_t i = 0; i < image.values.numel(); ++i)
    image.values.data<float>()[i] = static_cast<float>(i * i % 251);
  return image;
}

std::vector<float> mask_of(const std::string& path) { return data::read_image(path).values.to_vector<float>(); }
std::vector<float> floats(const Tensor& labels) { return labels.to(DType::f32).to_vector<float>(); }

}  // namespace

TEST_CASE("predict --tta mirrors where the training did, and refuses a model whose training did not") {
  const Folder folder;
  const data::Image image = noise();
  const std::string a = folder.file("a.safetensors"), b = folder.file("b.safetensors"), in = folder.file("in.png"),
                    out = folder.file("out.png");
  data::write_image(in, image);
  nn::Model model = model_of(3);
  model.spec.mirror_axes = {0, 0};
  nn::save_model(b, model);
  model.spec.mirror_axes.clear();
  nn::save_model(folder.file("unknown.safetensors"), model);
  model.spec.mirror_axes = {1, 1};
  nn::save_model(a, model);
  const Outcome outcome = program({"predict", a, in, "-o", out, "--tta", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(Json::parse(outcome.out)["tta"] == true);
  CHECK(mask_of(out) == floats(nn::predict(model, image.values, {.mirror = true})));
  CHECK(mask_of(out) != floats(nn::predict(model, image.values)));
  model.spec.mirror = true;
  nn::save_model(folder.file("default.safetensors"), model);
  for (const bool mirror : {true, false}) {
    std::vector<std::string> words{"predict", folder.file("default.safetensors"), in, "-o", out, "--overwrite"};
    if (!mirror) words.emplace_back("--no-tta");
    const Outcome as_it_says = program(words);
    REQUIRE_MESSAGE(as_it_says.code == 0, as_it_says.err);
    CHECK(contains(as_it_says.err, "the mean over mirrored images (--no-tta: without)") == mirror);
    CHECK(mask_of(out) == floats(nn::predict(model, image.values, {.mirror = mirror})));
  }
  for (const std::vector<std::string>& models : {std::vector{b}, {a, b}}) {
    std::vector<std::string> words{"predict", in, "-o", folder.file("none.png"), "--tta"};
    words.insert(words.begin() + 1, models.begin(), models.end());
    const Outcome refused = program(words);
    CHECK(refused.code == 2);
    CHECK_MESSAGE(contains(refused.err, "--tta: the training of " + b + " mirrored along no axis"), refused.err);
  }
  const Outcome unknown =
      program({"predict", folder.file("unknown.safetensors"), in, "-o", folder.file("none.png"), "--tta"});
  CHECK(unknown.code == 2);
  CHECK_MESSAGE(contains(unknown.err, "does not say along which axes its training mirrored"), unknown.err);
}

TEST_CASE("a training tests its mirrored predictions, and evaluate measures the same ones") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), run = folder.file("run");
  const Outcome trained = program(small_training(data, run, {"--json"}));
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  const auto dice = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"evaluate", run, data, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = program(words);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    const Json json = Json::parse(outcome.out);
    CHECK(json["tta"] == more.empty());
    return json["mean"]["dice"].get<double>();
  };
  CHECK(dice({}) == Json::parse(trained.out)["test"]["dice_mean"].get<double>());
  CHECK(dice({}) != dice({"--no-tta"}));
}

TEST_CASE("predict cleans up as the model says, and the mean of several models as all of them say") {
  const Folder folder;
  const data::Image image = noise();
  const std::string in = folder.file("in.png");
  data::write_image(in, image);
  nn::Model first = model_of(3), second = model_of(4);
  first.spec.clean_up = second.spec.clean_up = {.foreground = true, .classes = {0, 1, 0}};
  const std::string a = folder.file("a.safetensors"), b = folder.file("b.safetensors"),
                    c = folder.file("c.safetensors");
  nn::save_model(a, first);
  nn::save_model(b, second);
  second.spec.clean_up = {};
  nn::save_model(c, second);
  const auto mask = [&](std::vector<std::string> words, std::string* err = nullptr) {
    words.insert(words.begin(), "predict");
    words.insert(words.end(), {in, "-o", folder.file("out.png"), "--overwrite"});
    const Outcome outcome = program(words);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    if (err != nullptr) *err = outcome.err;
    return mask_of(folder.file("out.png"));
  };
  const Tensor p = nn::predict_probabilities(first, image.values).probabilities,
               q = nn::predict_probabilities(second, image.values).probabilities;
  const Tensor raw = argmax((p + q) * 0.5), clean = raw.clone();
  nn::clean_up(clean, first.spec.clean_up, 3);
  REQUIRE(floats(raw) != floats(clean));
  std::string said;
  CHECK(mask({a}, &said) == floats(nn::predict(first, image.values)));
  CHECK_MESSAGE(contains(said, "only the largest component of all foreground, then of cell"), said);
  CHECK(mask({a, "--no-clean-up"}) == floats(nn::predict(first, image.values, {.clean_up = false})));
  CHECK(mask({a, b}, &said) == floats(clean));
  CHECK(!contains(said, "warning"));
  CHECK(mask({a, b, "--no-clean-up"}) == floats(raw));
  CHECK(mask({a, c}, &said) == floats(raw));
  CHECK_MESSAGE(contains(said, "the models clean up different components"), said);
}

TEST_CASE("pictures without a size are predicted with that of --spacing by a model that resamples") {
  const Folder folder;
  nn::Model model = model_of(1);
  model.spec.preparation.spacing = {0.5, 0.5};
  model.spec.training.spacing_unit = "mm";
  nn::save_model(folder.file("m.safetensors"), model);
  data::write_image(folder.file("in.png"), noise());
  const auto predict = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> words{"predict", folder.file("m.safetensors"), folder.file("in.png"), "-o",
                                   folder.file(out)};
    words.insert(words.end(), more.begin(), more.end());
    return program(words);
  };
  const Outcome unknown = predict("a.png", {});
  CHECK(unknown.code == 3);
  CHECK_MESSAGE(contains(unknown.err, "predict --spacing 3x0.8x0.8"), unknown.err);
  REQUIRE(predict("b.png", {"--spacing", "0.25"}).code == 0);
  const Tensor image = noise().values;
  CHECK(mask_of(folder.file("b.png")) == floats(nn::predict(model, image, {.spacing = {0.25, 0.25}})));
  CHECK(predict("c.png", {"--spacing", "1x1x1"}).code == 2);
}

TEST_CASE("a file of one slice is a volume for a model of volumes") {
  if (!data::has_nifti()) return;
  const Folder folder;
  nn::Model model;
  model.spec.net = {.dims = 3, .in_channels = 1, .classes = 2, .base = 4, .depth = 2};
  model.spec.net.kernels = {{1, 3, 3}, {1, 3, 3}};
  model.spec.net.strides = {{1, 2, 2}};
  model.spec.window = {1, 16, 16};
  model.spec.class_names = {"background", "cell"};
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(1));
  nn::save_model(folder.file("m.safetensors"), model);
  data::Image scan = noise();
  scan.values = reshape(scan.values, {1, 24, 30, 1});
  scan.physical = true;
  scan.affine = data::Affine{{{0.5, 0, 0, 3}, {0, 0.5, 0, 4}, {0, 0, 2, 5}}};
  scan.spacing = data::spacing_of(*scan.affine);
  data::write_image(folder.file("slice.nii.gz"), scan);
  REQUIRE(data::read_image(folder.file("slice.nii.gz")).extents() == Shape{24, 30});
  const Outcome outcome =
      program({"predict", folder.file("m.safetensors"), folder.file("slice.nii.gz"), "-o", folder.file("m.nii.gz")});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const data::Image mask = data::read_image(folder.file("m.nii.gz"));
  CHECK(mask.extents() == Shape{24, 30});
  REQUIRE(mask.slice.has_value());
  CHECK((*mask.slice)[1][3] == 4);
}

TEST_CASE("every one of several models is compared with the image") {
  const Folder folder;
  data::write_image(folder.file("in.png"), noise());
  nn::Model first = model_of(3), second = model_of(4);
  second.spec.normalisation.kind = nn::Normalisation::Kind::none;
  second.spec.training.low = {10000};
  second.spec.training.high = {20000};
  const std::string a = folder.file("a.safetensors"), b = folder.file("b.safetensors");
  nn::save_model(a, first);
  nn::save_model(b, second);
  for (const auto& [one, other] : {std::pair{a, b}, std::pair{b, a}, std::pair{b, b}}) {
    const Outcome outcome =
        program({"predict", one, other, folder.file("in.png"), "-o", folder.file("m.png"), "--overwrite", "--json"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK_MESSAGE(Json::parse(outcome.out)["warnings"].size() == 1, outcome.err);
    CHECK_MESSAGE(contains(outcome.err, "those of the training were 10000 .. 20000"), outcome.err);
  }
}

TEST_CASE("the runs of all folds are averaged, whether they are named one by one or by their folder") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 9, {32, 32}), in = folder.file("in.png");
  data::write_image(in, noise());
  std::vector<std::string> runs;
  for (const char* fold : {"0", "1", "2"}) {
    runs.push_back(folder.file("folds/" + std::string(fold)));
    const Outcome trained = program(small_training(data, runs.back(), {"--fold", fold + std::string("/3"), "-q"}));
    REQUIRE_MESSAGE(trained.code == 0, trained.err);
  }
  Tensor sum = zeros({24, 30, 2});
  for (const std::string& run : runs)
    sum = sum + nn::predict_probabilities(nn::load_model(run + "/best.safetensors"), noise().values, {.mirror = true})
                    .probabilities;
  std::vector<std::string> words{"predict", in, "-o", folder.file("out.png"), "--tta", "--no-clean-up", "--overwrite"};
  std::vector<std::string> by_folder = words;
  words.insert(words.begin() + 1, runs.begin(), runs.end());
  by_folder.insert(by_folder.begin() + 1, folder.file("folds"));
  for (const std::vector<std::string>& how : {words, by_folder}) {
    std::vector<std::string> command = how;
    command.push_back("--json");
    const Outcome outcome = program(command);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(Json::parse(outcome.out)["models"].size() == 3);
    CHECK(mask_of(folder.file("out.png")) == floats(argmax(sum * (1.0 / 3))));
  }
  // Logits are those of the mean probabilities.
  const std::string logits = folder.file("logits.h5");
  REQUIRE(program({"predict", runs[0], runs[1], data, "--logits", "-o", logits}).code == 0);
  const data::Dataset set = data::Dataset::open(data);
  const Tensor image = set.read(0).image;
  Tensor mean = zeros({32, 32, 2});
  for (const std::string& run : {runs[0], runs[1]})
    mean = mean + nn::predict_probabilities(nn::load_model(run + "/best.safetensors"), image).probabilities;
  const data::h5::File file = data::h5::File::open(logits);
  Tensor first = empty({1, 32, 32, 2});
  file.array("/logits").read({0, 0, 0, 0}, first.shape(), data::h5::Element::f32, first.data<float>());
  const std::vector<float> found = softmax(first).to_vector<float>(), wanted = (mean * 0.5).to_vector<float>();
  REQUIRE(found.size() == wanted.size());
  double error = 0;
  for (std::size_t i = 0; i < found.size(); ++i) error = std::max<double>(error, std::abs(found[i] - wanted[i]));
  CHECK(error < 1e-5);
  // One that has not been validated yet is not averaged with the others.
  const std::filesystem::path best = runs[2] + "/best.safetensors", away = folder.file("away");
  std::filesystem::rename(best, away);
  const Outcome early = program(by_folder);
  CHECK(early.code == 3);
  CHECK_MESSAGE(contains(early.err, runs[2] + ": has no best.safetensors"), early.err);
  std::filesystem::rename(away, best);
  // A run is evaluated on the test cases of its fold: in the split test of the file are cases that it has learned from.
  const auto evaluated = [&](const std::vector<std::string>& more, std::string& said) {
    std::vector<std::string> command{"evaluate", runs[1], data, "--json"};
    command.insert(command.end(), more.begin(), more.end());
    const Outcome outcome = program(command);
    said = outcome.err;
    return Json::parse(outcome.out);
  };
  std::string said;
  const Json own = evaluated({}, said);
  CHECK(own["fold"] == "1/3");
  CHECK_MESSAGE(contains(said, "the test cases of fold 1/3"), said);
  CHECK(own["cases"] == Json::parse(bytes_of(runs[1] + "/run.json"))["results"]["test_cases"]);
  CHECK(evaluated({"--split", "test"}, said)["fold"] == "");
  CHECK_MESSAGE(contains(said, "the model was trained for fold 1/3"), said);
  std::filesystem::create_directory(folder.file("elsewhere"));
  const std::string moved = folder.file("elsewhere/moved.h5");
  std::filesystem::copy(data, moved);
  CHECK(Json::parse(program({"evaluate", runs[1], moved, "--json"}).out)["fold"] == "1/3");
  const std::string others = folder.file("others.h5");  // other images of cases with the same names
  data::write_dataset(others, data::make_phantom("nuclei2d", {9, {32, 32}, 2}));
  CHECK(Json::parse(program({"evaluate", runs[1], others, "--json"}).out)["fold"] == "");
  // A folder that has anything else is a folder of images.
  std::filesystem::create_directories(folder.file("mixed/run"));
  std::filesystem::copy(runs.front() + "/best.safetensors", folder.file("mixed/run/best.safetensors"));
  data::write_image(folder.file("mixed/a.png"), noise());
  const Outcome images = program({"predict", runs.front(), folder.file("mixed"), "-o", folder.file("masks")});
  REQUIRE_MESSAGE(images.code == 0, images.err);
  CHECK(mask_of(folder.file("masks/a.png")).size() == 720);
}

TEST_CASE(
    "a file that cannot be read holds up none of the others in its folder, and kinds that are not read are named") {
  const Folder folder;
  nn::save_model(folder.file("m.safetensors"), model_of(3));
  std::filesystem::create_directories(folder.file("in"));
  for (const char* name : {"in/a.png", "in/z.png"}) data::write_image(folder.file(name), noise());
  write_bytes(folder.file("in/empty.png"), "");
  write_bytes(folder.file("in/web.jpg"), std::string("RIFF\0\0\0\0WEBP", 12));
  write_bytes(folder.file("in/b.webp"), "x");
  const Outcome outcome =
      program({"predict", folder.file("m.safetensors"), folder.file("in"), "-o", folder.file("out"), "--json"});
  CHECK(outcome.code == 3);
  CHECK_MESSAGE(contains(outcome.err, "empty.png: is empty"), outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "web.jpg: is a WebP picture"), outcome.err);
  CHECK_MESSAGE(contains(outcome.err, ".webp, which is not read, 1 file is left alone"), outcome.err);
  CHECK(Json::parse(outcome.out)["written"].size() == 2);
}

TEST_CASE("values of one image that are too large for the network hold up no other") {
  if (!data::has_nifti()) return;
  const Folder folder;
  nn::Model model = model_of(3);
  model.spec.normalisation.kind = nn::Normalisation::Kind::none;
  nn::save_model(folder.file("m.safetensors"), model);
  std::filesystem::create_directories(folder.file("in"));
  data::Image image = noise();
  data::write_image(folder.file("in/good.png"), image);
  image.element = data::h5::Element::f32;
  std::fill_n(image.values.data<float>(), image.values.numel(), 3e38F);
  data::write_image(folder.file("in/bad.nii.gz"), image);
  const Outcome outcome =
      program({"predict", folder.file("m.safetensors"), folder.file("in"), "-o", folder.file("out"), "--json"});
  CHECK_MESSAGE(outcome.code == 4, outcome.err);
  CHECK(Json::parse(outcome.out)["written"].size() == 1);
}

TEST_CASE("colour pictures that are numbered are no channels of one case, by name or in their folder") {
  const Folder folder;
  nn::Model model = model_of(3);
  model.spec.net.in_channels = 3;
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(3));
  nn::save_model(folder.file("m.safetensors"), model);
  data::Image colours = noise();
  colours.values = empty({24, 30, 3});
  for (std::int64_t i = 0; i < colours.values.numel(); ++i)
    colours.values.data<float>()[i] = static_cast<float>(i * i % 241);
  std::filesystem::create_directories(folder.file("in"));
  for (int count = 1; count <= 4; ++count) {
    data::write_image(folder.file(text("in/img_000", count - 1, ".png")), colours);
    const Outcome one = program({"predict", folder.file("m.safetensors"), folder.file("in/img_0000.png"), "-o",
                                 folder.file("one.png"), "--overwrite"});
    CHECK_MESSAGE(one.code == 0, count, ": ", one.err);
    const Outcome all = program(
        {"predict", folder.file("m.safetensors"), folder.file("in"), "-o", folder.file(text("out", count)), "--json"});
    REQUIRE_MESSAGE(all.code == 0, count, ": ", all.err);
    CHECK(Json::parse(all.out)["written"].size() == static_cast<std::size_t>(count));
  }
}

TEST_CASE("scans of one channel have the names of their cases, whether the folder or the files were named") {
  if (!data::has_nifti()) return;
  const Folder folder;
  nn::save_model(folder.file("m.safetensors"), model_of(3));
  std::filesystem::create_directories(folder.file("in"));
  for (const char* name : {"in/x_0000.nii.gz", "in/y_0000.nii.gz"}) data::write_image(folder.file(name), noise());
  REQUIRE(program({"predict", folder.file("m.safetensors"), folder.file("in"), "-o", folder.file("a/")}).code == 0);
  REQUIRE(program({"predict", folder.file("m.safetensors"), folder.file("in/x_0000.nii.gz"),
                   folder.file("in/y_0000.nii.gz"), "-o", folder.file("b/")})
              .code == 0);
  for (const char* name : {"a/x.nii.gz", "a/y.nii.gz", "b/x.nii.gz", "b/y.nii.gz"})
    CHECK_MESSAGE(std::filesystem::exists(folder.file(name)), name);
}

TEST_CASE("a size of voxels that a file says is taken, and --spacing that is not taken is said") {
  if (!data::has_nifti()) return;
  const Folder folder;
  nn::save_model(folder.file("m.safetensors"), model_of(3));
  data::Image image = noise();
  image.physical = true;
  image.spacing = {0.5, 0.5};
  data::write_image(folder.file("in.nii.gz"), image);
  const Outcome outcome = program({"predict", folder.file("m.safetensors"), folder.file("in.nii.gz"), "-o",
                                   folder.file("out.nii.gz"), "--spacing", "0.25"});
  CHECK_MESSAGE(outcome.code == 0, outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "not --spacing 0.25"), outcome.err);
}

TEST_CASE("models whose predictions have no mean are refused with what each of them has") {
  const Folder folder;
  data::write_image(folder.file("in.png"), noise());
  nn::Model model = model_of(3);
  nn::save_model(folder.file("a.safetensors"), model);
  model.spec.training.class_values = {0, 1, 2};  // as without
  nn::save_model(folder.file("same.safetensors"), model);
  std::swap(model.spec.class_names[1], model.spec.class_names[2]);
  nn::save_model(folder.file("b.safetensors"), model);
  const auto with = [&](const char* other) {
    return program({"predict", folder.file("a.safetensors"), folder.file(other), folder.file("in.png"), "-o",
                    folder.file("out.png"), "--overwrite"});
  };
  CHECK_MESSAGE(with("same.safetensors").code == 0, with("same.safetensors").err);
  const Outcome refused = with("b.safetensors");
  CHECK(refused.code == 4);
  CHECK_MESSAGE(contains(refused.err, "the classes background (0), cell (1), nucleus (2), the other 2 axes"),
                refused.err);
  CHECK(contains(refused.err, "hint: average models"));
}

// The preparation of images in training, evaluation and prediction: the plan sees prepared cases, a training on images
// of two spacings learns more from resampled ones, and masks lie on the voxels of the source.
#include "apps/training/preparation.h"

#include <algorithm>
#include <cmath>

#include "apps/training/plan.h"
#include "data/label_file.h"
#include "engine/ops.h"
#include "nn/inference/windows.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json, apps::Plan, apps::TrainConfig;

namespace {

// Discs of 6 mm (class 1) and of 3 mm (class 2) in pictures of 48 x 48 mm, whose pixels have 1 mm or 2 mm: a disc of
// three pixels is the one or the other.
std::string discs(const Folder& folder) {
  data::DatasetContents contents;
  contents.class_names = {"background", "large", "small"};
  for (int i = 0; i < 24; ++i) {
    const double spacing = i % 2 == 0 ? 1 : 2;
    const std::int64_t extent = i % 2 == 0 ? 48 : 24;
    Random random = Random(7).fork(static_cast<std::uint64_t>(i));
    data::Case one;
    one.id = text("disc_", i < 10 ? "0" : "", i);
    one.spacing = {spacing, spacing};
    one.image = random_normal({extent, extent, 1}, random.key(), 100, 10);
    one.label = zeros({extent, extent}, DType::u8);
    for (int disc = 0; disc < 4; ++disc) {
      const double radius = disc % 2 == 0 ? 6 : 3;
      const double y0 = (disc < 2 ? 12 : 36) + static_cast<double>(random.below(7)) - 3;
      const double x0 = (disc == 1 || disc == 2 ? 12 : 36) + static_cast<double>(random.below(7)) - 3;
      for (std::int64_t v = 0; v < one.label.numel(); ++v) {
        const double dy = (static_cast<double>(v / extent) + 0.5) * spacing - y0,
                     dx = (static_cast<double>(v % extent) + 0.5) * spacing - x0;
        if (dy * dy + dx * dx > radius * radius) continue;
        one.label.data<std::uint8_t>()[v] = disc % 2 == 0 ? 1 : 2;
        one.image.data<float>()[v] += 60;
      }
    }
    contents.cases.push_back(one);
    contents.splits[i < 14 ? "train" : i < 18 ? "val" : "test"].push_back(i);
  }
  data::write_dataset(folder.file("discs.h5"), contents);
  return folder.file("discs.h5");
}

std::vector<std::string> training(const std::string& data, const std::string& run,
                                  const std::vector<std::string>& more) {
  std::vector<std::string> words{
      "train",   data, "-o",      run,   "--base",    "8",    "--depth",          "3", "--json",
      "--batch", "4",  "--steps", "120", "--augment", "none", "--validate-every", "0"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// Cases with a frame of zeros, and values that no other has.
data::DatasetContents framed(const Shape& shape, std::int64_t frame, int cases) {
  data::DatasetContents contents = random_contents(std::vector<Shape>(static_cast<std::size_t>(cases), shape), 1, 3);
  for (data::Case& one : contents.cases)
    for (std::int64_t i = 0; i < one.label.numel(); ++i) {
      std::int64_t rest = i;
      bool inside = true;
      for (int axis = shape.dims() - 1; axis >= 0; --axis) {
        const std::int64_t at = rest % shape[axis];
        inside = inside && at >= frame && at < shape[axis] - frame;
        rest /= shape[axis];
      }
      float& value = one.image.data<float>()[i];
      value = inside ? value + 1 : 0;
      if (!inside) one.label.data<std::uint8_t>()[i] = 0;
    }
  return contents;
}

data::Dataset written(const Folder& folder, const std::string& name, const data::DatasetContents& contents) {
  data::write_dataset(folder.file(name), contents);
  return data::Dataset::open(folder.file(name));
}

TrainConfig small() {
  TrainConfig config;
  config.base = 4;
  config.batch = 2;
  return config;
}

}  // namespace

TEST_CASE("preparation: the plan sees cropped and resampled cases, and batches are made of them") {
  const Folder folder;
  data::DatasetContents contents = framed({40, 48}, 8, 6);
  for (std::size_t i = 0; i < 6; ++i) contents.cases[i].spacing = {i == 0 ? 1.0 : 2.0, 1.0};
  contents.splits = {{"train", {0, 1, 2, 3}}, {"val", {4}}, {"test", {5}}};
  const data::Dataset dataset = written(folder, "d.h5", contents);
  const Plan plan = apps::make_plan(dataset, small());
  CHECK(plan.config.crop == "on");
  CHECK(plan.config.spacing == "2x1");
  CHECK(plan.config.normalise == "mask");  // 24 x 32 of 40 x 48 pixels are 0.4
  CHECK(plan.model.preparation.crop);
  CHECK(plan.model.preparation.spacing == std::vector<double>{2, 1});
  CHECK(plan.loader.patch == Shape{24, 32});
  CHECK(plan.model.net.strides.front() == Extents{1, 2});  // pixels of 2 mm x 1 mm become squares first
  data::LoaderOptions options = plan.loader;
  options.augment = {};
  data::Loader loader(dataset, options);
  const std::vector<double> spacing = loader.batch(0).spacing;  // of one sample after the other
  REQUIRE(std::ssize(spacing) == 2 * options.batch);
  for (std::size_t i = 0; i < spacing.size(); ++i) CHECK(spacing[i] == (i % 2 == 0 ? 2 : 1));
  // The same settings again, as a resumed run has them, give the same plan.
  const Plan again = apps::make_plan(dataset, plan.config);
  CHECK(nn::to_text(again.model) == nn::to_text(plan.model));
  CHECK(apps::to_json(again.config) == apps::to_json(plan.config));
}

TEST_CASE("preparation: what is asked for goes before the rules, and what cannot be is refused") {
  const Folder folder;
  const data::Dataset dataset = written(folder, "d.h5", framed({40, 48}, 8, 6));
  TrainConfig config = small();
  config.crop = "off";
  config.spacing = "1x0.5";
  config.normalise = "none";
  const Plan plan = apps::make_plan(dataset, config);
  CHECK(!plan.model.preparation.crop);
  CHECK(plan.loader.patch == Shape{40, 96});
  CHECK(plan.model.normalisation.kind == nn::Normalisation::Kind::none);
  const auto refusal = [&](const std::string& crop, const std::string& spacing, const std::string& normalise) {
    TrainConfig wrong = small();
    wrong.crop = crop;
    wrong.spacing = spacing;
    wrong.normalise = normalise;
    return error_of([&] { apps::make_plan(dataset, wrong); });
  };
  // --max-memory makes a second plan, without the patch that was too large.
  apps::CasesRead read;
  config.crop = "on";
  config.spacing = "none";
  config.patch = "16x16";
  apps::make_plan(dataset, config, nullptr, 0, &read);
  config.patch = "";
  CHECK(apps::make_plan(dataset, config, nullptr, 0, &read).loader.patch == Shape{24, 32});
  CHECK(contains(refusal("yes", "none", "case"), "--crop: unknown value"));
  CHECK(contains(refusal("on", "1x2x3", "case"), "--spacing: cannot read \"1x2x3\" as the spacing of 2 axes"));
  CHECK(contains(refusal("on", "none", "z"), "--normalise: unknown value"));
  CHECK(contains(refusal("on", "0.001", "case"), "d.h5: case \"img_00"));
}

TEST_CASE("preparation: CT is clipped to the percentiles of the foreground, colour pictures are divided by 255") {
  const Folder folder;
  data::DatasetContents contents = framed({20, 20}, 0, 10);
  contents.attributes["modality"] = "CT";
  std::vector<float> inside;
  for (std::size_t i = 0; i < contents.cases.size(); ++i)
    for (std::int64_t v = 0; v < 400; ++v) {
      contents.splits = {{"train", {0, 1, 2, 3, 4, 5, 6}}, {"val", {7}}, {"test", {8, 9}}};
      if (i < 7 && contents.cases[i].label.data<std::uint8_t>()[v] != 0)
        inside.push_back(contents.cases[i].image.data<float>()[v]);
    }
  std::sort(inside.begin(), inside.end());
  const nn::Normalisation ct = apps::make_plan(written(folder, "ct.h5", contents), small()).model.normalisation;
  CHECK(ct.kind == nn::Normalisation::Kind::zscore_dataset);
  REQUIRE(ct.low.size() == 1);
  const auto at = [&](double share) {
    return inside[static_cast<std::size_t>(share * static_cast<double>(inside.size()))];
  };
  CHECK(std::abs(ct.low[0] - at(0.005)) <= 1);
  CHECK(std::abs(ct.high[0] - at(0.995)) <= 1);
  double mean = 0;
  for (const float value : inside) mean += value / static_cast<double>(inside.size());
  CHECK(std::abs(ct.mean[0] - mean) < 1e-3);
  data::DatasetContents empty = contents;  // without any foreground the values are those of all voxels
  for (data::Case& one : empty.cases) one.label = zeros(one.label.shape(), DType::u8);
  const nn::Normalisation all = apps::make_plan(written(folder, "empty.h5", empty), small()).model.normalisation;
  REQUIRE(all.high.size() == 1);
  CHECK(all.high[0] > all.low[0]);
  CHECK(all.deviation[0] != 1);

  data::DatasetContents colour = random_contents({{16, 16}, {16, 16}, {16, 16}}, 3, 2);
  colour.image_dtype = DType::u8;
  CHECK(apps::make_plan(written(folder, "rgb.h5", colour), small()).config.normalise == "rgb");
  data::DatasetContents blank = random_contents(std::vector<Shape>(5, {16, 16}), 3, 2);
  blank.image_dtype = DType::u8;
  blank.splits = {{"train", {0, 1, 2, 3}}, {"val", {4}}};
  blank.cases[1].image = full(blank.cases[1].image.shape(), 255);
  CHECK(apps::make_plan(written(folder, "blank.h5", blank), small()).config.normalise == "rgb");
  for (data::Case& one : colour.cases)
    for (std::int64_t i = 0; i < one.image.numel(); ++i)
      one.image.data<float>()[i] = one.image.data<float>()[i / 3 * 3];
  CHECK(apps::make_plan(written(folder, "grey.h5", colour), small()).config.normalise == "case");
}

TEST_CASE(
    "preparation: resampling makes a network learn what depends on the size, and masks keep the source's voxels") {
  const Folder folder;
  const std::string data = discs(folder), run = folder.file("run");
  const auto test_dice = [](const Outcome& outcome) {
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return Json::parse(outcome.out)["test"]["dice_mean"].get<double>();
  };
  const double plain =
      test_dice(program(training(data, folder.file("plain"), {"--spacing", "none", "--no-deep-supervision"})));
  const double resampled = test_dice(program(training(data, run, {"--spacing", "auto", "--no-deep-supervision"})));
  MESSAGE("test Dice " << plain << " without and " << resampled << " with resampling");
  CHECK(resampled > plain + 0.03);

  const Outcome again = program({"evaluate", run, data, "--split", "test", "--json"});
  REQUIRE_MESSAGE(again.code == 0, again.err);
  CHECK(Json::parse(again.out)["mean"]["dice"].get<double>() == resampled);

  // As a dataset, as a NIfTI file and by the library: the same labels, on the voxels of the source.
  const data::Dataset dataset = data::Dataset::open(data);
  const nn::Model model = nn::load_model(run + "/best.safetensors");
  REQUIRE(program({"predict", run, data, "-o", folder.file("found.h5"), "--probabilities"}).code == 0);
  const data::LabelFile found = data::LabelFile(folder.file("found.h5"));
  for (const std::size_t index : {22u, 23u}) {
    const data::Case one = dataset.read(static_cast<std::int64_t>(index));
    const Tensor labels = nn::predict(model, one.image, {.spacing = one.spacing});
    CHECK(labels.shape() == one.label.shape());
    CHECK(found.read(index).to_vector<int>() == labels.to_vector<int>());
    if (!data::has_nifti()) continue;
    data::Image image;
    image.values = one.image;
    image.element = data::h5::Element::f32;
    image.spacing = one.spacing;
    image.physical = true;
    data::write_image(folder.file("one.nii.gz"), image);
    const Outcome outcome =
        program({"predict", run, folder.file("one.nii.gz"), "-o", folder.file("m.nii.gz"), "--overwrite"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    const data::Image mask = data::read_image(folder.file("m.nii.gz"));
    CHECK(mask.values.to_vector<float>() == labels.to(DType::f32).to_vector<float>());
    CHECK(mask.spacing == one.spacing);
  }
  // A picture in pixels has no spacing that could be compared with millimetres.
  data::Image picture;
  picture.values = (dataset.read(23).image * 0.5).to(DType::f32);
  for (std::int64_t i = 0; i < picture.values.numel(); ++i)
    picture.values.data<float>()[i] = std::clamp(std::floor(picture.values.data<float>()[i]), 0.0f, 255.0f);
  picture.element = data::h5::Element::u8;
  picture.spacing = {1, 1};
  data::write_image(folder.file("p.png"), picture);
  const Outcome refused = program({"predict", run, folder.file("p.png"), "-o", folder.file("p_mask.png")});
  CHECK(refused.code == 3);
  CHECK_MESSAGE(contains(refused.err, "has no spacing; the model resamples all images to 1.5 x 1.5"), refused.err);
  CHECK_MESSAGE(contains(refused.err, "voxgrad import"), refused.err);
  const Outcome free =
      program({"predict", folder.file("plain"), folder.file("p.png"), "-o", folder.file("p_mask.png")});
  REQUIRE_MESSAGE(free.code == 0, free.err);
  CHECK(data::read_image(folder.file("p_mask.png")).extents() == Shape{24, 24});
}

TEST_CASE("preparation: masks of pictures and of volumes have the extents and labels that the library finds") {
  const Folder folder;
  for (const bool volume : {false, true}) {
    if (volume && !data::has_nifti()) continue;
    nn::Model model;
    model.spec.net = {.dims = volume ? 3 : 2, .in_channels = 1, .classes = 3, .base = 4, .depth = 2};
    model.spec.window = Shape::filled(model.spec.net.dims, 16);
    model.spec.class_names = {"background", "a", "b"};
    model.spec.training.spacing_unit = volume ? "mm" : "px";
    model.spec.preparation = {.crop = true,
                              .spacing = volume ? std::vector<double>{4, 1.3, 1.3} : std::vector<double>{2, 1.5}};
    model.net = std::make_unique<nn::UNet>(model.spec.net, Random(3));
    model.net->train(false);
    const std::string run = folder.file(volume ? "v.safetensors" : "p.safetensors");
    nn::save_model(run, model);
    const data::Case one = framed(volume ? Shape{7, 19, 24} : Shape{37, 50}, 2, 1).cases[0];
    data::Image image;
    image.values = one.image;
    image.element = data::h5::Element::u16;
    image.spacing = volume ? std::vector<double>{5, 1, 1} : std::vector<double>{1, 1};
    image.physical = volume;
    const std::string ending = volume ? ".nii.gz" : ".png", source = folder.file("image" + ending);
    data::write_image(source, image);
    const nn::Prediction found = nn::predict_probabilities(model, one.image, {.spacing = image.spacing});
    CHECK(max(found.labels.to(DType::f32)).item() > 0);
    for (const std::string& out : {"mask" + ending, std::string("mask.h5")}) {
      const Outcome outcome =
          program({"predict", run, source, "-o", folder.file(out), "--probabilities", "--overwrite"});
      REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
      const Tensor mask =
          out == "mask.h5" ? data::LabelFile(folder.file(out)).read(0) : data::read_image(folder.file(out)).values;
      CHECK(mask.to_vector<int>() == found.labels.to_vector<int>());
    }
    CHECK(data::read_image(folder.file("mask" + ending)).extents() == one.label.shape());
  }
}

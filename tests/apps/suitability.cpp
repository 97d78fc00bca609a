// What a model remembers of its training images, and the words when another image differs from them.
#include "apps/training/suitability.h"

#include "data/writer.h"

#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Suitability;

namespace {

nn::ModelSpec spec_of(const nn::TrainingImages& training, nn::Normalisation::Kind kind, int dims = 3) {
  nn::ModelSpec spec;
  spec.net.dims = dims;
  spec.normalisation.kind = kind;
  spec.training = training;
  return spec;
}

data::Case scan(const std::vector<double>& spacing, double low, double high) {
  data::Case one;
  one.id = "scan";
  one.spacing = spacing;
  one.image = empty({4, 8, 8, 1});
  for (std::int64_t i = 0; i < one.image.numel(); ++i)
    one.image.data<float>()[i] = static_cast<float>(low + (high - low) * static_cast<double>(i % 17) / 16);
  return one;
}

std::vector<std::string> words_about(const nn::ModelSpec& spec, const std::vector<data::Case>& cases,
                                     bool physical = true) {
  std::vector<std::string> said;
  Suitability suitability(spec, [&](const std::string& words) { said.push_back(words); });
  for (const data::Case& one : cases) suitability.look_at(one, physical);
  suitability.finish();
  return said;
}

}  // namespace

TEST_CASE("the description of the training images holds their range of spacings and intensities, and their labels") {
  const Folder folder;
  data::DatasetContents contents = random_contents({{8, 9}, {10, 8}, {8, 8}}, 2, 2);
  contents.cases[0].spacing = {0.5, 2};
  contents.cases[2].spacing = {1, 3};
  data::write_dataset(folder.file("d.h5"), contents);
  const nn::TrainingImages images =
      apps::describe_images(data::Dataset::open(folder.file("d.h5")), {0, 2}, {{0, 0}, {3, 1}, {4, 1}});
  CHECK(images.least_spacing == std::vector<double>{0.5, 2});
  CHECK(images.most_spacing == std::vector<double>{1, 3});
  CHECK(images.spacing_unit == "mm");
  CHECK(images.orientation.empty());
  CHECK(images.class_values == std::vector<std::int64_t>{0, 3});
  REQUIRE(images.low.size() == 2);
  CHECK(images.low[0] >= 0);
  CHECK(images.low[0] < 20);
  CHECK(images.high[1] > 235);
  CHECK(images.high[1] <= 255);
}

TEST_CASE("spacing far outside the range of the training is said, once and with the number of cases") {
  const nn::ModelSpec spec = spec_of({.least_spacing = {3, 0.8, 0.8}, .most_spacing = {5, 1, 1}, .spacing_unit = "mm"},
                                     nn::Normalisation::Kind::zscore_case);
  CHECK(words_about(spec, {scan({2.5, 0.7, 1.2}, 0, 1)}).empty());
  const auto said = words_about(spec, {scan({3, 0.08, 0.08}, 0, 1), scan({3, 0.08, 0.08}, 0, 1)});
  REQUIRE(said.size() == 2);
  CHECK(contains(said[0], "its spacing is 3 x 0.08 x 0.08 mm, that of the training was 3 x 0.8 x 0.8 .. 5 x 1 x 1 mm"));
  CHECK(said[1] == "spacing: the same in 2 cases");
  CHECK(words_about(spec, {scan({1, 1, 1}, 0, 1)}, false).empty());  // pixels
  nn::ModelSpec resampling = spec;
  resampling.preparation.spacing = {3, 1, 1};
  CHECK(words_about(resampling, {scan({3, 0.3, 0.3}, 0, 1)}).empty());
  CHECK(words_about(resampling, {scan({0.5, 0.8, 0.8}, 0, 1)}).empty());  // thin slices, not another unit
  CHECK(contains(words_about(resampling, {scan({0.3, 0.08, 0.08}, 0, 1)}).at(0), "a unit is probably wrong"));
}

TEST_CASE("a grey picture is no image of three channels, unless these are colours") {
  nn::ModelSpec spec = spec_of({}, nn::Normalisation::Kind::zscore_case, 2);
  data::Case grey = scan({1, 1}, 0, 1);
  grey.image = empty({8, 8, 1});
  std::fill_n(grey.image.data<float>(), 64, 1.0F);
  grey.image.data<float>()[0] = 0;
  CHECK(words_about(spec, {grey}).empty());
  spec.net.in_channels = 3;
  CHECK(contains(words_about(spec, {grey}).at(0), "taken for red, green and blue"));
  spec.normalisation.kind = nn::Normalisation::Kind::rgb;
  CHECK(words_about(spec, {grey}).empty());
}

TEST_CASE("intensities are compared where the model takes them as they are") {
  const nn::TrainingImages training{.low = {-1000}, .high = {1500}};
  const nn::ModelSpec ct = spec_of(training, nn::Normalisation::Kind::zscore_dataset),
                      mr = spec_of(training, nn::Normalisation::Kind::zscore_case);
  CHECK(words_about(ct, {scan({1, 1, 1}, -900, 1000)}).empty());
  CHECK(words_about(ct, {scan({1, 1, 1}, 0, 255)}).empty());
  REQUIRE(words_about(ct, {scan({1, 1, 1}, 0, 1)}).size() == 1);
  CHECK(contains(words_about(ct, {scan({1, 1, 1}, 0, 1)})[0], "those of the training were -1000 .. 1500"));
  CHECK(words_about(ct, {scan({1, 1, 1}, 20000, 22000)}).size() == 1);
  CHECK(words_about(mr, {scan({1, 1, 1}, 20000, 22000)}).empty());
  CHECK(words_about(mr, {scan({1, 1, 1}, 7, 7)}).size() == 1);
  data::Case colours = scan({1, 1, 1}, -900, 1000);  // the model takes one of its channels, if they are equal
  colours.image = concat({colours.image, colours.image, colours.image}, -1);
  CHECK(words_about(ct, {colours}).empty());
}

TEST_CASE("how a volume lies is compared with what the model learned") {
  const nn::ModelSpec learned = spec_of({.spacing_unit = "mm", .orientation = "RAS"}, nn::Normalisation::Kind::none),
                      unknown = spec_of({.least_spacing = {1, 1, 1}, .most_spacing = {1, 1, 1}, .spacing_unit = "mm"},
                                        nn::Normalisation::Kind::none),
                      older = spec_of({}, nn::Normalisation::Kind::none),
                      of_others = spec_of({.spacing_unit = "mm"}, nn::Normalisation::Kind::none);
  data::Case lies = scan({1, 1, 1}, 0, 1), nowhere = lies;
  lies.affine = data::Affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  lies.orientation = "LPI";
  CHECK(words_about(learned, {lies}).empty());
  CHECK(contains(words_about(learned, {nowhere}).at(0), "does not say how it lies"));
  CHECK(contains(words_about(unknown, {lies}).at(0), "turned from LPI to RAS"));
  CHECK(words_about(unknown, {nowhere}).empty());
  CHECK(words_about(older, {lies}).empty());
  CHECK(words_about(of_others, {lies}).empty());
}

TEST_CASE("classes are compared by name and order, and both files with their lists are shown") {
  nn::Model model{{}, nullptr, "run/best.safetensors"};
  model.spec.class_names = {"background", "liver", "spleen"};
  data::DatasetInfo info;
  info.path = "d.h5";
  info.class_names = model.spec.class_names;
  apps::require_same_classes(model, info);
  info.class_names = {"background", "spleen", "liver"};
  const std::string words = error_of([&] { apps::require_same_classes(model, info); });
  CHECK(contains(words,
                 "d.h5: its classes are background, spleen, liver; those of the model run/best.safetensors are "
                 "background, liver, spleen"));
}

TEST_CASE("channels are made to fit where nothing is lost") {
  nn::ModelSpec spec;
  spec.net.dims = 2;
  spec.net.in_channels = 3;
  const Tensor grey = random_normal({4, 5, 1}, 1), three = apps::fit_channels(grey, spec, "x");
  CHECK(three.shape() == Shape{4, 5, 3});
  spec.net.in_channels = 1;
  CHECK(apps::fit_channels(three, spec, "x").to_vector<float>() == grey.to_vector<float>());
  CHECK(contains(error_of([&] {
                   apps::fit_channels(random_normal({4, 5, 3}, 1), spec, "x.png");
                 }),
                 "x.png: the image has 3 channels, the model takes 1"));
  CHECK(contains(error_of([&] {
                   apps::fit_channels(random_normal({4, 5, 5, 1}, 1), spec, "x.nii");
                 }),
                 "has 3 spatial axes, the model was trained on pictures (2)"));
}

TEST_CASE("an evaluation takes images as a prediction does, and refuses the same in the same words") {
  const Folder folder;
  const std::string set = phantom_file(folder, "nuclei2d", 4, {32, 32});
  nn::Model model;
  model.spec.net = {.dims = 2, .in_channels = 3, .classes = 2, .base = 4, .depth = 2};
  model.spec.window = {16, 16};
  model.spec.class_names = data::Dataset::open(set).info().class_names;
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(1));
  nn::save_model(folder.file("colour.safetensors"), model);
  CHECK(program({"evaluate", folder.file("colour.safetensors"), set, "--split", "all"}).code == 0);
  model.spec.net.in_channels = 2;
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(1));
  nn::save_model(folder.file("two.safetensors"), model);
  const Outcome two = program({"evaluate", folder.file("two.safetensors"), set, "--split", "all"});
  CHECK(two.code == 3);
  CHECK_MESSAGE(contains(two.err, "the image has 1 channel, the model takes 2"), two.err);
}

TEST_CASE("a map of imported labels leads from the values of the masks to the classes of the training") {
  const Folder folder;
  const data::DatasetContents contents = random_contents({{8, 9}, {10, 8}}, 1, 2);
  data::DatasetWriter writer(folder.file("d.h5"), {.class_names = {"background", "cell"},
                                                   .source_label_map = {{0, 0}, {255, 1}},
                                                   .class_colours = {{0, 0, 0}, {255, 0, 0}}});
  for (const data::Case& one : contents.cases) writer.add(one, data::h5::Element::f32);
  writer.save({});
  const data::Dataset dataset = data::Dataset::open(folder.file("d.h5"));
  const auto images = [&](const std::map<int, int>& map) { return apps::describe_images(dataset, {0, 1}, map); };
  using Values = std::vector<std::int64_t>;
  using Colours = std::vector<std::string>;
  CHECK(images({}).class_values == Values{0, 255});
  CHECK(images({{0, 1}, {1, 0}}).class_values == Values{255, 0});
  CHECK(images({{0, 1}, {1, 0}}).class_colours == Colours{"#ff0000", "#000000"});
  CHECK(images({{0, 0}, {1, 1}, {255, 0}}).class_values == Values{0, 255});
  CHECK(images({{0, 0}, {1, 1}, {255, 0}}).class_colours == Colours{"#000000", "#ff0000"});
}

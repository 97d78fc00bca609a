// The verb predict: images of every kind and datasets in, masks of the same kind and in the same place out, and nothing
// that is there already is lost.
#include <cmath>
#include <filesystem>

#include "apps/program/json.h"
#include "data/dataset.h"
#include "data/exchange/output.h"
#include "data/h5/h5_writer.h"
#include "data/label_file.h"
#include "nn/inference/windows.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
using data::Image, data::Kind;

namespace {

namespace fs = std::filesystem;

// A network that was never trained: its masks are as good as any other's for these tests.
std::string model_file(const Folder& folder, const std::string& name, int dims, std::int64_t channels,
                       const nn::TrainingImages& training = {}, std::uint64_t seed = 3) {
  nn::Model model;
  model.spec.net = {.dims = dims, .in_channels = channels, .classes = 3, .base = 4, .depth = 2};
  model.spec.window = Shape::filled(dims, 16);
  model.spec.class_names = {"background", "cell", "border of cell"};
  model.spec.training = training;
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(seed));
  nn::save_model(folder.file(name), model);
  return folder.file(name);
}

// Whole numbers 0 .. 255 that change smoothly, so that JPEG keeps them about right.
Image picture(const Shape& extents, std::int64_t channels, double phase = 0) {
  Image image;
  image.values = empty(extents + Shape{channels});
  image.element = data::h5::Element::u8;
  image.spacing.assign(static_cast<std::size_t>(extents.dims()), 1.0);
  float* values = image.values.data<float>();
  for (std::int64_t i = 0; i < image.values.numel(); ++i)
    values[i] = static_cast<float>(std::floor(127 + 100 * std::sin(phase + 0.05 * static_cast<double>(i % 997))));
  return image;
}

Outcome predict(std::vector<std::string> words, const std::string& out, const std::vector<std::string>& more = {}) {
  words.insert(words.begin(), "predict");
  words.insert(words.end(), {"-o", out});
  words.insert(words.end(), more.begin(), more.end());
  return program(words);
}

std::string refusal(const std::vector<std::string>& words, const std::string& out, int code,
                    const std::vector<std::string>& more = {}) {
  const Outcome outcome = predict(words, out, more);
  CHECK_MESSAGE(outcome.code == code, outcome.err);
  return outcome.err;
}

std::vector<float> values_of(const std::string& path) {
  REQUIRE_MESSAGE(fs::exists(path), path);
  return data::read_image(path).values.to_vector<float>();
}

std::vector<float> as_floats(const Tensor& labels) { return labels.to(DType::f32).to_vector<float>(); }

}  // namespace

TEST_CASE("a picture becomes a palette PNG with the labels as its values, and an overlay") {
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 2, 1), photo = folder.file("photo 1.png");
  const Image image = picture({37, 50}, 1);
  data::write_image(photo, image);
  const Outcome outcome = predict({model, photo}, folder.file("mask.png"), {"--overlay", "--probabilities", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const nn::Prediction expected = nn::predict_probabilities(nn::load_model(model), image.values);
  const Image mask = data::read_image(folder.file("mask.png"));
  CHECK(mask.values.to_vector<float>() == as_floats(expected.labels));
  REQUIRE(mask.palette.size() >= 3);
  CHECK(mask.palette[0] == data::Colour{0, 0, 0});
  CHECK(mask.palette[1] != mask.palette[2]);
  CHECK(data::kind_of_file(folder.file("mask_overlay.png")) == Kind::png);
  const std::vector<float> probability = values_of(folder.file("mask_probabilities_2_border_of_cell.png"));
  CHECK(std::abs(probability[100] / 65535 - expected.probabilities.data<float>()[302]) < 1e-5f);
  CHECK(Json::parse(outcome.out)["written"].size() == 5);
}

TEST_CASE("a folder of pictures of several kinds and sizes becomes a folder of masks") {
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 2, 3), in = folder.file("in"), out = folder.file("out");
  fs::create_directories(in + "/more");
  Image grey = picture({20, 31}, 1);
  data::write_image(in + "/grey.png", grey);
  data::write_image(in + "/more/colour.png", picture({33, 20}, 3));
  Image clear = picture({16, 16}, 4);
  for (std::int64_t i = 3; i < clear.values.numel(); i += 4) clear.values.data<float>()[i] = 255;
  data::write_image(in + "/opaque.png", clear);
  if (data::has_tiff()) data::write_image(in + "/stack.tif", picture({18, 19}, 3));
  write_bytes(in + "/notes.txt", "no image");
  const Outcome outcome = predict({model, in}, out);
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const nn::Model loaded = nn::load_model(model);
  Tensor three = empty({20, 31, 3});
  for (std::int64_t i = 0; i < three.numel(); ++i) three.data<float>()[i] = grey.values.data<float>()[i / 3];
  CHECK(values_of(out + "/grey.png") == as_floats(nn::predict(loaded, three)));
  CHECK(data::read_image(out + "/opaque.png").extents() == Shape{16, 16});
  CHECK(std::distance(fs::directory_iterator(out), fs::directory_iterator()) == (data::has_tiff() ? 4 : 3));
  // Once more: what is there is not replaced without a word.
  CHECK(contains(refusal({model, in}, out, 2), "exists already"));
  CHECK(predict({model, in}, out, {"--overwrite"}).code == 0);
}

TEST_CASE("a volume that lies otherwise gives the same mask, in the place of its file") {
  if (!data::has_nifti()) return;
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 3, 1, {.spacing_unit = "mm", .orientation = "RAS"});
  Image upright = picture({10, 12, 14}, 1);
  upright.physical = true;
  upright.element = data::h5::Element::i16;
  upright.affine = data::Affine{{{1, 0, 0, -5}, {0, 1.5, 0, 7}, {0, 0, 2, 9}}};
  upright.spacing = data::spacing_of(*upright.affine);
  // The same voxels as a scanner stores them that goes from left to right and feet to head in other order.
  data::Turn turn{{2, 0, 1}, {true, false, true}};
  Image turned = upright;
  turned.values = turn(upright.values);
  turned.affine = turn(*upright.affine, upright.extents());
  turned.spacing = turn(upright.spacing);
  data::write_image(folder.file("upright.nii"), upright);
  data::write_image(folder.file("turned.nii.gz"), turned);
  REQUIRE(predict({model, folder.file("upright.nii")}, folder.file("a.nii.gz")).code == 0);
  const Outcome outcome =
      predict({model, folder.file("turned.nii.gz")}, folder.file("b.nii"), {"--overlay", "--probabilities"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Image a = data::read_image(folder.file("a.nii.gz")), b = data::read_image(folder.file("b.nii"));
  CHECK(turn(a.values).to_vector<float>() == b.values.to_vector<float>());
  CHECK(max(a.values).item() > 0);
  REQUIRE(b.affine.has_value());
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t column = 0; column < 4; ++column)
      CHECK((*b.affine)[row][column] == doctest::Approx((*turned.affine)[row][column]));
  const Image scores = data::read_image(folder.file("b_probabilities.nii.gz"));
  CHECK(scores.channels() == 3);
  CHECK(scores.extents() == b.extents());
  // As HDF5 the mask is in the order of the file as well; who reads it turns it to RAS.
  REQUIRE(predict({model, folder.file("turned.nii.gz")}, folder.file("c.h5"), {"--probabilities"}).code == 0);
  const data::LabelFile file(folder.file("c.h5"));
  CHECK(as_floats(file.read(0)) == a.values.to_vector<float>());
  CHECK(data::h5::File::open(folder.file("c.h5")).array("/cases/turned/label").extents() == b.extents());
}

TEST_CASE("masks have the values and the colours that the masks of the training had") {
  const Folder folder;
  const std::string model = model_file(
      folder, "m.safetensors", 2, 1, {.class_values = {0, 255, 7}, .class_colours = {"#000000", "#ff0000", "#00ff00"}});
  const Image image = picture({20, 20}, 1);
  data::write_image(folder.file("a.png"), image);
  REQUIRE(predict({model, folder.file("a.png")}, folder.file("mask.png")).code == 0);
  const Image mask = data::read_image(folder.file("mask.png"));
  std::vector<float> expected = as_floats(nn::predict(nn::load_model(model), image.values));
  for (float& value : expected) value = value == 1 ? 255.0f : value == 2 ? 7.0f : 0.0f;
  CHECK(mask.values.to_vector<float>() == expected);
  REQUIRE(mask.palette.size() == 256);
  CHECK(mask.palette[255] == data::Colour{255, 0, 0});
  CHECK(mask.palette[7] == data::Colour{0, 255, 0});
}

TEST_CASE("an output that cannot be, or that something else needs, is refused before anything is written") {
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 2, 1), a = folder.file("a.png");
  data::write_image(a, picture({20, 20}, 1));
  fs::create_directories(folder.file("other"));
  data::write_image(folder.file("other/a.png"), picture({20, 20}, 1));
  const std::string set = phantom_file(folder, "nuclei2d", 4, {32, 32});
  CHECK(contains(refusal({model, a}, folder.file("m.jpg"), 2), "JPEG changes the values"));
  CHECK(contains(refusal({model, a}, folder.file("m.bmp"), 2), "BMP and GIF are only read"));
  CHECK(contains(refusal({model, a}, folder.file("m.webp"), 2), "no known ending"));
  CHECK(contains(refusal({model, a}, folder.file("no/m.png"), 5), "there is no folder"));
  const std::string volumes = model_file(folder, "v.safetensors", 3, 1);
  fs::create_directories(folder.file("sets"));
  fs::copy(phantom_file(folder, "organ3d", 3, {16, 16, 16}), folder.file("sets/a.h5"));
  {
    const std::vector<std::uint8_t> zero(64, 0);
    data::h5::Writer raw(folder.file("raw.h5"));
    raw.array("/raw", data::h5::Element::u8, {4, 4, 4}, zero.data());
    raw.save();
  }
  CHECK(contains(refusal({volumes, folder.file("raw.h5")}, folder.file("m.png"), 2), "holds no volume"));
  CHECK(contains(refusal({volumes, folder.file("sets")}, folder.file("out"), 3), "one by one"));
  CHECK(contains(refusal({model, set}, folder.file("m.png"), 2), "is a dataset"));
  CHECK(contains(refusal({model, set}, folder.file("m.nii.gz"), 2), "is a dataset"));
  CHECK(contains(refusal({model, a}, a, 2), "is the input"));
  CHECK(contains(refusal({model, a, set}, folder.file("m.png"), 2), "name a folder"));
  CHECK(contains(refusal({model, folder.file("other")}, folder.file("m.png"), 2), "name a folder"));
  CHECK(contains(refusal({model, a, folder.file("other/a.png")}, folder.file("out"), 2), "would both be written to"));
  CHECK(!fs::exists(folder.file("out")));
  fs::copy(a, folder.file("a_overlay.png"));
  CHECK(contains(refusal({model, a, folder.file("a_overlay.png")}, folder.file("out"), 2, {"--overlay"}),
                 "would both be written to"));
  CHECK(contains(refusal({model, folder.file("nothing.png")}, folder.file("m.png"), 5), "there is no such file"));
  fs::create_directories(folder.file("empty"));
  CHECK(contains(refusal({model, folder.file("empty")}, folder.file("out"), 3), "no images"));
  CHECK(contains(refusal({model}, folder.file("out"), 2), "input"));
  CHECK(values_of(a) == picture({20, 20}, 1).values.to_vector<float>());
}

TEST_CASE("an image that the model cannot take is refused with both sides; one that differs is warned about") {
  const Folder folder;
  nn::TrainingImages training{.least_spacing = {1, 1, 1}, .most_spacing = {1, 1, 2}, .spacing_unit = "mm"};
  const std::string grey = model_file(folder, "grey.safetensors", 2, 1),
                    volume = model_file(folder, "volume.safetensors", 3, 1, training);
  data::write_image(folder.file("colour.png"), picture({20, 20}, 3));
  const std::string colour = refusal({grey, folder.file("colour.png")}, folder.file("m.png"), 3);
  CHECK_MESSAGE(contains(colour, "the image has 3 channels, the model takes 1"), colour);
  const std::string flat = refusal({volume, folder.file("colour.png")}, folder.file("m.png"), 3);
  CHECK_MESSAGE(contains(flat, "has 2 spatial axes, the model was trained on volumes (3)"), flat);
  Image nothing = picture({20, 20}, 1);
  nothing.values = zeros({20, 20, 1});
  data::write_image(folder.file("black.png"), nothing);
  const Outcome black = predict({grey, folder.file("black.png")}, folder.file("m.png"));
  CHECK(black.code == 0);
  CHECK_MESSAGE(contains(black.err, "all voxels have the value 0"), black.err);
  if (!data::has_nifti()) return;
  Image scan = picture({10, 12, 14}, 1);
  scan.physical = true;
  scan.affine = data::Affine{{{0.05, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  scan.spacing = data::spacing_of(*scan.affine);
  data::write_image(folder.file("scan.nii.gz"), scan);
  const Outcome outcome = predict({volume, folder.file("scan.nii.gz")}, folder.file("m.nii.gz"), {"--json"});
  CHECK(outcome.code == 0);
  CHECK_MESSAGE(contains(outcome.err, "its spacing is 1 x 1 x 0.05 mm, that of the training was"), outcome.err);
  CHECK(Json::parse(outcome.out)["warnings"].size() == 2);  // the training's files did not say how they lie
}

TEST_CASE("a model of several channels wants all of them, and finds them beside the first") {
  if (!data::has_nifti()) return;
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 3, 2);
  const auto write = [&](const std::string& name, double phase) {
    Image image = picture({8, 9, 10}, 1, phase);
    data::write_image(folder.file(name), image);
  };
  write("brain_0000.nii.gz", 0);
  const std::string brain = folder.file("brain_0000.nii.gz"), all = folder.file("all_0000.nii.gz");
  CHECK(contains(refusal({model, brain}, folder.file("m.nii.gz"), 3), "the image has 1 channel, the model takes 2"));
  write("brain_0001.nii.gz", 1);
  CHECK(predict({model, brain}, folder.file("m.nii.gz")).code == 0);
  const std::string three = model_file(folder, "three.safetensors", 3, 3);
  CHECK(contains(refusal({three, brain}, folder.file("t.nii.gz"), 3), "brain_0002.nii.gz is not there"));
  data::write_image(all, picture({8, 9, 10}, 2));  // both along the fourth axis
  CHECK(predict({model, all}, folder.file("all.nii.gz")).code == 0);
  write("lone.nii.gz", 0);
  CHECK(contains(refusal({model, folder.file("lone.nii.gz")}, folder.file("n.nii.gz"), 3),
                 "the image has 1 channel, the model takes 2"));
}

TEST_CASE("channels of a folder that are pictures of their own make one mask for each case") {
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 2, 3), in = folder.file("in"), out = folder.file("out");
  fs::create_directories(in);
  for (const char* name : {"a_0000", "a_0001", "a_0002", "b_0000", "b_0001", "b_0002"})
    data::write_image(in + "/" + name + ".png", picture({20, 20}, 1, name[5]));
  REQUIRE(predict({model, in}, out).code == 0);
  CHECK(fs::exists(out + "/a.png"));
  CHECK(fs::exists(out + "/b.png"));
  CHECK(std::distance(fs::directory_iterator(out), fs::directory_iterator()) == 2);
  REQUIRE(predict({model, in + "/a_0000.png", in + "/a_0001.png", in + "/a_0002.png"}, folder.file("one")).code == 0);
  CHECK(values_of(folder.file("one/a.png")) == values_of(out + "/a.png"));
  CHECK(std::distance(fs::directory_iterator(folder.file("one")), fs::directory_iterator()) == 1);
  fs::remove(in + "/b_0002.png");
  CHECK(contains(refusal({model, in}, folder.file("other"), 3), "case b has 2 channels, others have 3"));
  for (int i = 3; i < 6; ++i) data::write_image(in + text("/a_000", i, ".png"), picture({20, 20}, 3));
  CHECK(predict({model, in}, folder.file("frames")).code == 0);  // numbers of cases
  CHECK(predict({model, in + "/a_0000.png"}, folder.file("frame.png")).code == 0);
  CHECK(values_of(folder.file("frame.png")) == values_of(folder.file("frames/a_0000.png")));
  data::write_image(folder.file("lone_0000.png"), picture({20, 20}, 3));
  CHECK(predict({model, folder.file("lone_0000.png")}, folder.file("colours.png")).code == 0);
}

TEST_CASE("HDF5 files of others become masks in a folder, and datasets get a folder of pictures") {
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 3, 1);
  fs::create_directories(folder.file("in"));
  data::h5::Writer out(folder.file("in/stack.h5"));
  const std::vector<float> values = picture({8, 9, 10}, 1).values.to_vector<float>();
  out.array("/raw", data::h5::Element::f32, {8, 9, 10}, values.data());
  out.save();
  const Outcome outcome = predict({model, folder.file("in")}, folder.file("out"));
  CHECK_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(data::LabelFile(folder.file("out/stack.h5")).extents(0) == Shape{8, 9, 10});
  const std::string set = phantom_file(folder, "nuclei2d", 4, {32, 32}),
                    flat = model_file(folder, "f.safetensors", 2, 1);
  CHECK(contains(refusal({flat, set}, folder.file("p.h5"), 3), "its classes are"));
  CHECK(contains(refusal({set, folder.file("in/stack.h5")}, folder.file("p.h5"), 2), "is no run and no model"));
}

TEST_CASE("one array of an HDF5 file can be named") {
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 2, 1), file = folder.file("f.h5");
  data::h5::Writer out(file);
  const std::vector<float> values = picture({16, 18}, 1).values.to_vector<float>();
  for (const char* name : {"/one", "/two"}) out.array(name, data::h5::Element::f32, {16, 18}, values.data());
  out.save();
  CHECK(contains(refusal({model, file}, folder.file("m.h5"), 3), "name the arrays: FILE.h5:/image"));
  const Outcome outcome = predict({model, file + ":/two"}, folder.file("m.h5"), {"--axes", "YX"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(data::LabelFile(folder.file("m.h5")).extents(0) == Shape{16, 18});
  CHECK(contains(refusal({model, file + "5:/two"}, folder.file("n.h5"), 5), "there is no such file"));
}

TEST_CASE("each case of a dataset has an overlay of its own, whatever its name") {
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 2, 1), set = folder.file("set.h5");
  data::DatasetContents contents = random_contents(std::vector<Shape>(3, {16, 16}), 1, 3);
  contents.class_names = {"background", "cell", "border of cell"};
  contents.cases[0].id = "a/b";
  contents.cases[1].id = "a b";
  data::write_dataset(set, contents);
  const Outcome outcome = predict({model, set}, folder.file("out.h5"), {"--overlay"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  for (const char* name : {"a_b.png", "a_b_.png", "img_002.png"})
    CHECK_MESSAGE(fs::exists(folder.file(std::string("out_overlays/") + name)), std::string(name));
}

TEST_CASE(
    "predictions of an imported dataset are exported as the files that it was made of, also if all have one size") {
  if (!data::has_tiff()) return;
  const Folder folder;
  const std::string model = model_file(folder, "m.safetensors", 2, 1);
  fs::create_directories(folder.file("in"));
  for (const char* name : {"in/a.tif", "in/b.tif"}) data::write_image(folder.file(name), picture({20, 24}, 1));
  const Outcome imported = program({"import", folder.file("in"), "--unlabelled", "-o", folder.file("set.h5")});
  REQUIRE_MESSAGE(imported.code == 0, imported.err);
  REQUIRE(predict({model, folder.file("set.h5")}, folder.file("p.h5")).code == 0);
  const data::LabelFile file(folder.file("p.h5"));
  CHECK(file.place(1).origin.kind == Kind::tiff);
  REQUIRE(program({"export", folder.file("p.h5"), "-o", folder.file("masks")}).code == 0);
  CHECK(values_of(folder.file("masks/b.tif")) == as_floats(file.read(1)));
}

TEST_CASE("several models are averaged") {
  const Folder folder;
  const std::string a = model_file(folder, "a.safetensors", 2, 1, {}, 3),
                    b = model_file(folder, "b.safetensors", 2, 1, {}, 4);
  const Image image = picture({40, 20}, 1);
  data::write_image(folder.file("x.png"), image);
  REQUIRE(predict({a, b, folder.file("x.png")}, folder.file("p.h5"), {"--probabilities"}).code == 0);
  const Tensor mean = 0.5 * (nn::predict_probabilities(nn::load_model(a), image.values).probabilities +
                             nn::predict_probabilities(nn::load_model(b), image.values).probabilities);
  const data::LabelFile file(folder.file("p.h5"));
  CHECK(allclose(file.read_probabilities(0), mean, 1e-6, 1e-6));
  CHECK(same<std::uint8_t>(file.read(0), argmax(mean)));
  const std::string written = data::h5::File::open(folder.file("p.h5")).group("/").string_attribute("model");
  CHECK_MESSAGE(written == a + ", " + b, written);
}

TEST_CASE("an image that cannot be resampled is named") {
  const Folder folder;
  const std::string set = phantom_file(folder, "nuclei2d", 4, {32, 32});
  nn::Model model = nn::load_model(model_file(folder, "m.safetensors", 2, 1));
  model.spec.class_names = data::Dataset::open(set).info().class_names;
  model.spec.net.classes = std::ssize(model.spec.class_names);
  model.spec.preparation.spacing = {1000, 1000};
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(3));
  nn::save_model(folder.file("coarse.safetensors"), model);
  const std::string id = data::Dataset::open(set).info().case_ids.front();
  const std::string all = refusal({folder.file("coarse.safetensors"), set}, folder.file("p.h5"), 3);
  CHECK_MESSAGE(contains(all, set + ": case \"" + id + "\": prepare: the spacing of the image is"), all);
  const Outcome measured = program({"evaluate", folder.file("coarse.safetensors"), set, "--split", "all"});
  CHECK_MESSAGE(contains(measured.err, set + ": case \"" + id + "\": prepare: the spacing of the image is"),
                measured.err);
}

TEST_CASE("logits are written as the losses are evaluated on them") {
  const Folder folder;
  const std::string set = phantom_file(folder, "nuclei2d", 4, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(set, run)).code == 0);
  REQUIRE(predict({run, set}, folder.file("l.h5"), {"--logits"}).code == 0);
  const Outcome outcome = program({"losses", "eval", "ce", folder.file("l.h5"), "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const double value = Json::parse(outcome.out)["value"];
  CHECK(value > 0.01);  // of the truth, not of the network's own labels
  CHECK(value < 3);
  CHECK(contains(refusal({run, set}, folder.file("l.png"), 2, {"--logits"}), "is a dataset"));
  CHECK(program({"metrics", folder.file("l.h5"), set}).code == 3);  // they would be perfect
  // The spacing stands at the labels, and a loss in millimetres is measured with it.
  const std::vector<double> spacing = data::Dataset::open(set).info().spacings.front();
  REQUIRE(spacing[0] != 1);
  REQUIRE(spacing[0] == spacing[1]);
  const auto value_of = [&](const std::string& loss) {
    return Json::parse(program({"losses", "eval", loss, folder.file("l.h5"), "--json"}).out)["value"].get<double>();
  };
  CHECK(value_of("boundary:unit=mm") == doctest::Approx(spacing[0] * value_of("boundary")));
}

TEST_CASE("logits of volumes that are stored in the order RAS, as imported ones, are one array") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("organ3d", {3, {16, 16, 16}, 1});
  contents.class_names = {"background", "cell", "border of cell"};
  for (data::Case& one : contents.cases) {
    one.spacing = {3, 1, 1};
    one.orientation = "RAS";
    one.affine = data::Affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 3, 0}}};
  }
  data::write_dataset(folder.file("set.h5"), contents);
  const std::string model = model_file(folder, "m.safetensors", 3, 1);
  const Outcome outcome = predict({model, folder.file("set.h5")}, folder.file("l.h5"), {"--logits"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(program({"losses", "eval", "ce", folder.file("l.h5"), "--json"}).code == 0);
}

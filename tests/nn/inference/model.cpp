// A model is the same after it was saved and loaded. Every wrong number in a file is refused with its key and its file.
#include "nn/inference/model.h"

#include <limits>

#include "engine/backend.h"
#include "nn/inference/windows.h"
#include "tests/files.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using nn::Model;
using nn::ModelSpec;
using nn::UNet;
using nn::UNetConfig;
using test::contains;
using test::error_of;
using test::Folder;
using test::same_bits;

namespace {

ModelSpec small_spec() {
  ModelSpec spec;
  spec.net = {.in_channels = 2, .classes = 3, .base = 4, .depth = 3, .strides = {{2, 2}, {1, 2}}};
  spec.normalisation = {nn::Normalisation::Kind::zscore_dataset, {0.1, -3}, {1e-3, 17}, {-1e3, -7}, {3e3, 1e9}};
  spec.window = {8, 16};
  spec.class_names = {"background", "a \"b\"", "\xC3\xBC"};
  spec.training = {.least_spacing = {0.5, 1},
                   .most_spacing = {0.5, 3},
                   .spacing_unit = "mm",
                   .orientation = "",
                   .low = {-1000, 0},
                   .high = {1e9, 1e-9},
                   .class_values = {0, 4, 65535},
                   .class_colours = {"#000000", "#ff0000", "#00ff00"}};
  return spec;
}

Model make(const ModelSpec& spec) {
  Model model{spec, std::make_unique<UNet>(spec.net, Random(4)), "made"};
  model.net->train(false);
  return model;
}

// A file of small_spec() with `from` replaced by `to` in its description.
TensorFile edited(const std::string& from, const std::string& to) {
  TensorFile file{make(small_spec()).net->state(), {}};
  std::string description = nn::to_text(small_spec());
  const std::size_t at = description.find(from);
  REQUIRE(at != std::string::npos);
  file.metadata["model"] = description.replace(at, from.size(), to);
  return file;
}

std::string refusal(const TensorFile& file) {
  const Folder folder;
  save_tensors(folder.file("m.safetensors"), file);
  try {
    nn::load_model(folder.file("m.safetensors"));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::model);
    CHECK(contains(error.what(), "m.safetensors: "));
    return error.what();
  }
  return "";
}

std::string refusal(const std::string& from, const std::string& to) { return refusal(edited(from, to)); }

// A description by the first version of the program.
constexpr const char* kOldDescription =
    R"({"network":"unet","dims":2,"in_channels":2,"classes":3,"base":4,"max_channels":320,"depth":3,)"
    R"("norm":"instance","residual":false,"dropout":0.0,"deep_supervision":false,"strides":[[2,2],[1,2]],)"
    R"("patch":[8,16],"class_names":["background","x","y"],)"
    R"("normalisation":{"kind":"case","mean":[],"deviation":[]}})";

}  // namespace

TEST_CASE("a model comes back from its file, from memory, and predicts the same bits") {
  const Folder folder;
  const Model model = make(small_spec());
  const std::string path = folder.file("m.safetensors");
  nn::save_model(path, model);
  const Model loaded = nn::load_model(path);
  const std::string bytes = test::bytes_of(path);
  const Model parsed = nn::parse_model(std::as_bytes(std::span(bytes)), "memory");
  CHECK(loaded.path == path);
  CHECK(parsed.path == "memory");
  CHECK(!loaded.net->training());
  const Tensor image = random_normal({19, 23, 2}, 6);
  const nn::Prediction expected = nn::predict_probabilities(model, image);
  for (const Model* other : {&loaded, &parsed}) {
    CHECK(nn::to_text(other->spec) == nn::to_text(model.spec));
    CHECK(other->spec.class_names == model.spec.class_names);
    CHECK(other->spec.normalisation.deviation == model.spec.normalisation.deviation);
    CHECK(other->spec.net.strides == model.spec.net.strides);
    const nn::Prediction prediction = nn::predict_probabilities(*other, image);
    CHECK(same_bits(prediction.probabilities, expected.probabilities));
    CHECK(same_bits(prediction.labels, expected.labels));
  }
  nn::save_model(folder.file("again"), loaded);
  CHECK(test::bytes_of(folder.file("again")) == bytes);
}

TEST_CASE("every field of the configuration is saved") {
  ModelSpec spec = small_spec();
  spec.net = {.dims = 3,
              .in_channels = 2,
              .classes = 3,
              .base = 3,
              .max_channels = 5,
              .widths = {4, 6},
              .depth = 2,
              .norm = nn::Norm::group,
              .activation = Activation::relu,
              .slope = 0.2,
              .residual = true,
              .dropout = 0.1,
              .upsampling = Upsampling::nearest,
              .transposed = false,
              .deep_supervision = true,
              .strides = {{1, 2, 3}},
              .kernels = {{1, 3, 3}, 3},
              .strided = true,
              .init = nn::Init::orthogonal};
  spec.window = {4, 4, 6};
  spec.training.orientation = "RAS";
  spec.training.least_spacing = spec.training.most_spacing = {3, 1, 0.5};
  spec.preparation = {.crop = true, .spacing = {0.5, 2, 1}};
  spec.mirror_axes = {0, 1, 1};
  spec.mirror = true;
  spec.clean_up = {.foreground = true, .classes = {0, 1, 0}};
  const ModelSpec read = nn::parse_spec(nn::to_text(spec));
  CHECK(nn::to_text(read) == nn::to_text(spec));
  CHECK(read.training.most_spacing == spec.training.most_spacing);
  CHECK(read.preparation.crop);
  CHECK(read.preparation.spacing == std::vector<double>{0.5, 2, 1});
  CHECK(read.mirror_axes == std::vector<std::int64_t>{0, 1, 1});
  CHECK(read.mirror);
  CHECK(read.clean_up.foreground);
  CHECK(read.clean_up.classes == spec.clean_up.classes);
  CHECK(read.training.orientation == "RAS");
  CHECK(read.training.spacing_unit == "mm");
  CHECK(read.training.high == std::vector<double>{1e9, 1e-9});
  CHECK(read.training.class_values == std::vector<std::int64_t>{0, 4, 65535});
  CHECK(read.training.class_colours.back() == "#00ff00");
  CHECK(read.net.activation == Activation::relu);
  CHECK(read.net.upsampling == Upsampling::nearest);
  CHECK(!read.net.transposed);
  CHECK(read.net.init == nn::Init::orthogonal);
  CHECK(read.net.dropout == 0.1);
  CHECK(read.net.slope == 0.2);
  CHECK(read.net.strided);
  CHECK(read.net.widths == spec.net.widths);
  CHECK(read.net.strides == spec.net.strides);
  // No field above has its default, so a field that is not written would be read as another value.
  nn::UNetConfig defaults;
  const std::string text = nn::to_text(spec);
  nn::visit_fields(defaults, [&](const char* name, const auto&...) {
    CHECK_MESSAGE(contains(text, std::string("\"") + name + "\":"), name);
  });
}

TEST_CASE("a file that is older than some keys loads with the defaults of its time") {
  TensorFile file{make(small_spec()).net->state(), {{"model", kOldDescription}}};
  CHECK(refusal(file).empty());
  const ModelSpec spec = nn::parse_spec(kOldDescription);
  CHECK(spec.net.activation == Activation::leaky_relu);
  CHECK(spec.net.upsampling == Upsampling::linear);
  CHECK(spec.net.transposed);
  CHECK(spec.net.slope == 0.01);
  CHECK(spec.net.widths.empty());
  CHECK(!spec.net.strided);
  // A missing key of any other name is an error.
  const std::string old = kOldDescription;
  for (const char* key :
       {"network", "dims", "in_channels", "classes", "base", "max_channels", "depth", "norm", "residual", "dropout",
        "deep_supervision", "strides", "patch", "class_names", "normalisation"}) {
    std::string without = old;
    without.replace(without.find(std::string("\"") + key + "\":") + 1, 1, "_");
    CHECK_MESSAGE(contains(error_of([&] { nn::parse_spec(without); }), std::string("\"") + key + "\" is absent"), key);
  }
}

TEST_CASE("the optimiser and the average of a checkpoint are left alone, damaged or not") {
  TensorFile file = edited("unet", "unet");
  file.tensors.push_back({"optim.first", full({3}, std::numeric_limits<double>::quiet_NaN())});
  file.tensors.push_back({"ema.parameters", zeros({3})});
  CHECK(refusal(file).empty());
  file.tensors.push_back({"stranger", zeros({3})});
  CHECK(contains(refusal(file), "\"stranger\" is left over"));
}

TEST_CASE("numbers outside their range are named") {
  const char* large = "4294967298";  // becomes 2 if only 32 bits are read
  CHECK(contains(refusal("\"dims\":2", std::string("\"dims\":") + large),
                 "metadata \"model\": \"dims\" is 4.29497e+09, must be a whole number 2 .. 3"));
  CHECK(contains(refusal("\"depth\":3", std::string("\"depth\":") + large), "\"depth\" is"));
  CHECK(contains(refusal("\"depth\":3", "\"depth\":0"), "\"depth\" is 0, must be a whole number 1 .. 10"));
  CHECK(contains(refusal("\"depth\":3", "\"depth\":3.0"), "\"depth\" is 3, must be a whole number"));
  CHECK(contains(refusal("\"depth\":3", "\"depth\":\"3\""), "\"depth\" is no number"));
  CHECK(contains(refusal("\"classes\":3", "\"classes\":256"), "\"classes\" is 256"));
  CHECK(contains(refusal("\"in_channels\":2", "\"in_channels\":-1"), "\"in_channels\" is -1"));
  CHECK(contains(refusal("\"base\":4", "\"base\":65537"), "\"base\" is 65537"));
  CHECK(contains(refusal("\"base\":4", "\"base\":1000000000000000000000"), "\"base\" is 1e+21"));
  CHECK(contains(refusal("\"max_channels\":320", "\"max_channels\":3"), "max_channels is 3, must be 4"));
  CHECK(contains(refusal("\"dropout\":0.0", "\"dropout\":1.5"), "dropout is 1.5"));
  CHECK(contains(refusal("\"dropout\":0.0", "\"dropout\":null"), "\"dropout\" is no number"));
  CHECK(contains(refusal("\"residual\":false", "\"residual\":0"), "\"residual\" is neither true nor false"));
  CHECK(contains(refusal("\"transposed\":true", "\"transposed\":1"), "\"transposed\" is neither"));
  CHECK(contains(refusal("\"norm\":\"instance\"", "\"norm\":\"layer\""), "\"norm\" is unknown: \"layer\""));
  CHECK(contains(refusal("\"activation\":\"leaky_relu\"", "\"activation\":\"gelu\""), "\"activation\" is unknown"));
  CHECK(contains(refusal("\"network\":\"unet\"", "\"network\":\"vnet\""), "\"network\" is unknown"));
  CHECK(contains(refusal("[[2,2],[1,2]]", "[[2,2],[0,2]]"), "\"strides\" is 0, must be a whole number 1 .. 6"));
  CHECK(contains(refusal("[[2,2],[1,2]]", "[[2,2],[2]]"), "\"strides\" has an entry of 1 axes"));
  CHECK(contains(refusal("[[2,2],[1,2]]", "[[2,2],[1,2,3,4]]"), "more than 3 axes"));
  CHECK(contains(refusal("[[2,2],[1,2]]", "[[2,2]]"), "1 strides for depth 3"));
  CHECK(contains(refusal("[[2,2],[1,2]]", "7"), "\"strides\" is no list"));
  CHECK(contains(refusal("\"kernels\":[]", "\"kernels\":[[3,3]]"), "kernels: 1 kernels for depth 3"));
  CHECK(contains(refusal("\"kernels\":[]", "\"kernels\":[[3,3],[2,3],[3,3]]"),
                 "kernels: 2 along axis 0, must be 1 or 3"));
  std::string many = "[[6,6]";
  for (int i = 0; i < 30; ++i) many += ",[6,6]";
  CHECK(contains(refusal("[[2,2],[1,2]]", many + "]"), "31 strides for depth 3"));
  CHECK(contains(refusal("\"patch\":[8,16]", "\"patch\":[2147483648,2147483648]"), "\"patch\" is 2.14748e+09"));
  CHECK(contains(refusal("\"patch\":[8,16]", "\"patch\":[4611686018427387904,2]"), "\"patch\" is 4.61169e+18"));
  CHECK(contains(refusal("\"patch\":[8,16]", "\"patch\":[65536,65536]"), "more than 268435456 voxels"));
  CHECK(contains(refusal("\"patch\":[8,16]", "\"patch\":[8,0]"), "\"patch\" is 0"));
  CHECK(contains(refusal("\"patch\":[8,16]", "\"patch\":[8,18]"), "extent 18 of axis 1 is no multiple of 4"));
  CHECK(contains(refusal("\"patch\":[8,16]", "\"patch\":[8]"), "1 extents for 2 axes"));
  CHECK(contains(refusal("\"patch\":[8,16]", "\"patch\":[8,8,8,8,8,8,8]"), "at most 6 extents"));
  CHECK(contains(refusal("\"background\",", ""), "2 names for 3 classes"));
  CHECK(contains(refusal("\"classes\":3", "\"classes\":1"), "a model needs a channel for each class"));
  CHECK(contains(refusal("\"background\"", "3"), "\"class_names\" is no text"));
  CHECK(contains(refusal("\"kind\":\"dataset\"", "\"kind\":\"x\""), "\"normalisation.kind\" is unknown"));
  CHECK(contains(refusal("[0.001,17.0]", "[0.0,17.0]"), "deviation 0"));
  CHECK(contains(refusal("[0.001,17.0]", "[-1,17.0]"), "deviation -1"));
  CHECK(contains(refusal("[0.001,17.0]", "[1]"), "2 means and 1 deviations"));
  CHECK(contains(refusal("[0.001,17.0]", "[1e999,1]"), "a number that double does not hold"));
  CHECK(contains(refusal("[0,4,65535]", "[0,4,65536]"), "\"training.class_values\" is 65536, must be a whole number"));
  CHECK(contains(refusal("[0,4,65535]", "[0,4]"), "\"training.class_values\" has 2 entries, must have 3 or none"));
  CHECK(contains(refusal("\"mm\"", "7"), "\"training.spacing_unit\" is no text"));
  CHECK(contains(refusal("\"most_spacing\":[0.5,3.0]", "\"most_spacing\":[0.5,1e10]"), "most_spacing\" has 1e+10"));
  CHECK(contains(refusal("\"least_spacing\":[0.5,1.0]", "\"least_spacing\":[1e-30,1.0]"), "has 1e-30"));
  CHECK(contains(refusal("{\"kind\"", "[{\"kind\""), "metadata \"model\": line 1"));
  CHECK(contains(refusal("{\"network\"", "[1,{\"network\""), "metadata \"model\": line 1"));
}

TEST_CASE("a window of too many voxels is refused whatever its axes") {
  ModelSpec spec = small_spec();
  spec.net.dims = 3;
  spec.net.strides = {{1, 1, 1}, {1, 1, 1}};
  spec.training = {};
  for (const Shape& window : {Shape{65536, 65536, 1}, Shape{1, 65536, 4097}}) {
    spec.window = window;
    CHECK(contains(error_of([&] { nn::parse_spec(nn::to_text(spec)); }), "more than 268435456 voxels"));
  }
  spec.window = {1, 65536, 4096};
  CHECK(nn::parse_spec(nn::to_text(spec)).window == spec.window);
}

TEST_CASE("a network that is larger than the file is refused before memory is taken for it") {
  const std::size_t before = backend_of(Device::cpu).pool().statistics().peak;
  CHECK(contains(refusal("\"base\":4,\"max_channels\":320", "\"base\":65536,\"max_channels\":65536"), "more than"));
  CHECK(backend_of(Device::cpu).pool().statistics().peak < before + (std::size_t{1} << 20));
  CHECK(contains(refusal("\"base\":4", "\"base\":2"), "load_state: \"encoder.0.conv1.weight\" is"));
  // Most of this network is its step up; bytes are no weights.
  ModelSpec steep = small_spec();
  steep.net = {.dims = 3,
               .in_channels = 2,
               .classes = 3,
               .widths = {16, 16},
               .depth = 2,
               .strides = {{6, 6, 6}},
               .kernels = {{1, 1, 1}, {1, 1, 1}}};
  steep.window = {6, 6, 6};
  steep.training = {};
  for (const auto& [count, type] : {std::pair{2000, DType::f32}, std::pair{200000, DType::u8}}) {
    const TensorFile file{{{"x", zeros({count}, type)}}, {{"model", nn::to_text(steep)}}};
    CHECK(contains(refusal(file), text("weights, the file ", type == DType::u8 ? 0 : count)));
  }
}

TEST_CASE("weights that are not finite, and files without a model, are refused") {
  for (const double wrong : {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
    TensorFile file = edited("unet", "unet");
    for (NamedTensor& entry : file.tensors)
      if (entry.name == "decoder.0.norm2.bias") entry.tensor.data<float>()[3] = static_cast<float>(wrong);
    CHECK(contains(refusal(file), "\"decoder.0.norm2.bias\" is "));
    CHECK(contains(refusal(file), " at element 3"));
  }
  TensorFile large = edited("unet", "unet");  // f64 holds it, f32 does not
  large.tensors.front().tensor = full(large.tensors.front().tensor.shape(), 1e39, DType::f64);
  CHECK(contains(refusal(large), "\"encoder.0.conv1.weight\" is inf at element 0"));
  CHECK(contains(refusal(TensorFile{{}, {{"config", "{}"}}}), "no `model` in its metadata"));
  CHECK(contains(refusal(TensorFile{{}, {{"model", "7"}}}), "is no object"));
  ModelSpec sigmoid = small_spec();  // what is wrong with it is said two functions deeper
  sigmoid.net.classes = 1;
  sigmoid.training = {};
  const std::string described = nn::to_text(sigmoid);
  for (const std::string& said :
       {refusal(large), refusal(TensorFile{{}, {{"config", "{}"}}}), refusal(TensorFile{{}, {{"model", described}}}),
        error_of([&] { nn::parse_spec(described); })})
    CHECK_MESSAGE((contains(said, "\nhint: ") && said.find("hint: ") == said.rfind("hint: ")), said);
}

TEST_CASE("names and lists are refused that no dataset has: predictions with them could not be read") {
  const std::string names = "\"background\",\"a \\\"b\\\"\"";  // the first two of small_spec()
  const auto named = [&](const std::string& two) { return refusal(names, two); };
  CHECK(contains(named("\"a\",\"a\""), "\"class_names\" is no list of names: name 0 and 1 are both \"a\""));
  CHECK(contains(named("\"\",\"\""), "\"class_names\" is no list of names: name 0 is empty"));
  CHECK(contains(named("\"a\",\"\\u001b[31m\""), "name 1 is no printable UTF-8"));
  for (const char* bad : {"XYZ\\u001b[31m", "XYZ", "RRS", "RA", "RASS"})
    CHECK(contains(refusal("\"orientation\":\"\"", text("\"orientation\":\"", bad, '"')), "\"training.orientation\""));
  CHECK(refusal("\"orientation\":\"\"", "\"orientation\":\"LPS\"").empty());
  CHECK(contains(refusal("\"spacing_unit\":\"mm\"", "\"spacing_unit\":\"\\u001b[31m\""), "\"training.spacing_unit\""));
  CHECK(contains(refusal("[0,4,65535]", "[0,4,4]"), "\"training.class_values\" has a value twice"));
  CHECK(contains(named("\"a\",\"\u202E\""), "name 1 is no printable UTF-8"));
  for (const char* range : {"[]", "[0.25,3]"})
    CHECK(
        contains(refusal("\"most_spacing\":[0.5,3.0]", text("\"most_spacing\":", range)), "\"training.most_spacing\""));
  CHECK(contains(refusal("1e-09", "-1.0"), "\"training.high\""));  // the lower end is 0
  CHECK(contains(refusal("\"deviation\":[0.001,17.0]", "\"deviation\":[5e-324,17]"), "above 1e-38"));
  CHECK(contains(refusal("\"mirror_axes\":[]", "\"mirror_axes\":[7,7]"), "\"mirror_axes\" is 7"));
  CHECK(contains(refusal("\"classes\":[]}", "\"classes\":[0,2,1]}"), "\"clean_up.classes\" is 2"));
  CHECK(contains(refusal("\"#ff0000\"", "\"red\""), "\"training.class_colours\""));
}

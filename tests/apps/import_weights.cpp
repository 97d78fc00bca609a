// `import --weights` makes a model of the weights of others, says what it assumed, and refuses what does not fit. The
// names of others are tested by nn/exchange/foreign.cpp and tests/exchange/foreign.py.
#include <filesystem>

#include "engine/io/safetensors.h"
#include "engine/ops.h"
#include "nn/inference/model.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

void replace(std::string& text, const std::string& from, const std::string& to) {
  if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

// The weights under the names of MONAI's BasicUNet, with three levels.
TensorFile as_basic_unet(const nn::UNet& net) {
  TensorFile file{net.state(), {}};
  for (NamedTensor& entry : file.tensors) {
    for (const char* number : {"1", "2"}) {
      const std::string theirs = std::string("conv_") + (number[0] == '1' ? "0" : "1");
      replace(entry.name, std::string(".conv") + number, ".convs." + theirs + ".conv");
      replace(entry.name, std::string(".norm") + number, ".convs." + theirs + ".adn.N");
    }
    replace(entry.name, "encoder.0.convs.", "conv_0.");
    replace(entry.name, "encoder.", "down_");
    for (const char* part : {"up", "decoder"})
      for (const char* level : {"0", "1"})
        replace(entry.name, std::string(part) + "." + level,
                std::string("upcat_") + (level[0] == '0' ? "1" : "2") + (part[0] == 'u' ? ".upsample.deconv" : ""));
    replace(entry.name, "heads.0", "final_conv");
  }
  return file;
}

// The weights under the names of nnU-Net, with two levels.
TensorFile as_nnunet(const nn::UNet& net) {
  TensorFile file{net.state(), {}};
  for (NamedTensor& entry : file.tensors)
    for (const auto& [ours, theirs] : {std::pair{".conv1", ".convs.0.conv"},
                                       {".conv2", ".convs.1.conv"},
                                       {".norm1", ".convs.0.norm"},
                                       {".norm2", ".convs.1.norm"},
                                       {"encoder.0.", "encoder.stages.0.0."},
                                       {"encoder.1.", "encoder.stages.1.0."},
                                       {"decoder.0.", "decoder.stages.0."},
                                       {"up.0.", "decoder.transpconvs.0."},
                                       {"heads.0.", "decoder.seg_layers.0."}})
      replace(entry.name, ours, theirs);
  return file;
}

}  // namespace

TEST_CASE("weights of others become a model that predicts, and what was assumed is said") {
  const Folder folder;
  nn::UNet net({.widths = {4, 4, 8}, .depth = 3, .slope = 0.1}, Random(1));
  net.train(false);
  const std::string weights = folder.file("w.safetensors"), model = folder.file("m.safetensors");
  save_tensors(weights, as_basic_unet(net));
  const std::vector<std::string> words{"import", weights, "--weights", "monai-basicunet", "-o", model};
  const Outcome outcome = program(words);
  REQUIRE(outcome.code == 0);
  CHECK(contains(outcome.err, "slope of the activation is taken for 0.1"));
  CHECK(contains(outcome.err, "the patch is taken for 256x256; --patch names that of the training, along y, x"));
  CHECK(contains(outcome.err, "--spacing says to how many millimetres, along y, x"));
  CHECK(!contains(outcome.err, "turned to RAS"));
  CHECK(contains(outcome.err, "called background, class 1; --class-names"));
  CHECK(contains(outcome.err, "took its images as XY, as the readers there give them; --axes YX"));
  // MONAI's readers give images with x before y.
  const Tensor x = random_normal({1, 8, 12, 1}, 7);
  const auto turned = [](const Tensor& map) { return permute(map, {0, 2, 1, 3}); };
  CHECK(allclose(nn::load_model(model).net->forward(x), turned(net(turned(x))), 0, 1e-5));

  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    more.push_back("--overwrite");
    return program(more);
  };
  CHECK(with({"--axes", "YX"}).code == 0);
  CHECK(allclose(nn::load_model(model).net->forward(x), net(x), 0, 0));
  CHECK(with({"--patch", "32x64", "--class-names", "a,b", "--normalisation", "2:4", "--slope", "0.2"}).code == 0);
  const nn::ModelSpec spec = nn::load_model(model).spec;
  CHECK(spec.window == Shape({32, 64}));
  CHECK(spec.class_names == std::vector<std::string>{"a", "b"});
  CHECK(spec.normalisation.mean == std::vector<double>{2});
  CHECK(spec.normalisation.deviation == std::vector<double>{4});
  CHECK(spec.net.slope == 0.2);
  CHECK(spec.normalisation.low.empty());
  REQUIRE(with({"--normalisation=-57:221:-57:164", "--spacing", "3,1"}).code == 0);
  const nn::ModelSpec clipped = nn::load_model(model).spec;
  CHECK(clipped.normalisation.kind == nn::Normalisation::Kind::zscore_dataset);
  CHECK(clipped.normalisation.low == std::vector<double>{-57});
  CHECK(clipped.normalisation.high == std::vector<double>{164});
  CHECK(clipped.preparation.spacing == std::vector<double>{3, 1});
  CHECK(!clipped.preparation.crop);
  REQUIRE(with({"--normalisation", "mask"}).code == 0);
  CHECK(nn::load_model(model).spec.normalisation.kind == nn::Normalisation::Kind::zscore_mask);
  CHECK(program({"import", weights, "--weights", "monai-basicunet", "--dry-run", "-q"}).code == 0);

  const auto refusal = [&](const std::vector<std::string>& more, int code) {
    const Outcome refused = with(more);
    CHECK_MESSAGE(refused.code == code, refused.err);
    return refused.err;
  };
  CHECK(contains(refusal({"--patch", "30"}, 2), "--patch 30: extent 30 along y is no multiple of 4"));
  CHECK(contains(refusal({"--spacing", "3,1,1"}, 2), "--spacing: cannot read \"3,1,1\""));
  CHECK(contains(refusal({"--axes", "ZYX"}, 2), "--axes ZYX: the network takes images with 2 axes"));
  CHECK(contains(refusal({"--class-names", "a"}, 2), "1 names, the network has 2 classes"));
  for (const char* wrong : {"a", "dataset", "2", "2:4:1"})
    CHECK(contains(refusal({"--normalisation", wrong}, 2), std::string("cannot read \"") + wrong + "\""));
  CHECK(contains(refusal({"--masks", "m"}, 2), "--masks excludes --weights"));
  const std::string before = bytes_of(weights);
  const Outcome over = program({"import", weights, "--weights", "monai-basicunet", "-o", weights, "--overwrite"});
  CHECK_MESSAGE((over.code == 2 && contains(over.err, "-o " + weights + ": this file is read")), over.err);
  CHECK(bytes_of(weights) == before);
  const Outcome unnamed = program({"import", weights, "--weights", "monai-basicunet", "-o", folder.file("m")});
  CHECK_MESSAGE((unnamed.code == 2 && contains(unnamed.err, "give a name that ends with .safetensors")), unnamed.err);
  CHECK(!std::filesystem::exists(folder.file("m")));
  CHECK(contains(program({"import", weights, "--weights", "unet", "-o", folder.file("n")}).err, "unknown network"));
}

TEST_CASE("images for weights of nnU-Net are prepared as nnU-Net does it, and what may differ is said") {
  const Folder folder;
  const nn::UNet net({.dims = 3, .widths = {4, 6}, .depth = 2, .strided = true}, Random(1));
  save_tensors(folder.file("w.safetensors"), as_nnunet(net));
  const std::string model = folder.file("m.safetensors");
  const Outcome outcome =
      program({"import", folder.file("w.safetensors"), "--weights", "nnunet", "-o", model, "--spacing", "3,0.8,0.8"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  for (const char* said : {"turned to RAS", "cropped to the box of their voxels that are not 0",
                           "mirrored along all axes", "exclude each other (softmax)"})
    CHECK_MESSAGE(contains(outcome.err, said), outcome.err);
  CHECK(!contains(outcome.err, "--spacing"));
  const nn::ModelSpec spec = nn::load_model(model).spec;
  CHECK(spec.preparation.crop);
  CHECK(spec.preparation.spacing == std::vector<double>{3, 0.8, 0.8});
  CHECK(spec.mirror_axes == std::vector<std::int64_t>{1, 1, 1});
  CHECK(!spec.mirror);
}

TEST_CASE("weights with a single output become a model of two classes") {
  const Folder folder;
  const nn::UNet net({.classes = 1, .widths = {4, 4, 8}, .depth = 3}, Random(1));
  save_tensors(folder.file("w.safetensors"), as_basic_unet(net));
  const std::string model = folder.file("m.safetensors");
  const Outcome outcome =
      program({"import", folder.file("w.safetensors"), "--weights", "monai-basicunet", "-o", model});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(nn::load_model(model).spec.class_names == std::vector<std::string>{"background", "class 1"});
}

TEST_CASE("a file of PyTorch is called one, with the way to the right one") {
  const Folder folder;
  const std::string file = folder.file("checkpoint_final.pth");
  write_bytes(file, "PK\3\4" + std::string(60, 'x'));
  const Outcome outcome = program({"import", file, "--weights", "nnunet", "-o", folder.file("m.safetensors")});
  CHECK(outcome.code == 4);
  CHECK_MESSAGE(contains(outcome.err, "is a zip archive, no safetensors file"), outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "safetensors.torch.save_model"), outcome.err);
}

TEST_CASE("weights that do not fit are refused with a line for each cause, and nothing is written") {
  const Folder folder;
  const nn::UNet net({.widths = {4, 4, 8}, .depth = 3}, Random(1));
  TensorFile file = as_basic_unet(net);
  file.tensors.push_back({"conv_0.conv_0.adn.A.weight", full({1}, 0.25)});
  for (NamedTensor& entry : file.tensors)
    if (entry.name == "upcat_1.upsample.deconv.bias") entry.tensor = zeros({5});
  save_tensors(folder.file("w.safetensors"), file);
  const std::string model = folder.file("m.safetensors");
  const Outcome outcome =
      program({"import", folder.file("w.safetensors"), "--weights", "monai-basicunet", "-o", model});
  CHECK(outcome.code == 4);
  CHECK(contains(outcome.err,
                 "does not fit a U-Net of voxgrad:\n  an activation with weights (PReLU): conv_0.conv_0.adn.A"));
  CHECK(contains(outcome.err, "\n  another shape: upcat_1.upsample.deconv.bias is [5], must be [4]"));
  CHECK(!std::filesystem::exists(model));
}

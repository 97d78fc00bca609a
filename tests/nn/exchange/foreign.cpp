// A network of ours under the names of others comes back as it was. With the networks of others themselves it is
// compared by tests/exchange/foreign.py.
#include "nn/exchange/foreign.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "engine/names.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using nn::Foreign;
using nn::ForeignWeights;
using nn::UNet;
using nn::UNetConfig;
using test::contains;
using test::error_of;
using test::same_bits;
using test::wave;

namespace {

Tensor halves_exchanged(const Tensor& weight) {
  const std::int64_t in = weight.extent(1);
  return concat({slice(weight, 1, in / 2, in), slice(weight, 1, 0, in / 2)}, 1);
}

// The weights of `net` as nnU-Net has them: with a bias before each norm, which has no effect, and with the result of
// the step up before the skip connection.
std::vector<NamedTensor> as_nnunet(const UNet& net, const std::string& stage = ".0.convs.") {
  std::vector<NamedTensor> theirs;
  for (const NamedTensor& entry : net.state()) {
    std::vector<std::string> parts{""};
    for (const char c : entry.name) c == '.' ? void(parts.emplace_back()) : parts.back().push_back(c);
    const int level = std::stoi(parts[1]), step = net.config().depth - 2 - level;
    Tensor tensor = entry.tensor;
    if (parts[0] == "up" || parts[0] == "heads") {
      theirs.push_back(
          {text("decoder.", parts[0] == "up" ? "transpconvs." : "seg_layers.", step, '.', parts[2]), tensor});
      continue;
    }
    const int number = parts[2].back() - '1';
    const bool is_conv = parts[2].starts_with("conv");
    const std::string layer = parts[0] == "encoder" ? text("encoder.stages.", level, level == 0 ? ".0.convs." : stage)
                                                    : text("decoder.stages.", step, ".convs.");
    if (parts[0] == "decoder" && is_conv && number == 0) tensor = halves_exchanged(tensor);
    theirs.push_back({text(layer, number, is_conv ? ".conv." : ".norm.", parts[3]), tensor});
    theirs.push_back({text(layer, number, ".all_modules.", is_conv ? 0 : 1, '.', parts[3]), tensor});
    if (is_conv) theirs.push_back({text(layer, number, ".conv.bias"), full({tensor.extent(0)}, 3)});
  }
  return theirs;
}

// The weights of `net` as DynUNet has them where each tensor is saved under one name: the steps up are found in the
// skip layers, which hold each other.
std::vector<NamedTensor> as_dynunet(const UNet& net) {
  std::vector<NamedTensor> theirs;
  for (const auto& [ours, tensor] : net.state()) {
    const std::size_t dot = ours.find('.'), next = ours.find('.', dot + 1);
    const std::string part = ours.substr(0, dot), rest = ours.substr(next + 1);
    const int level = std::stoi(ours.substr(dot + 1));
    const bool is_conv = rest.starts_with("conv");
    const std::string layer = is_conv ? rest.substr(0, 5) + ".conv" + rest.substr(5) : rest;
    std::string skip = "skip_layers.";
    for (int k = 0; k < level; ++k) skip += "next_layer.";
    if (part == "encoder")
      theirs.push_back({(level == 0                        ? "input_block."
                         : level == net.config().depth - 1 ? "bottleneck."
                                                           : text("downsamples.", level - 1, '.')) +
                            layer,
                        tensor});
    else if (part == "heads")
      theirs.push_back({(level == 0 ? "output_block.conv.conv." : skip + "super_head.conv.conv.") + rest, tensor});
    else if (part == "decoder")
      theirs.push_back({skip + "upsample.conv_block." + layer,
                        is_conv && rest.starts_with("conv1") ? halves_exchanged(tensor) : tensor});
    else if (rest == "weight")  // there is no bias
      theirs.push_back({skip + "upsample.transp_conv.conv.weight", tensor});
  }
  return theirs;
}

UNetConfig small() {
  return {.widths = {4, 6, 6}, .depth = 3, .deep_supervision = true, .strides = {{1, 2}, {2, 3}}, .strided = true};
}

bool has(const std::vector<std::string>& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return contains(line, part); });
}

}  // namespace

TEST_CASE("weights of nnU-Net become the network that has the same logits") {
  UNet net(small(), Random(3));
  const ForeignWeights weights = nn::translate(as_nnunet(net), Foreign::nnunet);
  CHECK_MESSAGE(weights.misfits.empty(), join(weights.misfits, "; "));
  CHECK(weights.net.widths == small().widths);
  CHECK(weights.net.base == 4);
  CHECK(weights.net.strides == small().strides);
  CHECK(weights.net.strided);
  CHECK(weights.net.deep_supervision);
  CHECK(weights.net.norm == nn::Norm::instance);
  CHECK(weights.net.slope == 0.01);
  CHECK(nn::translate(as_nnunet(net), Foreign::nnunet, 0.2).net.slope == 0.2);
  CHECK(has(weights.notes, "slope of the activation"));
  UNet again(weights.net, Random(4));
  again.load_state(weights.state);
  const Tensor x = wave({1, 8, 12, 1}, 0.3, DType::f32);
  CHECK(same_bits(again(x).detach(), net(x).detach()));
}

TEST_CASE("weights of DynUNet, found in its skip layers, become the network that has the same logits") {
  UNetConfig config = small();
  config.widths = {4, 6, 6, 8};
  config.depth = 4;
  config.strides = {{1, 2}, {2, 2}, {2, 1}};
  UNet net(config, Random(3));  // its biases of the steps up are zeros, and DynUNet has none
  const ForeignWeights weights = nn::translate(as_dynunet(net), Foreign::monai_dynunet);
  CHECK_MESSAGE(weights.misfits.empty(), join(weights.misfits, "; "));
  CHECK(weights.net.strides == config.strides);
  CHECK(weights.net.deep_supervision);
  UNet again(weights.net, Random(4));
  again.load_state(weights.state);
  const Tensor x = wave({1, 8, 24, 1}, 0.3, DType::f32);
  CHECK(same_bits(again(x).detach(), net(x).detach()));
  // For a network that took x before y, given y before x.
  UNet turned(nn::translate(as_dynunet(net), Foreign::monai_dynunet, {}, true).net, Random(4));
  turned.load_state(nn::translate(as_dynunet(net), Foreign::monai_dynunet, {}, true).state);
  const auto turn = [](const Tensor& map) { return permute(map, {0, 2, 1, 3}); };
  CHECK(allclose(turned(turn(x)).detach(), turn(net(x).detach()), 0, 1e-5));
  config.strides[1] = {2, 3};
  const ForeignWeights wide = nn::translate(as_dynunet(UNet(config, Random(3))), Foreign::monai_dynunet);
  CHECK(has(wide.misfits, "a stride above 2, for which MONAI pads otherwise"));
}

TEST_CASE("a pooling in front of a level, a kernel of one plane and a wrapper are understood") {
  UNetConfig config = small();
  config.dims = 3;
  config.strided = false;
  config.strides = {{1, 2, 2}, 2};
  const UNet net(config, Random(3));
  std::vector<NamedTensor> theirs = as_nnunet(net, ".1.convs.");
  Tensor flat;
  for (NamedTensor& entry : theirs) {
    if (entry.name == "encoder.stages.0.0.convs.0.all_modules.0.weight") entry.name = "nothing.num_batches_tracked";
    if (entry.name == "encoder.stages.0.0.convs.0.conv.weight") flat = entry.tensor = slice(entry.tensor, 2, 1, 2);
    entry.name = "module." + entry.name;
  }
  const ForeignWeights weights = nn::translate(theirs, Foreign::nnunet);
  CHECK_MESSAGE(weights.misfits.empty(), join(weights.misfits, "; "));
  CHECK(!weights.net.strided);
  CHECK(has(weights.notes, "max pooling"));
  CHECK(has(weights.notes, "1 kernels are filled with zeros"));
  for (const NamedTensor& entry : weights.state)
    if (entry.name == "encoder.0.conv1.weight") {
      CHECK(entry.tensor.shape() == Shape({4, 1, 3, 3, 3}));
      CHECK(same_bits(slice(entry.tensor, 2, 1, 2), flat));
      CHECK(sum(abs(slice(entry.tensor, 2, 0, 1))).item() == 0);
      CHECK(sum(abs(slice(entry.tensor, 2, 2, 3))).item() == 0);
    }
}

TEST_CASE("kernels of one plane stay flat where all of their level are") {
  UNetConfig config = small();
  config.dims = 3;
  config.strides = {{1, 2, 2}, 2};
  config.kernels = {{1, 3, 3}, 3, 3};
  UNet net(config, Random(3));
  const ForeignWeights weights = nn::translate(as_nnunet(net), Foreign::nnunet);
  CHECK_MESSAGE(weights.misfits.empty(), join(weights.misfits, "; "));
  REQUIRE(weights.net.kernels.size() == 3);
  CHECK(weights.net.kernels[0] == Extents{1, 3, 3});
  CHECK(weights.net.kernels[1] == Extents{3, 3, 3});
  CHECK(!has(weights.notes, "filled with zeros"));
  UNet again(weights.net, Random(4));
  again.load_state(weights.state);
  const Tensor x = wave({1, 4, 8, 8, 1}, 0.3, DType::f32);
  CHECK(same_bits(again(x).detach(), net(x).detach()));
}

TEST_CASE("the only output is that of a sigmoid, and becomes a background and a class of the same probability") {
  UNetConfig config = small();
  config.classes = 1;
  UNet net(config, Random(3));
  const ForeignWeights weights = nn::translate(as_nnunet(net), Foreign::nnunet);
  CHECK_MESSAGE(weights.misfits.empty(), join(weights.misfits, "; "));
  CHECK(weights.net.classes == 2);
  CHECK(has(weights.notes, "taken for that of a sigmoid"));
  CHECK(has(nn::translate(as_nnunet(UNet(small(), Random(3))), Foreign::nnunet).notes, "exclude each other (softmax)"));
  UNet again(weights.net, Random(4));
  again.load_state(weights.state);
  const Tensor x = wave({1, 8, 12, 1}, 0.3, DType::f32);
  const Tensor found = softmax(again(x).detach());
  CHECK(allclose(slice(found, 3, 1, 2), sigmoid(net(x).detach()), 0, 1e-6));
}

TEST_CASE("the time to read a name is linear in its length") {
  std::vector<NamedTensor> theirs = as_dynunet(UNet(small(), Random(3)));
  std::string name = "skip_layers.";
  for (int level = 0; level < 1000000; ++level) name += "next_layer.";
  theirs.push_back({name + "strange.weight", zeros({1})});
  const auto start = std::chrono::steady_clock::now();
  CHECK(has(nn::translate(theirs, Foreign::monai_dynunet).misfits, "bottleneck.strange.weight"));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CHECK(seconds < 10);  // with sanitizers on a busy machine; a quadratic reader takes minutes
}

TEST_CASE("what does not fit is listed with its cause") {
  const UNet net(small(), Random(3));
  const std::vector<NamedTensor> good = as_nnunet(net);
  const auto misfits = [&](const std::function<void(NamedTensor&)>& change) {
    std::vector<NamedTensor> tensors = good;
    for (NamedTensor& entry : tensors) change(entry);
    return nn::translate(tensors, Foreign::nnunet).misfits;
  };
  const auto renamed = [](const char* from, const char* to) {
    return [=](NamedTensor& entry) {
      if (entry.name.starts_with(from)) entry.name = to + entry.name.substr(std::string(from).size());
    };
  };
  CHECK(has(misfits(renamed("decoder.transpconvs.1.", "strange.")),
            "a layer that is not in a U-Net here: strange.weight"));
  CHECK(has(misfits(renamed("decoder.transpconvs.1.", "strange.")), "missing: up.0.weight"));
  CHECK(has(misfits(renamed("encoder.stages.0.0.convs.1.all_modules.0", "encoder.stages.0.0.convs.0.all_modules.0")),
            "a second tensor for one place"));
  CHECK(has(misfits([](NamedTensor& entry) {
              if (entry.name == "decoder.seg_layers.0.weight") entry.tensor = zeros({2, 7, 1, 1});
            }),
            "another shape: decoder.seg_layers.0.weight is [2, 7, 1, 1], must be [2, 6, 1, 1]"));
  CHECK(has(misfits([](NamedTensor& entry) {
              if (entry.name == "decoder.transpconvs.0.weight") entry.tensor = zeros({6, 6, 7, 7});
            }),
            "no such U-Net: unet: stride is 7"));
  const std::vector<std::string> lost = misfits([](NamedTensor& entry) {
    if (contains(entry.name, "stages.1.0.convs.0.") && entry.tensor.dims() == 4)
      entry.tensor = full(entry.tensor.shape(), NAN);
    if (entry.name == "decoder.transpconvs.0.weight") entry.tensor = full(entry.tensor.shape(), 1e39, DType::f64);
  });
  CHECK(lost.size() == 1);  // no second tensor for one place, none that is missing
  CHECK(has(lost, "a value that is NaN or infinite in f32: "));
  for (const char* name : {"encoder.stages.1.0.convs.0.conv.weight", "decoder.transpconvs.0.weight"})
    CHECK(has(lost, name));
  CHECK(has(misfits([](NamedTensor& entry) {
              if (contains(entry.name, ".norm.") || contains(entry.name, "all_modules.1"))
                entry.name = "nothing.num_batches_tracked";
            }),
            "no norm has weights: instance norm without weights and no norm at all cannot be told apart"));
  // Extents without elements do not make the network large.
  CHECK(has(misfits([](NamedTensor& entry) {
              if (entry.name.starts_with("encoder.stages.1.0.convs.0.") && entry.tensor.dims() == 4)
                entry.tensor = zeros({std::int64_t{1} << 40, 0, 3, 3});
            }),
            "no such U-Net"));
  CHECK(contains(error_of([&] { nn::translate(good, Foreign::monai_dynunet); }), "the first and the last layer"));
  CHECK(contains(error_of([&] { nn::translate({}, Foreign::nnunet); }), "among the 0 tensors"));
}

// ONNX files are read with a small reader of Protocol Buffers and compared with the format: numbers of versions and
// fields, the order of nodes, the bits of the weights. What the graphs compute is compared with onnxruntime by
// tests/exchange/networks.py.
#include "nn/exchange/onnx.h"

#include <algorithm>
#include <map>
#include <set>

#include "tests/files.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using nn::Model;
using nn::Norm;
using test::Folder;

namespace {

// The fields of a message: a number, or the bytes of a text or of another message.
struct Field {
  int number;
  std::uint64_t value;
  std::string bytes;
};

std::uint64_t read_number(const std::string& bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.at(at++));
    value |= static_cast<std::uint64_t>(byte & 127) << shift;
    if (byte < 128) return value;
  }
}

std::vector<Field> fields_of(const std::string& bytes) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t tag = read_number(bytes, at), kind = tag & 7;
    Field field{static_cast<int>(tag >> 3), 0, ""};
    if (kind == 0) {
      field.value = read_number(bytes, at);
    } else {
      REQUIRE((kind == 2 || kind == 5));
      const std::size_t size = kind == 5 ? 4 : read_number(bytes, at);
      REQUIRE(size <= bytes.size() - at);
      field.bytes = bytes.substr(at, size);
      at += size;
    }
    fields.push_back(field);
  }
  return fields;
}

std::vector<Field> all(const std::vector<Field>& fields, int number) {
  std::vector<Field> result;
  for (const Field& field : fields)
    if (field.number == number) result.push_back(field);
  return result;
}
Field only(const std::vector<Field>& fields, int number) {
  REQUIRE(all(fields, number).size() == 1);
  return all(fields, number)[0];
}

struct Node {
  std::string op;
  std::vector<std::string> inputs;
  std::string output;
};

struct Graph {
  std::vector<Field> file, graph;
  std::vector<Node> nodes;
  std::map<std::string, std::vector<Field>> weights;
  std::map<std::string, std::string> metadata;

  explicit Graph(const std::string& bytes) : file(fields_of(bytes)), graph(fields_of(only(file, 7).bytes)) {
    for (const Field& entry : all(graph, 1)) {
      const std::vector<Field> node = fields_of(entry.bytes);
      Node& made = nodes.emplace_back(Node{only(node, 4).bytes, {}, only(node, 2).bytes});
      for (const Field& input : all(node, 1)) made.inputs.push_back(input.bytes);
    }
    for (const Field& entry : all(graph, 5)) {
      const std::vector<Field> tensor = fields_of(entry.bytes);
      CHECK_MESSAGE(weights.emplace(only(tensor, 8).bytes, tensor).second, only(tensor, 8).bytes);
    }
    for (const Field& entry : all(file, 14)) {
      const std::vector<Field> pair = fields_of(entry.bytes);
      metadata[only(pair, 1).bytes] = only(pair, 2).bytes;
    }
  }

  std::vector<std::string> operators() const {
    std::vector<std::string> names;
    for (const Node& node : nodes) names.push_back(node.op);
    return names;
  }
  // "logits[batch, 3, height, width]"
  static std::string described(const Field& info) {
    const std::vector<Field> fields = fields_of(info.bytes);
    const std::vector<Field> tensor = fields_of(only(fields_of(only(fields, 2).bytes), 1).bytes);
    CHECK(only(tensor, 1).value == 1);  // f32
    std::string text = only(fields, 1).bytes + '[';
    for (const Field& dim : all(fields_of(only(tensor, 2).bytes), 1)) {
      const Field extent = fields_of(dim.bytes).at(0);
      if (!text.ends_with('[')) text += ", ";
      text += extent.number == 2 ? extent.bytes : std::to_string(extent.value);
    }
    return text + ']';
  }
};

Model model_of(const nn::UNetConfig& net) {
  Model model{{}, std::make_unique<nn::UNet>(net, Random(4)), "made"};
  model.spec.net = net;
  model.spec.window = Shape::filled(net.dims, 16);
  for (std::int64_t c = 0; c < net.classes; ++c) model.spec.class_names.push_back(std::to_string(c));
  model.net->train(false);
  return model;
}

Graph written(const Model& model, const nn::OnnxOptions& options = {}) {
  const Folder folder;
  nn::save_onnx(folder.file("m.onnx"), model, options);
  return Graph(test::bytes_of(folder.file("m.onnx")));
}

// Every input of a node is there before it and every weight is used; results and weights have different names.
void check_order(const Graph& graph) {
  std::set<std::string> there{"image", ""}, used;
  for (const auto& [name, tensor] : graph.weights) there.insert(name);
  for (const Node& node : graph.nodes) {
    for (const std::string& input : node.inputs) {
      CHECK_MESSAGE(there.contains(input), node.output << " reads " << input);
      used.insert(input);
    }
    CHECK_MESSAGE(there.insert(node.output).second, node.output);
  }
  for (const auto& entry : graph.weights) CHECK_MESSAGE(used.contains(entry.first), entry.first);
}

}  // namespace

TEST_CASE("the file has the versions, the input and the output that its header promises") {
  const Graph image = written(model_of({.in_channels = 2, .classes = 3, .base = 2, .depth = 2}));
  CHECK(only(image.file, 1).value == 7);
  CHECK(only(fields_of(only(image.file, 8).bytes), 2).value == 13);
  CHECK(Graph::described(only(image.graph, 11)) == "image[batch, 2, height, width]");
  CHECK(Graph::described(only(image.graph, 12)) == "logits[batch, 3, height, width]");
  const Graph volume = written(model_of({.dims = 3, .base = 2, .depth = 2}), {.probabilities = true});
  CHECK(Graph::described(only(volume.graph, 11)) == "image[batch, 1, depth, height, width]");
  CHECK(Graph::described(only(volume.graph, 12)) == "probabilities[batch, 2, depth, height, width]");
  CHECK(volume.operators().back() == "Softmax");
}

TEST_CASE("the graph is the network, layer by layer") {
  const Graph graph = written(model_of({.base = 2, .depth = 2, .residual = true}));
  const std::vector<std::string> block{
      "Conv", "InstanceNormalization", "LeakyRelu", "Conv", "InstanceNormalization", "Conv", "Add", "LeakyRelu"};
  std::vector<std::string> expected = block;
  expected.push_back("MaxPool");
  expected.insert(expected.end(), block.begin(), block.end());
  expected.insert(expected.end(), {"ConvTranspose", "Concat"});
  expected.insert(expected.end(), block.begin(), block.end());
  expected.insert(expected.end(), {"Conv", "Identity"});
  CHECK(graph.operators() == expected);
}

TEST_CASE("nodes are in order, and the weights are those of the network, bit for bit") {
  for (const Norm norm : {Norm::batch, Norm::instance, Norm::group, Norm::none})
    for (const bool other : {false, true}) {
      const Model model = model_of({.dims = other ? 3 : 2,
                                    .base = 4,
                                    .depth = 3,
                                    .norm = norm,
                                    .residual = other,
                                    .upsampling = other ? Upsampling::nearest : Upsampling::linear,
                                    .transposed = norm == Norm::batch,
                                    .deep_supervision = other,
                                    .strided = other});
      const Graph graph = written(model, {.normalise = true});
      check_order(graph);
      for (const NamedTensor& entry : model.net->state()) {
        const auto found = graph.weights.find(entry.name);
        if (entry.name.starts_with("heads.1")) {  // of deep supervision
          CHECK(found == graph.weights.end());
          continue;
        }
        REQUIRE(found != graph.weights.end());
        const std::string bytes = only(found->second, 9).bytes;
        CHECK_MESSAGE((bytes.size() == entry.tensor.bytes() &&
                       std::equal(bytes.begin(), bytes.end(), static_cast<const char*>(entry.tensor.raw()))),
                      entry.name);
        std::int64_t elements = 1;
        for (const Field& extent : all(found->second, 1)) elements *= static_cast<std::int64_t>(extent.value);
        CHECK(elements == entry.tensor.numel());
      }
    }
}

TEST_CASE("the metadata say how images are prepared and what the outputs mean") {
  Model model = model_of({.base = 2, .depth = 3, .strides = {{1, 2}, {2, 2}}});
  model.spec.class_names = {"background", "\xC3\xBC \"b\""};
  model.spec.training.least_spacing = {0.5, 3};
  model.spec.training.spacing_unit = "mm";
  model.spec.normalisation = {nn::Normalisation::Kind::zscore_dataset, {2}, {4}};
  model.spec.mirror_axes = {0, 1};
  model.spec.mirror = true;
  model.spec.clean_up.foreground = true;
  std::map<std::string, std::string> metadata = written(model).metadata;
  CHECK(metadata["class_names"] == "[\"background\",\"\xC3\xBC \\\"b\\\"\"]");
  CHECK(metadata["patch"] == "[16,16]");
  CHECK(metadata["divisor"] == "[2,4]");
  CHECK(metadata["least_spacing"] == "[0.5,3.0]");
  CHECK(metadata["spacing_unit"] == "\"mm\"");
  CHECK(metadata["normalisation"] == R"({"kind":"dataset","mean":[2.0],"deviation":[4.0],"low":[],"high":[]})");
  CHECK(metadata["normalised_inside"] == "false");
  CHECK(metadata["mirror_axes"] == "[0,1]");
  CHECK(metadata["mirror"] == "true");
  CHECK(metadata["clean_up"] == R"({"foreground":true,"classes":[]})");
  const Graph inside = written(model, {.normalise = true});
  CHECK(inside.metadata.at("normalised_inside") == "true");
  CHECK(inside.nodes[0].op == "Sub");
  CHECK(inside.nodes[1].output == "normalised");
}

TEST_CASE("a normalisation of voxels as they were measured is refused where the graph takes resampled ones") {
  Model model = model_of({.base = 2, .depth = 2});
  model.spec.normalisation.kind = nn::Normalisation::Kind::zscore_case;
  CHECK(written(model, {.normalise = true}).metadata.at("normalised_inside") == "true");
  model.spec.preparation.spacing = {1, 1};
  CHECK(test::contains(test::error_of([&] { written(model, {.normalise = true}); }), "before it resamples them"));
  CHECK(written(model).metadata.at("normalised_inside") == "false");
}

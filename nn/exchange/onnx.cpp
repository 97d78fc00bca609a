#include "nn/exchange/onnx.h"

#include <limits>
#include <map>
#include <span>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/json.h"
#include "nn/exchange/wire_detail.h"

namespace voxgrad::nn {
namespace {

// Numbers of fields and constants of onnx.proto.
namespace proto {
constexpr int kIrVersion = 1, kProducer = 2, kGraph = 7, kOpset = 8, kMetadata = 14;           // ModelProto
constexpr int kOpsetVersion = 2;                                                               // OperatorSetIdProto
constexpr int kKey = 1, kValue = 2;                                                            // StringStringEntryProto
constexpr int kNode = 1, kGraphName = 2, kInitializer = 5, kInput = 11, kOutput = 12;          // GraphProto
constexpr int kNodeInput = 1, kNodeOutput = 2, kNodeName = 3, kOperator = 4, kAttribute = 5;   // NodeProto
constexpr int kName = 1, kFloat = 2, kInt = 3, kString = 4, kInts = 8, kType = 20;             // AttributeProto
constexpr int kIsFloat = 1, kIsInt = 2, kIsString = 3, kIsInts = 7;                            // AttributeType
constexpr int kDims = 1, kElementType = 2, kTensorName = 8, kRawData = 9, kF32 = 1, kI64 = 7;  // TensorProto
constexpr int kInfoName = 1, kInfoType = 2, kTensorType = 1, kElements = 1, kShape = 2, kDim = 1;  // ValueInfoProto
constexpr int kDimValue = 1, kDimParam = 2;
}  // namespace proto

using Names = std::vector<std::string>;
using Ints = std::vector<std::int64_t>;

WireMessage attribute(const char* name, int type) {
  return WireMessage().bytes(proto::kName, name).number(proto::kType, type);
}
WireMessage whole(const char* name, std::int64_t value) {
  return attribute(name, proto::kIsInt).number(proto::kInt, value);
}
WireMessage real(const char* name, double value) {
  return attribute(name, proto::kIsFloat).real(proto::kFloat, static_cast<float>(value));
}
WireMessage word(const char* name, const char* value) {
  return attribute(name, proto::kIsString).bytes(proto::kString, value);
}
WireMessage list(const char* name, const Ints& values) {
  WireMessage result = attribute(name, proto::kIsInts);
  for (const std::int64_t value : values) result.number(proto::kInts, value);
  return result;
}

// Adds the nodes and the weights of a network to a graph. Every function returns the name of its result, and a result
// has the name of its layer.
class GraphWriter {
 public:
  explicit GraphWriter(const Model& model) : net_(model.net->config()) {
    for (const NamedTensor& entry : model.net->state()) state_.emplace(entry.name, entry.tensor.to(DType::f32));
  }

  std::string node(const char* op, const std::string& name, const Names& inputs,
                   const std::vector<WireMessage>& attributes = {}) {
    WireMessage node;
    for (const std::string& input : inputs) node.bytes(proto::kNodeInput, input);
    node.bytes(proto::kNodeOutput, name).bytes(proto::kNodeName, name).bytes(proto::kOperator, op);
    for (const WireMessage& entry : attributes) node.message(proto::kAttribute, entry);
    graph.message(proto::kNode, node);
    return name;
  }

  template <class T>
  std::string constant(const std::string& name, const Ints& extents, std::span<const T> values) {
    WireMessage tensor;
    for (const std::int64_t extent : extents) tensor.number(proto::kDims, extent);
    tensor.number(proto::kElementType, std::is_same_v<T, float> ? proto::kF32 : proto::kI64)
        .bytes(proto::kTensorName, name)
        .bytes(proto::kRawData, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
    graph.message(proto::kInitializer, tensor);
    return name;
  }
  std::string constant(const std::string& name, const Ints& extents, const std::vector<float>& values) {
    return constant(name, extents, std::span(values));
  }

  std::string network(const std::string& image) {
    const int steps = net_.depth - 1;
    Names skips;
    std::string y = image;
    for (int level = 0; level <= steps; ++level) {
      const Extents stride = level > 0 ? nth(net_.strides, level - 1) : Extents(1);
      if (level > 0 && !net_.strided) y = pool(level - 1, y);
      y = block(text("encoder.", level), y, net_.strided ? stride : Extents(1));
      skips.push_back(y);
    }
    for (int level = steps - 1; level >= 0; --level) {
      const std::string name = text("decoder.", level);
      y = block(name, node("Concat", name + ".input", {nth(skips, level), up(level, y)}, {whole("axis", 1)}));
    }
    return conv("heads.0", y);
  }

  // (x - mean) / deviation for each channel; a channel with a single value becomes 0.
  std::string normalised(std::string image, const Normalisation& normalisation) {
    if (normalisation.kind == Normalisation::Kind::none) return image;
    const Ints per_channel = channel_extents(net_.in_channels);
    if (normalisation.kind == Normalisation::Kind::rgb)
      return node("Div", "normalised", {image, constant("range", {}, {255})});
    if (!normalisation.low.empty()) {
      const auto limit = [&](const char* name, const std::vector<double>& values) {
        return constant(name, per_channel, std::vector<float>(values.begin(), values.end()));
      };
      image = node("Min", "at_most", {image, limit("high", normalisation.high)});
      image = node("Max", "clipped", {image, limit("low", normalisation.low)});
    }
    if (normalisation.kind == Normalisation::Kind::zscore_dataset) {
      std::vector<float> means, scales;
      for (std::int64_t c = 0; c < net_.in_channels; ++c) {
        means.push_back(static_cast<float>(nth(normalisation.mean, c)));
        scales.push_back(
            static_cast<float>(Normalisation::scale_of(nth(normalisation.mean, c), nth(normalisation.deviation, c))));
      }
      const std::string centred = node("Sub", "centred", {image, constant("mean", per_channel, means)});
      return node("Mul", "normalised", {centred, constant("scale", per_channel, scales)});
    }
    const auto mean = [&](const std::string& name, const std::string& x) {
      Ints axes;
      for (int axis = 0; axis < net_.dims; ++axis) axes.push_back(axis + 2);
      return node("ReduceMean", name, {x}, {list("axes", axes), whole("keepdims", 1)});
    };
    // The mean of f32 is rounded, so its remainder is subtracted, too. Else a channel with a single large value would
    // have a deviation.
    const std::string first = mean("mean", image), rough = node("Sub", "nearly_centred", {image, first});
    const std::string centred = node("Sub", "centred", {rough, mean("remainder", rough)});
    const std::string variance = mean("variance", node("Mul", "squares", {centred, centred}));
    const std::string deviation = node("Sqrt", "deviation", {variance});
    const std::string least =
        node("Mul", "least_deviation",
             {node("Abs", "size", {first}), constant("rounding", {}, {static_cast<float>(Normalisation::kConstant)})});
    const std::string is_constant = node("LessOrEqual", "is_constant", {deviation, least});
    const std::string divisor = node("Where", "divisor", {is_constant, constant("one", {}, {1}), deviation});
    return node("Div", "normalised", {centred, divisor});
  }

  WireMessage graph;

 private:
  Ints channel_extents(std::int64_t channels) const {
    Ints extents{1, channels};
    extents.resize(static_cast<std::size_t>(net_.dims) + 2, 1);
    return extents;
  }
  Ints axes_of(const Extents& extents) const { return {extents.value.begin(), extents.value.begin() + net_.dims}; }

  bool has(const std::string& name) const { return state_.contains(name); }
  const Tensor& weight(const std::string& name) const { return state_.at(name); }
  std::span<const float> values(const std::string& name) const {
    const Tensor& tensor = weight(name);
    return {tensor.data<float>(), static_cast<std::size_t>(tensor.numel())};
  }
  std::string parameter(const std::string& name) {
    const Shape& shape = weight(name).shape();
    return constant(name, {shape.begin(), shape.end()}, values(name));
  }
  // A parameter with one value per channel, to be multiplied with a map.
  std::string channel_parameter(const std::string& name) {
    return constant(name, channel_extents(weight(name).numel()), values(name));
  }

  enum class Direction { down, up };
  // A convolution that divides the extents by the stride, or one whose kernel is the stride and multiplies them by it.
  std::string conv(const std::string& layer, const std::string& x, const Extents& stride = 1,
                   Direction direction = Direction::down) {
    Ints kernel, pads;
    for (int axis = 0; axis < net_.dims; ++axis) kernel.push_back(weight(layer + ".weight").extent(axis + 2));
    for (int side = 0; side < 2; ++side)
      for (const std::int64_t extent : kernel) pads.push_back(extent / 2);
    Names inputs{x, parameter(layer + ".weight")};
    if (has(layer + ".bias")) inputs.push_back(parameter(layer + ".bias"));
    const std::vector<WireMessage> common{list("kernel_shape", kernel), list("strides", axes_of(stride))};
    if (direction == Direction::up) return node("ConvTranspose", layer, inputs, common);
    return node("Conv", layer, inputs, {common[0], common[1], list("pads", pads)});
  }

  std::string pool(int level, const std::string& x) {
    const Ints stride = axes_of(nth(net_.strides, level));
    return node("MaxPool", text("pool.", level), {x}, {list("kernel_shape", stride), list("strides", stride)});
  }

  std::string up(int level, const std::string& x) {
    const std::string layer = text("up.", level);
    if (net_.transposed) return conv(layer, x, nth(net_.strides, level), Direction::up);
    const std::string y = conv(layer, x);
    std::vector<float> scales{1, 1};
    for (const std::int64_t scale : axes_of(nth(net_.strides, level))) scales.push_back(static_cast<float>(scale));
    const std::string factors = constant(layer + ".scales", {net_.dims + 2}, scales);
    const Names inputs{y, "", factors};  // the second one is a region, which this mode does not use
    if (net_.upsampling == Upsampling::linear)
      return node("Resize", layer + ".resized", inputs,
                  {word("mode", "linear"), word("coordinate_transformation_mode", "half_pixel")});
    return node(
        "Resize", layer + ".resized", inputs,
        {word("mode", "nearest"), word("coordinate_transformation_mode", "asymmetric"), word("nearest_mode", "floor")});
  }

  std::string norm(const std::string& layer, const std::string& x) {
    if (net_.norm == Norm::none) return x;
    const WireMessage epsilon = real("epsilon", NormLayerOptions{}.eps);
    const std::string gamma = layer + ".weight", beta = layer + ".bias";
    if (net_.norm == Norm::instance)
      return node("InstanceNormalization", layer, {x, parameter(gamma), parameter(beta)}, {epsilon});
    if (net_.norm == Norm::batch)
      return node(
          "BatchNormalization", layer,
          {x, parameter(gamma), parameter(beta), parameter(layer + ".running_mean"), parameter(layer + ".running_var")},
          {epsilon});
    // The operator of group norm is younger than opset 13: each group is made one channel of an instance norm.
    const std::int64_t groups = group_count(weight(gamma).numel());
    const Ints grouped{0, groups, -1};
    const std::vector<float> ones(static_cast<std::size_t>(groups), 1), zeros(static_cast<std::size_t>(groups), 0);
    const std::string shape = constant(layer + ".groups", {3}, std::span(grouped));
    const std::string y = node("InstanceNormalization", layer + ".of_groups",
                               {node("Reshape", layer + ".grouped", {x, shape}),
                                constant(layer + ".ones", {groups}, ones), constant(layer + ".zeros", {groups}, zeros)},
                               {epsilon});
    const std::string again = node("Reshape", layer + ".ungrouped", {y, node("Shape", layer + ".shape", {x})});
    const std::string scaled = node("Mul", layer + ".scaled", {again, channel_parameter(gamma)});
    return node("Add", layer, {scaled, channel_parameter(beta)});
  }

  std::string activation(const std::string& name, const std::string& x) {
    if (net_.activation == Activation::none) return x;
    if (net_.activation == Activation::relu) return node("Relu", name, {x});
    return node("LeakyRelu", name, {x}, {real("alpha", net_.slope)});
  }

  std::string block(const std::string& name, const std::string& x, const Extents& stride = 1) {
    std::string y = norm(name + ".norm1", conv(name + ".conv1", x, stride));
    y = norm(name + ".norm2", conv(name + ".conv2", activation(name + ".activation1", y)));
    if (net_.residual) {
      const std::string shortcut = name + ".shortcut";
      y = node("Add", name + ".sum", {y, has(shortcut + ".weight") ? conv(shortcut, x, stride) : x});
    }
    return activation(name + ".activation2", y);
  }

  const UNetConfig& net_;
  std::map<std::string, Tensor> state_;
};

// An input or an output: a map whose batch and spatial extents have names in place of values.
WireMessage map_of(const std::string& name, std::int64_t channels, int dims) {
  WireMessage shape;
  const auto add = [&](const WireMessage& extent) { shape.message(proto::kDim, extent); };
  add(WireMessage().bytes(proto::kDimParam, "batch"));
  add(WireMessage().number(proto::kDimValue, channels));
  for (int axis = 3 - dims; axis < 3; ++axis)
    add(WireMessage().bytes(proto::kDimParam, nth(Names{"depth", "height", "width"}, axis)));
  const WireMessage tensor = WireMessage().number(proto::kElements, proto::kF32).message(proto::kShape, shape);
  const WireMessage type = WireMessage().message(proto::kTensorType, tensor);
  return WireMessage().bytes(proto::kInfoName, name).message(proto::kInfoType, type);
}

// What a user of the file has to know beside the graph.
std::map<std::string, std::string> metadata_of(const Model& model, bool normalised_inside) {
  std::map<std::string, std::string> metadata;
  const JsonValue spec = parse_json(to_text(model.spec));
  for (const char* key : {"class_names", "patch", "preparation", "normalisation", "mirror_axes", "mirror", "clean_up"})
    metadata[key] = to_text(*spec.find(key));
  for (const auto& [key, value] : *spec.find("training")->object()) metadata[key] = to_text(value);
  JsonValue::Array divisor;
  for (int axis = 0; axis < model.spec.net.dims; ++axis) divisor.emplace_back(model.net->divisor()[axis]);
  metadata["divisor"] = to_text(JsonValue(std::move(divisor)));
  metadata["normalised_inside"] = to_text(JsonValue(normalised_inside));
  return metadata;
}

}  // namespace

void save_onnx(const std::string& path, const Model& model, const OnnxOptions& options) {
  check(model.net != nullptr, "save_onnx: the model has no network");
  const UNetConfig& net = model.net->config();
  const Normalisation& normalisation = model.spec.normalisation;
  const Preparation& preparation = model.spec.preparation;
  const char* remedy = "write the file without the normalisation; its metadata say how images are prepared";
  if (options.normalise &&
      (normalisation.kind == Normalisation::Kind::zscore_mask || (preparation.crop && normalisation.of_each_image())))
    throw Error(
        ErrorKind::usage,
        "save_onnx: the statistics of this model are those of a part of each image, which the graph does not cut out",
        remedy);
  if (options.normalise && !preparation.spacing.empty() &&
      (normalisation.of_each_image() || !normalisation.low.empty()))
    throw Error(
        ErrorKind::usage,
        "save_onnx: this model normalises voxels as they were measured, before it resamples them, and the graph "
        "takes images that are resampled",
        remedy);
  GraphWriter writer(model);
  const std::string image = options.normalise ? writer.normalised("image", normalisation) : std::string("image");
  const std::string scores = writer.network(image), output = options.probabilities ? "probabilities" : "logits";
  if (options.probabilities)
    writer.node("Softmax", output, {scores}, {whole("axis", 1)});
  else
    writer.node("Identity", output, {scores});
  writer.graph.bytes(proto::kGraphName, "unet")
      .message(proto::kInput, map_of("image", net.in_channels, net.dims))
      .message(proto::kOutput, map_of(output, net.classes, net.dims));

  WireMessage file;
  file.number(proto::kIrVersion, 7).bytes(proto::kProducer, "voxgrad");
  file.message(proto::kOpset, WireMessage().number(proto::kOpsetVersion, 13));
  for (const auto& [key, value] : metadata_of(model, options.normalise))
    file.message(proto::kMetadata, WireMessage().bytes(proto::kKey, key).bytes(proto::kValue, value));
  file.begin(proto::kGraph, writer.graph.bytes().size());
  const std::size_t size = file.bytes().size() + writer.graph.bytes().size();
  if (size > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw Error(ErrorKind::model, text(path, ": the network has ", size, " bytes, a file in the format ONNX at most ",
                                       std::numeric_limits<std::int32_t>::max()));
  write_atomically(path, {std::as_bytes(std::span(file.bytes())), std::as_bytes(std::span(writer.graph.bytes()))});
}

}  // namespace voxgrad::nn

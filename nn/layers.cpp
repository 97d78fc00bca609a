#include "nn/layers.h"

#include <numeric>

namespace voxgrad::nn {
namespace {

void check_layer(const char* layer, int dims, std::int64_t in, std::int64_t out, const Extents& kernel) {
  check(dims >= 1 && dims <= 3, layer, ": 1 to 3 spatial axes, got ", dims);
  check(in >= 1 && out >= 1, layer, ": channels must be at least 1, got ", in, " -> ", out);
  check(kernel.dims == 0 || kernel.dims == dims, layer, ": a kernel or scale of ", kernel.dims, " extents for ", dims,
        " spatial axes");
  for (int axis = 0; axis < dims; ++axis)
    check(kernel[axis] >= 1, layer, ": extent ", kernel[axis], " of kernel or scale, must be at least 1");
}

Shape weight_shape(int dims, std::int64_t first, const Extents& kernel, std::int64_t last) {
  Shape shape{first};
  for (int axis = 0; axis < dims; ++axis) shape.push_back(kernel[axis]);
  shape.push_back(last);
  return shape;
}

Tensor initial_weight(const Shape& shape, std::int64_t fan_in, Init init, double slope, const Random& random) {
  return initial(shape, init, fan_in, gain_of(slope), stream(random, "weight")).to(DType::f32);
}

// The parameter itself, or for maps in bf16 a copy in bf16 with a gradient for the parameter.
Tensor parameter_for(DType map, const Tensor& parameter) {
  return parameter.defined() && map == DType::bf16 ? cast(parameter, map) : parameter;
}

DType type_of(const std::vector<FeatureMap>& inputs) { return inputs.empty() ? DType::f32 : inputs[0].x.dtype(); }

ConvLayerOptions block_conv(const ConvBlockOptions& options, const Extents& stride) {
  return {.kernel = options.kernel,
          .stride = stride,
          .bias = options.norm == Norm::none,
          .init = options.init,
          .slope = slope_of(options.activation, options.slope)};
}

NormLayerOptions block_norm(const ConvBlockOptions& options, bool activated) {
  return {
      .kind = options.norm, .activation = activated ? options.activation : Activation::none, .slope = options.slope};
}

}  // namespace

const std::vector<std::string>& norm_names() {
  static const std::vector<std::string> names{"batch", "instance", "group", "none"};
  return names;
}

Tensor activate(const Tensor& x, Activation activation, double slope) {
  if (activation == Activation::none) return x;
  return activation == Activation::relu ? relu(x) : leaky_relu(x, slope);
}

Conv::Conv(int dims, std::int64_t in, std::int64_t out, const ConvLayerOptions& options, const Random& random) {
  check_layer("conv layer", dims, in, out, options.kernel);
  for (int axis = 0; axis < 3; ++axis) {
    const std::int64_t extent = options.kernel[axis];
    check(extent % 2 == 1, "conv layer: an even kernel (", extent, ") cannot keep the extents");
    options_.padding[axis] = extent / 2;
  }
  options_.padding.dims = options.kernel.dims;
  options_.stride = options.stride;
  options_.f32_output = options.f32_output;
  const Shape shape = weight_shape(dims, out, options.kernel, in);
  weight_ = initial_weight(shape, shape.numel() / out, options.init, options.slope, random);
  add_parameter("weight", weight_, stream(random, "weight").key());
  if (!options.bias) return;
  bias_ = zeros({out});
  add_parameter("bias", bias_);
}

Tensor Conv::weight_for(const std::vector<FeatureMap>& inputs) const { return parameter_for(type_of(inputs), weight_); }

Tensor Conv::bias_for(const std::vector<FeatureMap>& inputs) const {
  return options_.f32_output ? bias_ : parameter_for(type_of(inputs), bias_);
}

Tensor Conv::forward(const Tensor& x) { return forward(std::vector<FeatureMap>{x}); }

Tensor Conv::forward(const std::vector<FeatureMap>& inputs) const {
  return conv(inputs, weight_for(inputs), bias_for(inputs), options_);
}

FeatureMap Conv::forward(const std::vector<FeatureMap>& inputs, const NormOptions& norm) const {
  return conv_norm(inputs, weight_for(inputs), bias_for(inputs), options_, norm);
}

ConvTranspose::ConvTranspose(int dims, std::int64_t in, std::int64_t out, const Extents& scale, Init init,
                             const Random& random) {
  check_layer("conv_transpose layer", dims, in, out, scale);
  options_.stride = scale;
  // The windows do not overlap, so an output voxel is a sum over the input channels of one voxel.
  weight_ = initial_weight(weight_shape(dims, in, scale, out), in, init, 1, random);
  bias_ = zeros({out});
  add_parameter("weight", weight_, stream(random, "weight").key());
  add_parameter("bias", bias_);
}

Tensor ConvTranspose::forward(const Tensor& x) { return forward(FeatureMap(x)); }

Tensor ConvTranspose::forward(const FeatureMap& x) const {
  const DType type = x.x.dtype();
  return conv_transpose(x, parameter_for(type, weight_), parameter_for(type, bias_), options_);
}

std::int64_t group_count(std::int64_t channels) { return std::gcd(channels, 8); }

NormLayer::NormLayer(std::int64_t channels, const NormLayerOptions& options)
    : options_(options), groups_(options.kind == Norm::group ? group_count(channels) : channels) {
  check(channels >= 1, "norm layer: channels must be at least 1, got ", channels);
  if (options.kind == Norm::none) return;
  weight_ = full({channels}, 1);
  bias_ = zeros({channels});
  add_parameter("weight", weight_);
  add_parameter("bias", bias_);
  if (options.kind != Norm::batch) return;
  running_mean_ = zeros({channels});
  running_var_ = full({channels}, 1);
  add_buffer("running_mean", running_mean_);
  add_buffer("running_var", running_var_);
}

NormOptions NormLayer::norm_options() const {
  return {.groups = options_.kind == Norm::batch ? 0 : groups_,
          .gamma = weight_,
          .beta = bias_,
          .eps = options_.eps,
          .activation = options_.activation,
          .slope = options_.slope,
          .running_mean = running_mean_,
          .running_var = running_var_,
          .training = training(),
          .momentum = options_.momentum};
}

Tensor NormLayer::forward(const Tensor& x) {
  if (options_.kind == Norm::none) return activate(x, options_.activation, options_.slope);
  check_extents(x.shape());
  return normalise(x, norm_options());
}

void NormLayer::check_extents(const Shape& x) const {
  if (options_.kind != Norm::batch && x.dims() >= 3 && x[-1] == groups_ && x.spatial_numel() == 1)
    throw Error(ErrorKind::argument, text("norm layer: each group has one value, that of a single voxel, x is ", x),
                "use larger images or patches, fewer levels, or group norm of more than 8 channels");
}

FeatureMap NormLayer::after(const Conv& conv, const std::vector<FeatureMap>& inputs) const {
  if (options_.kind == Norm::none) return activate(conv.forward(inputs), options_.activation, options_.slope);
  const FeatureMap y = conv.forward(inputs, norm_options());
  check_extents(y.shape());
  return y;
}

Dropout::Dropout(double probability) : probability_(probability) {
  check(probability >= 0 && probability < 1, "dropout layer: probability ", probability, " outside [0, 1)");
}

Tensor Dropout::forward(const Tensor& x) {
  if (!active()) return x;
  return dropout(x, probability_, next_key(), true);
}

ConvBlock::ConvBlock(int dims, std::int64_t in, std::int64_t out, const ConvBlockOptions& options, const Random& random)
    : options_(options),
      conv1_(dims, in, out, block_conv(options, options.stride), stream(random, "conv1")),
      norm1_(out, block_norm(options, true)),
      conv2_(dims, out, out, block_conv(options, 1), stream(random, "conv2")),
      norm2_(out, block_norm(options, !options.residual)),
      dropout_(options.dropout) {
  add_module("conv1", conv1_);
  add_module("norm1", norm1_);
  add_module("conv2", conv2_);
  add_module("norm2", norm2_);
  if (options.residual && (in != out || !(options.stride == 1))) {
    const ConvLayerOptions shortcut{.kernel = 1, .stride = options.stride, .init = options.init};
    shortcut_.emplace(dims, in, out, shortcut, stream(random, "shortcut"));
    add_module("shortcut", *shortcut_);
  }
  add_module("dropout", dropout_);
}

Tensor ConvBlock::forward(const Tensor& x) { return forward(std::vector<FeatureMap>{x}).tensor(); }

FeatureMap ConvBlock::forward(const std::vector<FeatureMap>& inputs) {
  FeatureMap y = norm2_.after(conv2_, {norm1_.after(conv1_, inputs)});
  if (options_.residual) {
    check(shortcut_ || inputs.size() == 1, "conv block: a residual block without a shortcut takes one map, got ",
          inputs.size());
    const Tensor x = shortcut_ ? shortcut_->forward(inputs) : inputs[0].tensor();
    y = activate(y.tensor() + x, options_.activation, options_.slope);
  }
  return dropout_.active() ? FeatureMap(dropout_(y.tensor())) : y;
}

}  // namespace voxgrad::nn

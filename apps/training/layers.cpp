#include "apps/training/layers.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

class Walk {
 public:
  using Visit = std::function<void(const std::string&, const Tensor&)>;
  Walk(const nn::UNet& net, const Visit& visit) : config_(net.config()), visit_(visit) {
    for (const std::vector<NamedTensor>& list : {net.parameters(), net.buffers()})
      for (const NamedTensor& entry : list) tensors_[entry.name] = entry.tensor.detach();
  }

  void run(const Tensor& images) {
    const int steps = config_.depth - 1;
    std::vector<Tensor> skips;
    Tensor y = images;
    for (int level = 0; level <= steps; ++level) {
      const Extents stride = level > 0 ? nth(config_.strides, level - 1) : Extents(1);
      if (!config_.strided && level > 0) y = max_pool(y, stride);
      y = block(text("encoder.", level), y, config_.strided ? stride : Extents(1));
      if (level < steps) skips.push_back(y);
    }
    if (steps == 0) head(0, y);
    for (int level = steps - 1; level >= 0; --level) {
      y = block(text("decoder.", level), concat({nth(skips, level), up(level, y)}, -1));
      head(level, y);
    }
  }

 private:
  Tensor of(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? Tensor() : found->second;
  }
  const Tensor& seen(const std::string& layer, const Tensor& map) {
    visit_(layer, map);
    return map;
  }

  Tensor conv(const std::string& layer, const Tensor& x, const Extents& stride = 1) {
    const Tensor weight = of(layer + ".weight");
    ConvOptions options;
    for (int axis = 0; axis < config_.dims; ++axis) options.padding[axis] = weight.extent(axis + 1) / 2;
    options.padding.dims = config_.dims;
    options.stride = stride;
    return seen(layer, voxgrad::conv(x, weight, of(layer + ".bias"), options));
  }

  Tensor norm(const std::string& layer, const Tensor& x, Activation activation) {
    const std::int64_t channels = x.extent(-1), groups = config_.norm == nn::Norm::batch   ? 0
                                                         : config_.norm == nn::Norm::group ? nn::group_count(channels)
                                                                                           : channels;
    if (config_.norm == nn::Norm::none) return seen(layer, nn::activate(x, activation, config_.slope));
    NormOptions options{.groups = groups,
                        .gamma = of(layer + ".weight"),
                        .beta = of(layer + ".bias"),
                        .activation = activation,
                        .slope = config_.slope};
    if (groups == 0) {  // copies, because batch norm moves the running statistics
      options.running_mean = of(layer + ".running_mean").clone();
      options.running_var = of(layer + ".running_var").clone();
    }
    return seen(layer, normalise(x, options));
  }

  Tensor block(const std::string& name, const Tensor& x, const Extents& stride = 1) {
    Tensor y = norm(name + ".norm1", conv(name + ".conv1", x, stride), config_.activation);
    y = norm(name + ".norm2", conv(name + ".conv2", y), config_.residual ? Activation::none : config_.activation);
    if (!config_.residual) return y;
    const bool other = of(name + ".shortcut.weight").defined();
    const Tensor rest = other ? conv(name + ".shortcut", x, stride) : x;
    return seen(name, nn::activate(y + rest, config_.activation, config_.slope));
  }

  Tensor up(int level, const Tensor& x) {
    const std::string layer = text("up.", level);
    const Extents& scale = nth(config_.strides, level);
    if (!config_.transposed) return upsample(conv(layer, x), config_.upsampling, scale);
    ConvOptions options;
    options.stride = scale;
    return seen(layer, conv_transpose(x, of(layer + ".weight"), of(layer + ".bias"), options));
  }

  void head(int level, const Tensor& x) {
    const std::string layer = text("heads.", level);
    if (of(layer + ".weight").defined()) static_cast<void>(conv(layer, x));
  }

  const nn::UNetConfig& config_;
  const Visit& visit_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace

Magnitude magnitude_of(const Tensor& map) {
  Magnitude result;
  for (const float value : map.to_vector<float>())
    if (std::isfinite(value))
      result.largest = std::max(result.largest, static_cast<double>(std::abs(value)));
    else
      result.finite = false;
  return result;
}

void visit_layers(const nn::UNet& net, const Tensor& images,
                  const std::function<void(const std::string& layer, const Tensor& map)>& visit) {
  const NoGrad no_grad;
  Walk(net, visit).run(images.to(DType::f32));
}

}  // namespace voxgrad::apps

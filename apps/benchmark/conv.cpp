// Measures the convolutions of a network one by one, in their three passes.
#include <algorithm>

#include "apps/benchmark/benchmark.h"
#include "apps/program/console.h"
#include "engine/backend.h"
#include "engine/cpu/inspect.h"
#include "engine/error.h"
#include "engine/ops.h"
#include "engine/parallel.h"

namespace voxgrad::apps {
namespace {

using cpu::ConvPass;

constexpr std::pair<ConvPass, const char*> kPasses[]{{ConvPass::forward, "forward"},
                                                     {ConvPass::input_gradient, "input_gradient"},
                                                     {ConvPass::weight_gradient, "weight_gradient"}};

Json sizes(const Shape& shape) { return std::vector<std::int64_t>(shape.begin(), shape.end()); }

// A transposed convolution computes its output as the gradient of an input, and the other way round.
ConvPass backend_pass(const ConvLayer& layer, ConvPass pass) {
  if (!layer.transposed || pass == ConvPass::weight_gradient) return pass;
  return pass == ConvPass::forward ? ConvPass::input_gradient : ConvPass::forward;
}

Json time(const NetworkOptions& options, const ConvLayer& layer, ConvPass pass) {
  Backend& backend = backend_of(options.device);
  const auto values = [&](const Shape& shape) { return random_normal(shape, options.seed).to(options.device); };
  const Tensor x = values(layer.x), weight = values(layer.weight), y = values(layer.y);
  const Timing timing = measure(options.device, options.repeats, [&] {
    switch (pass) {
      case ConvPass::forward: return backend.conv({x}, weight, {}, layer.options, y);
      case ConvPass::input_gradient: return backend.conv_input_gradient(y, weight, layer.options, {x});
      case ConvPass::weight_gradient: return backend.conv_weight_gradient({x}, y, layer.options, weight);
    }
  });
  Json json = to_json(timing);
  const double seconds = timing.median_ms / 1000, gflops = layer.flops() / seconds / 1e9;
  json["voxels_per_s"] = static_cast<double>(layer.y.numel() / layer.y[-1]) / seconds;
  json["peak_memory_bytes"] = peak_memory_bytes();
  json["gflops_effective"] = gflops;
  return json;
}

}  // namespace

double ConvLayer::flops() const {
  return 2 * static_cast<double>(y.numel()) * static_cast<double>(weight.numel()) / static_cast<double>(weight[0]);
}

std::vector<ConvLayer> conv_layers(const nn::UNet& net, const Shape& x) {
  const nn::UNetConfig& config = net.config();
  std::vector<Shape> levels{x};  // the extents of each level
  for (const Extents& stride : config.strides) {
    levels.push_back(levels.back());
    for (int axis = 0; axis < config.dims; ++axis) levels.back()[axis + 1] /= stride[axis];
  }
  std::vector<ConvLayer> layers;
  for (const NamedTensor& parameter : net.parameters()) {
    const Shape& weight = parameter.tensor.shape();
    if (weight.dims() != config.dims + 2) continue;                                // of a norm, or a bias
    const std::string name = parameter.name.substr(0, parameter.name.rfind('.'));  // "decoder.2.conv1"
    const std::size_t dot = name.find('.');
    const auto level = static_cast<std::size_t>(std::stoi(name.substr(dot + 1)));
    if (name.starts_with("up.") && config.transposed) {
      const Extents& stride = config.strides[level];
      layers.push_back({name, levels[level].with(-1, weight[-1]), weight, levels[level + 1].with(-1, weight[0]),
                        ConvOptions{stride, 0, 1}, true, false});
      continue;
    }
    const Shape& space = levels[name.starts_with("up.") ? level + 1 : level];
    ConvOptions same;
    for (int axis = 0; axis < config.dims; ++axis) same.padding[axis] = weight[axis + 1] / 2;
    same.padding.dims = config.dims;
    layers.push_back({name, space.with(-1, weight[-1]), weight, space.with(-1, weight[0]), same, false,
                      name == "encoder.0.conv1" || name == "encoder.0.shortcut"});
  }
  return layers;
}

Json bench_conv(const NetworkOptions& options, bool explain) {
  const BenchNetwork network = make_network(options);
  const bool timed_here = !explain && options.device == Device::cpu;
  double peak = 0;  // the best of many short looks, because others may use the core
  Json rows = Json::array();
  for (const ConvLayer& layer : conv_layers(*network.net, network.x.shape()))
    for (const auto& [pass, name] : kPasses) {
      if (pass == ConvPass::input_gradient && layer.on_input) continue;
      Json row{{"layer", layer.name},
               {"pass", name},
               {"x", sizes(layer.transposed ? layer.y : layer.x)},
               {"weight", sizes(layer.weight)}};
      const ConvPass computed = backend_pass(layer, pass);
      if (options.device == Device::cpu) {
        const cpu::ConvChoice choice = cpu::conv_choice(computed, layer.x, layer.weight, layer.y, layer.options);
        row["kernel"] = choice.kernel;
        row["reason"] = choice.reason;
      }
      if (timed_here) peak = std::max(peak, cpu::peak_gflops());
      if (!explain) row.update(time(options, layer, computed));
      rows.push_back(std::move(row));
    }
  for (Json& row : rows)
    if (timed_here) row["peak_share"] = row["gflops_effective"].get<double>() / (peak * threads());
  return rows;
}

}  // namespace voxgrad::apps

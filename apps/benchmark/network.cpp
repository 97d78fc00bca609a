// Measures training steps and inference of a whole network.
#include <cmath>
#include <numbers>

#include "apps/benchmark/benchmark.h"
#include "apps/program/console.h"
#include "apps/training/config.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/io/safetensors.h"
#include "engine/names.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "losses/core/loss.h"
#include "nn/optimizer.h"

namespace voxgrad::apps {
namespace {

enum SeedFork : std::uint64_t { kWeights = 1, kInput = 2 };

constexpr double kRate = 1e-4;  // of the optimiser: it costs the same whatever it is

nn::UNetConfig config_of(const NetworkOptions& options) {
  nn::UNetConfig config;
  config.dims = options.dims;
  config.in_channels = options.channels;
  config.classes = options.classes;
  config.base = options.base;
  config.max_channels = options.max_channels > 0 ? options.max_channels : options.base << (options.depth - 1);
  config.depth = options.depth;
  config.norm = static_cast<nn::Norm>(choose("norm", options.norm, nn::norm_names()));
  config.residual = options.residual;
  return config;
}

Shape label_shape(const NetworkOptions& options) {
  const bool planes = options.dims == 2;
  const std::string patch = options.patch.empty() ? planes ? "128" : "48" : options.patch;
  return Shape{options.batch > 0 ? options.batch : planes ? 4 : 1} + parse_sizes(patch, options.dims, "--patch");
}

void load_weights(nn::UNet& net, const std::string& path) {
  std::vector<NamedTensor> state;
  for (NamedTensor& entry : load_tensors(path).tensors)
    if (!entry.name.starts_with("bench.") && !entry.name.starts_with("gradient.")) state.push_back(std::move(entry));
  try {
    net.load_state(state);
  } catch (const Error& error) {
    throw Error(error.kind(), path + ": " + error.message(), error.hint());
  }
}

// Counts all convolutions. A training step computes two gradients as well, but none for the input of the network.
double flops_of(const BenchNetwork& network, bool training) {
  double total = 0;
  for (const ConvLayer& layer : conv_layers(*network.net, network.x.shape()))
    total += layer.flops() * (!training ? 1 : layer.on_input ? 2 : 3);
  return total;
}

Json report(const NetworkOptions& options, const BenchNetwork& network, const Timing& timing, bool training) {
  Json json = to_json(timing);
  const double seconds = timing.median_ms / 1000;
  const auto pool = static_cast<std::int64_t>(backend_of(options.device).pool().statistics().peak);
  json["voxels_per_s"] = static_cast<double>(network.labels.numel()) / seconds;
  json["peak_memory_bytes"] = options.device == Device::cpu ? peak_memory_bytes() : pool;
  json["tensor_memory_bytes"] = pool;
  json["gflops_effective"] = flops_of(network, training) / seconds / 1e9;
  json["parameters"] = network.net->parameter_count();
  json["threads"] = threads();
  json["device"] = backend_of(options.device).description();
  return json;
}

}  // namespace

Tensor smooth_labels(const Shape& shape, std::int64_t classes) {
  const Tensor labels = empty(shape, DType::u8);
  std::uint8_t* const to = labels.data<std::uint8_t>();
  constexpr double kWaves = 3;
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    double height = 0;  // -1 .. 1
    std::int64_t rest = i;
    for (int axis = shape.dims() - 1; axis > 0; --axis) {
      const double at = static_cast<double>(rest % shape[axis]) / static_cast<double>(shape[axis]);
      height += std::sin(2 * std::numbers::pi * kWaves * at + axis) / (shape.dims() - 1);
      rest /= shape[axis];
    }
    const double level = std::max(0.0, height) * static_cast<double>(classes);
    to[i] = static_cast<std::uint8_t>(std::min<std::int64_t>(static_cast<std::int64_t>(level), classes - 1));
  }
  return labels;
}

BenchNetwork make_network(const NetworkOptions& options) {
  if (options.amp) require_amp(options.device);
  if (options.depth < 1 || options.depth > 10)
    throw Error(ErrorKind::usage, text("--depth ", options.depth, " outside 1..10"));
  const Random random(options.seed);
  BenchNetwork network;
  network.net = std::make_unique<nn::UNet>(config_of(options), random.fork(kWeights));
  if (!options.weights.empty()) load_weights(*network.net, options.weights);
  network.net->to(options.device);
  network.net->flatten();
  const Shape shape = label_shape(options);
  Shape image = shape;
  image.push_back(options.channels);
  network.x = random_normal(image, random.fork(kInput).key()).to(options.device);
  if (options.amp) network.x = network.x.to(DType::bf16);
  network.labels = smooth_labels(shape, std::max<std::int64_t>(options.classes, 2)).to(options.device);
  return network;
}

Json bench_train(const NetworkOptions& options) {
  const BenchNetwork network = make_network(options);
  nn::UNet& net = *network.net;
  const losses::Loss loss = losses::make_loss(options.loss);
  const auto optimizer = nn::make_optimizer(options.optimizer, net);
  const Tensor value = zeros({}, DType::f64, options.device);
  const auto gradient = [&] {
    net.set_step(options.seed, 0);
    const Tensor result = loss(net(network.x), network.labels);
    result.backward();
    copy_into(value, result);
  };
  const auto time = [&](const std::function<void()>& work) {
    return measure(options.device, options.repeats, [&] {
      work();
      optimizer->step(kRate);
      net.zero_grad();
    });
  };
  Replay replay(options.device);
  const auto replayed = [&] { replay("", gradient); };
  if (options.device != Device::cpu) measure(options.device, 3, replayed);  // until it is recorded
  Json json = report(options, network, time(replayed), true);
  if (options.device == Device::cpu) return json;
  json["called_ms"] = time(gradient).median_ms;
  json["recorded"] = replay.size();  // kernels, copies and fills from the input to the gradient
  json["refusal"] = replay.refusal();
  return json;
}

Json bench_infer(const NetworkOptions& options) {
  const BenchNetwork network = make_network(options);
  const NoGrad guard;
  network.net->train(false);
  const Timing timing = measure(options.device, options.repeats, [&] { return (*network.net)(network.x); });
  return report(options, network, timing, false);
}

void write_dump(const NetworkOptions& options) {
  const BenchNetwork network = make_network(options);
  nn::UNet& net = *network.net;
  TensorFile file;
  file.tensors = net.state();
  const Tensor logits = net(network.x);
  const Tensor value = losses::make_loss(options.loss)(logits, network.labels);
  value.backward();
  for (const auto& [name, tensor] : {std::pair{"bench.x", network.x},
                                     {"bench.labels", network.labels},
                                     {"bench.logits", logits.detach()},
                                     {"bench.loss", value.detach()}})
    file.tensors.push_back({name, tensor.to(Device::cpu)});
  // A second network with the gradients for weights: its state has them in PyTorch's axis order.
  nn::UNet gradients(net.config(), Random(0));
  gradients.to(options.device);
  copy_into(gradients.flat_parameters(), net.flat_gradients());
  const std::size_t parameters = net.parameters().size();
  std::vector<NamedTensor> state = gradients.state();
  for (const NamedTensor& parameter : net.parameters())
    for (NamedTensor& entry : state)
      if (entry.name == parameter.name) file.tensors.push_back({"gradient." + entry.name, entry.tensor});
  check(file.tensors.size() >= 2 * parameters + 4, "bench: the dump lacks gradients");
  save_tensors(options.dump, file);
}

}  // namespace voxgrad::apps

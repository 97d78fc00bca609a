// The measurements of `voxgrad bench`, each in a file of its own. All inputs are synthetic and made from `seed`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/benchmark/timing.h"
#include "nn/unet.h"

namespace voxgrad::apps {

struct BenchOptions {
  Device device = Device::cpu;
  std::uint64_t seed = 1;
  int repeats = 0;   // see measure()
  std::string dump;  // file to write the inputs to, so that another program can be given the same
};

struct NetworkOptions : BenchOptions {
  int dims = 2;
  std::int64_t base = 32;
  int depth = 4;
  std::int64_t max_channels = 0;  // 0: doubled at every level, without a limit
  std::string norm = "instance";
  bool residual = false;
  bool amp = false;  // maps in bf16
  std::int64_t channels = 1, classes = 2;
  std::int64_t batch = 0;  // 0: 4 images or 1 volume
  std::string patch;       // empty: 128 or 48
  std::string loss = "dice_ce", optimizer = "adamw";
  std::string weights;  // file to start from
};

// A network and a batch for it.
struct BenchNetwork {
  std::unique_ptr<nn::UNet> net;
  Tensor x;       // f32 [N, *S, channels]
  Tensor labels;  // u8 [N, *S]
};
// Throws Error(usage) for options that make no network and Error(model) for weights that do not fit.
BenchNetwork make_network(const NetworkOptions& options);

// One convolution of the network, as the backend sees it: x, weight and y are those of a convolution. A transposed
// convolution goes from y to x.
struct ConvLayer {
  std::string name;
  Shape x, weight, y;
  ConvOptions options;
  bool transposed;
  bool on_input;         // whether x is the input of the network, whose gradient nobody asks for
  double flops() const;  // the multiplications and additions of one pass by the definition
};
// Returns the layers in the order of the parameters; x is the shape of the input of the network.
std::vector<ConvLayer> conv_layers(const nn::UNet& net, const Shape& x);

// Return {median_ms, min_ms, repeats, voxels_per_s, peak_memory_bytes, gflops_effective, ..}. A step is forward, loss,
// backward and optimiser; inference is one forward pass without a graph. gflops_effective counts the convolutions by
// their definition, so a kernel that saves multiplications exceeds the peak of the machine.
Json bench_train(const NetworkOptions& options);
Json bench_infer(const NetworkOptions& options);

// Returns [{part, operation, shape, in_use_mib, peak_mib}], the memory of the tensors in one training step: before it,
// after the network and the loss, after each operation of the backward pass, and after the optimiser. peak_mib is the
// most since the row before.
Json bench_memory(const NetworkOptions& options);

// Writes weights, inputs and results of one training step before the weights change, so that another framework can do
// the same step. The file has the state under PyTorch's names, `bench.x` and `bench.labels` with the channels last,
// `bench.logits`, `bench.loss` and `gradient.<parameter>`.
void write_dump(const NetworkOptions& options);

// Returns an object per layer and pass: {layer, pass, x, weight, kernel, reason}. Unless `explain`, it also has
// median_ms .. as above and peak_share, which is gflops_effective / (threads * the peak of a core).
Json bench_conv(const NetworkOptions& options, bool explain);

// Returns [{loss, forward_ms, backward_ms, gb_per_s, ..}] for logits [*shape, classes]; shape is N, *S. gb_per_s is the
// traffic that cannot be avoided over the time of both: logits and labels are read twice, the gradient is written. The
// dump has `bench.logits` and `bench.labels`.
Json bench_losses(const BenchOptions& options, const std::vector<std::string>& losses, const Shape& shape,
                  std::int64_t classes);

// Returns [{kernel, type, median_ms, .., gb_per_s, share_of_copy}] for the kernels other than convolutions in which a
// network spends its time, on maps of `shape` [N, *S, C], with even *S, in f32 or (amp) bf16. gb_per_s counts what they
// must read and write.
Json bench_kernels(const BenchOptions& options, const Shape& shape, bool amp);

// Returns {median_ms, min_ms, repeats, voxels_per_s, ..} for the distance to each of the classes 1 .. classes - 1. The
// dump has `bench.labels` and `bench.distance`.
Json bench_distance(const BenchOptions& options, const Shape& extents, std::int64_t classes,
                    const std::vector<double>& spacing);

// Returns [{change, threads, median_ms, .., batches_per_s}] for batches of a training with these settings: with the
// whole list, made by 0 (the caller), 1 and 2 threads of the loader, and then for each kind of change alone, on every
// sample. The cases are in memory.
Json bench_loader(const BenchOptions& options, const std::string& dataset, const std::string& augment,
                  const std::string& patch, std::int64_t batch, const std::string& label_map = {});

// Returns labels u8 of this shape [N, *S] with smooth regions; most voxels are background.
Tensor smooth_labels(const Shape& shape, std::int64_t classes);

}  // namespace voxgrad::apps

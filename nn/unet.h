// U-Net for images and volumes (Ronneberger 2015, Cicek 2016), with the options that nnU-Net made standard.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/random.h"
#include "nn/layers.h"

namespace voxgrad::nn {

struct UNetConfig {
  int dims = 2;  // 2: [N, H, W, C], 3: [N, D, H, W, C]
  std::int64_t in_channels = 1;
  std::int64_t classes = 2;  // output channels (logits); 1 means one sigmoid channel
  std::int64_t base = 32;    // channels of the first level; doubled per level, at most max_channels
  std::int64_t max_channels = 320;
  int depth = 4;  // levels, the bottleneck included; depth - 1 poolings
  Norm norm = Norm::instance;
  Activation activation = Activation::leaky_relu;
  bool residual = false;  // x + block(x), with a 1x1 convolution where the channels change; see ConvBlock
  double dropout = 0;     // channelwise, after each block
  Upsampling upsampling = Upsampling::linear;
  bool transposed = true;  // upsample by a transposed convolution; false: by `upsampling`, then a 1x1 convolution
  bool deep_supervision = false;
  // Pooling of each of the depth - 1 steps; empty: 2 on every axis. {1, 2, 2} keeps thick slices.
  std::vector<Extents> strides = {};
  Init init = Init::he;
};

const std::vector<std::string>& activation_names();  // in the order of Activation
const std::vector<std::string>& upsampling_names();  // in the order of Upsampling

inline constexpr std::int64_t kMostChannels = 65536;  // of any map

// What a whole number of the configuration may be, both ends included.
struct FieldRange {
  std::int64_t low, high;
};

// Every field of a configuration once, for whoever writes, reads or checks it: visit(name, field) for a flag, a real
// number and the strides; visit(name, field, FieldRange) for a whole number; visit(name, field, names) for an
// enumeration, with the names of its values in their order. A field that is forgotten here does not compile.
template <class Config, class Visit>
void visit_fields(Config& config, Visit&& visit) {
  auto& [dims, in_channels, classes, base, max_channels, depth, norm, activation, residual, dropout, upsampling,
         transposed, deep_supervision, strides, init] = config;
  visit("dims", dims, FieldRange{2, 3});
  visit("in_channels", in_channels, FieldRange{1, kMostChannels});
  visit("classes", classes, FieldRange{1, 255});
  visit("base", base, FieldRange{1, kMostChannels});
  visit("max_channels", max_channels, FieldRange{1, kMostChannels});
  visit("depth", depth, FieldRange{1, 10});
  visit("norm", norm, norm_names());
  visit("activation", activation, activation_names());
  visit("residual", residual);
  visit("dropout", dropout);
  visit("upsampling", upsampling, upsampling_names());
  visit("transposed", transposed);
  visit("deep_supervision", deep_supervision);
  visit("strides", strides);
  visit("init", init, init_names());
}

// Parameters, level 0 being the finest and level depth - 1 the bottleneck:
//   encoder.<level>.{conv1,norm1,conv2,norm2,shortcut}.*     a ConvBlock per level, max pooling between them
//   up.<level>.{weight,bias}                                 brings level + 1 to the extents and channels of level
//   decoder.<level>.*                                        a ConvBlock on [skip, up], concatenated in this order
//   heads.<level>.{weight,bias}                              1x1 convolution to the classes
class UNet final : public Module {
 public:
  // Error(usage) with the value and its range if the configuration is impossible.
  UNet(const UNetConfig& config, const Random& random);
  // Logits [N, *S, classes]. The network computes in the type of x: its own or, on a device that has it, bf16 for maps
  // and copies of the weights, while parameters, statistics and logits stay f32. Extents of x must be multiples of
  // divisor(): Error(argument) with the axis and the value.
  Tensor forward(const Tensor& x) override;
  // The logits at all resolutions, finest first; one element without deep supervision or in evaluation. Element k has
  // the extents of x divided by the first k strides.
  [[nodiscard]] std::vector<Tensor> outputs(const Tensor& x);
  const UNetConfig& config() const noexcept;
  // What every spatial extent must be a multiple of, per axis.
  [[nodiscard]] Extents divisor() const;

 private:
  struct Parts;
  std::shared_ptr<Parts> parts_;
};

}  // namespace voxgrad::nn

// The U-Net for images and volumes (Ronneberger 2015, Cicek 2016), with the options that nnU-Net made standard.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/random.h"
#include "nn/layers.h"

namespace voxgrad::nn {

struct UNetConfig {
  int dims = 2;  // 2 for images [N, H, W, C], 3 for volumes [N, D, H, W, C]
  std::int64_t in_channels = 1;
  std::int64_t classes = 2;               // output channels (logits); 1 means one sigmoid channel
  std::int64_t base = 32;                 // channels of the first level; each level has twice those of the one above
  std::int64_t max_channels = 320;        // the most channels of a level
  std::vector<std::int64_t> widths = {};  // the channels of each level, in place of those by base and max_channels
  int depth = 4;                          // number of levels, including the bottleneck; there are depth - 1 poolings
  Norm norm = Norm::instance;
  Activation activation = Activation::leaky_relu;
  double slope = 0.01;    // of leaky_relu below zero
  bool residual = false;  // each block adds its input to its result; see ConvBlock
  double dropout = 0;     // the probability that a channel is dropped after a block
  Upsampling upsampling = Upsampling::linear;
  bool transposed = true;  // upsample by a transposed convolution, not by a 1x1 convolution and `upsampling`
  bool deep_supervision = false;
  // The windows of the depth - 1 poolings (empty: 2 on every axis), and for each level the kernel of its convolutions,
  // 1 or 3 along an axis (empty: 3). For thick slices {1, 2, 2} and {1, 3, 3} are better until the voxels are cubes.
  std::vector<Extents> strides = {}, kernels = {};
  bool strided = false;  // the first convolution of a level has the stride, and there is no pooling
  Init init = Init::he;
};

const std::vector<std::string>& activation_names();  // in the order of Activation
const std::vector<std::string>& upsampling_names();  // in the order of Upsampling

std::int64_t width(const UNetConfig& config, int level);  // the channels of a level

inline constexpr std::int64_t kMostChannels = 65536;  // the limit for every map

// The range of a whole number of the configuration, with both ends.
struct FieldRange {
  std::int64_t low, high;
};

// Visits every field of a configuration, for functions that write, read or check it. It calls visit(name, field) for a
// flag, a real number and a list; visit(name, field, FieldRange) for a whole number; and visit(name, field, names) for
// an enumeration, with the names of its values in their order. It does not compile if a field is missing here.
template <class Config, class Visit>
void visit_fields(Config& config, Visit&& visit) {
  auto& [dims, in_channels, classes, base, max_channels, widths, depth, norm, activation, slope, residual, dropout,
         upsampling, transposed, deep_supervision, strides, kernels, strided, init] = config;
  visit("dims", dims, FieldRange{2, 3});
  visit("in_channels", in_channels, FieldRange{1, kMostChannels});
  visit("classes", classes, FieldRange{1, 255});
  visit("base", base, FieldRange{1, kMostChannels});
  visit("max_channels", max_channels, FieldRange{1, kMostChannels});
  visit("widths", widths);
  visit("depth", depth, FieldRange{1, 10});
  visit("norm", norm, norm_names());
  visit("activation", activation, activation_names());
  visit("slope", slope);
  visit("residual", residual);
  visit("dropout", dropout);
  visit("upsampling", upsampling, upsampling_names());
  visit("transposed", transposed);
  visit("deep_supervision", deep_supervision);
  visit("strides", strides);
  visit("kernels", kernels);
  visit("strided", strided);
  visit("init", init, init_names());
}

// The parameters are as follows; level 0 is the finest and level depth - 1 the bottleneck:
//   encoder.<level>.{conv1,norm1,conv2,norm2,shortcut}.*  a ConvBlock per level, with max pooling between them
//   up.<level>.{weight,bias}     turns the map of level + 1 into the extents and channels of the level
//   decoder.<level>.*            a ConvBlock on [skip, up], concatenated in this order
//   heads.<level>.{weight,bias}  a 1x1 convolution to the classes
class UNet final : public Module {
 public:
  // Error(usage) with the value and its range if the configuration is impossible.
  UNet(const UNetConfig& config, const Random& random);
  // The logits [N, *S, classes]. x has the type of the parameters or, on a device that supports it, bf16. Then maps and
  // copies of the weights are bf16, but parameters, statistics and logits are f32. The extents of x must be multiples
  // of divisor(): Error(argument) with the axis and the value.
  Tensor forward(const Tensor& x) override;
  // The logits at all resolutions, the finest first. Element k has the extents of x divided by the first k strides.
  // Without deep supervision, and in evaluation, there is one element.
  [[nodiscard]] std::vector<Tensor> outputs(const Tensor& x);
  const UNetConfig& config() const noexcept;
  // The number that the extent of each spatial axis must be a multiple of.
  [[nodiscard]] Extents divisor() const;

 private:
  struct Parts;
  std::shared_ptr<Parts> parts_;
};

}  // namespace voxgrad::nn

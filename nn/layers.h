// The layers of a U-Net. Feature maps are [N, *S, C]; `dims` is the number of spatial axes, 1 to 3. Parameters have
// PyTorch's names (weight, bias, running_mean, running_var), and Module::state() brings them into PyTorch's axis order.
// A layer draws its initial weights (nn/init.h) from the stream of `random` that belongs to the name of the parameter.
// For maps in bf16 a layer computes with copies of its weights in bf16; parameters, their gradients and statistics are
// f32.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/ops.h"
#include "engine/random.h"
#include "nn/init.h"
#include "nn/module.h"

namespace voxgrad::nn {

enum class Norm { batch, instance, group, none };
const char* name_of(Norm norm) noexcept;
const std::vector<std::string>& norm_names();  // in the order of Norm

// x or its (leaky) ReLU.
Tensor activate(const Tensor& x, Activation activation, double slope = 0.01);
// What the activation multiplies a negative number by: 1 (none), 0 (relu), `slope` (leaky_relu). For nn::gain_of().
double slope_of(Activation activation, double slope = 0.01);

struct ConvLayerOptions {
  // Odd extents. The map is padded with zeros so that its extents stay: [N, *S, in] -> [N, *S, out].
  Extents kernel = 3;
  bool bias = true;  // the bias starts at zero
  Init init = Init::he;
  double slope = 1;         // of the activation that follows, below zero; 1: none
  bool f32_output = false;  // for maps in bf16: the result is f32
};

class Conv final : public Module {
 public:
  Conv(int dims, std::int64_t in, std::int64_t out, const ConvLayerOptions& options, const Random& random);
  Tensor forward(const Tensor& x) override;
  // The convolution of maps that lie side by side along the channels and are normalised as they are read.
  Tensor forward(const std::vector<FeatureMap>& inputs) const;
  // Followed by a normalisation, which is deferred.
  FeatureMap forward(const std::vector<FeatureMap>& inputs, const NormOptions& norm) const;

 private:
  Tensor weight_for(const Tensor& x) const;
  Tensor bias_for(const Tensor& x) const;
  ConvOptions options_;
  Tensor weight_;  // [out, *K, in]
  Tensor bias_;    // [out] or undefined
};

// Upsamples by `scale`: a transposed convolution whose windows touch and do not overlap (kernel = stride), so that no
// checkerboard arises. [N, *S, in] -> [N, *(S scale), out]
class ConvTranspose final : public Module {
 public:
  ConvTranspose(int dims, std::int64_t in, std::int64_t out, const Extents& scale, Init init, const Random& random);
  Tensor forward(const Tensor& x) override;
  Tensor forward(const FeatureMap& x) const;

 private:
  ConvOptions options_;
  Tensor weight_;  // [in, *K, out]
  Tensor bias_;    // [out]
};

struct NormLayerOptions {
  Norm kind = Norm::instance;
  Activation activation = Activation::none;
  double slope = 0.01;
  double eps = 1e-5;
  double momentum = 0.1;  // batch norm: how far the running statistics move towards those of a batch
};

// Normalisation with affine parameters (weight 1, bias 0 at the start) and the activation after it, in one pass.
// Group norm takes 8 groups, or fewer where 8 does not divide the channels: gcd(channels, 8). Norm::none applies the
// activation only. Error(argument) for instance norm of a single voxel: every channel would be its bias, whatever the
// image.
class NormLayer final : public Module {
 public:
  NormLayer(std::int64_t channels, const NormLayerOptions& options);
  Tensor forward(const Tensor& x) override;
  // This layer applied to a convolution of `inputs`; it is deferred unless there is nothing to normalise.
  FeatureMap behind(const Conv& conv, const std::vector<FeatureMap>& inputs) const;

 private:
  NormOptions norm_options() const;
  void check_extents(const Shape& x) const;
  NormLayerOptions options_;
  std::int64_t groups_;
  Tensor weight_, bias_;               // [channels]
  Tensor running_mean_, running_var_;  // [channels], batch norm only
};

// Zeroes whole channels of a sample with `probability` in training (Tompson et al., CVPR 2015: neighbouring voxels are
// too alike for single ones to be dropped). Which ones is fixed by Module::set_step().
class Dropout final : public Module {
 public:
  explicit Dropout(double probability);
  Tensor forward(const Tensor& x) override;
  bool active() const { return training() && probability_ > 0; }

 private:
  double probability_;
};

struct ConvBlockOptions {
  Norm norm = Norm::instance;
  Activation activation = Activation::leaky_relu;
  double slope = 0.01;
  bool residual = false;
  double dropout = 0;
  Init init = Init::he;
};

// Twice (3x3 convolution, norm, activation), then dropout. residual: activation(norm(conv(..)) + x) (He et al., CVPR
// 2016), where x goes through a 1x1 convolution if the channels change. A convolution before a norm has no bias.
// Names: conv1, norm1, conv2, norm2, shortcut.
class ConvBlock final : public Module {
 public:
  ConvBlock(int dims, std::int64_t in, std::int64_t out, const ConvBlockOptions& options, const Random& random);
  Tensor forward(const Tensor& x) override;
  // Of maps side by side along the channels; the last normalisation is left to whoever reads the result.
  FeatureMap forward(const std::vector<FeatureMap>& inputs);

 private:
  ConvBlockOptions options_;
  Conv conv1_;
  NormLayer norm1_;
  Conv conv2_;
  NormLayer norm2_;
  std::optional<Conv> shortcut_;
  Dropout dropout_;
};

}  // namespace voxgrad::nn

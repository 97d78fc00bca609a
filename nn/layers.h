// The layers of a U-Net. Feature maps are [N, *S, C]; `dims` is the number of spatial axes, 1 to 3. The parameters have
// the names of PyTorch (weight, bias, running_mean, running_var), and Module::state() returns them in its axis order. A
// layer draws the initial weights of a parameter (nn/init.h) from the stream of `random` with the name of the
// parameter. For maps in bf16 a layer computes with copies of its weights in bf16, but parameters, their gradients and
// statistics are f32.
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
const std::vector<std::string>& norm_names();  // in the order of Norm

// x or its (leaky) ReLU; `slope` is the factor of leaky_relu below zero.
Tensor activate(const Tensor& x, Activation activation, double slope = 0.01);

struct ConvLayerOptions {
  // The extents are odd. The map is padded with zeros so that its extents do not change: [N, *S, in] -> [N, *S, out].
  Extents kernel = 3;
  Extents stride = 1;  // divides the extents, rounded up
  bool bias = true;    // the bias starts at zero
  Init init = Init::he;
  double slope = 1;         // the factor of the activation that follows for negative numbers; 1 if none follows
  bool f32_output = false;  // the result of maps in bf16 is f32
};

class Conv final : public Module {
 public:
  Conv(int dims, std::int64_t in, std::int64_t out, const ConvLayerOptions& options, const Random& random);
  Tensor forward(const Tensor& x) override;
  // The convolution of maps that are concatenated along the channels, after their deferred normalisation if they have
  // one.
  Tensor forward(const std::vector<FeatureMap>& inputs) const;
  // The convolution followed by a normalisation, which is deferred.
  FeatureMap forward(const std::vector<FeatureMap>& inputs, const NormOptions& norm) const;

 private:
  Tensor weight_for(const std::vector<FeatureMap>& inputs) const;
  Tensor bias_for(const std::vector<FeatureMap>& inputs) const;
  ConvOptions options_;
  Tensor weight_;  // [out, *K, in]
  Tensor bias_;    // [out] or undefined
};

// Upsamples by `scale`: [N, *S, in] -> [N, *(S scale), out]. It is a transposed convolution whose kernel equals its
// stride. So its windows touch without overlapping, and no checkerboard pattern arises.
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
  double momentum = 0.1;  // the share by which batch norm moves its running statistics towards those of a batch
};

// The groups of group norm: gcd(channels, 8), which is 8 if 8 divides the channels.
std::int64_t group_count(std::int64_t channels);

// Normalisation with affine parameters (at the start weight 1 and bias 0), followed by an activation in the same pass.
// Norm::none applies the activation only.
// Error(argument) for a single voxel with one channel per group, because the result would be the bias for every image.
class NormLayer final : public Module {
 public:
  NormLayer(std::int64_t channels, const NormLayerOptions& options);
  Tensor forward(const Tensor& x) override;
  // This layer applied to the convolution of `inputs`. The normalisation is deferred.
  FeatureMap after(const Conv& conv, const std::vector<FeatureMap>& inputs) const;

 private:
  NormOptions norm_options() const;
  void check_extents(const Shape& x) const;
  NormLayerOptions options_;
  std::int64_t groups_;
  Tensor weight_, bias_;               // [channels]
  Tensor running_mean_, running_var_;  // [channels], for batch norm only
};

// In training, sets whole channels of a sample to zero with `probability`. Neighbouring voxels are too similar for
// single ones to be dropped (Tompson et al., CVPR 2015). Module::set_step() determines which channels these are.
class Dropout final : public Module {
 public:
  explicit Dropout(double probability);
  Tensor forward(const Tensor& x) override;
  bool active() const { return training() && probability_ > 0; }

 private:
  double probability_;
};

struct ConvBlockOptions {
  Extents kernel = 3;
  Extents stride = 1;  // of the first convolution and of the shortcut
  Norm norm = Norm::instance;
  Activation activation = Activation::leaky_relu;
  double slope = 0.01;
  bool residual = false;
  double dropout = 0;
  Init init = Init::he;
};

// Two times a convolution, norm and activation, and then dropout. A residual block ends with
// activation(norm(conv(..)) + x), where a 1x1 convolution is applied to x if channels or extents change (He et al.,
// CVPR 2016). A convolution before a norm has no bias. The modules are called conv1, norm1, conv2, norm2 and shortcut.
class ConvBlock final : public Module {
 public:
  ConvBlock(int dims, std::int64_t in, std::int64_t out, const ConvBlockOptions& options, const Random& random);
  Tensor forward(const Tensor& x) override;
  // The block applied to maps that are concatenated along the channels. Its last normalisation is deferred. A residual
  // block without a shortcut takes one map.
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

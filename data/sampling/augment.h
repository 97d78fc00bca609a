// Random changes of a training sample that keep its meaning. Geometry moves whole voxels of image and label together,
// so labels stay exact; intensity changes the image alone.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::data {

// Every change has a probability, 0 by default: nothing happens. Amounts are relative to the sample: "SD" is the
// standard deviation of its channel, so that they mean the same under any normalisation.
struct AugmentOptions {
  double flip = 0;            // per spatial axis
  double rotate = 0;          // per plane: by 90, 180 or 270 degrees, where both extents and both spacings are equal
  double blur = 0;            // Gaussian, as wide in millimetres along every axis
  double blur_sigma = 1;      // at most, in voxels of the finest axis
  double gain = 0;            // contrast: distance from the channel's mean times a factor
  double gain_range = 1.3;    // factor from 1 / range to range
  double bias = 0;            // brightness: a constant per channel
  double bias_range = 0.3;    // SD, from -range to range
  double gamma = 0;           // x^g between the smallest and the largest value of the channel
  double gamma_range = 1.4;   // exponent from 1 / range to range
  double noise = 0;           // Gaussian, independent per value
  double noise_sigma = 0.15;  // SD, at most
};

// "none", "geometry" (flips and rotations) or "default" (all). Error(usage) for another name.
AugmentOptions augment_options(const std::string& name);

// A flip and permutation of the spatial axes: the group of the square, or of the cube.
class Orientation {
 public:
  explicit Orientation(int dims);
  void flip(int axis);
  // Turns by `turns` times 90 degrees from axis a to axis b, as numpy.rot90(x, turns, (a, b)).
  void rotate(int a, int b, int turns);
  bool identity() const;
  // In place. x is f32 or u8 with `dims` spatial axes, and channels behind them or not; axes that change places must
  // have equal extents.
  void apply(const Tensor& x) const;

 private:
  int dims_;
  std::array<int, 3> axis_{0, 1, 2};  // axis of the input that becomes axis i of the result ..
  std::array<bool, 3> flipped_{};     // .. and whether it runs backwards
};

// In place: image f32 [*S, C], label u8 [*S], spacing per spatial axis, maps f32 [*S, K] that move with the label.
// Every kind of change draws from its own fork of `random`: switching one off leaves the others as they were.
void augment(const Tensor& image, const Tensor& label, const std::vector<double>& spacing,
             const AugmentOptions& options, const Random& random, const std::vector<Tensor>& maps = {});

}  // namespace voxgrad::data

// Random changes of a training sample that keep its meaning. Changes of geometry move image and label together: flips
// and turns by right angles move whole voxels, a warp (data/sampling/warp.h) samples the case anew. Changes of
// intensity (data/sampling/intensity.h) touch the image alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/sampling/warp.h"
#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::data {

// Every change has a probability, which is 0 by default, and most have an amount. "SD" is the standard deviation of the
// sample's channel; amounts in this unit mean the same under any normalisation.
struct AugmentOptions {
  double flip_z = 0, flip_y = 0, flip_x = 0;  // probability of a flip along each axis; images have no z
  double turn = 0;                    // of a turn by 90, 180 or 270 degrees in a plane with equal extents and spacings
  double rotate = 0;                  // of a rotation by any angle; lengths are kept
  double rotate_angle = 180;          // its largest angle in degrees, in each plane
  double scale = 0;                   // of another size
  double scale_range = 1.4;           // what is seen becomes larger by a factor between 1 / range and range
  double elastic = 0;                 // of a smooth random deformation
  double elastic_amount = 0.25;       // its largest shift as a share of the distance between two nodes, up to 0.4
  double blur = 0;                    // of a Gaussian blur, equally wide in millimetres along every axis
  double blur_sigma = 1;              // its largest standard deviation, in voxels of the finest axis
  double low_resolution = 0;          // of fewer voxels, as if the image had been taken with a larger spacing
  double low_resolution_least = 0.5;  // the resolution is at least this share of that of the finest axis
  double gain = 0;                    // of another contrast: the distance to the channel's mean is multiplied
  double gain_range = 1.3;            // the factor lies between 1 / range and range
  double bias = 0;                    // of another level: a constant is added to the channel
  double bias_range = 0.3;            // the constant lies between -range and range, in SD
  double brightness = 0;              // of another brightness: all values are multiplied by a factor
  double brightness_range = 1.3;      // the factor lies between 1 / range and range
  double inverted_gamma = 0;          // of gamma (below) of the negative image
  double gamma = 0;                   // of x^g, with x from 0 to 1 between the channel's smallest and largest value
  double gamma_range = 1.5;           // the exponent lies between 1 / range and range
  double noise = 0;                   // of Gaussian noise, independent for every value
  double noise_sigma = 0.3;           // its largest standard deviation, in SD
};

// The forks of the random numbers of a sample, one for each kind of change. With other numbers here, the same seed
// would give other batches.
enum ChangeFork : std::uint64_t {
  kFlip,
  kTurn,
  kBlur,
  kGain,
  kBias,
  kGamma,
  kNoise,
  kRotate,
  kScale,
  kElastic,
  kLowResolution,
  kBrightness,
  kInvertedGamma
};

// Reads a list for cases with `dims` spatial axes, for example "default,elastic=0.3,rotate=0". It begins with the name
// of a set or with a member of AugmentOptions; the members that follow replace values of the set. "flip" stands for all
// three axes. The sets:
//   none
//   geometry   rotation and scaling; images are also flipped and turned. Volumes are not, because a scanner fixes their
//              orientation, and they are rotated by at most 30 degrees.
//   intensity  all changes of intensity
//   default    geometry and intensity
//   elastic    default and elastic deformation
// Throws Error(usage) for unknown names and for values out of range.
AugmentOptions augment_options(const std::string& list, int dims);
// Throws Error(usage) for a list with an amount of changes that never happen, as "default,elastic_amount=0.4" has.
// augment_options() reads it, because runs may have begun with such a list.
void require_effect(const std::string& list);
// Return the names of the sets, of all members, and of the members that are probabilities of a kind of change.
std::vector<std::string> augment_sets();
std::vector<std::string> augment_members();
std::vector<std::string> augment_changes();
// Returns the value of every member by its name; "flip", which stands for three of them, is left out.
std::map<std::string, double> augment_values(const AugmentOptions& options);

// Draws the warp of a sample. It moves nothing along an axis on which the patch has one voxel. In a volume it also
// moves nothing along the axis whose spacing is more than three times each other one or, if there is none, along the
// axis on which the patch is more than three times shorter, as a length, than on each other one.
Warp draw_warp(const Shape& patch, const std::vector<double>& spacing, const AugmentOptions& options,
               const Random& random);

// Makes all other changes of a sample, in place: image f32 [*S, C], label u8 [*S] and maps f32 [*S, K], which move with
// the label. `spacing` has one value per spatial axis. Every kind of change draws from its own fork of `random`, so
// switching one off leaves the others as they were.
void augment(const Tensor& image, const Tensor& label, const std::vector<double>& spacing,
             const AugmentOptions& options, const Random& random, const std::vector<Tensor>& maps = {});

}  // namespace voxgrad::data

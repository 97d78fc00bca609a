// What a dataset looks like: the numbers that `inspect` prints and from which `train` derives its defaults.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/moments.h"

namespace voxgrad::data {

struct Summary {  // of a list of numbers; zeros if it is empty
  double min = 0, median = 0, mean = 0, max = 0;
};

struct ClassFingerprint {
  std::string name;
  std::int64_t voxels = 0;
  double fraction = 0;       // of the voxels that are not ignored
  std::int64_t cases = 0;    // in which it occurs
  std::int64_t objects = 0;  // components connected by faces (4 or 6 neighbours); none counted for the background
  Summary object_voxels;     // sizes of the objects ..
  Summary object_size;       // .. in mm^2 or mm^3
};

struct ChannelFingerprint {
  double min = 0, max = 0, mean = 0, deviation = 0;  // of all voxels
  // Of at most about 10^6 voxels evenly spread over the cases.
  double percentile_0_5 = 0, median = 0, percentile_99_5 = 0;
  double foreground_mean = 0, foreground_deviation = 0;  // voxels of any class but the background
};

struct Fingerprint {
  std::int64_t cases = 0, groups = 0;  // groups: 0 if the file has none
  std::int64_t voxels = 0;             // of all cases
  int dims = 2;
  std::vector<Summary> shape, spacing;  // per spatial axis
  double foreground_fraction = 0;       // of the voxels that are not ignored
  double ignored_fraction = 0;          // of all voxels
  std::int64_t empty_cases = 0;         // without any foreground
  std::vector<ClassFingerprint> classes;
  std::vector<ChannelFingerprint> channels;
};

// Of the given cases; none given: of all. Reads each once, one in memory at a time.
Fingerprint take_fingerprint(const Dataset& dataset, const std::vector<std::int64_t>& cases = {});

// Mean and variance of all voxels of the given cases (at least one), per channel. Reads each once.
std::vector<Moments> intensity_moments(const Dataset& dataset, const std::vector<std::int64_t>& cases);

// Sizes, in voxels, of the face-connected components of the voxels of `label` (u8 [*S]) that equal `value`, in the
// order of their first voxels.
std::vector<std::int64_t> component_sizes(const Tensor& label, std::uint8_t value);

}  // namespace voxgrad::data

// Describes a dataset in numbers, for people and for the rules that choose the settings of a training.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::data {

// Describes a list of numbers; all four are 0 if it is empty.
struct Spread {
  double min = 0, median = 0, mean = 0, max = 0;
};

struct ClassFingerprint {
  std::string name;
  std::int64_t voxels = 0;
  double fraction = 0;       // its share of the voxels that are not ignored
  std::int64_t cases = 0;    // the number of cases in which it occurs
  std::int64_t objects = 0;  // components connected by faces (4 or 6 neighbours); 0 for the background
  Spread object_voxels;      // the sizes of the objects in voxels
  Spread object_size;        // the same in mm^2 or mm^3
  // Its border voxels, which have a face neighbour with another label, divided by those that discs or balls as large as
  // its objects would have: about 1 for compact objects, and far above 1 for long thin ones. Neighbours in another
  // slice do not count if slices are more than three times as thick as their pixels. 0 for the background.
  double thinness = 0;
};

struct ChannelFingerprint {
  double min = 0, max = 0, mean = 0, deviation = 0;  // over all voxels
  // Over at most about 10^6 voxels, evenly spread over the cases.
  double percentile_0_5 = 0, median = 0, percentile_99_5 = 0;
  double foreground_mean = 0, foreground_deviation = 0;  // over the voxels of all classes but the background
};

struct Fingerprint {
  std::int64_t cases = 0, groups = 0;  // groups is 0 if the file has none
  std::int64_t voxels = 0;             // in all cases together
  int dims = 2;
  std::vector<Spread> shape, spacing;     // per spatial axis
  double foreground_fraction = 0;         // its share of the voxels that are not ignored
  double ignored_fraction = 0;            // their share of all voxels
  std::int64_t empty_cases = 0;           // cases without any foreground
  std::vector<ClassFingerprint> classes;  // empty for a dataset without labels; what is above about them is 0 then
  std::vector<ChannelFingerprint> channels;
};

// Describes the given cases, of which there must be at least one. Each is read once, and only one is in memory at a
// time.
Fingerprint take_fingerprint(const Dataset& dataset, const std::vector<std::int64_t>& cases);

// Returns the classes other than the background that none of the cases has. Cases are read until every class was seen.
std::vector<std::int64_t> absent_classes(const Dataset& dataset, const std::vector<std::int64_t>& cases);

// Returns the first number from `step` on that has no factor in common with the two last extents of an image with the
// spatial shape `space`. Every step-th voxel is in a single column if the step is a multiple of the last extent.
std::int64_t spread_step(std::int64_t step, const Shape& space);

// Returns the sizes in voxels of the objects with this value in `label` (u8 [*S]), in the order of their first voxels.
// An object is a set of voxels that are connected by faces.
std::vector<std::int64_t> component_sizes(const Tensor& label, std::uint8_t value);

}  // namespace voxgrad::data

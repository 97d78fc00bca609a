// The rules by which a training chooses how images are prepared: crop, spacing, normalisation. Each is a function of
// facts about the training cases, and says why in a sentence. They are those of nnU-Net (Isensee et al., Nature Methods
// 2021), but images are cropped or resampled only where there is something to gain, so that other trainings are as they
// would be without these steps.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/shape.h"

namespace voxgrad::apps {

// The intensities of a channel where the labels show foreground.
struct ForegroundValues {
  double low = 0, high = 0;  // percentiles 0.5 and 99.5
  double mean = 0, deviation = 0;
};

struct PreparationFacts {
  bool physical = true;                       // whether spacings are lengths
  std::string modality;                       // as the dataset says it, "CT"; may be empty
  std::vector<std::vector<double>> spacings;  // of all training cases, for each axis
  std::vector<Shape> shapes;                  // of all training cases

  // What is known of the cases that were read, which are evenly spread over all of them; nothing if none was.
  std::vector<std::int64_t> read;  // indices in the dataset
  std::vector<Shape> boxes;        // extents of the box of the voxels that are not 0 in every channel
  double kept = 1;                 // median over the cases: the share of the voxels that lie in the box
  std::array<bool, 2> sides{};     // of pictures: whether they have them along y and along x (training/sides.h)
  bool colour = false;  // three channels of whole numbers 0 .. 255, in 2-D; in half of the cases they are not all equal
  std::vector<ForegroundValues> foreground;  // one per channel
};

// How many cases of these shapes the rules read: 64 at most, more would not change a median; of large ones as many as
// have 64 million voxels, because they take seconds, but at least 8 volumes, or the 16 pictures that show their sides.
std::int64_t cases_to_read(const std::vector<Shape>& shapes);

// A value in the words of the setting, and the sentence that says why.
struct Decision {
  std::string value, reason;
};

// "on" if the box has less than nine tenths of the voxels of a case, else "off".
Decision choose_crop(const PreparationFacts& facts);
// The median spacing of each axis as "1x0.5x0.5", or "none" if no axis has spacings that differ by more than a tenth.
// If the spacing of one axis of a volume is more than three times that of each other one, and its extent less than a
// third of each other one, its 10th percentile is taken instead, but not less than the spacing of another axis: few
// thick slices would else lose detail.
Decision choose_spacing(const PreparationFacts& facts);
// "dataset" for computed tomography, "rgb" for colour pictures, "mask" if the box has less than three quarters of a
// case, else "case".
Decision choose_normalisation(const PreparationFacts& facts);

}  // namespace voxgrad::apps

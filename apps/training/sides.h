// Whether pictures have an upper and a lower end, or a left and a right side, so that a mirrored one is none of them:
// chests do, cells under a microscope do not. Where the classes lie in half of the cases is compared with where they
// lie in the other half, and with the mirror image of that. If nothing is known of the directions, both differ by
// chance.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::apps {

class Sides {
 public:
  explicit Sides(std::int64_t classes);  // with the background
  // Adds the labels u8 [Y, X] of a case; the background and the label `ignore` do not count.
  void add(const Tensor& labels, int ignore);
  // Whether the mirror image along y, and that along x, differs from the other half of the cases by more than twice as
  // much as the halves differ (sums of squares), and by more than a tenth of all that is there, because with many cases
  // the least difference would be certain. False for fewer than 16 cases.
  std::array<bool, 2> found() const;

 private:
  std::int64_t classes_, cases_ = 0;
  // By half and class: the shares of the pixels in 12 x 12 parts of a picture, summed over the cases.
  std::array<std::vector<double>, 2> sums_;
};

}  // namespace voxgrad::apps

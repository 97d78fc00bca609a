// A picture that is painted layer by layer. A new layer covers those before; a voxel at its edge is covered in part.
#pragma once

#include <array>
#include <vector>

#include "data/phantoms/phantom.h"

namespace voxgrad::data::phantom {

template <std::size_t Channels>
class Canvas {
 public:
  using Values = std::array<double, Channels>;
  Canvas(const View& view, int classes, const Values& background)
      : share_(static_cast<std::size_t>(classes), Grid(view.extent)) {
    for (double value : background) channels_.emplace_back(view.extent, value);
    share_[0] = Grid(view.extent, 1.0);
  }

  // Covers this share of a voxel with `values`. The covered share belongs to class `label`.
  void paint(std::int64_t voxel, double share, const Values& values, int label) {
    if (share <= 0.0) return;
    for (std::size_t c = 0; c < Channels; ++c) channels_[c][voxel] = mix(channels_[c][voxel], values[c], share);
    for (Grid& grid : share_) grid[voxel] *= 1.0 - share;
    nth(share_, label)[voxel] += share;
  }

  // Returns the share of every voxel that belongs to a class at this time.
  const Grid& share(int label) const { return nth(share_, label); }
  Grid& channel(std::size_t c) { return channels_[c]; }

  // Ends the painting. Every voxel gets the class that has the largest share of it.
  Picture picture() && {
    Picture picture{std::move(channels_), {}};
    for (std::int64_t i = 0; i < share_[0].count(); ++i) {
      std::size_t best = 0;
      for (std::size_t k = 1; k < share_.size(); ++k)
        if (share_[k][i] > share_[best][i]) best = k;
      picture.labels.push_back(static_cast<std::uint8_t>(best));
    }
    return picture;
  }

 private:
  std::vector<Grid> channels_, share_;
};

}  // namespace voxgrad::data::phantom

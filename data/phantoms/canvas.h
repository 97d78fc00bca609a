// A picture that is painted layer by layer: what is painted covers what was there, voxels on an edge by their share.
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

  // Covers this share of a voxel with `values`; it belongs to class `label` there.
  void paint(std::int64_t voxel, double share, const Values& values, int label) {
    if (share <= 0.0) return;
    for (std::size_t c = 0; c < Channels; ++c) channels_[c][voxel] = mix(channels_[c][voxel], values[c], share);
    for (Grid& grid : share_) grid[voxel] *= 1.0 - share;
    share_[static_cast<std::size_t>(label)][voxel] += share;
  }

  // Shares of a class so far.
  const Grid& share(int label) const { return share_[static_cast<std::size_t>(label)]; }
  Grid& channel(std::size_t c) { return channels_[c]; }

  // Every voxel gets the class that has the largest share of it.
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

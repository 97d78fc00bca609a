// How well the borders of masks lie on edges of their images: where they are, and where they would be if they had been
// moved, flipped or transposed, or were those of other cases. Masks that are in place fit best where they are, whatever
// the contrast of the objects, because edges rarely follow the outline of an object that is somewhere else.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::apps {

// A change of a mask [Z, Y, X]; of a picture Z is 1. The voxel at `from` goes to `to`: to[k] is from[axis[k]], counted
// from the other end if backwards[k], plus shift[k].
struct Move {
  std::array<std::int64_t, 3> shift{};
  std::array<int, 3> axis{0, 1, 2};
  std::array<bool, 3> backwards{};
  bool operator==(const Move&) const = default;
  bool is_shift() const { return axis == std::array<int, 3>{0, 1, 2} && backwards == std::array<bool, 3>{}; }
};

// The scores of one case. A score is the mean over voxels at the border of a mask, 0 .. 1.
struct BorderScores {
  std::int64_t index = 0;       // the case
  std::vector<float> moved;     // one per move, NaN where less than half of the border remains in the image
  double own = 0;               // in place
  double mean = 0, spread = 0;  // mean and standard deviation over the moves that are shifts
  std::vector<float> others;    // of masks of other cases on this image
};

class BorderSurvey {
 public:
  // `cases` is how many will be added.
  BorderSurvey(const data::DatasetInfo& info, std::int64_t cases);
  // The label says 0 for what is no object; a label `ignored` has no border.
  void add(std::int64_t index, const data::Case& one, int ignored);
  // The moves, with shifts in voxels of the cases. They are multiples of stride().
  const std::vector<Move>& moves() const { return moves_; }
  // Every so many voxels are looked at along each axis.
  const std::array<std::int64_t, 3>& stride() const { return stride_; }
  const std::vector<BorderScores>& scores() const { return scores_; }

 private:
  struct Point {
    std::array<float, 3> at, normal;
  };
  struct Outline {
    std::array<std::int64_t, 3> extents;
    std::vector<Point> points;
    std::string group;
  };

  std::array<std::int64_t, 3> stride_{1, 1, 1};
  std::vector<Move> moves_, searched_;  // those that are searched have shifts in steps of the stride
  std::vector<BorderScores> scores_;
  std::vector<Outline> outlines_;
};

// The mask u8 [*S] after the move; what was outside is 0.
Tensor moved(const Tensor& mask, const Move& move);
// "shifted by 5 along y", "flipped along x", "with y and x exchanged".
std::string words_of(const Move& move, int dims);

}  // namespace voxgrad::apps

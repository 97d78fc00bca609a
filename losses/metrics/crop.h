// The masks of one class, cut out of the labels of a whole image.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

// The lines along the last axis of an array.
struct Lines {
  explicit Lines(const Shape& of) : shape(of), length(of[-1]), count(length > 0 ? of.numel() / length : 0) {}
  [[nodiscard]] Shape at(std::int64_t line) const;  // the position of the first voxel of a line
  [[nodiscard]] std::int64_t offset(const Shape& position) const;
  [[nodiscard]] std::int64_t grain() const;  // for parallel_for over the lines
  Shape shape;
  std::int64_t length, count;
};

// Both masks of a class, u8 of one shape: 1 where the labels have the class and the truth is not ignored.
struct Masks {
  Tensor prediction, truth;  // undefined if neither labels have the class
};

// Labels u8 [*S] of one shape, on the CPU, which must outlive it.
class Crop {
 public:
  Crop(const Tensor& prediction, const Tensor& truth, int ignore);
  // The masks in the smallest box that holds both, with `margin` empty voxels around it on every side.
  [[nodiscard]] Masks masks(std::int64_t label, std::int64_t margin = 0) const;

 private:
  // Positions [low, high) per axis. The box is empty until a line is added.
  struct Box {
    Shape low, high;
    bool empty() const { return low.dims() == 0; }
    void add(const Shape& line, std::int64_t first, std::int64_t last);  // voxels first .. last of a line
  };
  Tensor cut(const std::uint8_t* labels, const Box& box, std::int64_t label, std::int64_t margin) const;

  const std::uint8_t *prediction_, *truth_;
  Lines lines_;
  int ignore_;
  std::vector<Box> boxes_;  // by label, of both arrays together
};

}  // namespace voxgrad::losses

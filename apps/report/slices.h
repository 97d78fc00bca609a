// Pictures of images with labels laid over them. Of a volume they show slices along the first axis.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/report/drawing.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

// The slice of labels [Z, Y, X] with most voxels that are neither background nor 255; 0 for labels [Y, X].
std::int64_t fullest_slice(const Tensor& labels);

// What is laid over a pixel; nothing if `share`, its weight against the image, is 0.
struct Paint {
  Colour colour{};
  double share = 0;
};
// Receives the number of a voxel in [*S].
using PaintOf = std::function<Paint(std::int64_t voxel)>;

// Draws a slice of an image [*S, C] with at most `largest` pixels a side; of larger ones every second or third voxel is
// drawn. Three channels are colours; otherwise the first one is drawn in grey. Dark and light are the 1st and the 99th
// percentile of the slice.
Picture draw_slice(const Tensor& image, std::int64_t slice, std::int64_t largest, const PaintOf& over = {});

// Draws what was found: the classes with clear borders over the image, and their names below. Of a volume at most nine
// slices are shown, evenly spread over those with a class other than the background. With `upright` the last row of a
// slice is on top, as the front of the body is in the orientation RAS.
Picture draw_found(const Tensor& image, const Tensor& labels, const std::vector<std::string>& class_names,
                   const std::vector<Colour>& colours, bool upright);

}  // namespace voxgrad::apps

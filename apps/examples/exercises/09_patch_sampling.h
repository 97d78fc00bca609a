// Exercise 9: patch sampling.
// Read before: data/README.md to "Reading order"; data/sampling/loader.h, the comments of patch and foreground
//
// A network learns from patches, because whole volumes do not fit into memory. Where small objects are rare, patches
// that lie anywhere would mostly show background, so a share of them is centred on a pixel of the foreground.
//
// my_corner() returns the first row and column of a patch, as Extents{row, column}. For each of the two axes, with the
// extents S of the image and P of the patch:
//
//   S < P                  -((P - S) / 2), with / rounded down: the patch has a margin on both sides
//   centred on pixel c     c - P / 2, moved into 0 .. S - P, so that the patch does not leave the image
//   anywhere               each of 0, 1, .., S - P with the same probability
//
// `foreground` has one list of pixels for each class that occurs; pixel number i is in row i / W and column i % W. If
// it is empty, the patch lies anywhere. Else draw the class first, each with the same probability, and then one of its
// pixels. Otherwise a small class would hardly ever be seen beside a large one.
//
// random.below(n) draws one of 0 .. n - 1, each with the same probability (engine/random.h).
//
// my_cut() returns the patch of a f32 image [H, W] as a tensor of the shape `patch`, with zeros where it lies outside
// of the image.
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"
#include "engine/random.h"

namespace voxgrad::learn {

inline Extents my_corner(const Shape& image, const Shape& patch,
                         const std::vector<std::vector<std::int64_t>>& foreground, Random& random) {
  not_filled("my_corner", image, patch, foreground, random);
}

inline Tensor my_cut(const Tensor& image, const Extents& corner, const Shape& patch) {
  not_filled("my_cut", image, corner, patch);
}

}  // namespace voxgrad::learn

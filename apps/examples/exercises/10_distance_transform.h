// Exercise 10: the distance transform, in linear time.
// Read before: engine/cpu/README.md, "The distance transform"
//
// How far is every pixel of an object from the nearest pixel outside of it? Squared distances add up over the axes, so
// one axis is done after the other. Along one line of n pixels at a distance of s,
//
//   d[i] = min over j of f[j] + (s (i - j))^2
//
// where f[j] is what the axes before have found at j, and infinity where they have found nothing. As it is written,
// this takes n^2 steps. But every j stands for a parabola over i with its lowest point (j, f[j]), all of them have the
// same width, and d is their lower envelope. Two such parabolas cross once, and the one with the larger j is lower
// behind that point. So the envelope is built from left to right like a stack (Felzenszwalb and Huttenlocher 2012):
//
//   for each j with a finite f[j]: where does it cross the parabola on the top of the stack? For k < j that is at
//     (f[j] + s^2 j^2 - f[k] - s^2 k^2) / (2 s^2 (j - k))
//   if that is not behind the place where the top itself begins, the top is nowhere the lowest: remove it and ask again
//   else put j on the stack, together with the place where it begins (the first one begins at minus infinity)
//   afterwards go through i = 0, 1, .. with the parabola whose part i lies in
//
// Every j is put on the stack once and removed at most once, so this takes 2 n steps. The test has a line of 20000.
//
// my_distance() has a mask u8 [H, W], which is 1 on the object and 0 outside. `row_distance` is that from a row to the
// next one, so it is the s of a line that goes down a column, and `column_distance` that from a column to the next. The
// result, f64 [H, W], is the Euclidean distance from each pixel of the object to the nearest pixel outside of it; 0
// outside, and 0 everywhere if there is no pixel outside. Pixels beyond the border of the image do not count. f of the
// first axis is 0 outside of the object and infinite inside.
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

// Returns d. If all of f is infinite, so is d.
inline std::vector<double> my_line(const std::vector<double>& f, double s) { not_filled("my_line", f, s); }

inline Tensor my_distance(const Tensor& mask, double row_distance, double column_distance) {
  not_filled("my_distance", mask, row_distance, column_distance);
}

}  // namespace voxgrad::learn

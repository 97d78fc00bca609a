// Exercise 7: the field of the boundary loss.
// Read before: losses/boundary.cpp, the comment at the top; losses/core/fields.h, the same
//
// The boundary loss is mean(phi p): every pixel has a price phi, which it pays in proportion to its probability p. phi
// is the signed distance to the border of the class, so a false positive far away is expensive and a pixel deep inside
// is a gain. For each sample, class c and pixel i
//
//   phi_c(i) =  distance from i to the nearest pixel of class c            if i is not of class c
//   phi_c(i) = -distance from i to the nearest pixel that is not of c      if i is of class c
//
// The distance is the Euclidean one between the centres of two pixels, sqrt(dv^2 + du^2), so no pixel has the value 0.
// If the sample has no pixel of class c, or no other, there is no border, and phi_c is 0 on all of its pixels. Other
// samples of the batch do not count. Of the versions that boundary.cpp names, this is `plain`.
//
//   labels u8 [N, H, W] with values below `classes`, the result f64 [N, H, W, classes]
//
// Compare every pixel with every other one. That takes time in proportion to (H W)^2, which is no matter for small
// images; exercise 10 is about doing it in proportion to H W.
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

inline Tensor my_boundary_field(const Tensor& labels, std::int64_t classes) {
  not_filled("my_boundary_field", labels, classes);
}

}  // namespace voxgrad::learn

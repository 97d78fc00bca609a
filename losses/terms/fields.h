// Maps that losses with geometry weigh voxels with. They depend on the labels alone, so whoever has the whole case
// makes them once, of the whole case, and cuts them with the patch (Context::fields). Distances have the unit of
// `spacing`; t is 1 where the label is the class, d the distance to the nearest voxel on its other side, 0 everywhere
// if there is no other side.
//
//   distance           per class: d, inside and outside (Karimi and Salcudean, TMI 2020, Eq. 8)
//   signed:plain       per class: d outside, -d inside (Kervadec et al., MIDL 2019, Eq. 5 on a voxel grid)
//   signed:kervadec    per class: d outside, 1 - d inside, so the innermost of the rim is 0: what their code does
//   signed:zero_inner  per class: plain, but 0 where a voxel shares a face with the other side
//   penalty:range      (max d - d) / (max d - min d), d to the nearest voxel of any other class, max and min over the
//                      region of the voxel's class; 1 in a region whose voxels all have the same d (Caliva et al.,
//                      MIDL 2019)
//   penalty:max        (max d - d) / max d
//   penalty:none       max d - d
//
// A class that is absent or fills the image is 0 everywhere.
#pragma once

#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

// labels u8 [N, *S] with 1 to 3 spatial axes; channels: of the logits, C; spacing per spatial axis, empty: 1.
// [N, *S, C] for a field per class, of class 1 alone if C = 1; [N, *S, 1] for a penalty, 0 at labels that are no
// channel. dtype f32 or f64, on the device of the labels. Error(usage) with a did-you-mean for an unknown key.
Tensor make_field(const std::string& key, const Tensor& labels, std::int64_t channels,
                  const std::vector<double>& spacing, DType dtype);

// To be raised when a field changes its values, so that none of before is taken from a cache.
inline constexpr int kFieldDefinition = 1;

// The keys above.
const std::vector<std::string>& field_keys();

}  // namespace voxgrad::losses

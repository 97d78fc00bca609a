// Maps with which losses weight the voxels. They depend on the labels alone, so that whoever has the whole case makes
// them once and crops them with the patch (Context::fields). t is 1 where the label is the class. d is the distance to
// the nearest voxel on the other side of the border of the class, or 0 everywhere if there is no other side.
//
//   distance           per class: d, inside and outside (Karimi and Salcudean, TMI 2020, Eq. 8)
//   signed:plain       per class: d outside, -d inside (Kervadec et al., MIDL 2019, Eq. 5 on a voxel grid)
//   signed:kervadec    per class: d outside, s - d inside, s the smallest spacing: 0 at the border as in their code
//   signed:zero_inner  per class: plain, but 0 where a voxel shares a face with the other side
//   border             per class: 1 where a face neighbour of its voxel is outside, ignored or off the image, else 0
//   region             per class: 1 outside, -d / max d inside (Valverde and Tohka, Pattern Recognition 2023)
//   skeleton:line      per class: 1 on the skeleton of all foreground (skeleton() in engine/ops.h) in the class, else 0
//   skeleton:tube      the same of the skeleton widened by two voxels along the axes (Kirchhoff et al., ECCV 2024)
//   components         per class but the background, which is 0: numbers of the connected components from 1, with all
//                      neighbours; 0 outside
//   cells              the same, but everywhere the number of the nearest component; 0 if the class is absent
//   penalty:range      (max d - d) / (max d - min d), d to the nearest voxel of any other class, max and min over the
//                      region of the voxel's class; 1 in a region whose voxels all have the same d (Caliva et al.,
//                      MIDL 2019)
//   penalty:max        (max d - d) / max d
//   penalty:none       max d - d
//
// Distances count voxels: the geometric mean of the spacing of a sample is 1, and its anisotropy is kept. With ":mm"
// behind the name of the map they have the unit of the spacing. Distances are 0 where a class
// is absent or fills the image.
#pragma once

#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

// How distances are measured.
struct Measure {
  std::vector<double> spacing;  // per spatial axis, or that of each sample after the other; empty: 1
  bool millimetres = false;     // distances have the unit of the spacing; else they count voxels
  int ignore = -1;              // voxels with this label are on no side of a border
};

// t of every class, [N, *S, K]: 1 where the label is the class, else 0.
[[nodiscard]] Tensor one_hot(const Tensor& labels, const std::vector<int>& classes, DType dtype);
// d of every class, [N, *S, K] in f32 or f64. labels: u8 [N, *S] with 1 to 3 spatial axes.
[[nodiscard]] Tensor border_distances(const Tensor& labels, const std::vector<int>& classes, const Measure& how,
                                      DType dtype);

// channels: of the logits, C. spacing and ignore: see Measure. Returns [N, *S, C] for a field per class (of class 1
// alone if C = 1), or [N, *S, 1] for a penalty (0 at labels without a channel), on the device of the labels.
// Error(usage) with a did-you-mean for an unknown key.
[[nodiscard]] Tensor make_field(const std::string& key, const Tensor& labels, std::int64_t channels,
                                const std::vector<double>& spacing, DType dtype, int ignore = -1);

// This number must be raised when the values of a field change, so that caches do not return the old ones.
inline constexpr int kFieldDefinition = 3;

// The keys above.
[[nodiscard]] const std::vector<std::string>& field_keys();

}  // namespace voxgrad::losses

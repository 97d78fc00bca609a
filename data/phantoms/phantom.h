// The recipe of a phantom. To add one, write a file with a function that returns its Recipe, declare the function below
// and enter it in the list of data/phantoms.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/phantoms.h"
#include "data/phantoms/grid.h"

namespace voxgrad::data::phantom {

struct Picture {
  std::vector<Grid> channels;        // values in 0 .. 1
  std::vector<std::uint8_t> labels;  // one per voxel
};

struct Recipe {
  Phantom info;
  std::string modality;
  // In millimetres, or micrometres for cells. y is the shorter side of a slice, z the height of all slices (0 in
  // images).
  Point field_of_view;
  std::int64_t cases_per_group;
  // Makes the picture of one case. `group` draws what the cases of a patient share, `own` what differs between them.
  Picture (*make)(const View& view, Draw group, Draw own);
};

Recipe lesions2d();
Recipe vessels2d();
Recipe organs2d();
Recipe nuclei2d();
Recipe tumour3d();
Recipe organ3d();

}  // namespace voxgrad::data::phantom

// What one phantom consists of. A new phantom is one file with one function that returns a Recipe, declared below and
// entered in the list of data/phantoms.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/phantoms.h"
#include "data/phantoms/grid.h"

namespace voxgrad::data::phantom {

struct Picture {
  std::vector<Grid> channels;        // 0 .. 1
  std::vector<std::uint8_t> labels;  // one per voxel
};

struct Recipe {
  Phantom info;
  std::string modality;
  Point field_of_view;  // millimetres (micrometres for cells); y: the shorter in-plane side, z: all slices, 0 in images
  std::int64_t cases_per_group;
  // The picture of one case. `group` draws what the cases of a patient share, `own` what they do not.
  Picture (*make)(const View& view, Draw group, Draw own);
};

Recipe lesions2d();
Recipe vessels2d();
Recipe organs2d();
Recipe nuclei2d();
Recipe tumour3d();
Recipe organ3d();

}  // namespace voxgrad::data::phantom

// Writes what was found for a case in the kind and the geometry of the file that the case came from.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::data {

// What a mask file has for each class. Empty lists mean the number of the class, and the colours of default_colours().
struct MaskStyle {
  int ignore = -1;                        // the label of voxels that are unknown; -1: there is none
  std::int64_t unknown = -1;              // what a mask file has for them; -1: the label itself
  std::vector<std::int64_t> values = {};  // 0 .. 65535
  std::vector<Colour> colours = {};
};
// The smallest value that a label map gives to each class. Error(data) if a class has none.
std::vector<std::int64_t> values_of_classes(const std::map<int, int>& label_map, std::int64_t classes);
// Black for the background, then colours that everyone can tell apart, as far as there are any (Okabe and Ito).
std::vector<Colour> default_colours(std::int64_t classes);

// The kind in which masks are written in the place of images of this kind: PNG for JPEG, BMP and GIF, else the same.
Kind mask_kind(Kind image);
// ".png", ".tif", ".nii.gz", ".h5"
std::string ending_of(Kind kind);

// Writes labels u8 [*S] as `path`, in the kind of its ending: PNG with a palette, TIFF pages, NIfTI, or HDF5 with an
// array /label. `place` is the case without its image; its labels are turned back from RAS to the order of its file.
// Error(usage) for a kind that cannot hold them, as JPEG or PNG for a volume, with one that can.
void write_mask(const std::string& path, const Tensor& labels, const Case& place, bool physical,
                const MaskStyle& style = {});
// The files for the probabilities beside a mask `path`: NIfTI with the classes as fourth axis, TIFF with a sample for
// each class, and for PNG one 16-bit file for each class, in which 65535 means 1: mask_probabilities.nii.gz,
// mask_probabilities_1_liver.png.
std::vector<std::string> probability_files(const std::string& path, const std::vector<std::string>& class_names);
// Writes probabilities f32 [*S, C] into these files, and in the place and the order of write_mask().
void write_probabilities(const std::string& path, const Tensor& probabilities, const Case& place, bool physical,
                         const std::vector<std::string>& class_names);

}  // namespace voxgrad::data

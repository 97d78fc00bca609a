// Masks that are files of their own, as a file of labels.
#pragma once

#include <functional>
#include <string>

namespace voxgrad::data {

// Writes the masks of a file (PNG, TIFF, NIfTI, HDF5) or of all such files of a folder into the HDF5 file `out`, one
// case for each, with the name of the file as its id, or with `id` if one is given. `axes` are those of arrays and
// pages that do not name them. They are then read, checked and compared as other labels are (data/label_file.h).
// Error(data) for colours, and for values that are no whole numbers 0 .. 255. `progress` is called before each mask; an
// exception of it ends the work.
void store_masks(
    const std::string& path, const std::string& out, const std::string& id = {}, const std::string& axes = {},
    const std::function<void()>& progress = [] {});

}  // namespace voxgrad::data

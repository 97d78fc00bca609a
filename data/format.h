// Format 1 as it is found in a file: what is where, and everything about it that can be checked without decoding
// an image. Internal to this folder.
#pragma once

#include <string>

#include "data/dataset.h"
#include "data/h5/h5.h"

namespace voxgrad::data {

// Error(data): "WHERE: PROBLEM".
[[noreturn]] void bad_file(const std::string& where, const std::string& problem, const std::string& hint = {});

inline constexpr const char* kFormatName = "voxgrad-dataset";
inline constexpr std::int64_t kFormatVersion = 1;
inline constexpr int kIgnoreDefault = 255;

// Where the values of one case lie: a box of an array.
struct Source {
  h5::Array array;
  h5::Extents start, count;
  bool channels_first = false;
};

struct Layout {
  h5::File file;
  DatasetInfo info;
  bool names_ignore_label = false;  // the file says it itself, it is not the default
  bool stacked = true;              // /images and /labels for all cases; else /cases/<id>/image and label
  bool channels_first = false;      // of `images`
  h5::Array images, labels;         // if stacked

  Source image(std::int64_t index) const;
  Source label(std::int64_t index) const;
};

Layout read_layout(const std::string& path);

// Throws Error(data): "where: problem".
[[noreturn]] void fail_format(const std::string& where, const std::string& problem, const std::string& hint = {});

// What reader and writer demand of names, spacings, groups and splits. Error(data) that begins with `where`.
void require_consistent(const DatasetInfo& info, const std::string& where);

}  // namespace voxgrad::data

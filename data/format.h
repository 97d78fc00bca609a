// Finds the parts of a dataset in a file of format 1 and checks all that can be checked without decoding an image.
// Internal to this folder.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/h5/h5.h"

namespace voxgrad::data {

inline constexpr const char* kFormatName = "voxgrad-dataset";
inline constexpr std::int64_t kFormatVersion = 1;
inline constexpr int kIgnoreDefault = 255;

// The box of an array in which the values of one case are stored.
struct Box {
  h5::Array array;
  Shape start, count;
  bool channels_first = false;
};
Box whole_array(const h5::Array& array, bool channels_first = false);
Box one_case(const h5::Array& array, std::int64_t index, bool channels_first = false);

// An opened dataset: what its file says about the cases, and where each of them is.
struct StoredDataset {
  // Where the arrays of a case lie, if the file has an affine for it.
  struct Space {
    Turn turn;      // from the order in which they are stored to RAS
    Affine affine;  // after the turn
  };

  h5::File file;
  DatasetInfo info;
  bool names_ignore_label = false;           // whether the file has the attribute; else the label is kIgnoreDefault
  bool channels_first = false;               // in `images`
  h5::Array images, labels, probabilities;   // only if stacked
  std::vector<std::optional<Space>> spaces;  // one per case, or empty if none has an affine

  const Space* space(std::int64_t index) const;  // null if the case has no affine
  Shape stored_shape(std::int64_t index) const;  // [*S] before the turn
  Origin origin(std::int64_t index) const;
  Box image(std::int64_t index) const;
  Box label(std::int64_t index) const;
  Box probabilities_of(std::int64_t index) const;
};

using Piece = std::span<const std::byte>;

// In one array without names: each of them becomes a case with a name, which is larger than its values may be.
inline constexpr std::int64_t kMostSamples = 1 << 20;

// Hands over the values of a box as `memory`, in C order, in pieces of bounded size.
void read_in_pieces(const Box& box, h5::Element memory, const std::function<void(Piece)>& take);

// Throws Error(data) unless the array has this checksum, or none. `what` is "images", for instance.
void require_crc(const char* what, const h5::Array& array, std::uint32_t found);

StoredDataset open_stored(const std::string& path);

// Throws Error(data): "where: problem".
[[noreturn]] void fail_format(const std::string& where, const std::string& problem, const std::string& hint = {});

}  // namespace voxgrad::data

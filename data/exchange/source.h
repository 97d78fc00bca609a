// Where cases come from: the files of each, found in folders and read as one image.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/formats/image.h"

namespace voxgrad::data {

// The files of one case.
struct Source {
  std::string id;            // made of the file's name; unique in a Discovery
  std::string group, split;  // the patient; "train", "val", "test"; empty if the source does not say
  std::vector<std::string>
      images;  // one file, or one for each channel; HDF5: PATH alone or PATH:/object; TIFF: PATH[page]
  std::vector<std::string> labels;  // none, one, or one for each object; the same
  bool folder_of_masks = false;     // the labels are all masks of a folder that this case has for itself
  bool instances = false;           // the labels are objects and not classes: a file or a number for each of them
};

// How to look for cases. The defaults find what can be found without a guess.
struct DiscoverOptions {
  bool labels = true;         // false: images are enough, and folders of masks are left alone
  std::string mask_folder;    // where the masks are, if not in a folder beside the images; in HDF5: "/volumes/labels/x"
  std::string groups;         // regular expression on case ids; its first capture is the group
  std::string axes;           // ReadOptions::axes, and the axes of arrays in HDF5 files that do not name theirs
  std::int64_t channels = 0;  // of images without masks, if they are known: those that a model takes
  bool skip_unpaired = false;  // images without a mask and masks without an image are left out, with a note
  // Several folders of masks for the same images, or masks with the same names in most cases, hold objects of one
  // foreground.
  bool instances = false;
};

// What was found, and how it was read.
struct Discovery {
  std::vector<Source> cases;                      // sorted by id
  std::vector<std::string> class_names;           // if the source names them, the background first
  std::map<int, int> label_map;                   // stored value -> class, if the source says so
  std::map<std::string, std::string> attributes;  // license, source, modality, citation
  std::vector<std::string> channel_names;
  std::vector<std::string> notes;  // how the folder was read, one sentence each
};

// Finds the cases in files and folders: pictures with masks, NIfTI, Decathlon, nnU-Net, HDF5 files of others. Error(io)
// if a path is not there, Error(data) that names what is missing or ambiguous, and what to do about it.
Discovery discover(const std::vector<std::string>& paths, const DiscoverOptions& options = {});
// The file of one of Source::images or labels, without the place inside it.
std::string file_of(const std::string& place);
// Whether a file is a dataset already, HDF5 in format 1; false for a folder and for what is not there.
// Error(io) if it cannot be read, Error(data) if HDF5 cannot open it.
bool is_dataset(const std::string& path);

// The groups that names with numbers at their ends suggest: p1_7, p1_frame07 and p1_z7 look like slices of a patient
// p1.
struct NamedGroups {
  std::vector<std::string> of;  // of each name; none if the names do not look so
  std::string pattern;          // for DiscoverOptions::groups
};
NamedGroups groups_in_names(const std::vector<std::string>& names);

// The image of a case as datasets and networks take it: channels together, an opaque alpha channel left out, palettes
// replaced by their colours, volumes with an affine turned to RAS. `affine` and `spacing` are those after the turn.
// Where only some files of a case say how they lie in space, masks included, all of them lie so, and a note says it.
struct SourceImage {
  Image image;
  Origin origin;
  bool one_order = true;  // whether all files that say how they lie are stored in the same order
};
// Error(data) that names the file, for values or sizes of voxels that are not finite, too. With `volume`, a picture
// that is one slice in NIfTI is a volume of one slice.
SourceImage read_source_image(const Source& source, const std::string& axes = {}, bool volume = false);
// Whether a file has so many channels itself. False for one that cannot be read.
bool has_channels(const std::string& image, std::int64_t channels, const std::string& axes = {});

// The labels of a case as they are stored, in the place of its image: they have its extents and were turned with it.
struct SourceLabel {
  std::vector<std::int32_t> values;  // of each voxel; colours are 0xRRGGBB; of several files the number of the object
  bool colours = false;              // whether the values are colours
  std::vector<Colour> palette;       // of an indexed picture, whose values are the indices
  std::vector<std::string> notes;
};
// Error(data) that names both files if their extents differ, or their places in space by more than a thousandth.
SourceLabel read_source_label(const Source& source, const SourceImage& image, const std::string& axes = {});

}  // namespace voxgrad::data

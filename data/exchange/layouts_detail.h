// What the parts of discover() share: lists of files, the habits of their names, and one function per layout.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/exchange/source.h"
#include "data/h5/h5.h"

namespace voxgrad::data::exchange {

// A file of a kind that is read here.
struct Entry {
  std::string path;
  std::string folder;  // relative to the folder that was listed, "" or "a/b"
  std::string stem;
  Kind kind;
};
using Entries = std::vector<Entry>;

struct Listing {
  Entries files;                      // sorted by path
  std::vector<std::string> folders;   // names of the sub-folders, sorted; in walk() none
  std::map<std::string, int> others;  // how many files of other kinds there are, by ending
};
// Hidden files, and those that systems and browsers of files leave behind, do not count. Error(io) if a folder cannot
// be read.
Listing list(const std::string& folder);
// The same with all folders below. With `masks` = false, folders whose names stand for masks are left out.
Listing walk(const std::string& folder, bool masks = true);
std::string below(const std::string& folder, const std::string& name);
std::string folder_name(const std::string& path);  // its last name, also with a slash behind it
bool is_folder(const std::string& path);
bool is_file(const std::string& path);
Entry entry_of(const std::string& path);  // of one file; Error(data) if the ending of its name is unknown
// "12 files .dcm and 1 .txt", for the message that nothing was found; with the hint for kinds that people have.
[[noreturn]] void fail_empty(const std::string& folder, const Listing& listing);
// A note for each kind of images that is not read and lies in a folder or below it.
void note_unread(const std::string& folder, std::vector<std::string>& notes);
// "a.png, sub/b.png, c.png and 4 more": the first ones, each with its folder.
std::string some_of(const Entries& files, std::size_t named = 3);

// One value per voxel of a mask, row-major: the grey of a picture in colours, or the colours as numbers
// (SourceLabel::colours). Error(data) if an element has neither.
std::vector<std::int32_t> label_values(Image& image, const std::string& path, SourceLabel& label);

// Error(data) for a mask that is a JPEG, by its name or by its contents.
void require_no_jpeg(const std::string& mask, std::optional<Kind> kind);

// Habits of names.
bool is_image_folder(const std::string& name);
bool is_mask_folder(const std::string& name);
// Takes the folder `mask` out where another one says that it was drawn by hand, manual1 or 1st_manual: it has fields of
// view then, as those of fundus cameras. Its name, or "".
std::string without_field_of_view(std::vector<std::string>& mask_folders);
std::string split_of_folder(const std::string& name);  // "train", "val", "test"; else ""
bool begins_with_split(const std::string& name);       // train_1, testA: the number is of no patient
constexpr const char* kNoteOfPatients = "Cases of one patient are a group, as their names say.";
std::string patient_of(const std::string& stem);  // "patient001" of ACDC's patient001_frame12; else ""
bool is_image_word(const std::string& stem);      // image, img: the folder is the name of the case
bool has_mask_word(const std::string& stem);      // x_mask, label-x, gt_x, mask
// Pairs of indices into images and masks, in the order of the images. Names are equal, or equal after words as "mask"
// and leading zeros have been left out; only if no names are, files are paired where all masks end with the same words
// that their images lack, or with one word where all images end with another. Error(data) if two masks fit one image,
// or two images one mask.
std::vector<std::pair<std::size_t, std::size_t>> pairs_of(const Entries& images, const Entries& masks);
// Of what is left without a partner: Error(data) if an image has several masks whose names go on with other words, as
// those of two experts, x_first and x_second.
void require_one_ending(const Entries& images, const Entries& masks);
// Name and number of "CASE_0002"; nullopt if the stem does not end so.
std::optional<std::pair<std::string, int>> channel_of(const std::string& stem);
// Whether the numbers at the end of the names are those of channels, and not of cases: every name has as many, from
// 0000 on. `wanted` is DiscoverOptions::channels; what is alone, or a picture, has channels only if so many are wanted,
// and not if the first file has all of them itself.
bool are_channels(const Entries& files, std::int64_t wanted);
// One case for each name, with its channels in order. Error(data) if a case lacks one.
std::vector<Source> cases_of_channels(const Entries& files);
// Folders that are cases, as in BraTS: B_001/B_001_t1.nii.gz, B_001_t2.nii.gz and B_001_seg.nii.gz. All of them have
// the same channels, or nothing is found; Error(data) if most of them have, and a mask each.
Discovery cases_of_folders(const Entries& files, const DiscoverOptions& options);

// Images and masks by name: what has no partner is an Error(data), or left out if the options say so.
std::string inside(const std::string& folder, const std::string& name);  // FOLDER/NAME, or NAME alone
std::string split_in(const std::string& folder);  // of a case: masks and images are in folders train/.. or ../train
Source source_of(const Entry& image, std::vector<std::string> labels);        // with the id and the split of its path
std::string left_out_of_test(std::int64_t images, const std::string& where);  // a note
void tell_apart(const Entries& files, Entries& images, Entries& masks);       // by their names alone
Discovery pair_files(const Entries& files, const std::string& where, const DiscoverOptions& options);
Discovery pair_listed(const Entries& images, const Entries& masks, const std::string& image_folder,
                      const std::string& mask_folder, const DiscoverOptions& options);
Discovery pair_folders(const std::string& images, const std::string& masks, const DiscoverOptions& options);
// Folders of masks hold one for each object, if one of them holds several. Where every case has one mask, nothing says
// that its values are not classes. Error(data) if most cases call their masks by the same words, as liver and spleen,
// unless the options say that they are objects.
void find_objects(Discovery& found, const DiscoverOptions& options);

// How many images are in a folder; 0 if one of the files is a mask by its name, or by that of a folder above it.
std::int64_t images_without_masks(const std::string& folder);

// The layouts. The id of a case is its path relative to the folder; finish() makes it short.
Discovery find_pictures(const std::string& folder, const DiscoverOptions& options);  // with their masks; volumes too
// DSB 2018: every sub-folder is a case, ID/images/ID.png with ID/masks/*.png, one mask per object. Nothing is found for
// another layout.
Discovery find_folders_of_cases(const std::string& folder, const std::vector<std::string>& folders, bool skip_unpaired);
Discovery find_images(const std::string& folder, const DiscoverOptions& options);  // images alone
bool is_task(const std::string& folder);                                           // of the Decathlon or of nnU-Net
Discovery find_task(const std::string& folder, const DiscoverOptions& options);    // which has dataset.json or imagesTr
Discovery find_h5(const Entries& files, const DiscoverOptions& options);
bool holds_labelled_image(const std::string& path);  // an HDF5 file of a known layout, with an array of labels

// An array in a file, "scan.h5:/volumes/raw", or one of the samples in it, "scan.h5:/x[7]", or a page of a TIFF,
// "stack.tif[7]". The object is empty if the file alone is named.
struct H5Place {
  std::string path, object;
  std::int64_t sample = -1;  // -1: the whole array
};
H5Place h5_place(const std::string& text);
// Spacing, unit and affine of an image, as the attributes of its array, whose axes are `letters`, say. Error(data) for
// what cannot be.
void read_place(const h5::Array& array, const std::string& letters, Image& image);
struct H5Array {
  h5::File file;
  std::string object;
  h5::Array array;
};
// What `open` returns for a place that names a sample of an array. While a KeepTiffs lives, the arrays of which samples
// were read last stay open, until their file changes: an array keeps the chunks that it has unpacked, and these hold
// parts of many samples.
H5Array kept_array(const H5Place& place, const std::function<H5Array()>& open);
// The image or the label in a file of a known layout, or at a place. `axes` is for arrays that do not name theirs.
Image read_h5(const std::string& place, const std::string& axes, bool label);
// The same, or an image of another kind.
Image read_any(const std::string& path, const std::string& axes, bool label);

}  // namespace voxgrad::data::exchange

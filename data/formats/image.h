// An image as it comes from a file and goes to one: a picture, a stack of pages or a volume. Each format is one file
// here (png, jpeg, bmp, gif, tiff, nifti); this header is all that the other folders need.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/h5/h5.h"
#include "data/space.h"
#include "engine/tensor.h"

namespace voxgrad::data {

enum class Kind : std::uint8_t { png, jpeg, bmp, gif, tiff, nifti, hdf5 };
constexpr const char* kKindsRead = "PNG, JPEG, BMP, GIF, TIFF, NIfTI and HDF5 are read";
const char* name_of(Kind kind);        // "PNG", "JPEG", "BMP", "GIF", "TIFF", "NIfTI", "HDF5"
const char* why_unwritten(Kind kind);  // why no file of this kind is written: JPEG, BMP, GIF; null for the others
// The kind that the ending of a name stands for: .png, .jpg, .jpeg, .bmp, .gif, .tif, .tiff, .ome.tif, .ome.tiff, .nii,
// .nii.gz, .h5, .hdf5, .hdf, in any case of letters.
std::optional<Kind> kind_of_name(const std::string& path);
// The kind of a file by its first bytes. Error(data) if it is none of them, with a remedy for those that people have
// (DICOM, WebP, MHD, NRRD, NumPy). Error(io) if it cannot be read.
Kind kind_of_file(const std::string& path);
// The file's name without its folder and without the ending of its kind: "a/scan.nii.gz" -> "scan".
std::string stem_of(const std::string& path);

using Colour = std::array<std::uint8_t, 3>;  // red, green, blue

struct Image {
  // f32 [*S, C] on the host, with *S = y, x or z, y, x in the order of the file; u8 is allowed where an image is
  // written. Values are those that the file means: the slope and intercept of NIfTI, and of ImageJ in TIFF of 16 bits,
  // are applied; a palette image has its indices, but grey values in BMP and GIF where all colours of the palette are
  // grey: they know no grey otherwise.
  Tensor values;
  h5::Element element = h5::Element::f32;  // the type in the file: u8, i8, u16, i16, u32, i32, f32, f64
  std::vector<double> spacing;             // per spatial axis, in millimetres or, if `physical` is false, in pixels (1)
  bool physical = false;
  std::optional<Affine> affine;    // of the file's own order of axes; volumes of NIfTI and HDF5 only
  std::optional<Affine> slice;     // the same of a picture that is one slice in NIfTI; it is never turned
  std::vector<Colour> palette;     // of a palette image; values are its indices then
  bool paged = false;              // TIFF: channels are pages of their own, and so no colours of a picture
  bool lossy = false;              // TIFF: the pixels were compressed with JPEG
  bool turned = false;             // JPEG, TIFF: a tag says to show the picture turned or mirrored, which is not done
  std::string header;              // NIfTI: the first 348 or 540 bytes in the byte order of the file
  std::vector<std::string> notes;  // what was decided while reading and a person should know, one sentence each

  Shape extents() const { return values.shape().without(-1); }  // *S
  std::int64_t channels() const { return values.extent(-1); }
};

struct ReadOptions {
  // The axes of a TIFF with several pages where its own tags do not say: "ZYX" or "CYX", or "YX" if pages are pictures
  // of their own, of which the first is read; "NYX" or "NYXC" if each is a case, of which `page` is read. Never
  // guessed: Error(data) without it.
  std::string axes;
  std::int64_t page = -1;
};
// Whether the axes say that each page of a TIFF is a case: "NYX", "NYXC".
bool pages_are_cases(const std::string& axes);
// How many pages a TIFF has, without small copies of others and without masks of them; 1 for other kinds.
std::int64_t pages_of(const std::string& path);
// While one of these lives, the last two TIFF files that its thread reads stay in memory, of at most 256 MiB, or 4 GiB
// if pages are cases: else each of the pages that are cases would read the whole file again. A file whose size or time
// has changed is read again. Readers of other kinds keep what is in others() as long.
class KeepTiffs {
 public:
  KeepTiffs();
  ~KeepTiffs();
  KeepTiffs(const KeepTiffs&) = delete;
  KeepTiffs& operator=(const KeepTiffs&) = delete;
  static std::shared_ptr<void>* others();  // of this thread; null while none lives
};
// Reads a file of any kind but HDF5. Error(io) if it cannot be read. Error(data) that names the file and the cause if
// it is damaged, cut off, of a type that has no meaning here, larger than it says, or of a kind that this build lacks.
Image read_image(const std::string& path, const ReadOptions& options = {});

// Indices become the colours that they stand for: one channel if all of the palette are grey. Does nothing without one.
void apply_palette(Image& image);

// The labels in the pixels of a file: u8 or f32 values that are whole numbers are returned as they are. Values that are
// less than 0.05 away from a whole number are rounded (scaled floats do that); Error(data) for others.
void round_labels(Image& image, const std::string& path);

// Writes an image in the kind that the name's ending stands for, atomically. `element` is the type in the file:
//   PNG    u8 or u16; 1, 3 or 4 channels; with a palette an indexed image; 2-D only
//   TIFF   u8, u16, i16 or f32; a volume becomes pages with ImageJ's tags, channels become samples
//   NIfTI  u8, u16, i16 or f32; channels become the fourth axis. With `header` the new file has that geometry, byte for
//          byte (qform, sform, pixdim, units), and nothing else of the old one; else `affine` or `spacing` are written.
// A value that `element` does not hold is an Error(argument). A kind that is not written (why_unwritten) is refused
// with Error(usage), and so is what the kind cannot hold, with the kind that can.
void write_image(const std::string& path, const Image& image);

// What is needed to write an array in the place of an image that was read: the kind and the header of its file, and in
// which directions its axes grew there.
struct Origin {
  std::string path;  // of the first image file; empty: unknown
  Kind kind = Kind::hdf5;
  std::string header;       // Image::header
  std::string orientation;  // orientation_of(affine) in the file, "LPI"; empty: unknown, nothing was turned
};

// Whether this build can read and write these kinds.
bool has_tiff();
bool has_nifti();

}  // namespace voxgrad::data

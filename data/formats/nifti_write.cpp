// Writes NIfTI: the header by nifticlib, the voxels behind it, all in one atomic step.
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "data/formats/nifti_detail.h"
#include "engine/io/atomic_file.h"

namespace voxgrad::data::detail {

using h5::Element;

namespace {

template <class H>
void set_affine(H& header, const Affine& affine) {
  using Number = std::remove_reference_t<decltype(header.srow_x[0])>;
  Number* rows[] = {header.srow_x, header.srow_y, header.srow_z};
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 4; ++c) rows[r][c] = static_cast<Number>(affine[r][c]);
  header.sform_code = NIFTI_XFORM_SCANNER_ANAT;
}

template <class H>
void copy_geometry(H& to, const H& from) {
  to.qform_code = from.qform_code;
  to.sform_code = from.sform_code;
  to.quatern_b = from.quatern_b;
  to.quatern_c = from.quatern_c;
  to.quatern_d = from.quatern_d;
  to.qoffset_x = from.qoffset_x;
  to.qoffset_y = from.qoffset_y;
  to.qoffset_z = from.qoffset_z;
  std::ranges::copy(from.srow_x, to.srow_x);
  std::ranges::copy(from.srow_y, to.srow_y);
  std::ranges::copy(from.srow_z, to.srow_z);
  std::copy_n(from.pixdim, 4, to.pixdim);
  to.xyzt_units = from.xyzt_units;
}

// The bytes of a header for `image`, whose x, y, z and channels `dims` has from [1] on, and the four bytes that say
// that no extension follows.
template <class H>
std::string header_for(const Image& image, const Variant& variant, std::array<std::int64_t, 8> dims, int datatype,
                       const std::string& path) {
  H* made = nullptr;
  if constexpr (std::is_same_v<H, nifti_1_header>)
    made = nifti_make_new_n1_header(dims.data(), datatype);
  else
    made = nifti_make_new_n2_header(dims.data(), datatype);
  const std::unique_ptr<H, decltype(&std::free)> owner(made, &std::free);
  if (made == nullptr) throw Error(ErrorKind::memory, path + ": no memory for a header");
  H& header = *made;
  using Number = std::remove_reference_t<decltype(header.pixdim[0])>;
  header.vox_offset = static_cast<decltype(header.vox_offset)>(sizeof(H) + 4);
  header.scl_slope = 1;
  if (!image.header.empty()) {
    const H source = native<H>(image.header, variant);
    for (std::size_t k = 1; k <= 3; ++k) {
      const std::int64_t extent = source.dim[0] >= static_cast<std::int64_t>(k) ? source.dim[k] : 1;
      check(extent == dims[k], "write_image: extent ", dims[k], " along ", "xyz"[k - 1],
            ", the header of the source has ", extent);
    }
    copy_geometry(header, source);
    if (source.dim[0] == 2 && dims[4] == 1) header.dim[0] = 2;
  } else {
    for (std::size_t k = 0; k < image.spacing.size(); ++k)
      header.pixdim[image.spacing.size() - k] = static_cast<Number>(image.spacing[k]);
    if (image.physical) header.xyzt_units = NIFTI_UNITS_MM;
    if (image.affine) set_affine(header, *image.affine);
  }
  if (variant.swapped) swap_nifti_header(&header, variant.version);
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + std::string(4, '\0');
}

// The values as they lie in the file: volumes of one channel one behind the other.
template <class T>
std::string voxels_of(const Image& image, bool swapped) {
  const std::int64_t channels = image.channels(), pixels = image.extents().numel(), count = image.values.numel();
  std::string bytes(static_cast<std::size_t>(count) * sizeof(T), '\0');
  for_each_value<T>(image, [&](std::int64_t i, T value) {
    const std::int64_t at = channels == 1 ? i : i % channels * pixels + i / channels;
    std::memcpy(bytes.data() + static_cast<std::size_t>(at) * sizeof(T), &value, sizeof(T));
  });
  if (swapped && sizeof(T) > 1) nifti_swap_Nbytes(count, sizeof(T), bytes.data());
  return bytes;
}

std::string gzip(const std::vector<std::string>& pieces, const std::string& path) {
  z_stream stream{};
  if (::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw Error(ErrorKind::memory, path + ": no memory to compress");
  const std::unique_ptr<z_stream, decltype(&::deflateEnd)> owner(&stream, &::deflateEnd);
  std::string result;
  std::vector<char> block(std::size_t{1} << 18);
  const auto compress = [&](std::string_view bytes, int flush) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(block.data());
      stream.avail_out = static_cast<uInt>(block.size());
      ::deflate(&stream, flush);
      result.append(block.data(), block.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  };
  constexpr std::size_t kMost = std::size_t{1} << 30;  // zlib counts with 32 bits
  for (const std::string& piece : pieces)
    for (std::size_t at = 0; at < piece.size(); at += kMost)
      compress(std::string_view(piece).substr(at, kMost), Z_NO_FLUSH);
  compress({}, Z_FINISH);
  return result;
}

}  // namespace

void write_nifti(const std::string& path, const Image& image) {
  silence();
  check_element(image, "NIfTI", {Element::u8, Element::u16, Element::i16, Element::f32});
  std::array<std::int64_t, 8> dims{0, 1, 1, 1, 1, 1, 1, 1};
  const Shape extents = image.extents();
  for (int k = 0; k < extents.dims(); ++k) nth(dims, extents.dims() - k) = extents[k];
  dims[4] = image.channels();
  Variant variant{*std::ranges::max_element(dims) <= 32767 ? 1 : 2, false};
  if (!image.header.empty()) {
    variant = image.header.size() < 4 ? Variant{} : variant_of(image.header.data());
    if (variant.version == 0 || image.header.size() != variant.size())
      throw Error(ErrorKind::data, path + ": the header that the source is said to have is none of NIfTI");
  }
  // A slice of a volume stays one of a volume.
  dims[0] = dims[4] > 1 ? 4 : extents.dims() == 3 || !image.header.empty() ? 3 : 2;
  const int datatype = std::ranges::find_if(kVoxels, [&](const Voxel& v) { return v.element == image.element; })->code;
  std::vector<std::string> file{variant.version == 1
                                    ? header_for<nifti_1_header>(image, variant, dims, datatype, path)
                                    : header_for<nifti_2_header>(image, variant, dims, datatype, path)};
  switch (image.element) {
    case Element::u16: file.push_back(voxels_of<std::uint16_t>(image, variant.swapped)); break;
    case Element::i16: file.push_back(voxels_of<std::int16_t>(image, variant.swapped)); break;
    case Element::f32: file.push_back(voxels_of<float>(image, variant.swapped)); break;
    default: file.push_back(voxels_of<std::uint8_t>(image, variant.swapped)); break;
  }
  if (path.ends_with(".gz") || path.ends_with(".GZ")) file = {gzip(file, path)};
  std::vector<Bytes> pieces;
  for (const std::string& piece : file) pieces.push_back(std::as_bytes(std::span(piece)));
  write_atomically(path, pieces);
}

}  // namespace voxgrad::data::detail

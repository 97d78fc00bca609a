// What the reader and the writer of NIfTI share.
#pragma once

#include <nifti2_io.h>

#include <cstring>
#include <string>

#include "data/formats/formats_detail.h"

namespace voxgrad::data::detail {

// The types of voxels that are read and written.
struct Voxel {
  int code;
  h5::Element element;
  int components;
};
inline constexpr Voxel kVoxels[] = {
    {DT_UINT8, h5::Element::u8, 1},    {DT_INT8, h5::Element::i8, 1},    {DT_UINT16, h5::Element::u16, 1},
    {DT_INT16, h5::Element::i16, 1},   {DT_UINT32, h5::Element::u32, 1}, {DT_INT32, h5::Element::i32, 1},
    {DT_UINT64, h5::Element::u64, 1},  {DT_INT64, h5::Element::i64, 1},  {DT_FLOAT32, h5::Element::f32, 1},
    {DT_FLOAT64, h5::Element::f64, 1}, {DT_RGB24, h5::Element::u8, 3},   {DT_RGBA32, h5::Element::u8, 4}};

// The library prints nothing from here on.
inline void silence() {
  static const bool once = (nifti_set_debug_level(0), true);
  static_cast<void>(once);
}

// Which version a header has, by the size in its first field, and whether its bytes have the other order.
struct Variant {
  int version = 0;  // 0: no header of NIfTI
  bool swapped = false;
  std::size_t size() const { return version == 1 ? sizeof(nifti_1_header) : sizeof(nifti_2_header); }
};
inline Variant variant_of(const char* first_four) {
  std::int32_t size = 0;
  std::memcpy(&size, first_four, sizeof size);
  Variant variant;
  for (const bool swapped : {false, true}) {
    if (swapped) nifti_swap_4bytes(1, &size);
    if (size == sizeof(nifti_1_header)) variant = {1, swapped};
    if (size == sizeof(nifti_2_header)) variant = {2, swapped};
  }
  return variant;
}

// The header in the byte order of this machine.
template <class H>
H native(const std::string& bytes, const Variant& variant) {
  H header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (variant.swapped) swap_nifti_header(&header, variant.version);
  return header;
}

}  // namespace voxgrad::data::detail

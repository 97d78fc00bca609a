// The arrays of the caller, of any strides, and the dense tensors of the library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "apps/embed/voxgrad.h"
#include "engine/tensor.h"

namespace voxgrad::embed {

// An array whose description was checked. `name` is that of the argument, for messages.
class Array {
 public:
  // Error(argument) for a null pointer, a number of axes outside 1 .. 6, an unknown type, a negative extent, and
  // strides that leave the address space.
  Array(const voxgrad_array* array, const char* name);
  // The same for an array that receives results: each element needs a place of its own.
  static Array output(const voxgrad_array* array, const char* name);

  const Shape& shape() const { return shape_; }
  int type() const { return type_; }
  const char* name() const { return name_; }
  bool is_float() const { return type_ == VOXGRAD_F32 || type_ == VOXGRAD_F64; }
  // Error(data) if the extents are others.
  void require_shape(const Shape& shape) const;
  // Error(argument) if the memory, from the first byte to the last one, overlaps that of `other`. Both may be the same
  // array: address, type and strides.
  void require_same_or_apart(const Array& other) const;

  // f32 in memory of its own.
  Tensor to_f32() const;
  // f32 or f64, as the array is; it shares the memory if the array is dense.
  Tensor to_float() const;
  // Labels u8; shares the memory if it can. The label `ignore` becomes the one that is returned in it, which fits
  // into u8. Error(data) for other values outside of 0 .. 255.
  Tensor to_labels(std::optional<std::int64_t>& ignore) const;
  // Writes the tensor to the rows of the first axis from `row` on, converted to the type of the array.
  void write(const Tensor& values, std::int64_t row = 0) const;

 private:
  // A tensor on the memory of the array; undefined if that is not dense, or has another type.
  Tensor in_place(DType dtype) const;
  struct Range {
    std::uintptr_t begin, end;
  };
  Range range() const;  // the addresses of the memory
  std::byte* data_;
  int type_;
  const char* name_;
  Shape shape_;
  std::array<std::int64_t, Shape::kMaxDims> strides_{};  // bytes
};

}  // namespace voxgrad::embed

// Extents and element types. A Shape is a list of extents, one per axis: of a tensor, a patch, a window or an array in
// a file. In a feature map the first axis counts the samples and the last one the channels: [N, *S, C], where *S is H,
// W or D, H, W.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/error.h"

namespace voxgrad {

enum class DType : std::uint8_t { f32, f64, bf16, i32, u8 };

std::size_t size_of(DType type) noexcept;  // number of bytes of an element
const char* name_of(DType type) noexcept;
inline const char* describe(DType type) { return name_of(type); }
inline bool is_float(DType type) noexcept { return type == DType::f32 || type == DType::f64 || type == DType::bf16; }

template <class T>
struct dtype_of;
template <>
struct dtype_of<float> : std::integral_constant<DType, DType::f32> {};
template <>
struct dtype_of<double> : std::integral_constant<DType, DType::f64> {};
template <>
struct dtype_of<std::int32_t> : std::integral_constant<DType, DType::i32> {};
template <>
struct dtype_of<std::uint8_t> : std::integral_constant<DType, DType::u8> {};
template <class T>
inline constexpr DType dtype_v = dtype_of<T>::value;

class [[nodiscard]] Shape {
 public:
  static constexpr int kMaxDims = 6;
  Shape() = default;  // a scalar: no extents, one element
  // Error(argument) for more than kMaxDims extents and for a negative one.
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);  // those of a vector, or a part of another shape
  static Shape filled(int dims, std::int64_t extent);

  int dims() const noexcept { return dims_; }
  std::int64_t numel() const;  // the product of the extents, 1 for a scalar; Error(memory) from 2^63 elements on
  // The extent of an axis in [-dims, dims); -1 is the last one. Error(argument) if there is no such axis.
  std::int64_t operator[](int axis) const { return extents_[position(axis)]; }
  std::int64_t& operator[](int axis) { return extents_[position(axis)]; }
  const std::int64_t* begin() const noexcept { return extents_.data(); }
  const std::int64_t* end() const noexcept { return extents_.data() + dims_; }
  std::int64_t* begin() noexcept { return extents_.data(); }
  std::int64_t* end() noexcept { return extents_.data() + dims_; }
  void push_back(std::int64_t extent);
  // The shape with one axis replaced, shape.with(-1, 64), or left out, shape.without(-1).
  Shape with(int axis, std::int64_t extent) const;
  Shape without(int axis) const;

  // For a map [N, *S, C] the number of spatial axes, and the product of their extents.
  int spatial_dims() const { return dims_ - 2; }
  std::int64_t spatial_numel() const;

  bool operator==(const Shape& other) const;
  std::size_t position(int axis) const;  // the axis counted from 0; Error(argument) if it is out of range

 private:
  std::array<std::int64_t, kMaxDims> extents_{};
  int dims_ = 0;
};

std::string describe(const Shape& shape);  // "[2, 3]"

// The extents of a followed by those of b: Shape{n} + shape is a batch of n such maps.
Shape operator+(const Shape& a, const Shape& b);

// The shape of the result of a binary operation by the numpy rule: the shapes are aligned at the last axis, and two
// extents must be equal, or one of them 1. Error(argument), naming `op`, if they do not fit.
Shape broadcast(const Shape& a, const Shape& b, const char* op);

// The hint for a feature map whose last extent is not the number of channels: it says how to bring axis 1 to the end if
// the channels are there, [N, C, H, W]; else it is empty.
std::string channels_hint(const Shape& x, std::int64_t channels);

// An option with one value per spatial axis: kernel, stride, padding or scale. A single number means the same value on
// every axis; {1, 3, 3} is a kernel for volumes that spans one plane.
struct Extents {
  std::array<std::int64_t, 3> value{1, 1, 1};
  int dims = 0;  // the number of values in braces; 0 for a single number without braces
  Extents() = default;
  Extents(std::int64_t uniform) : value{uniform, uniform, uniform} {}    // NOLINT: implicit on purpose
  Extents(int uniform) : Extents(static_cast<std::int64_t>(uniform)) {}  // NOLINT
  Extents(std::initializer_list<std::int64_t> values);
  std::int64_t operator[](int axis) const { return value[static_cast<std::size_t>(axis)]; }
  std::int64_t& operator[](int axis) { return value[static_cast<std::size_t>(axis)]; }
  bool operator==(const Extents& other) const { return value == other.value; }
};

// values[index] of a standard container, by a signed index as extents and axes are. The index is not checked.
template <class Values>
constexpr decltype(auto) nth(Values&& values, std::int64_t index) {
  return std::forward<Values>(values)[static_cast<std::size_t>(index)];
}

}  // namespace voxgrad

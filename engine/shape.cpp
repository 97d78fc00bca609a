#include "engine/shape.h"

#include <algorithm>

namespace voxgrad {

std::size_t size_of(DType type) noexcept {
  constexpr std::size_t kSizes[] = {4, 8, 2, 4, 1};
  return kSizes[static_cast<std::size_t>(type)];
}

const char* name_of(DType type) noexcept {
  constexpr const char* kNames[] = {"f32", "f64", "bf16", "i32", "u8"};
  return kNames[static_cast<std::size_t>(type)];
}

Shape::Shape(std::initializer_list<std::int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) {
  for (std::int64_t extent : extents) push_back(extent);
}

Shape Shape::filled(int dims, std::int64_t extent) {
  Shape shape;
  for (int i = 0; i < dims; ++i) shape.push_back(extent);
  return shape;
}

std::int64_t Shape::numel() const {
  check(std::all_of(begin(), end(), [](std::int64_t extent) { return extent >= 0; }), "shape: negative extent in ",
        *this);  // it was written by operator[]
  std::int64_t count = 1;
  bool fits = true;
  for (std::int64_t extent : *this) {
    if (extent == 0) return 0;
    fits = fits && !__builtin_mul_overflow(count, extent, &count);
  }
  if (!fits) throw Error(ErrorKind::memory, text("shape: ", *this, " has more elements than can be counted"));
  return count;
}

std::int64_t Shape::spatial_numel() const {
  Shape inner;
  for (int i = 1; i + 1 < dims_; ++i) inner.push_back((*this)[i]);
  return inner.numel();
}

void Shape::push_back(std::int64_t extent) {
  check(dims_ < kMaxDims, "shape: at most ", kMaxDims, " extents, got a further one, ", extent, ", after ", *this);
  check(extent >= 0, "shape: negative extent ", extent, " after ", *this);
  *(begin() + dims_++) = extent;
}

Shape Shape::with(int axis, std::int64_t extent) const {
  Shape shape = *this;
  shape[axis] = extent;
  return shape;
}

Shape Shape::without(int axis) const {
  Shape shape = *this;
  std::copy(shape.begin() + position(axis) + 1, shape.end(), shape.begin() + position(axis));
  --shape.dims_;
  return shape;
}

bool Shape::operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

std::size_t Shape::position(int axis) const {
  const int positive = axis < 0 ? axis + dims_ : axis;
  check(positive >= 0 && positive < dims_, "shape: axis ", axis, " outside ", *this);
  return static_cast<std::size_t>(positive);
}

Shape operator+(const Shape& a, const Shape& b) {
  Shape both = a;
  for (const std::int64_t extent : b) both.push_back(extent);
  return both;
}

Shape broadcast(const Shape& a, const Shape& b, const char* op) {
  const Shape& longer = a.dims() >= b.dims() ? a : b;
  const Shape& shorter = a.dims() >= b.dims() ? b : a;
  Shape result = longer;
  for (int i = 1; i <= shorter.dims(); ++i) {
    const std::int64_t m = longer[-i];
    const std::int64_t n = shorter[-i];
    check(m == n || m == 1 || n == 1, op, ": shapes ", a, " and ", b, " do not broadcast: extents ", m, " and ", n);
    result[-i] = m == 1 ? n : m;
  }
  return result;
}

std::string channels_hint(const Shape& x, std::int64_t channels) {
  if (x.dims() < 3 || x[1] != channels) return {};
  std::string axes = "{0";
  for (int axis = 2; axis < x.dims(); ++axis) axes += text(", ", axis);
  return text("channels are last, x has them on axis 1: take permute(x, ", axes, ", 1})");
}

Extents::Extents(std::initializer_list<std::int64_t> values) {
  check(values.size() >= 1 && values.size() <= 3, "extents: 1 to 3 values, got ", values.size());
  dims = static_cast<int>(values.size());
  std::copy(values.begin(), values.end(), value.begin());
}

}  // namespace voxgrad

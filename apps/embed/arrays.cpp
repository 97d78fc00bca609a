#include "apps/embed/arrays.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <vector>

#include "engine/parallel.h"

namespace voxgrad::embed {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements

using Strides = std::array<std::int64_t, Shape::kMaxDims>;

// Calls f with a value of the C++ type of a voxgrad_type.
template <class F>
decltype(auto) dispatch_type(int type, const char* name, F&& f) {
  switch (type) {
    case VOXGRAD_U8: return f(std::uint8_t{});
    case VOXGRAD_U16: return f(std::uint16_t{});
    case VOXGRAD_I16: return f(std::int16_t{});
    case VOXGRAD_I32: return f(std::int32_t{});
    case VOXGRAD_I64: return f(std::int64_t{});
    case VOXGRAD_F32: return f(float{});
    case VOXGRAD_F64: return f(double{});
  }
  throw Error(ErrorKind::argument, text(name, ": there is no type ", type));
}

std::int64_t size_of_type(int type, const char* name) {
  return dispatch_type(type, name, []<class T>(T) { return static_cast<std::int64_t>(sizeof(T)); });
}

Strides dense_strides(const Shape& shape, std::int64_t size) {
  Strides strides{};
  const bool any = shape.numel() > 0;  // else the product of the other extents may be beyond all numbers
  for (int axis = shape.dims() - 1; axis >= 0; --axis) {
    nth(strides, axis) = size;
    if (any) size *= shape[axis];
  }
  return strides;
}

// The axes of two arrays of one shape, without those of extent 1. Neighbours are joined where they are one axis in both
// memories, so the voxels of a dense image are one axis, wherever the channels are.
struct Axes {
  Shape shape;
  Strides from{}, to{};
  Axes(const Shape& given, const Strides& given_from, const Strides& given_to) {
    for (int axis = 0; axis < given.dims(); ++axis) {
      const std::int64_t extent = given[axis], step_from = nth(given_from, axis), step_to = nth(given_to, axis);
      if (extent == 1) continue;
      const int last = shape.dims() - 1;
      if (last >= 0 && nth(from, last) == step_from * extent && nth(to, last) == step_to * extent)
        shape = shape.with(-1, shape[-1] * extent);
      else
        shape.push_back(extent);
      nth(from, shape.dims() - 1) = step_from;
      nth(to, shape.dims() - 1) = step_to;
    }
    if (shape.dims() < 2) shape.push_back(1);  // so that the one axis is divided among the threads
  }
};

// y[i] = convert(x[i]) for `count` elements that are so many bytes apart. Steps that the compiler knows make it fast.
template <class From, class To, class Convert>
void convert_run(std::int64_t count, const std::byte* from, std::int64_t from_step, std::byte* to, std::int64_t to_step,
                 const Convert& convert) {
  constexpr std::int64_t kFrom = sizeof(From), kTo = sizeof(To);
  const auto run = [=, &convert](auto step_from, auto step_to) {
    for (std::int64_t i = 0; i < count; ++i) {
      From value;  // the address may not be aligned
      std::memcpy(&value, from + i * step_from, sizeof value);
      const To result = convert(value);
      std::memcpy(to + i * step_to, &result, sizeof result);
    }
  };
  if (from_step == kFrom && to_step == kTo)
    run(std::integral_constant<std::int64_t, kFrom>(), std::integral_constant<std::int64_t, kTo>());
  else
    run(from_step, to_step);
}

// y[i] = convert(x[i]) for all elements. The last two axes are loops, and the others are counted.
template <class From, class To, class Convert>
void convert_elements(const Shape& given, const std::byte* from, const Strides& given_from, std::byte* to,
                      const Strides& given_to, const Convert& convert) {
  if (given.numel() == 0) return;
  const Axes axes(given, given_from, given_to);
  const Shape& shape = axes.shape;
  const Strides &from_strides = axes.from, &to_strides = axes.to;  // Clang 14 captures no structured bindings
  const int dims = shape.dims();
  const std::int64_t columns = shape[-1], lines = dims > 1 ? shape[-2] : 1;
  const auto last = [dims](const Strides& strides, int back) { return dims < back ? 0 : nth(strides, dims - back); };
  const std::int64_t from_column = last(from_strides, 1), to_column = last(to_strides, 1),
                     from_line = last(from_strides, 2), to_line = last(to_strides, 2);
  const auto offset = [&](const Strides& strides, std::int64_t line) {
    std::int64_t sum = 0;
    line /= lines;
    for (int axis = dims - 3; axis >= 0; line /= shape[axis--]) sum += line % shape[axis] * nth(strides, axis);
    return sum;
  };
  // Few columns, such as the channels, are the outer loop over a block of lines that stays in the cache.
  constexpr std::int64_t kFewColumns = 16, kBlock = 512;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / columns);
  parallel_for(shape.numel() / columns, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end;) {
      const std::int64_t first = line % lines, count = std::min({lines - first, end - line, kBlock});
      const std::byte* source = from + offset(from_strides, line) + first * from_line;
      std::byte* target = to + offset(to_strides, line) + first * to_line;
      if (columns < kFewColumns && columns < count)
        for (std::int64_t j = 0; j < columns; ++j)
          convert_run<From, To>(count, source + j * from_column, from_line, target + j * to_column, to_line, convert);
      else
        for (std::int64_t i = 0; i < count; ++i)
          convert_run<From, To>(columns, source + i * from_line, from_column, target + i * to_line, to_column, convert);
      line += count;
    }
  });
}

}  // namespace

Array::Array(const voxgrad_array* array, const char* name) : data_(nullptr), type_(0), name_(name) {
  check(array != nullptr, name, ": a null pointer");
  check(array->axes >= 1 && array->axes <= Shape::kMaxDims, name, ": ", array->axes, " axes, must be 1 to ",
        Shape::kMaxDims);
  check(array->extents != nullptr, name, ": no extents");
  type_ = array->type;
  data_ = static_cast<std::byte*>(array->data);
  const std::int64_t size = size_of_type(type_, name);
  for (int axis = 0; axis < array->axes; ++axis) {
    check(array->extents[axis] >= 0, name, ": extent ", array->extents[axis], " of axis ", axis);
    shape_.push_back(array->extents[axis]);
  }
  check(data_ != nullptr || shape_.numel() == 0, name, ": a null pointer for ", shape_);
  std::int64_t bytes = 0;
  check(!__builtin_mul_overflow(shape_.numel(), size, &bytes), name, ": ", shape_, " is more than memory can hold");
  strides_ = dense_strides(shape_, size);
  if (array->strides == nullptr) return;
  std::int64_t reach = 0;
  for (int axis = 0; axis < array->axes; ++axis) {
    const std::int64_t stride = array->strides[axis];
    std::int64_t part = 0;
    const bool lost = stride == INT64_MIN ||
                      __builtin_mul_overflow(std::abs(stride), std::max<std::int64_t>(0, shape_[axis] - 1), &part) ||
                      __builtin_add_overflow(reach, part, &reach);
    check(!lost, name, ": stride ", stride, " of axis ", axis, " leaves the address space");
    if (shape_[axis] > 1) nth(strides_, axis) = stride;
  }
}

Array Array::output(const voxgrad_array* array, const char* name) {
  Array result(array, name);
  if (result.shape_.numel() == 0) return result;
  std::vector<int> axes;
  for (int axis = 0; axis < result.shape_.dims(); ++axis)
    if (result.shape_[axis] > 1) axes.push_back(axis);
  const auto step = [&](int axis) { return std::abs(nth(result.strides_, axis)); };
  std::sort(axes.begin(), axes.end(), [&](int a, int b) { return step(a) < step(b); });
  std::int64_t reach = size_of_type(result.type_, name);  // from the first byte of an element to behind the last one
  for (const int axis : axes) {
    check(step(axis) >= reach, name, ": with stride ", nth(result.strides_, axis), " of axis ", axis,
          " several elements have one place");
    reach += step(axis) * (result.shape_[axis] - 1);
  }
  return result;
}

void Array::require_shape(const Shape& shape) const {
  if (!(shape_ == shape)) throw Error(ErrorKind::data, text(name_, ": ", shape_, ", must be ", shape));
}

Array::Range Array::range() const {
  const auto first = reinterpret_cast<std::uintptr_t>(data_);
  if (shape_.numel() == 0) return {first, first};
  Range range{first, first + static_cast<std::uintptr_t>(size_of_type(type_, name_))};
  for (int axis = 0; axis < shape_.dims(); ++axis) {
    const std::int64_t reach = nth(strides_, axis) * (shape_[axis] - 1);
    (reach < 0 ? range.begin : range.end) += static_cast<std::uintptr_t>(reach);
  }
  return range;
}

void Array::require_same_or_apart(const Array& other) const {
  if (data_ == other.data_ && type_ == other.type_ && shape_ == other.shape_ && strides_ == other.strides_) return;
  const Range mine = range(), theirs = other.range();
  if (mine.begin < theirs.end && theirs.begin < mine.end)
    throw Error(ErrorKind::argument, text(name_, ": overlaps the memory of ", other.name_),
                text("give ", name_, " memory of its own, or the address, type and strides of ", other.name_));
}

Tensor Array::in_place(DType dtype) const {
  const std::int64_t size = size_of_type(type_, name_);
  const bool same = (dtype == DType::f32 && type_ == VOXGRAD_F32) || (dtype == DType::f64 && type_ == VOXGRAD_F64) ||
                    (dtype == DType::u8 && type_ == VOXGRAD_U8);
  const Strides dense = dense_strides(shape_, size);
  const bool fits = same && std::equal(dense.begin(), dense.begin() + shape_.dims(), strides_.begin()) &&
                    reinterpret_cast<std::uintptr_t>(data_) % static_cast<std::uintptr_t>(size) == 0;
  return fits ? borrow(data_, shape_, dtype) : Tensor();
}

Tensor Array::to_f32() const {
  check(type_ != VOXGRAD_I64, name_, ": i64 is not a type of images");
  const Tensor result = empty(shape_);
  dispatch_type(type_, name_, [&]<class T>(T) {
    convert_elements<T, float>(shape_, data_, strides_, static_cast<std::byte*>(result.raw()),
                               dense_strides(shape_, sizeof(float)), [](T value) { return static_cast<float>(value); });
  });
  return result;
}

Tensor Array::to_float() const {
  check(is_float(), name_, ": must be f32 or f64");
  const DType dtype = type_ == VOXGRAD_F32 ? DType::f32 : DType::f64;
  if (Tensor same = in_place(dtype); same.defined()) return same;
  const Tensor result = empty(shape_, dtype);
  dispatch_float(dtype, name_, [&]<class T>(T) {
    convert_elements<T, T>(shape_, data_, strides_, static_cast<std::byte*>(result.raw()),
                           dense_strides(shape_, sizeof(T)), [](T value) { return value; });
  });
  return result;
}

Tensor Array::to_labels(std::optional<std::int64_t>& ignore) const {
  check(!is_float(), name_, ": must be of an integer type");
  constexpr std::int64_t kMost = 255;
  const std::int64_t left_out = ignore.value_or(-1), marker = left_out > kMost || left_out < 0 ? kMost : left_out;
  const bool renamed = ignore && left_out != marker;
  if (ignore) ignore = marker;
  if (Tensor same = in_place(DType::u8); same.defined()) {
    if (renamed) ignore.reset();  // no u8 has that label
    return same;
  }
  const Tensor result = empty(shape_, DType::u8);
  dispatch_type(type_, name_, [&]<class T>(T) {
    if constexpr (std::is_integral_v<T>)
      convert_elements<T, std::uint8_t>(
          shape_, data_, strides_, static_cast<std::byte*>(result.raw()), dense_strides(shape_, 1), [=, this](T value) {
            const auto label = static_cast<std::int64_t>(value);
            if (renamed && label == left_out) return static_cast<std::uint8_t>(marker);
            if (label < 0 || label > kMost || (renamed && label == marker)) [[unlikely]]
              throw Error(ErrorKind::data, text(name_, ": label ", label, ", must be 0 .. ", kMost - renamed),
                          "if it marks voxels without a label, set `ignore` to it");
            return static_cast<std::uint8_t>(label);
          });
  });
  return result;
}

void Array::write(const Tensor& values, std::int64_t row) const {
  if (const Tensor same = in_place(values.dtype()); same.defined() && same.shape() == values.shape())
    return copy_into(same, values);
  std::byte* const to = data_ + row * strides_[0];
  dispatch(values.dtype(), [&]<class From>(From) {
    dispatch_type(type_, name_, [&]<class To>(To) {
      // Labels become integers and numbers become floats; nothing else is asked for.
      if constexpr (std::is_floating_point_v<From> == std::is_floating_point_v<To>)
        convert_elements<From, To>(values.shape(), static_cast<const std::byte*>(values.raw()),
                                   dense_strides(values.shape(), sizeof(From)), to, strides_,
                                   [](From value) { return static_cast<To>(value); });
      else
        check(false, name_, ": must be ", std::is_floating_point_v<From> ? "f32 or f64" : "of an integer type");
    });
  });
}

}  // namespace voxgrad::embed

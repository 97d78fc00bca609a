// Memory: fill, casts, boxes.
#include "engine/cuda/context.h"
#include "engine/cuda/convert.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/small.h"
#include "engine/cuda/strided.h"

namespace voxgrad::cuda {
namespace {

template <class F>
void dispatch_any(DType dtype, F&& f) {
  if (dtype == DType::bf16) return f(Bf16{});
  dispatch(dtype, f);
}

template <class T>
__global__ void fill_kernel(T* y, T value, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) y[i] = value;
}

template <class From, class To>
__global__ void cast_kernel(const From* x, To* y, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    if constexpr (std::is_same_v<Work<From>, float> && std::is_same_v<Work<To>, float>)
      y[i] = x[i];
    else
      y[i] = converted<To>(number(x[i]));
  }
}

template <bool kAdd, class T>
__global__ void box_kernel(Walk walk, const T* x, T* y, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const Walk::Place place = walk.at(i);
    if constexpr (kAdd)
      y[place.q] = y[place.q] + x[place.p];
    else
      y[place.q] = x[place.p];
  }
}

// Bytes that can be moved at once: everything along the last axis, and the addresses, are multiples of it.
std::int64_t unit_bytes(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin,
                        const Shape& extents) {
  const auto size = static_cast<std::int64_t>(size_of(x.dtype()));
  auto all =
      static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(x.raw()) | reinterpret_cast<std::uintptr_t>(y.raw()));
  if (x.dims() > 0)
    for (const std::int64_t n : {x.extent(-1), y.extent(-1), x_begin[-1], y_begin[-1], extents[-1]}) all |= n * size;
  return x.dims() == 0 ? size : std::min<std::int64_t>(16, all & -all);
}

template <class Unit>
void copy_units(const Tensor& x, const Tensor& y, const Shape& x_begin, const Shape& y_begin, const Shape& extents) {
  const auto unit = static_cast<std::int64_t>(sizeof(Unit) / size_of(x.dtype()));
  const Box box = box_of(x.shape(), x_begin, y.shape(), y_begin, extents, unit);
  launch(box_kernel<false, Unit>, grid_for(box.numel), box.walk, static_cast<const Unit*>(x.raw()) + box.x_origin,
         static_cast<Unit*>(y.raw()) + box.y_origin, box.numel);
}

}  // namespace

void CudaBackend::fill(const Tensor& y, double value) {
  if (y.numel() == 0 || small_fill(y, value)) return;
  if (value == 0) return check_cuda(cudaMemsetAsync(y.raw(), 0, y.bytes(), stream()), "fill");
  dispatch_any(y.dtype(), [&]<class T>(T) {
    launch(fill_kernel<T>, grid_for(y.numel()), static_cast<T*>(y.raw()), converted<T>(value), y.numel());
  });
}

cudaError_t find_code() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(fill_kernel<float>));
}

// Every map in bf16 begins as one of another type, so this is where a card without bf16 says so.
void CudaBackend::cast(const Tensor& x, const Tensor& y) {
  if (y.dtype() == DType::bf16 && capability() < kFirstWithTensorTypes)
    throw Error(ErrorKind::usage,
                text("bf16: the card has compute capability ", capability() / 10, ".", capability() % 10,
                     ", and bf16 came with 8.0"),
                "compute in f32");
  if (small_cast(x, y)) return;
  dispatch_any(x.dtype(), [&]<class From>(From) {
    dispatch_any(y.dtype(), [&]<class To>(To) {
      launch(cast_kernel<From, To>, grid_for(x.numel()), static_cast<const From*>(x.raw()), static_cast<To*>(y.raw()),
             x.numel());
    });
  });
}

void CudaBackend::copy_box(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin,
                           const Shape& extents, bool add) {
  if (extents.numel() == 0 || small_copy_box(x, x_begin, y, y_begin, extents, add)) return;
  if (add)
    return dispatch_stored(x.dtype(), "copy_box", [&]<class T>(T) {
      const Box box = box_of(x.shape(), x_begin, y.shape(), y_begin, extents, 1);
      launch(box_kernel<true, T>, grid_for(box.numel), box.walk, x.data<T>() + box.x_origin, y.data<T>() + box.y_origin,
             box.numel);
    });
  switch (unit_bytes(x, x_begin, y, y_begin, extents)) {
    case 16: return copy_units<Pack<std::uint32_t, 4>>(x, y, x_begin, y_begin, extents);
    case 8: return copy_units<std::uint64_t>(x, y, x_begin, y_begin, extents);
    case 4: return copy_units<std::uint32_t>(x, y, x_begin, y_begin, extents);
    case 2: return copy_units<std::uint16_t>(x, y, x_begin, y_begin, extents);
    default: return copy_units<std::uint8_t>(x, y, x_begin, y_begin, extents);
  }
}

}  // namespace voxgrad::cuda

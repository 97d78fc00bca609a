// The loops of elementwise operations, whose formulas are in engine/functors.h. A thread reads 16 bytes at a time where
// the addresses allow it.
#include "engine/cuda/bf16.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/small.h"
#include "engine/cuda/strided.h"
#include "engine/functors.h"

namespace voxgrad::cuda {
namespace {

enum class Part { value, slope, slope_p, slope_q };

// How many elements a thread takes: 16 bytes.
template <class T>
constexpr int kN = 16 / sizeof(T);

// True if 16 bytes can be read at once at every pointer; a null one does not count.
bool aligned(std::initializer_list<const void*> pointers) {
  for (const void* pointer : pointers)
    if (reinterpret_cast<std::uintptr_t>(pointer) % 16 != 0) return false;
  return true;
}

// kN elements from `from`, of which `count` are there.
template <class T>
__device__ inline Pack<T, kN<T>> read(const T* from, bool wide, int count) {
  Pack<T, kN<T>> pack{};
  if (wide && count == kN<T>) return *reinterpret_cast<const Pack<T, kN<T>>*>(from);
#pragma unroll
  for (int k = 0; k < kN<T>; ++k)
    if (k < count) pack.at[k] = from[k];
  return pack;
}
template <class T>
__device__ inline void write(T* to, const Pack<T, kN<T>>& pack, bool wide, int count) {
  if (wide && count == kN<T>) {
    *reinterpret_cast<Pack<T, kN<T>>*>(to) = pack;
    return;
  }
#pragma unroll
  for (int k = 0; k < kN<T>; ++k)
    if (k < count) to[k] = pack.at[k];
}

template <class T>
struct UnaryCall {
  const T *x, *y, *dy;
  T* to;
  std::int64_t n;
  bool wide;
};

template <Part kPart, class Functor, class T>
__global__ void unary_kernel(Functor f, UnaryCall<T> call) {
  for (std::int64_t i = first_index() * kN<T>; i < call.n; i += index_step() * kN<T>) {
    const int count = static_cast<int>(call.n - i < kN<T> ? call.n - i : kN<T>);
    const auto x = read(call.x + i, call.wide, count);
    Pack<T, kN<T>> out;
    if constexpr (kPart == Part::value) {
#pragma unroll
      for (int k = 0; k < kN<T>; ++k) out.at[k] = f.value(Work<T>(x.at[k]));
    } else {
      const auto y = read(call.y + i, call.wide, count), dy = read(call.dy + i, call.wide, count);
#pragma unroll
      for (int k = 0; k < kN<T>; ++k) out.at[k] = dy.at[k] * f.slope(Work<T>(x.at[k]), Work<T>(y.at[k]));
    }
    write(call.to + i, out, call.wide, count);
  }
}

template <Part kPart, class Functor, class T>
void run_unary(double a, double b, const UnaryCall<T>& call) {
  launch(unary_kernel<kPart, Functor, T>, grid_for((call.n + kN<T> - 1) / kN<T>),
         Functor{static_cast<Work<T>>(a), static_cast<Work<T>>(b)}, call);
}

template <class T>
struct BinaryCall {
  Walk walk;  // p_stride of p, q_stride of q; the box is y
  const T *p, *q, *dy;
  T* to;
  std::int64_t n;
  bool wide;  // kN elements of y are kN elements, or one, of p and of q, at addresses that allow it
};

// kN elements of an operand: those of a row of it, or one element kN times.
template <class T>
__device__ inline Pack<T, kN<T>> read_operand(const T* from, std::int64_t stride) {
  if (stride != 0) return *reinterpret_cast<const Pack<T, kN<T>>*>(from);
  Pack<T, kN<T>> same;
#pragma unroll
  for (int k = 0; k < kN<T>; ++k) same.at[k] = *from;
  return same;
}

template <Part kPart, class Functor, class T>
__device__ inline T binary_result(T p, T q, T dy) {
  if constexpr (kPart == Part::value) return Functor::value(p, q);
  if constexpr (kPart == Part::slope_p) return dy * Functor::slope_p(p, q);
  if constexpr (kPart == Part::slope_q) return dy * Functor::slope_q(p, q);
}

template <Part kPart, class Functor, class T>
__global__ void binary_kernel(BinaryCall<T> call) {
  using Elements = Pack<T, kN<T>>;
  if (!call.wide) {
    for (std::int64_t i = first_index(); i < call.n; i += index_step()) {
      const Walk::Place place = call.walk.at(i);
      call.to[i] =
          binary_result<kPart, Functor, Work<T>>(call.p[place.p], call.q[place.q], call.dy ? call.dy[i] : T(0));
    }
    return;
  }
  for (std::int64_t i = first_index() * kN<T>; i < call.n; i += index_step() * kN<T>) {
    const Walk::Place place = call.walk.at(i);
    const Elements p = read_operand(call.p + place.p, call.walk.p_stride[0]),
                   q = read_operand(call.q + place.q, call.walk.q_stride[0]);
    Elements dy{}, out;
    if constexpr (kPart != Part::value) dy = *reinterpret_cast<const Elements*>(call.dy + i);
#pragma unroll
    for (int k = 0; k < kN<T>; ++k) out.at[k] = binary_result<kPart, Functor, Work<T>>(p.at[k], q.at[k], dy.at[k]);
    *reinterpret_cast<Elements*>(call.to + i) = out;
  }
}

template <class T>
bool wide_rows(const BinaryCall<T>& call) {
  const Walk& walk = call.walk;
  if (walk.extent[0] % kN<T> != 0 || !aligned({call.p, call.q, call.dy, call.to})) return false;
  for (int axis = 1; axis < walk.axes; ++axis)
    if ((walk.p_stride[0] != 0 && walk.p_stride[axis] % kN<T> != 0) ||
        (walk.q_stride[0] != 0 && walk.q_stride[axis] % kN<T> != 0))
      return false;
  return true;
}

template <Part kPart, class Functor, class T>
void run_binary(const BinaryCall<T>& call) {
  launch(binary_kernel<kPart, Functor, T>, grid_for(call.wide ? call.n / kN<T> : call.n), call);
}

template <class T>
UnaryCall<T> unary_call(const Tensor& x, const T* y, const T* dy, const Tensor& to) {
  return {x.data<T>(), y, dy, to.data<T>(), x.numel(), aligned({x.raw(), y, dy, to.raw()})};
}

template <class T>
BinaryCall<T> binary_call(const Tensor& p, const Tensor& q, const T* dy, const Tensor& y) {
  BinaryCall<T> call{
      broadcast_walk(p.shape(), q.shape(), y.shape()), p.data<T>(), q.data<T>(), dy, y.data<T>(), y.numel(), false};
  call.wide = wide_rows(call);
  return call;
}

// clang-format off
#define VOXGRAD_UNARY_CASE(name, ...) \
  case UnaryOp::name: return run_unary<kPart, functors::unary_##name<Work<T>>, T>(a, b, call);
#define VOXGRAD_BINARY_CASE(name, ...) \
  case BinaryOp::name: return run_binary<kPart, functors::binary_##name<Work<T>>, T>(call);

template <Part kPart, class T>
void unary_of(UnaryOp op, double a, double b, const UnaryCall<T>& call) {
  switch (op) { VOXGRAD_UNARY_TABLE(VOXGRAD_UNARY_CASE) }
}

template <Part kPart, class T>
void binary_of(BinaryOp op, const BinaryCall<T>& call) {
  switch (op) { VOXGRAD_BINARY_TABLE(VOXGRAD_BINARY_CASE) }
}
// clang-format on

}  // namespace

void CudaBackend::unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y) {
  if (small_unary(op, a, b, x, y)) return;
  dispatch_stored(x.dtype(), "unary",
                  [&]<class T>(T) { unary_of<Part::value, T>(op, a, b, unary_call<T>(x, nullptr, nullptr, y)); });
}

void CudaBackend::unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y, const Tensor& dy,
                                 const Tensor& dx) {
  if (small_unary_gradient(op, a, b, x, y, dy, dx)) return;
  dispatch_stored(x.dtype(), "unary", [&]<class T>(T) {
    unary_of<Part::slope, T>(op, a, b, unary_call<T>(x, y.data<T>(), dy.data<T>(), dx));
  });
}

void CudaBackend::binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y) {
  if (small_binary(op, p, q, y)) return;
  dispatch_stored(y.dtype(), "binary",
                  [&]<class T>(T) { binary_of<Part::value>(op, binary_call<T>(p, q, nullptr, y)); });
}

void CudaBackend::binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q, const Tensor& dy,
                                  const Tensor& d) {
  if (small_binary_gradient(op, side, p, q, dy, d)) return;
  dispatch_stored(d.dtype(), "binary", [&]<class T>(T) {
    const BinaryCall<T> call = binary_call<T>(p, q, dy.data<T>(), d);
    side == 0 ? binary_of<Part::slope_p>(op, call) : binary_of<Part::slope_q>(op, call);
  });
}

}  // namespace voxgrad::cuda

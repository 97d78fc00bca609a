// Upsampling and its gradient. Both gather: a thread takes some channels of one voxel of the result and adds up what
// reaches it, in a fixed order.
#include "engine/cuda/bf16.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/volume.h"

namespace voxgrad::cuda {
namespace {

// How many outputs an input has along each axis.
struct Scale {
  std::int64_t of[3];
  Divisor twice[3];
  bool linear;
  Scale(const PerAxis& scale, Upsampling kind) : linear(kind == Upsampling::linear) {
    for (int axis = 0; axis < 3; ++axis) twice[axis] = 2 * (of[axis] = scale.at[axis]);
  }
};

// Along one axis of n voxels that becomes n * scale, output j is (1 - rest) of input `low` and `rest` of the next one.
// Linear: output j lies at (j + 1/2) / scale - 1/2; a fraction of whole numbers, so the weights are exact.
template <class T>
struct Tap {
  std::int64_t low = 0;
  T rest = 0;
  __device__ Tap(std::int64_t j, std::int64_t n, const Scale& scale, int axis) {
    const std::int64_t position = scale.linear ? 2 * j + 1 - scale.of[axis] : 2 * j;
    if (position <= 0) return;
    const Division place = divide(position, scale.twice[axis]);
    low = place.quotient;
    if (scale.linear && low + 1 < n) rest = static_cast<T>(place.rest) / static_cast<T>(scale.twice[axis].value);
  }
  // The weight of input i.
  __device__ T of(std::int64_t i) const { return i == low ? T(1) - rest : i == low + 1 ? rest : T(0); }
};

template <class T, int kN>
__device__ inline void add(Pack<Work<T>, kN>& sum, Work<T> weight, const T* from) {
  const auto values = *reinterpret_cast<const Pack<T, kN>*>(from);
#pragma unroll
  for (int k = 0; k < kN; ++k) sum.at[k] += weight * values.at[k];
}

template <class T, int kN>
__device__ inline Pack<T, kN> stored(const Pack<Work<T>, kN>& sum) {
  Pack<T, kN> result;
#pragma unroll
  for (int k = 0; k < kN; ++k) result.at[k] = sum.at[k];
  return result;
}

template <class T, int kN>
__global__ void upsample_kernel(Volume in, Volume out, Scale scale, Divisor packs, const T* x, T* y,
                                std::int64_t units) {
  for (std::int64_t i = first_index(); i < units; i += index_step()) {
    const Division unit = divide(i, packs);
    const Volume::Voxel v = out.voxel(unit.quotient);
    const Tap<Work<T>> z(v.at[0], in.extent[0], scale, 0), h(v.at[1], in.extent[1], scale, 1),
        w(v.at[2], in.extent[2], scale, 2);
    Pack<Work<T>, kN> sum{};
    for (std::int64_t a = z.low; a <= z.low + (z.rest > 0); ++a)
      for (std::int64_t b = h.low; b <= h.low + (h.rest > 0); ++b)
        for (std::int64_t c = w.low; c <= w.low + (w.rest > 0); ++c)
          add<T>(sum, z.of(a) * h.of(b) * w.of(c), x + in.index(v.n, a, b, c) * in.channels + unit.rest * kN);
    reinterpret_cast<Pack<T, kN>*>(y)[i] = stored<T>(sum);
  }
}

// The outputs that input i of an axis may reach: some of weight 0 among them.
struct Reach {
  std::int64_t first, last;
  __device__ Reach(std::int64_t i, std::int64_t n, const Scale& by, int axis) {
    const std::int64_t scale = by.of[axis];
    first = i * scale;
    last = first + scale;
    if (!by.linear) return;
    first = i == 0 ? 0 : (2 * i - 1) * scale / 2;
    last = i == n - 1 ? n * scale : ((2 * i + 3) * scale + 1) / 2;
    if (last > n * scale) last = n * scale;
  }
};

template <class T, int kN>
__global__ void upsample_gradient_kernel(Volume in, Volume out, Scale scale, Divisor packs, const T* dy, T* dx,
                                         std::int64_t units) {
  for (std::int64_t i = first_index(); i < units; i += index_step()) {
    const Division unit = divide(i, packs);
    const Volume::Voxel v = in.voxel(unit.quotient);
    const Reach z(v.at[0], in.extent[0], scale, 0), h(v.at[1], in.extent[1], scale, 1),
        w(v.at[2], in.extent[2], scale, 2);
    Pack<Work<T>, kN> sum{};
    for (std::int64_t a = z.first; a < z.last; ++a) {
      const Work<T> by_z = Tap<Work<T>>(a, in.extent[0], scale, 0).of(v.at[0]);
      for (std::int64_t b = h.first; b < h.last; ++b) {
        const Work<T> by_h = by_z * Tap<Work<T>>(b, in.extent[1], scale, 1).of(v.at[1]);
        for (std::int64_t c = w.first; c < w.last; ++c) {
          const Work<T> weight = by_h * Tap<Work<T>>(c, in.extent[2], scale, 2).of(v.at[2]);
          if (weight != 0) add<T>(sum, weight, dy + out.index(v.n, a, b, c) * in.channels + unit.rest * kN);
        }
      }
    }
    reinterpret_cast<Pack<T, kN>*>(dx)[i] = stored<T>(sum);
  }
}

}  // namespace

void CudaBackend::upsample(const Tensor& x, Upsampling kind, const Extents& scale, const Tensor& y) {
  if (y.numel() == 0) return;
  dispatch_stored(x.dtype(), "upsample", [&]<class T>(T) {
    for_width<T>(x.extent(-1), {&x, &y}, [&]<int kN>(std::integral_constant<int, kN>) {
      launch(upsample_kernel<T, kN>, grid_for(y.numel() / kN), Volume(x.shape()), Volume(y.shape()),
             Scale(PerAxis(scale, x.shape()), kind), x.extent(-1) / kN, x.data<T>(), y.data<T>(), y.numel() / kN);
    });
  });
}

void CudaBackend::upsample_gradient(const Tensor& dy, Upsampling kind, const Extents& scale, const Tensor& dx) {
  if (dx.numel() == 0) return;
  dispatch_stored(dy.dtype(), "upsample", [&]<class T>(T) {
    for_width<T>(dx.extent(-1), {&dy, &dx}, [&]<int kN>(std::integral_constant<int, kN>) {
      launch(upsample_gradient_kernel<T, kN>, grid_for(dx.numel() / kN), Volume(dx.shape()), Volume(dy.shape()),
             Scale(PerAxis(scale, dx.shape()), kind), dx.extent(-1) / kN, dy.data<T>(), dx.data<T>(), dx.numel() / kN);
    });
  });
}

}  // namespace voxgrad::cuda

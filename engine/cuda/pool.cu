// Maximum pooling. A thread takes some channels of one window.
#include <algorithm>

#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/normalised.h"
#include "engine/cuda/volume.h"

namespace voxgrad::cuda {
namespace {

// A map as it stands.
template <class T, int kN>
struct AsItIs {
  const T* x;
  __device__ void begin(std::int64_t, std::int64_t) {}
  __device__ void apply(Pack<T, kN>&) const {}
};

// A map that is normalised as it is read. What belongs to the channels is loaded when they change, which is once where
// the number of threads is a multiple of a row.
template <class T, int kN>
struct AsNormalised {
  const T* x;
  Normalised<T> map;
  Channels<T, kN> own;
  std::int64_t m = -1, column = -1;
  __device__ void begin(std::int64_t sample, std::int64_t first) {
    if (map.maps == 1) sample = 0;
    if (sample == m && first == column) return;
    own.load(map, m = sample, column = first);
  }
  __device__ void apply(Pack<T, kN>& values) const { own.apply(map, values); }
};

// The first maximum; a NaN is larger than any number.
template <class T, int kN, class Map>
__global__ void pool_kernel(Map map, Volume in, Volume out, PerAxis window, Divisor packs, T* y, std::uint8_t* index,
                            std::int64_t units) {
  for (std::int64_t i = first_index(); i < units; i += index_step()) {
    const Division unit = divide(i, packs);
    const Volume::Voxel v = out.voxel(unit.quotient);
    const T* from = map.x + unit.rest * kN;
    map.begin(v.n, unit.rest * kN);
    Pack<T, kN> best{};
    Pack<std::uint8_t, kN> which{};
    std::uint8_t number = 0;
    for (std::int64_t a = 0; a < window.at[0]; ++a)
      for (std::int64_t b = 0; b < window.at[1]; ++b)
        for (std::int64_t c = 0; c < window.at[2]; ++c, ++number) {
          const std::int64_t voxel =
              in.index(v.n, v.at[0] * window.at[0] + a, v.at[1] * window.at[1] + b, v.at[2] * window.at[2] + c);
          auto value = *reinterpret_cast<const Pack<T, kN>*>(from + voxel * in.channels);
          map.apply(value);
#pragma unroll
          for (int k = 0; k < kN; ++k)
            if (number == 0 || value.at[k] > best.at[k] || (value.at[k] != value.at[k] && best.at[k] == best.at[k])) {
              best.at[k] = value.at[k];
              which.at[k] = number;
            }
        }
    reinterpret_cast<Pack<T, kN>*>(y)[i] = best;
    reinterpret_cast<Pack<std::uint8_t, kN>*>(index)[i] = which;
  }
}

// Writes every voxel of the windows.
template <class T, int kN>
__global__ void pool_gradient_kernel(Volume in, Volume out, PerAxis window, Divisor packs, const T* dy,
                                     const std::uint8_t* index, T* dx, std::int64_t units) {
  for (std::int64_t i = first_index(); i < units; i += index_step()) {
    const Division unit = divide(i, packs);
    const Volume::Voxel v = out.voxel(unit.quotient);
    const auto d = reinterpret_cast<const Pack<T, kN>*>(dy)[i];
    const auto which = reinterpret_cast<const Pack<std::uint8_t, kN>*>(index)[i];
    int number = 0;
    for (std::int64_t a = 0; a < window.at[0]; ++a)
      for (std::int64_t b = 0; b < window.at[1]; ++b)
        for (std::int64_t c = 0; c < window.at[2]; ++c, ++number) {
          const std::int64_t voxel =
              in.index(v.n, v.at[0] * window.at[0] + a, v.at[1] * window.at[1] + b, v.at[2] * window.at[2] + c);
          Pack<T, kN> gradient{};
#pragma unroll
          for (int k = 0; k < kN; ++k)
            if (which.at[k] == number) gradient.at[k] = d.at[k];
          reinterpret_cast<Pack<T, kN>*>(dx)[voxel * packs.value + unit.rest] = gradient;
        }
  }
}

}  // namespace

void CudaBackend::max_pool(const FeatureMap& x, const Extents& window, const Tensor& y, const Tensor& index) {
  if (y.numel() == 0) return;
  const Shape& shape = x.x.shape();
  dispatch_stored(y.dtype(), "max_pool", [&]<class T>(T) {
    for_width<T>(shape[-1], {&x.x, &y, &index}, [&]<int kN>(std::integral_constant<int, kN>) {
      const auto pool = [&](const auto& map) {
        constexpr std::int64_t kMostBlocks = 4096;  // some windows for every thread
        const std::int64_t units = y.numel() / kN;
        launch(pool_kernel<T, kN, std::decay_t<decltype(map)>>, std::min(kMostBlocks, grid_for(units).blocks), map,
               Volume(shape), Volume(y.shape()), PerAxis(window, shape), shape[-1] / kN, y.data<T>(),
               index.data<std::uint8_t>(), units);
      };
      if (x.deferred())
        pool(AsNormalised<T, kN>{x.x.data<T>(), Normalised<T>(x), {}});
      else
        pool(AsItIs<T, kN>{x.x.data<T>()});
    });
  });
}

void CudaBackend::max_pool_gradient(const Tensor& dy, const Tensor& index, const Extents& window, const Tensor& dx) {
  if (dx.numel() == 0) return;
  bool rest = false;  // voxels behind the last window
  for (int axis = 0; axis < dx.shape().spatial_dims(); ++axis)
    rest = rest || dx.extent(axis + 1) != dy.extent(axis + 1) * window[axis];
  if (rest) fill(dx, 0);
  dispatch_stored(dy.dtype(), "max_pool", [&]<class T>(T) {
    for_width<T>(dx.extent(-1), {&dy, &dx, &index}, [&]<int kN>(std::integral_constant<int, kN>) {
      launch(pool_gradient_kernel<T, kN>, grid_for(dy.numel() / kN), Volume(dx.shape()), Volume(dy.shape()),
             PerAxis(window, dx.shape()), dx.extent(-1) / kN, dy.data<T>(), index.data<std::uint8_t>(), dx.data<T>(),
             dy.numel() / kN);
    });
  });
}

}  // namespace voxgrad::cuda

// Memory: fill, casts, boxes.
#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"

namespace voxgrad::cuda {
namespace {

template <class T>
__global__ void fill_kernel(T* y, T value, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) y[i] = value;
}

}  // namespace

void CudaBackend::fill(const Tensor& y, double value) {
  if (value == 0) {
    if (y.numel() > 0) check_cuda(cudaMemsetAsync(y.raw(), 0, y.bytes(), stream()), "fill");
    return;
  }
  dispatch_float(y.dtype(), "fill", [&]<class T>(T) {
    launch(fill_kernel<T>, grid_for(y.numel()), y.data<T>(), static_cast<T>(value), y.numel());
  });
}

}  // namespace voxgrad::cuda

#include "engine/cuda/cuda_backend.h"

#include "engine/cuda/context.h"
#include "engine/cuda/small.h"

namespace voxgrad::cuda {

std::string CudaBackend::description() const { return cuda_description(); }

void CudaBackend::synchronise() {
  Context& context = Context::get();
  check_cuda(cudaStreamSynchronize(context.stream()), "work that was queued before");
  context.report_fault();
}

void CudaBackend::allow(const Shortcuts& wanted) { Context::get().allow(wanted); }
Shortcuts CudaBackend::allowed() const { return Context::allowed(); }

void CudaBackend::copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  if (bytes == 0) return;
  if (from_device == Device::cpu) return Context::get().to_card(to, from, bytes);
  if (to_device == Device::cpu) return Context::get().to_host(to, from, bytes);
  if (small_copy(to, from, bytes)) return;
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()), "copy on the card");
}

}  // namespace voxgrad::cuda

namespace voxgrad {

Backend& cuda_backend() {
  cuda::Context::get();                                        // Error if there is no card
  static cuda::CudaBackend& backend = *new cuda::CudaBackend;  // never destroyed, as in context.cpp
  return backend;
}

}  // namespace voxgrad

#include "engine/cuda/cuda_backend.h"

#include "engine/cuda/context.h"

namespace voxgrad::cuda {

std::string CudaBackend::description() const { return cuda_description(); }

Pool& CudaBackend::pool() { return Context::get().pool(); }

void CudaBackend::synchronise() { check_cuda(cudaStreamSynchronize(stream()), "work that was queued before"); }

void CudaBackend::allow_tf32(bool on) { Context::get().allow_tf32(on); }

void CudaBackend::copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  if (bytes == 0) return;
  if (from_device == Device::cpu) return Context::get().to_card(to, from, bytes);
  if (to_device == Device::cpu) return Context::get().to_host(to, from, bytes);
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()), "copy on the card");
}

}  // namespace voxgrad::cuda

namespace voxgrad {

Backend& cuda_backend() {
  cuda::Context::get();  // Error if there is no card
  static cuda::CudaBackend backend;
  return backend;
}

}  // namespace voxgrad

// Stands in for engine/cuda in a build without CUDA.
#include "engine/fused_backend.h"

namespace voxgrad {

bool cuda_available() { return false; }

std::string cuda_description() { return "not built in"; }

Backend& cuda_backend() {
  throw Error(ErrorKind::usage, "device cuda: this build has no CUDA backend",
              "use device cpu, or a build with CUDA (CMake preset `cuda`)");
}

FusedBackend& cuda::fused_backend() {
  static FusedBackend none;  // nobody has a tensor of such a device
  return none;
}

}  // namespace voxgrad

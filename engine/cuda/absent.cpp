// Stands in for engine/cuda in a build without CUDA.
#include "engine/backend.h"

namespace voxgrad {

bool cuda_available() { return false; }

std::string cuda_description() { return "not built in"; }

Backend& cuda_backend() {
  throw Error(ErrorKind::usage, "device cuda: this build has no CUDA backend",
              "use device cpu, or a build with CUDA (CMake preset `cuda`)");
}

}  // namespace voxgrad

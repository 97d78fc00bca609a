#include "engine/backend.h"

namespace voxgrad {

Backend& backend_of(Device device) { return device == Device::cpu ? cpu_backend() : cuda_backend(); }

void Backend::allow_tf32(bool on) {
  if (on) throw Error(ErrorKind::usage, text("TF32: device ", device(), " has none"), "use --device cuda");
}

bool has_device(Device device) { return device == Device::cpu || cuda_available(); }

}  // namespace voxgrad

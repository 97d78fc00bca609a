#include "engine/backend.h"

namespace voxgrad {

Backend& backend_of(Device device) { return device == Device::cpu ? cpu_backend() : cuda_backend(); }

bool has_device(Device device) { return device == Device::cpu || cuda_available(); }

}  // namespace voxgrad

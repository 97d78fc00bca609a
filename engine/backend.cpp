#include "engine/backend.h"

namespace voxgrad {

Backend& backend_of(Device device) { return device == Device::cpu ? cpu_backend() : cuda_backend(); }

void Backend::allow(const Shortcuts& wanted) {
  const char* const hint = "use device cuda";
  if (wanted.tf32) throw Error(ErrorKind::usage, text("tf32: device ", device(), " has no TF32"), hint);
  if (wanted.fast)
    throw Error(ErrorKind::usage, text("fast: device ", device(), " is deterministic, nothing else is faster"), hint);
}

std::unique_ptr<Recording> Backend::capture(const std::function<void()>&, std::size_t, std::string& refusal) {
  refusal = text("device ", device(), " runs everything at once");
  return nullptr;
}

void Backend::check_labels(const Tensor& labels, std::int64_t classes, int ignore) {
  const std::int64_t largest = largest_label(labels, ignore);
  if (largest >= classes) throw label_error(largest, classes);
}

Error label_error(std::int64_t label, std::int64_t classes) {
  return Error(ErrorKind::data, text("integrate: label ", label, " outside 0..", classes - 1),
               text("if ", label, " marks voxels without a label, set ignore=", label, "; else the network needs ",
                    label + 1, " output channels"));
}

bool has_device(Device device) { return device == Device::cpu || cuda_available(); }

}  // namespace voxgrad

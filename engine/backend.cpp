#include "engine/backend.h"

#include <array>

#include "engine/names.h"

namespace voxgrad {
namespace {

// The one place that lists the devices.
struct DeviceEntry {
  const char* name;
  Backend& (*backend)();
  bool (*available)();
  std::string (*description)();
};
constexpr std::array<DeviceEntry, 2> kDevices{{
    {"cpu", cpu_backend, [] { return true; }, [] { return cpu_backend().description(); }},
    {"cuda", cuda_backend, cuda_available, cuda_description},
}};

const DeviceEntry& entry(Device device) { return kDevices.at(static_cast<std::size_t>(device)); }

}  // namespace

const char* name_of(Device device) noexcept { return kDevices[static_cast<std::size_t>(device)].name; }
Backend& backend_of(Device device) { return entry(device).backend(); }
bool has_device(Device device) { return entry(device).available(); }
std::string description_of(Device device) { return entry(device).description(); }

const std::vector<std::string>& device_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const DeviceEntry& one : kDevices) all.emplace_back(one.name);
    return all;
  }();
  return names;
}

Device device_named(const std::string& name) { return static_cast<Device>(choose("device", name, device_names())); }

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

void throw_inference_only() {
  throw Error(ErrorKind::usage, "this build has neither gradients nor f64", "build without VOXGRAD_INFERENCE_ONLY");
}

Error label_error(std::int64_t label, std::int64_t classes) {
  return Error(ErrorKind::data, text("integrate: label ", label, " outside 0..", classes - 1),
               text("if ", label, " marks voxels without a label, set ignore=", label, "; else the network needs ",
                    label + 1, " output channels"));
}

}  // namespace voxgrad

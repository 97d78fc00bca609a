#include "apps/program/manifest.h"

#include "engine/backend.h"
#include "engine/parallel.h"

namespace voxgrad::apps {

const char* version() { return VOXGRAD_VERSION; }

Json manifest() {
#ifdef __clang__
  const std::string compiler = std::string("clang ") + __clang_version__;
#else
  const std::string compiler = std::string("g++ ") + __VERSION__;
#endif
#ifdef NDEBUG
  const char* const build = "release";
#else
  const char* const build = "with assertions";
#endif
  return {{"version", version()}, {"compiler", compiler},
          {"build", build},       {"cpu", backend_of(Device::cpu).description()},
          {"threads", threads()}, {"cuda", {{"available", cuda_available()}, {"description", cuda_description()}}}};
}

}  // namespace voxgrad::apps

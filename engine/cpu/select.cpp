// Chooses the instruction set at run time: the best one of this processor, or the one that VOXGRAD_SIMD names.
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/cpu/inspect.h"
#include "engine/cpu/pages.h"
#include "engine/parallel.h"

namespace voxgrad {
namespace cpu {

#define VOXGRAD_DECLARE(isa)                                                                      \
  namespace isa {                                                                                 \
  std::unique_ptr<Backend> make_backend(std::unique_ptr<Pool>);                                   \
  ConvChoice conv_choice(ConvPass, const Shape&, const Shape&, const Shape&, const ConvOptions&); \
  double peak_gflops();                                                                           \
  }
#define VOXGRAD_FUNCTIONS(isa) &isa::make_backend, &isa::conv_choice, &isa::peak_gflops
VOXGRAD_DECLARE(baseline)
VOXGRAD_DECLARE(avx2)
VOXGRAD_DECLARE(avx512)
#undef VOXGRAD_DECLARE

struct Level {
  const char* name;
  bool supported;
  decltype(&baseline::make_backend) make_backend;
  decltype(&baseline::conv_choice) conv_choice;
  decltype(&baseline::peak_gflops) peak_gflops;
};

std::vector<Level> levels() {  // best first
  return {
#ifdef VOXGRAD_HAS_avx512
      {"avx512",
       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl"),
       VOXGRAD_FUNCTIONS(avx512)},
#endif
#ifdef VOXGRAD_HAS_avx2
      {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), VOXGRAD_FUNCTIONS(avx2)},
#endif
#ifdef VOXGRAD_HAS_baseline
      {"baseline", true, VOXGRAD_FUNCTIONS(baseline)},
#endif
  };
}

Level choose() {
  const char* wish = std::getenv("VOXGRAD_SIMD");
  for (const Level& level : levels()) {
    if (wish != nullptr && *wish != '\0' && std::string(wish) != level.name) continue;
    if (level.supported) return level;
  }
  std::string built;
  bool has = false;
  for (const Level& level : levels()) {
    built += std::string(" ") + level.name;
    has = has || (wish != nullptr && std::string(wish) == level.name);
  }
  if (wish == nullptr || *wish == '\0')
    throw Error(ErrorKind::usage, "cpu: this processor runs none of the instruction sets of this build:" + built,
                "build with -DVOXGRAD_INSTRUCTION_SETS=all");
  throw Error(
      ErrorKind::usage,
      text("VOXGRAD_SIMD=", wish, " is not available: ", has ? "this processor lacks it" : "this build has" + built),
      "use one that this processor runs, or unset it");
}

const Level& chosen() {
  static const Level level = choose();
  return level;
}

ConvChoice conv_choice(ConvPass pass, const Shape& x, const Shape& weight, const Shape& y, const ConvOptions& options) {
  return chosen().conv_choice(pass, x, weight, y, options);
}
double peak_gflops() { return chosen().peak_gflops(); }

}  // namespace cpu

std::shared_ptr<Backend> make_cpu_backend(std::span<std::byte> workspace) {
  if (workspace.empty()) return cpu::chosen().make_backend(std::make_unique<Pool>(allocate_pages, std::free));
  const auto arena = std::make_shared<Arena>(workspace);
  return cpu::chosen().make_backend(
      std::make_unique<Pool>([arena](std::size_t bytes) { return arena->allocate(bytes); },
                             [arena](void* pointer) { arena->release(pointer); }));
}

Backend& cpu_backend() {
  if (const Resources* own = Resources::current()) return *own->cpu();
  // It is never destroyed: tensors of static storage duration may outlive any order of destruction.
  static const std::shared_ptr<Backend>& backend = *new std::shared_ptr<Backend>(make_cpu_backend({}));
  return *backend;
}

}  // namespace voxgrad

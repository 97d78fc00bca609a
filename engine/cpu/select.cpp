// Chooses the instruction set at run time: the best one of this processor, or the one named by VOXGRAD_SIMD.
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "engine/backend.h"

namespace voxgrad {
namespace cpu {

#define VOXGRAD_DECLARE(isa)                    \
  namespace isa {                               \
  std::unique_ptr<Backend> make_backend(Pool&); \
  }
VOXGRAD_DECLARE(baseline)
#ifdef VOXGRAD_X86
VOXGRAD_DECLARE(avx2)
VOXGRAD_DECLARE(avx512)
#endif
#undef VOXGRAD_DECLARE

struct Level {
  const char* name;
  bool supported;
  std::unique_ptr<Backend> (*make)(Pool&);
};

std::vector<Level> levels() {  // best first
  return {
#ifdef VOXGRAD_X86
      {"avx512",
       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl"),
       &avx512::make_backend},
      {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), &avx2::make_backend},
#endif
      {"baseline", true, &baseline::make_backend},
  };
}

std::unique_ptr<Backend> choose(Pool& pool) {
  const char* wish = std::getenv("VOXGRAD_SIMD");
  for (const Level& level : levels()) {
    if (wish != nullptr && *wish != '\0' && std::string(wish) != level.name) continue;
    if (level.supported) return level.make(pool);
  }
  throw Error(ErrorKind::usage, text("VOXGRAD_SIMD=", wish, " is not available on this processor or in this build"),
              "use baseline, avx2 or avx512, or unset it");
}

}  // namespace cpu

Backend& cpu_backend() {
  // Never destroyed: tensors of static storage duration may outlive any order of destruction.
  static Pool& pool =
      *new Pool([](std::size_t bytes) { return ::operator new (bytes, std::align_val_t{64}, std::nothrow); },
                [](void* block) { ::operator delete (block, std::align_val_t{64}); });
  static Backend& backend = *cpu::choose(pool).release();
  return backend;
}

}  // namespace voxgrad

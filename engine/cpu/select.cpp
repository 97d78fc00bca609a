// Chooses the instruction set at run time: the best one of this processor, or the one named by VOXGRAD_SIMD.
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

#include "engine/cpu/inspect.h"
#include "engine/fused_backend.h"

namespace voxgrad {
namespace cpu {

#define VOXGRAD_DECLARE(isa)                                                                       \
  namespace isa {                                                                                  \
  std::unique_ptr<Backend> make_backend(Pool&);                                                    \
  std::unique_ptr<FusedBackend> make_fused();                                                      \
  ConvChoice conv_choice(ConvPass, const Shape&, const Shape&, const Shape&, const ConvGeometry&); \
  double peak_gflops();                                                                            \
  }
#define VOXGRAD_FUNCTIONS(isa) &isa::make_backend, &isa::make_fused, &isa::conv_choice, &isa::peak_gflops
VOXGRAD_DECLARE(baseline)
#ifdef VOXGRAD_X86
VOXGRAD_DECLARE(avx2)
VOXGRAD_DECLARE(avx512)
#endif
#undef VOXGRAD_DECLARE

struct Level {
  const char* name;
  bool supported;
  decltype(&baseline::make_backend) make_backend;
  decltype(&baseline::make_fused) make_fused;
  decltype(&baseline::conv_choice) conv_choice;
  decltype(&baseline::peak_gflops) peak_gflops;
};

std::vector<Level> levels() {  // best first
  return {
#ifdef VOXGRAD_X86
      {"avx512",
       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl"),
       VOXGRAD_FUNCTIONS(avx512)},
      {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), VOXGRAD_FUNCTIONS(avx2)},
#endif
      {"baseline", true, VOXGRAD_FUNCTIONS(baseline)},
  };
}

Level choose() {
  const char* wish = std::getenv("VOXGRAD_SIMD");
  for (const Level& level : levels()) {
    if (wish != nullptr && *wish != '\0' && std::string(wish) != level.name) continue;
    if (level.supported) return level;
  }
  throw Error(ErrorKind::usage, text("VOXGRAD_SIMD=", wish, " is not available on this processor or in this build"),
              "use baseline, avx2 or avx512, or unset it");
}

const Level& chosen() {
  static const Level level = choose();
  return level;
}

ConvChoice conv_choice(ConvPass pass, const Shape& x, const Shape& weight, const Shape& y,
                       const ConvGeometry& geometry) {
  return chosen().conv_choice(pass, x, weight, y, geometry);
}
FusedBackend& fused_backend() {
  static FusedBackend& backend = *chosen().make_fused().release();
  return backend;
}
double peak_gflops() { return chosen().peak_gflops(); }

}  // namespace cpu

namespace {

// Large blocks on huge pages, where the system gives them to who asks: fewer page faults, and streams that do not stop
// at every 4 KiB. Smaller ones would waste too much of a page of 2 MiB.
void* allocate_pages(std::size_t bytes) {
  constexpr std::size_t kHugePage = 2 << 20, kLine = 64;
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kLine;
  if (bytes > std::numeric_limits<std::size_t>::max() - alignment) return nullptr;
  void* const block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
  if (block != nullptr && alignment == kHugePage) madvise(block, bytes, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace

Backend& cpu_backend() {
  // Never destroyed: tensors of static storage duration may outlive any order of destruction.
  static Pool& pool = *new Pool(allocate_pages, std::free);
  static Backend& backend = *cpu::chosen().make_backend(pool).release();
  return backend;
}

}  // namespace voxgrad

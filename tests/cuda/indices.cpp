// ctest labels: gpu
// Divisions of indices by what is known beforehand (engine/cuda/strided.h), as the emulated card computes them.
#include "tests/test.h"

#ifdef VOXGRAD_CUDA_EMULATED

#include "engine/cuda/strided.h"
#include "engine/random.h"

using namespace voxgrad;
using namespace voxgrad::cuda;

TEST_CASE("divisions by a product and a shift are divisions") {
  Random random(71);
  // Of every size, and around powers of two.
  const auto any = [&] {
    const std::int64_t power = std::int64_t{1} << random.below(40);
    return std::max<std::int64_t>(1, random.chance(0.5) ? power + random.below(3) - 1 : random.below(2 * power) + 1);
  };
  int wrong = 0;
  constexpr std::int64_t kLargest = (std::int64_t{1} << 31) - 1;
  for (int i = 0; i < 200000; ++i) {
    const std::int64_t d = i < 100   ? i + 1
                           : i < 110 ? kLargest - (i - 100)
                                     : any(),
                       n = i % 7 == 0 ? kLargest : any() - 1;
    const Divisor divisor(d);
    for (const std::int64_t a : {n, n / d * d, n / d * d + d - 1}) {
      const Division got = divide(a, divisor), slow = divide(a, d);
      wrong += got.quotient != a / d || got.rest != a % d || slow.quotient != a / d || slow.rest != a % d;
    }
  }
  CHECK(wrong == 0);
}

#endif

// Looks up values that depend on a label only.
#include <algorithm>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/simd_math.h"

#include "engine/cpu/voxel_block.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

namespace {

// `width` is the length of a row of the table, a constant if it is small.
template <class T, class N>
void look_up(const T* table, N width, const std::uint8_t* labels, std::int64_t count, T* y) {
  for (std::int64_t i = 0; i < count; ++i)
    for (int k = 0; k < width; ++k) y[i * width + k] = table[labels[i] * width + k];
}

}  // namespace

void CpuBackend::lookup(const Tensor& table, const Tensor& labels, const Tensor& y) {
  const std::int64_t known = std::min<std::int64_t>(table.extent(0), 256), width = table.extent(1);
  const std::uint8_t* label = labels.data<std::uint8_t>();
  dispatch_float(y.dtype(), "lookup", [&]<class T>(T) {
    auto rows = zero_vector<T>(256 * width);
    std::copy_n(table.data<double>(), known * width, rows.begin());
    T* result = y.data<T>();
    parallel_for(labels.numel(), 16384, [&](std::int64_t begin, std::int64_t end) {
      with_channels<T>(static_cast<int>(width),
                       [&](auto n) { look_up(rows.data(), n, label + begin, end - begin, result + begin * width); });
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

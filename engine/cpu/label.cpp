// Values that depend on a label only.
#include <algorithm>

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

void CpuBackend::lookup(const Tensor& table, const Tensor& labels, const Tensor& y) {
  const std::int64_t known = table.extent(0), width = table.extent(1);
  const std::uint8_t* label = labels.data<std::uint8_t>();
  dispatch_float(y.dtype(), "lookup", [&]<class T>(T) {
    std::vector<T> rows(static_cast<std::size_t>(256 * width), T(0));
    std::copy_n(table.data<double>(), std::min<std::int64_t>(known, 256) * width, rows.begin());
    parallel_for(labels.numel(), 16384, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t k = 0; k < width; ++k)
          y.data<T>()[i * width + k] = rows[static_cast<std::size_t>(label[i] * width + k)];
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// The log-odds of two channels are the difference of the logits.
#include "engine/cpu/isa.h"

#include "engine/cpu/cpu_fused.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kGrain = 16384;  // voxels

template <class T>
void difference(const T* z, const std::uint8_t* labels, std::int64_t n, int ignore, T scale, T* y) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T odds = (z[2 * i + 1] - z[2 * i]) * scale;
    y[i] = labels[i] != ignore ? odds : T(0);
  }
}

template <class T>
void difference_gradient(const T* dy, const std::uint8_t* labels, std::int64_t n, int ignore, T scale, T* dz) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T slope = labels[i] != ignore ? dy[i] * scale : T(0);
    dz[2 * i] = -slope;
    dz[2 * i + 1] = slope;
  }
}

}  // namespace

void CpuFused::log_odds(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                        const Tensor& y) const {
  if (logits.extent(-1) != 2) return FusedBackend::log_odds(logits, labels, options, y);
  dispatch_float(logits.dtype(), "log_odds", [&]<class T>(T) {
    parallel_for(labels.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      difference(logits.data<T>() + 2 * begin, labels.data<std::uint8_t>() + begin, end - begin, options.ignore,
                 static_cast<T>(options.temperature), y.data<T>() + begin);
    });
  });
}

void CpuFused::log_odds_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                                 const Tensor& dy, const Tensor& dlogits) const {
  if (logits.extent(-1) != 2) return FusedBackend::log_odds_gradient(logits, labels, options, dy, dlogits);
  dispatch_float(logits.dtype(), "log_odds", [&]<class T>(T) {
    parallel_for(labels.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      difference_gradient(dy.data<T>() + begin, labels.data<std::uint8_t>() + begin, end - begin, options.ignore,
                          static_cast<T>(options.temperature), dlogits.data<T>() + 2 * begin);
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

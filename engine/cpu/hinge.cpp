// The hinge errors of a class against the rest (engine/ops.h). With m the largest class, s the second largest and
// e_c = exp(z_c - z_m), the log-odds are
//
//     z_c - z_m - log sum_(k != c) e_k   for c != m,     z_m - z_s - log sum_(k != m) exp(z_k - z_s)   for c = m.
#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/simd_math.h"

#include "engine/cpu/voxel_block.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kHingeGrain = 8192, kHingeVoxels = 256;  // of a task, of a block

// 1 - 2 t, or 0 at an ignored voxel.
template <class T>
inline T minus_sign(int label, int ignore, int c) {
  return label == ignore ? T(0) : label == c ? T(-1) : T(1);
}
// The gradient of the log-odds at an error y with the upstream gradient dy.
template <class T>
inline T through(T y, T dy, int label, int ignore, int c) {
  return y <= T(0) || label == ignore ? T(0) : minus_sign<T>(label, ignore, c) * dy;
}

// The sums over all classes but one, for one vector of voxels with the logits z[C].
template <class T, class N>
struct Rest {
  static constexpr int kRoom = std::is_same_v<N, int> ? 256 : static_cast<int>(N{});
  Vec<T> largest, second = splat(-std::numeric_limits<T>::infinity()), top{}, total = splat(T(1)), others{};
  Vec<T> e[kRoom], f[kRoom];  // exp(z - largest), exp(z - second); both 0 for the largest

  Rest(N n, const T* z, std::int64_t stride) : largest(load(z)) {
    for (int c = 1; c < n; ++c) {
      const Vec<T> zc = load(z + c * stride);
      const auto larger = zc > largest;
      const Vec<T> next = larger ? largest : zc;
      second = next > second ? next : second;
      top = larger ? splat(T(c)) : top;
      largest = larger ? zc : largest;
    }
    for (int c = 0; c < n; ++c) {
      const Vec<T> zc = load(z + c * stride);
      const auto here = is_top(c);
      e[c] = here ? Vec<T>{} : exp_of(zc - largest);
      f[c] = exp_of((here ? second : zc) - second);
      f[c] = here ? Vec<T>{} : f[c];
      total += e[c];
      others += f[c];
    }
  }
  auto is_top(int c) const { return top == splat(T(c)); }
};

// A block of voxels, with one array per class.
template <class T>
struct HingeBlock {
  const std::uint8_t* labels;
  int channels, count, ignore;
  T temperature;

  // Reads rows into [classes, kHingeVoxels], multiplied by `scale`. Whole vectors are filled with zeros.
  void read(const T* rows, T* columns, T scale) const {
    split(rows, channels, count, columns, kHingeVoxels);
    for (int c = 0; c < channels; ++c) {
      T* column = columns + c * kHingeVoxels;
      for (int i = 0; i < count; ++i) column[i] *= scale;
      std::fill(column + count, column + padded(), T(0));
    }
  }
  // An ignored voxel has the logits 0, whatever the map holds there.
  void read_logits(const T* logits, T* z) const {
    read(logits, z, temperature);
    for (int c = 0; c < channels && ignore >= 0; ++c)
      for (int i = 0; i < count; ++i) z[c * kHingeVoxels + i] = labels[i] == ignore ? T(0) : z[c * kHingeVoxels + i];
  }
  int padded() const { return (count + kLanes<T> - 1) / kLanes<T> * kLanes<T>; }

  void errors(const T* logits, T* z, T* y) const {
    read_logits(logits, z);
    with_channels<T>(channels, [&](auto n) {
      for (int i = 0; i < padded(); i += kLanes<T>) {
        const Rest<T, decltype(n)> rest(n, z + i, kHingeVoxels);
        for (int c = 0; c < n; ++c) {
          const Vec<T> zc = load(z + c * kHingeVoxels + i);
          const auto top = rest.is_top(c);
          const Vec<T> odds = (top ? rest.largest - rest.second : zc - rest.largest) -
                              log_of(top ? rest.others : rest.total - rest.e[c]);
          store(z + c * kHingeVoxels + i, odds);
        }
      }
    });
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < count; ++i) {
        const T error = T(1) + minus_sign<T>(labels[i], ignore, c) * z[c * kHingeVoxels + i];
        z[c * kHingeVoxels + i] = error <= T(0) ? T(0) : error;
      }
    join(z, kHingeVoxels, channels, count, y);
  }

  // d holds the upstream gradient first, then the gradient with respect to the log-odds, then that with respect to the
  // logits.
  void gradient(const T* logits, const T* y, const T* dy, T* z, T* d, T* dlogits) const {
    read(y, z, T(1));
    read(dy, d, T(1));
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < count; ++i) {
        T& dc = d[c * kHingeVoxels + i];
        dc = through(z[c * kHingeVoxels + i], dc, labels[i], ignore, c);
      }
    read_logits(logits, z);
    with_channels<T>(channels, [&](auto n) {
      for (int i = 0; i < padded(); i += kLanes<T>) to_logits(n, Rest<T, decltype(n)>(n, z + i, kHingeVoxels), d + i);
    });
    join(d, kHingeVoxels, channels, count, dlogits);
  }

 private:
  template <class N>
  void to_logits(N n, const Rest<T, N>& rest, T* d) const {
    Vec<T> all{}, largest{};
    for (int c = 0; c < n; ++c) {
      const Vec<T> dc = load(d + c * kHingeVoxels);
      const auto top = rest.is_top(c);
      largest = top ? dc : largest;
      all += top ? Vec<T>{} : dc / (rest.total - rest.e[c]);
    }
    const Vec<T> share = largest / rest.others;
    for (int c = 0; c < n; ++c) {
      const Vec<T> dc = load(d + c * kHingeVoxels);
      const Vec<T> below = dc - rest.e[c] * (all - dc / (rest.total - rest.e[c])) - rest.f[c] * share;
      store(d + c * kHingeVoxels, (rest.is_top(c) ? dc - all : below) * temperature);
    }
  }
};

// Calls body(first element, block, z, d) for all blocks of a map.
template <class T, class F>
void for_blocks(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options, const F& body) {
  parallel_for(labels.numel(), kHingeGrain, [&](std::int64_t begin, std::int64_t end) {
    const int channels = static_cast<int>(logits.extent(-1));
    const Scratch<T> memory(2 * channels * kHingeVoxels);
    for (std::int64_t v = begin; v < end; v += kHingeVoxels) {
      const HingeBlock<T> block{labels.data<std::uint8_t>() + v, channels,
                                static_cast<int>(std::min(kHingeVoxels, end - v)), options.ignore,
                                static_cast<T>(options.temperature)};
      body(v * channels, block, memory.data(), memory.data() + channels * kHingeVoxels);
    }
  });
}

// The cases of one sigmoid channel and of two channels, whose errors are the same.
template <int Channels, class T>
void errors_of_two(const T* z, const std::uint8_t* labels, std::int64_t n, int ignore, T scale, T* y) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T odds = Channels == 1 ? z[i] : z[2 * i + 1] - z[2 * i];
    const T error = T(1) + minus_sign<T>(labels[i], ignore, 1) * odds * scale;
    y[i] = labels[i] == ignore ? T(1) : error <= T(0) ? T(0) : error;
  }
}
template <int Channels, class T>
void gradient_of_two(const T* y, const T* dy, const std::uint8_t* labels, std::int64_t n, int ignore, T scale, T* dz) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T slope = through(y[i], dy[i], labels[i], ignore, 1) * scale;
    if (Channels == 2) dz[2 * i] = -slope;
    dz[Channels * i + Channels - 1] = slope;
  }
}

}  // namespace

void CpuBackend::hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                              const Tensor& y) {
  const int channels = static_cast<int>(logits.extent(-1));
  dispatch_float(logits.dtype(), "hinge_errors", [&]<class T>(T) {
    if (channels > 2)
      return for_blocks<T>(logits, labels, options, [&](std::int64_t at, const HingeBlock<T>& block, T* z, T*) {
        block.errors(logits.data<T>() + at, z, y.data<T>() + at);
      });
    const auto few = channels == 1 ? errors_of_two<1, T> : errors_of_two<2, T>;
    parallel_for(labels.numel(), kHingeGrain, [&](std::int64_t begin, std::int64_t end) {
      few(logits.data<T>() + channels * begin, labels.data<std::uint8_t>() + begin, end - begin, options.ignore,
          static_cast<T>(options.temperature), y.data<T>() + begin);
    });
  });
}

void CpuBackend::hinge_errors_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                                       const Tensor& y, const Tensor& dy, const Tensor& dlogits) {
  const int channels = static_cast<int>(logits.extent(-1));
  dispatch_float(logits.dtype(), "hinge_errors", [&]<class T>(T) {
    if (channels > 2)
      return for_blocks<T>(logits, labels, options, [&](std::int64_t at, const HingeBlock<T>& block, T* z, T* d) {
        block.gradient(logits.data<T>() + at, y.data<T>() + at, dy.data<T>() + at, z, d, dlogits.data<T>() + at);
      });
    const auto few = channels == 1 ? gradient_of_two<1, T> : gradient_of_two<2, T>;
    parallel_for(labels.numel(), kHingeGrain, [&](std::int64_t begin, std::int64_t end) {
      few(y.data<T>() + begin, dy.data<T>() + begin, labels.data<std::uint8_t>() + begin, end - begin, options.ignore,
          static_cast<T>(options.temperature), dlogits.data<T>() + channels * begin);
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

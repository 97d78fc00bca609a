// The exact Euclidean distance transform: one pass per axis (Felzenszwalb and Huttenlocher, Theory of Computing 2012),
// for both sides of a class at once. A line falls into runs of one side; the nearest voxel of the other side is next to
// a run or in another line, so every run is a problem of its own.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

// min over j of (s (i - j))^2 + f[j] for the run [begin, end) of a line of n: the lower envelope of parabolas. Voxels
// just outside the run are on the other side, f = 0.
struct Envelope {
  std::vector<std::int64_t> at;
  std::vector<double> height, from;

  explicit Envelope(std::int64_t n) {
    const auto size = static_cast<std::size_t>(n + 2);
    at.resize(size);
    height.resize(size);
    from.resize(size + 1);
  }
  void run(double* f, std::int64_t begin, std::int64_t end, std::int64_t n, double s) {
    std::size_t count = 0;
    const double s2 = s * s;
    const auto push = [&](std::int64_t j, double value) {
      if (value == kFar) return;
      double start = -kFar;
      while (count > 0) {
        const std::int64_t k = at[count - 1];
        start =
            ((value - height[count - 1]) / s2 + static_cast<double>(j * j - k * k)) / static_cast<double>(2 * (j - k));
        if (start > from[count - 1]) break;
        --count;
        start = -kFar;
      }
      at[count] = j;
      height[count] = value;
      from[count++] = start;
    };
    if (begin > 0) push(begin - 1, 0);
    for (std::int64_t j = begin; j < end; ++j) push(j, f[j]);
    if (end < n) push(end, 0);
    if (count == 0) return;
    from[count] = kFar;
    std::size_t k = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      while (from[k + 1] < static_cast<double>(i)) ++k;
      const double d = static_cast<double>(i - at[k]) * s;
      f[i] = d * d + height[k];
    }
  }
};

// Squared distances of one image to the other side of `wanted`, or of any label if it is negative.
void transform(const std::uint8_t* label, const std::vector<std::int64_t>& extents, const std::vector<double>& spacing,
               int wanted, double* squared) {
  std::int64_t voxels = 1;
  for (std::int64_t extent : extents) voxels *= extent;
  std::fill_n(squared, voxels, kFar);
  std::int64_t inner = 1;
  for (std::size_t axis = extents.size(); axis-- > 0; inner *= extents[axis]) {
    const std::int64_t n = extents[axis];
    parallel_for(voxels / n, std::max<std::int64_t>(1, 16384 / n), [&](std::int64_t first, std::int64_t last) {
      Envelope envelope(n);
      std::vector<double> f(static_cast<std::size_t>(n));
      std::vector<int> side(static_cast<std::size_t>(n));
      for (std::int64_t line = first; line < last; ++line) {
        const std::int64_t start = line / inner * inner * n + line % inner;
        for (std::int64_t i = 0; i < n; ++i) {
          const auto k = static_cast<std::size_t>(i);
          f[k] = squared[start + i * inner];
          side[k] = wanted < 0 ? label[start + i * inner] : label[start + i * inner] == wanted;
        }
        for (std::int64_t begin = 0, end = 0; begin < n; begin = end) {
          while (end < n && side[static_cast<std::size_t>(end)] == side[static_cast<std::size_t>(begin)]) ++end;
          envelope.run(f.data(), begin, end, n, spacing[axis]);
        }
        for (std::int64_t i = 0; i < n; ++i) squared[start + i * inner] = f[static_cast<std::size_t>(i)];
      }
    });
  }
}

}  // namespace

void CpuBackend::distance(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                          const Tensor& y) {
  const std::int64_t samples = labels.extent(0), width = y.extent(-1);
  if (labels.numel() == 0) return;
  const std::int64_t voxels = labels.numel() / samples;
  std::vector<std::int64_t> extents;
  for (int i = 1; i < labels.dims(); ++i) extents.push_back(labels.extent(i));
  const Scratch<double> squared(voxels);
  for (std::int64_t i = 0; i < samples * width; ++i) {
    const std::int64_t first = i / width * voxels, channel = i % width;
    transform(labels.data<std::uint8_t>() + first, extents, spacing,
              classes.empty() ? -1 : classes[static_cast<std::size_t>(channel)], squared.data());
    dispatch_float(y.dtype(), "distance", [&]<class T>(T) {
      for (std::int64_t v = 0; v < voxels; ++v) {
        const double d = squared.data()[v];
        y.data<T>()[(first + v) * width + channel] = d == kFar ? T(0) : static_cast<T>(std::sqrt(d));
      }
    });
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

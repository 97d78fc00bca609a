// The exact Euclidean distance transform, for both sides of a class at once, one axis after the other as on the CPU
// (engine/cpu/distance.cpp explains why that is right): a pass turns f, the squared distance along the axes done, into
//     d[i] = min over j of f[j] + (s (i - j))^2      with f[j] = 0 for a voxel j on the other side of i,
// the smaller one of the distance along the line alone and the lower envelope of the parabolas f[j] + (s (i - j))^2
// (Felzenszwalb and Huttenlocher, Theory of Computing 2012). The work of a line is linear in its length.
#include <limits>
#include <utility>

#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"
#include "engine/distance_grid.h"

namespace voxgrad::cuda {
namespace {

// More than any square; see DistanceGrid for those that are whole.
template <class T>
constexpr T kFar = std::numeric_limits<T>::infinity();
template <>
constexpr std::int32_t kFar<std::int32_t> = DistanceGrid::kFar;
constexpr double kEverywhere = -std::numeric_limits<double>::infinity();

// Voxels on one side have the same number. wanted < 0: every label is a side of its own.
struct Sides {
  const std::uint8_t* label;
  int wanted;
  __device__ int operator[](std::int64_t i) const { return wanted < 0 ? label[i] : label[i] == wanted; }
};

template <class T>
__device__ inline T smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T>
__device__ inline T square_of(double weight, std::int64_t steps) {
  return static_cast<T>(weight * static_cast<double>(steps * steps));
}

// Along the rows, which lie dense: a warp takes a row, 32 voxels at a time, forwards for the last border before a
// voxel and backwards for the next one behind it.
template <class T>
__global__ void rows_kernel(Sides sides, std::int64_t rows, int n, double weight, T* squares) {
  const int lane = thread_index() % kWarp;
  for (std::int64_t row = first_index() / kWarp; row < rows; row += index_step() / kWarp) {
    const Sides side{sides.label + row * n, sides.wanted};
    T* square = squares + row * n;
    int border = -1;  // the first voxel behind the last border so far
    for (int begin = 0; begin < n; begin += kWarp) {
      const int i = begin + lane;
      const unsigned votes = ballot(i > 0 && i < n && side[i] != side[i - 1]);
      const unsigned before = votes & (~0u >> (kWarp - 1 - lane));
      const int mine = before != 0 ? begin + highest_bit(before) : border;
      if (i < n) square[i] = static_cast<T>(mine < 0 ? n : i - mine + 1);
      if (votes != 0) border = begin + highest_bit(votes);
    }
    border = -1;  // the last voxel before the next border
    for (int begin = (n - 1) / kWarp * kWarp; begin >= 0; begin -= kWarp) {
      const int i = begin + lane;
      const unsigned votes = ballot(i + 1 < n && side[i] != side[i + 1]);
      const unsigned behind = votes & (~0u << lane);
      const int mine = behind != 0 ? begin + lowest_bit(behind) : border;
      if (i < n) {
        const int steps = smaller(static_cast<int>(square[i]), mine < 0 ? n : mine - i + 1);
        square[i] = steps < n ? square_of<T>(weight, steps) : kFar<T>;
      }
      if (votes != 0) border = begin + lowest_bit(votes);
    }
  }
}

// Lines of n voxels that are `inner` apart.
struct Axis {
  std::int64_t outer, n, inner;
  double weight;
};

// The parabolas that are the lowest somewhere, from left to right, in the memory of the line; the last one at hand.
class Envelope {
 public:
  __device__ Envelope(int* apexes, double* starts, std::int64_t stride)
      : apexes_(apexes), starts_(starts), stride_(stride) {}
  __device__ bool empty() const { return count_ == 0; }
  __device__ std::int64_t apex() const { return apex_; }
  __device__ double start() const { return start_; }  // from where on it is the lowest
  __device__ void push(std::int64_t apex, double start) {
    apexes_[count_ * stride_] = static_cast<int>(apex);
    starts_[count_ * stride_] = start;
    ++count_;
    apex_ = apex;
    start_ = start;
  }
  __device__ void pop() {
    if (--count_ == 0) return;
    apex_ = apexes_[(count_ - 1) * stride_];
    start_ = starts_[(count_ - 1) * stride_];
  }

 private:
  int* apexes_;
  double* starts_;
  std::int64_t stride_, count_ = 0, apex_ = 0;
  double start_ = 0;
};

// One thread per line, so that neighbours read neighbours: forwards it builds the envelope, backwards it reads it.
template <class T>
__global__ void lines_kernel(Sides sides, Axis axis, const T* f, T* d, int* apexes, double* starts) {
  for (std::int64_t line = first_index(); line < axis.outer * axis.inner; line += index_step()) {
    const std::int64_t base = line / axis.inner * axis.n * axis.inner + line % axis.inner;
    const auto at = [&](std::int64_t i) { return base + i * axis.inner; };
    const auto along = [&](std::int64_t steps) { return steps < axis.n ? square_of<T>(axis.weight, steps) : kFar<T>; };
    Envelope envelope(apexes + base, starts + base, axis.inner);
    std::int64_t steps = axis.n;  // to the other side along the line; n: there is none
    int before = sides[at(0)];
    for (std::int64_t j = 0; j < axis.n; ++j) {
      const int side = sides[at(j)];
      steps = side != before ? 1 : smaller(steps + 1, axis.n);
      before = side;
      d[at(j)] = along(steps);
      const T height = f[at(j)];
      if (height >= kFar<T>) continue;
      double start = kEverywhere;
      for (; !envelope.empty(); envelope.pop()) {
        const std::int64_t k = envelope.apex();
        const double rise = static_cast<double>(height - f[at(k)]) / axis.weight;
        const double meet = (rise + static_cast<double>(j * j - k * k)) / static_cast<double>(2 * (j - k));
        if (meet > envelope.start()) {
          start = meet;
          break;
        }
      }
      envelope.push(j, start);
    }
    steps = axis.n;
    for (std::int64_t i = axis.n - 1; i >= 0; --i) {
      const int side = sides[at(i)];
      steps = side != before ? 1 : smaller(steps + 1, axis.n);
      before = side;
      T least = smaller(d[at(i)], along(steps));
      if (!envelope.empty()) {
        while (envelope.start() > static_cast<double>(i)) envelope.pop();  // the first one starts at -infinity
        const std::int64_t k = envelope.apex();
        least = smaller(least, f[at(k)] + square_of<T>(axis.weight, i - k));
      }
      d[at(i)] = least;
    }
  }
}

// unit times the root, every `width`-th element of y; 0 if no voxel has another side.
template <class T, class Y>
__global__ void roots_kernel(const T* squares, std::int64_t voxels, Y unit, Y* y, std::int64_t width) {
  for (std::int64_t i = first_index(); i < voxels; i += index_step())
    y[i * width] = squares[i] < kFar<T> ? unit * std::sqrt(static_cast<Y>(squares[i])) : Y(0);
}

template <class T, class Y>
void transform(const DistanceGrid& grid, Sides sides, Y* y, std::int64_t width) {
  const auto [depth, height, row] = grid.extent;
  const std::int64_t rows = grid.samples * depth * height, voxels = rows * row;
  const Scratch<T> first(voxels), second(voxels);
  const Scratch<int> apexes(voxels);
  const Scratch<double> starts(voxels);
  T *f = first.data(), *d = second.data();
  launch(rows_kernel<T>, grid_for(rows * kWarp), sides, rows, static_cast<int>(row), grid.weight[2], f);
  constexpr int kThreads = 64;  // few lines are spread over many multiprocessors
  for (const Axis& axis : {Axis{grid.samples * depth, height, row, grid.weight[1]},
                           Axis{grid.samples, depth, height * row, grid.weight[0]}}) {
    if (axis.n == 1) continue;
    launch(lines_kernel<T>, grid_for(axis.outer * axis.inner, kThreads), sides, axis, static_cast<const T*>(f), d,
           apexes.data(), starts.data());
    std::swap(f, d);
  }
  launch(roots_kernel<T, Y>, grid_for(voxels), static_cast<const T*>(f), voxels, static_cast<Y>(grid.unit), y, width);
}

}  // namespace

void CudaBackend::distance(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                           const Tensor& y) {
  if (labels.numel() == 0) return;
  const DistanceGrid grid(labels.shape(), spacing);
  const std::int64_t width = y.extent(-1);
  for (std::int64_t k = 0; k < width; ++k) {
    const Sides sides{labels.data<std::uint8_t>(), classes.empty() ? -1 : classes[static_cast<std::size_t>(k)]};
    dispatch_float(y.dtype(), "distance", [&]<class Y>(Y) {
      if (grid.whole)
        transform<std::int32_t>(grid, sides, y.data<Y>() + k, width);
      else
        transform<Y>(grid, sides, y.data<Y>() + k, width);
    });
  }
}

}  // namespace voxgrad::cuda

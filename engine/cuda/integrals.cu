// The integrals of the losses (engine/integrands.h), forward: every warp adds up the voxels of its share, then one
// block per integral adds up the warps. The order depends on the shape alone.
#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/integration.h"

namespace voxgrad::cuda {
namespace {

constexpr int kThreads = 128;

// Whole warps for n threads' work, at most `most` threads.
int threads_for(std::int64_t n, int most) {
  return static_cast<int>(std::clamp<std::int64_t>((n + kWarp - 1) / kWarp * kWarp, kWarp, most));
}

// The voxels that a thread has in its registers together, so that their terms are one term for the sum over the warp.
template <int kMost>
constexpr int kVoxels = kMost == 0 ? 1 : 8 / kMost;

// What one turn of a warp adds to an integral.
template <class T, int kMost>
struct Turn {
  Voxel<T, kMost> voxel[kVoxels<kMost>];
  std::int64_t index[kVoxels<kMost>];

  template <class F>
  __device__ double sum(F&& term) const {
    double result = 0;
#pragma unroll
    for (int j = 0; j < kVoxels<kMost>; ++j)
      if (voxel[j].label >= 0) result += term(voxel[j], index[j]);
    return warp_reduce(result, Add{});
  }
};

// add(c, sum) for every channel, with the sum of the row over the voxels of a turn.
template <class Row, class T, int kMost, class F>
__device__ inline void sum_row(const Integration<T>& pass, const typename Integration<T>::Row& row,
                               const Turn<T, kMost>& turn, F&& add) {
  const auto value = [&](const Point<T>& x, T w) {
    return static_cast<double>(Row::value(x.p, x.q, x.l, x.t, w, row.a));
  };
  if constexpr (Row::scope == Scope::truth) {
    double values[kVoxels<kMost>];
#pragma unroll
    for (int j = 0; j < kVoxels<kMost>; ++j) {
      const int label = turn.voxel[j].label;
      values[j] = label < 0 ? 0
                            : row.weight_of(label) * value(turn.voxel[j].template at_label<Row>(),
                                                           row.field_at(turn.index[j], label - pass.first));
    }
    for (int c = 0; c < pass.channels; ++c) {
      double sum = 0;
#pragma unroll
      for (int j = 0; j < kVoxels<kMost>; ++j) sum += pass.channels == 1 || turn.voxel[j].label == c ? values[j] : 0;
      add(c, warp_reduce(sum, Add{}));
    }
  } else {
    for_classes<kMost>(pass.first, pass.classes, [&](int c) {
      const double sum = turn.sum([&](const Voxel<T, kMost>& voxel, std::int64_t index) {
        return value(voxel.template at<Row>(c), row.field_at(index, c - pass.first));
      });
      add(c - pass.first, row.weight_of(c) * sum);
    });
  }
}

// parts [rows, N, C, warps of a sample].
template <class T, int kMost>
__global__ void sums_kernel(const Integration<T> pass, std::int64_t blocks, double* parts) {
  const std::int64_t sample = block_index() / blocks, warps = blocks * block_size() / kWarp;
  const std::int64_t warp = (block_index() % blocks * block_size() + thread_index()) / kWarp;
  constexpr std::int64_t kShare = kVoxels<kMost> * kWarp;
  for (std::int64_t begin = warp * kShare; begin < pass.voxels || begin == warp * kShare; begin += warps * kShare) {
    Turn<T, kMost> turn;
#pragma unroll
    for (int j = 0; j < kVoxels<kMost>; ++j) {
      const std::int64_t v = begin + j * kWarp + thread_index() % kWarp;
      turn.index[j] = sample * pass.voxels + v;
      if (v < pass.voxels) turn.voxel[j].load(pass, turn.index[j]);
    }
    for (int k = 0; k < pass.count; ++k) {
      double* to = parts + (k * pass.samples + sample) * pass.channels * warps + warp;
      const auto add = [&](int c, double sum) {
        if (thread_index() % kWarp == 0) to[c * warps] = begin == warp * kShare ? sum : to[c * warps] + sum;
      };
      visit<T>(pass.rows[k].kind, [&]<class Row>(Row) { sum_row<Row>(pass, pass.rows[k], turn, add); });
    }
  }
}

// One block per row of x.
__global__ void add_up_kernel(const double* x, std::int64_t n, double* sums) {
  double sum = 0;
  for (std::int64_t i = thread_index(); i < n; i += block_size()) sum += x[block_index() * n + i];
  sum = block_sum(sum);
  if (thread_index() == 0) sums[block_index()] = sum;
}

// The only row as a map [N * voxels, C], or [N * voxels, 1] in scope truth.
template <class T, int kMost>
__global__ void map_kernel(const Integration<T> pass, T* y) {
  const auto& row = pass.rows[0];
  for (std::int64_t i = first_index(); i < pass.samples * pass.voxels; i += index_step()) {
    Voxel<T, kMost> voxel;
    voxel.load(pass, i);
    visit<T>(row.kind, [&]<class Row>(Row) {
      const auto value = [&](const Point<T>& x, int c) {
        return Row::value(x.p, x.q, x.l, x.t, row.field_at(i, c - pass.first), row.a) *
               static_cast<T>(row.weight_of(c));
      };
      if constexpr (Row::scope == Scope::truth)
        y[i] = voxel.label < 0 ? T(0) : value(voxel.template at_label<Row>(), voxel.label);
      else
        for_classes<kMost>(pass.first, pass.classes, [&](int c) {
          y[i * pass.channels + c - pass.first] = voxel.label < 0 ? T(0) : value(voxel.template at<Row>(c), c);
        });
    });
  }
}

template <class T>
void add_up(const Integration<T>& pass, double* sums) {
  const std::int64_t results = pass.count * pass.samples * pass.channels;
  if (results == 0) return;
  with_classes<T>(pass.classes, [&](auto most) {
    constexpr int kMost = decltype(most)::value;
    // Enough warps for every card, and not more partial sums than voxels.
    constexpr std::int64_t kTurns = 4, kMostBlocks = 2048;
    const int threads = threads_for((pass.voxels + kVoxels<kMost> - 1) / kVoxels<kMost>, kThreads);
    const std::int64_t share = kTurns * kVoxels<kMost> * threads;
    const std::int64_t blocks = std::clamp<std::int64_t>((pass.voxels + share - 1) / share, 1, kMostBlocks);
    const std::int64_t warps = blocks * threads / kWarp;
    const Scratch<double> parts(results * warps);
    launch(sums_kernel<T, kMost>, {pass.samples * blocks, threads}, pass, blocks, parts.data());
    launch(add_up_kernel, {results, threads_for(warps, 256)}, parts.data(), warps, sums);
  });
}

}  // namespace

void CudaBackend::integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                            const IntegrateOptions& options, const Tensor& sums) {
  dispatch_float(logits.dtype(), "integrate",
                 [&]<class T>(T) { add_up(Integration<T>(logits, labels, rows, options), sums.data<double>()); });
}

void CudaBackend::integrand(const Tensor& logits, const Tensor& labels, const Integral& row,
                            const IntegrateOptions& options, const Tensor& y) {
  dispatch_float(logits.dtype(), "integrand", [&]<class T>(T) {
    const Integration<T> pass(logits, labels, {row}, options);
    with_classes<T>(pass.classes, [&](auto most) {
      launch(map_kernel<T, decltype(most)::value>, grid_for(labels.numel(), kThreads), pass, y.data<T>());
    });
  });
}

}  // namespace voxgrad::cuda

// The integrals of the losses (engine/integrands.h), forward: every block adds up the voxels of its share, then one
// block per integral adds up the blocks. The order depends on the shape alone.
#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/integration.h"

namespace voxgrad::cuda {
namespace {

constexpr int kThreads = 128;

// One row at one voxel, added to the sums of this thread, of which those of one channel are `stride` apart.
template <class Row, class T, int kMost>
__device__ __forceinline__ void add_row(const Integration<T>& pass, const typename Integration<T>::Row& row,
                                        const Voxel<T, kMost>& voxel, std::int64_t index, double* sums, int stride) {
  const auto value = [&](const Point<T>& x, int c) {
    return row.weight_of(voxel.label, c) *
           static_cast<double>(Row::value(x.p, x.q, x.l, x.t, row.field_at(index, c - pass.first), row.a));
  };
  if constexpr (Row::scope == Scope::truth)
    sums[pass.channels == 1 ? 0 : voxel.label * stride] += value(voxel.template at_label<Row>(), voxel.label);
  else
    for_classes<kMost>(pass.first, pass.classes,
                       [&](int c) { sums[(c - pass.first) * stride] += value(voxel.template at<Row>(c), c); });
}

// The rows [begin, end) over the share of one block: every thread adds up its voxels in shared memory, [rows, C,
// threads], then a warp takes one sum after the other. parts [rows, N, C, blocks of a sample].
template <class T, int kMost>
__global__ void __launch_bounds__(kThreads)
    sums_kernel(const Integration<T> pass, int begin, int end, std::int64_t blocks, double* parts) {
  const std::int64_t sample = block_index() / blocks, block = block_index() % blocks;
  const int sums = (end - begin) * pass.channels;
  double* shared = dynamic_shared<double>();
  for (int i = 0; i < sums; ++i) shared[i * block_size() + thread_index()] = 0;
  for (std::int64_t v = block * block_size() + thread_index(); v < pass.voxels; v += blocks * block_size()) {
    const std::int64_t index = sample * pass.voxels + v;
    Voxel<T, kMost> voxel;
    voxel.load(pass, index);
    if (voxel.label < 0) continue;
    double* mine = shared + thread_index();
    for (int k = begin; k < end; ++k, mine += pass.channels * block_size())
      visit<T>(pass.rows[k].kind,
               [&]<class Row>(Row) { add_row<Row>(pass, pass.rows[k], voxel, index, mine, block_size()); });
  }
  __syncthreads();
  for (int i = thread_index() / kWarp; i < sums; i += block_size() / kWarp) {
    const int lane = thread_index() % kWarp;
    double sum = 0;
    for (int thread = lane; thread < block_size(); thread += kWarp) sum += shared[i * block_size() + thread];
    sum = warp_reduce(sum, Add{});
    const std::int64_t row = begin + i / pass.channels, result = (row * pass.samples + sample) * pass.channels;
    if (lane == 0) parts[(result + i % pass.channels) * blocks + block] = sum;
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
               static_cast<T>(row.weight_of(voxel.label, c));
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

// Whole warps for n threads' work, at most `most` threads.
int threads_for(std::int64_t n, int most) {
  return static_cast<int>(std::clamp<std::int64_t>((n + kWarp - 1) / kWarp * kWarp, kWarp, most));
}

template <class T>
void add_up(const Integration<T>& pass, double* sums) {
  const std::int64_t results = pass.count * pass.samples * pass.channels;
  if (results == 0) return;
  // As many rows at once as 48 sums per thread, so that several blocks have room on a multiprocessor.
  constexpr int kSums = 48, kTurns = 8;
  constexpr std::int64_t kMostBlocks = 2048;
  const int threads = threads_for(pass.voxels, pass.channels <= kSums ? kThreads : kWarp);
  const int rows = std::max(1, kSums * kThreads / (threads * pass.channels));
  const std::int64_t blocks =
      std::clamp<std::int64_t>((pass.voxels + kTurns * threads - 1) / (kTurns * threads), 1, kMostBlocks);
  const Scratch<double> parts(results * blocks);
  with_classes<T>(pass.classes, [&](auto most) {
    for (int begin = 0; begin < pass.count; begin += rows) {
      const int end = std::min(pass.count, begin + rows);
      const std::size_t shared = sizeof(double) * static_cast<std::size_t>((end - begin) * pass.channels * threads);
      launch(sums_kernel<T, decltype(most)::value>, {pass.samples * blocks, threads, shared}, pass, begin, end, blocks,
             parts.data());
    }
  });
  launch(add_up_kernel, {results, threads_for(blocks, 256)}, parts.data(), blocks, sums);
}

}  // namespace

Tensor CudaBackend::integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                              const IntegrateOptions& options, bool, const Tensor& sums) {
  dispatch_float(logits.dtype(), "integrate",
                 [&]<class T>(T) { add_up(Integration<T>(logits, labels, rows, options), sums.data<double>()); });
  return {};  // memory is what a card waits for: computing the softmax again is cheaper than reading it
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

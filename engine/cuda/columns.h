// Reductions of [A, R, B] over R, in two launches. In the first, the threads of a block stand side by side along B, in
// several rows, so that neighbours read neighbours; each keeps its columns and strides down the rows of one piece, and
// the rows of threads are merged through shared memory. In the second, a warp merges the pieces of one result. The cut
// into pieces depends on the extents only, so results are the same bits on every card.
#pragma once

#include <algorithm>

#include "engine/cuda/context.h"
#include "engine/cuda/device.h"
#include "engine/cuda/strided.h"

namespace voxgrad::cuda {

struct Columns {
  static constexpr int kThreads = 256;
  std::int64_t a, r, b;
  int width, lanes, rows;  // columns of a thread; threads along b; threads along r
  std::int64_t strips, pieces, piece_rows;

  Columns(std::int64_t a_extent, std::int64_t r_extent, std::int64_t b_extent, int columns_of_thread)
      : a(a_extent), r(r_extent), b(b_extent), width(columns_of_thread) {
    constexpr std::int64_t kBlocks = 1024, kRowsOfThread = 8;
    const std::int64_t threads = (b + width - 1) / width;
    lanes = static_cast<int>(std::clamp<std::int64_t>(threads, 1, kThreads));
    rows = kThreads / lanes;
    strips = (threads + lanes - 1) / lanes;
    const std::int64_t most = std::max<std::int64_t>(1, r / (rows * kRowsOfThread));
    const std::int64_t wanted = std::max<std::int64_t>(1, kBlocks / std::max<std::int64_t>(1, a * strips));
    piece_rows = (r + std::min(most, wanted) - 1) / std::min(most, wanted);
    pieces = piece_rows == 0 ? 1 : (r + piece_rows - 1) / piece_rows;
  }
  std::int64_t blocks() const { return a * pieces * strips; }
  // Whole warps: the last threads may have no row.
  int threads() const { return (lanes * rows + kWarp - 1) / kWarp * kWarp; }
};

// A Reduction f has: State; kWidth, the columns of a thread; start(), the state of nothing; merge(State, State);
// begin(a, column), called once; take(states, a, row, column), which adds the row of its kWidth columns.
template <class Reduction>
__global__ void column_kernel(Reduction f, Columns cut, typename Reduction::State* partial) {
  using State = typename Reduction::State;
  constexpr int kWidth = Reduction::kWidth;
  State* shared = dynamic_shared<State>();  // [rows, lanes, kWidth]
  const Division unit = divide(block_index(), cut.strips), piece = divide(unit.quotient, cut.pieces);
  const int lane = thread_index() % cut.lanes, row = thread_index() / cut.lanes;
  const std::int64_t column = (unit.rest * cut.lanes + lane) * kWidth;
  State states[kWidth];
#pragma unroll
  for (int k = 0; k < kWidth; ++k) states[k] = Reduction::start();
  const bool idle = row >= cut.rows;
  if (!idle && column < cut.b && cut.r > 0) {
    const std::int64_t first = piece.rest * cut.piece_rows, last = first + cut.piece_rows;
    f.begin(piece.quotient, column);
#pragma unroll 4
    for (std::int64_t i = first + row; i < (last < cut.r ? last : cut.r); i += cut.rows)
      f.take(states, piece.quotient, i, column);
  }
  State* mine = shared + (row * cut.lanes + lane) * kWidth;
  if (!idle)
#pragma unroll
    for (int k = 0; k < kWidth; ++k) mine[k] = states[k];
  for (int left = cut.rows; left > 1;) {  // the lower half takes the upper one
    const int half = (left + 1) / 2;
    __syncthreads();
    if (row + half < left)
#pragma unroll
      for (int k = 0; k < kWidth; ++k) mine[k] = Reduction::merge(mine[k], mine[half * cut.lanes * kWidth + k]);
    left = half;
  }
  if (row == 0 && column < cut.b)
#pragma unroll
    for (int k = 0; k < kWidth; ++k) partial[unit.quotient * cut.b + column + k] = mine[k];
}

// result (a, group) = the merged states of the pieces and of the `size` columns of the group, given to
// store(index, state).
template <class Reduction, class Store>
__global__ void merge_kernel(const typename Reduction::State* partial, std::int64_t pieces, std::int64_t b,
                             std::int64_t size, std::int64_t results, Store store) {
  using State = typename Reduction::State;
  const std::int64_t index = first_index() / kWarp, groups = b / size;
  const int lane = thread_index() % kWarp;
  if (index >= results) return;  // a whole warp
  const Division place = divide(index, groups);
  const State* from = partial + place.quotient * pieces * b + place.rest * size;
  State state = Reduction::start();
#pragma unroll 4
  for (std::int64_t k = lane; k < pieces * size; k += kWarp) {
    const Division at = divide(k, size);
    state = Reduction::merge(state, from[at.quotient * b + at.rest]);
  }
  state = warp_reduce(state, [](const State& p, const State& q) { return Reduction::merge(p, q); });
  if (lane == 0) store(index, state);
}

// store(i, state) for i in [A, B / size]; `size` neighbouring columns make one result. b is a multiple of kWidth.
template <class Reduction, class Store>
void reduce_columns(const Reduction& f, std::int64_t a, std::int64_t r, std::int64_t b, std::int64_t size,
                    const Store& store) {
  using State = typename Reduction::State;
  if (a * b == 0) return;
  const Columns cut(a, r, b, Reduction::kWidth);
  const Scratch<State> partial(a * cut.pieces * b);
  launch(column_kernel<Reduction>,
         Grid(cut.blocks(), cut.threads(),
              static_cast<std::size_t>(cut.lanes * cut.rows * Reduction::kWidth) * sizeof(State)),
         f, cut, partial.data());
  const std::int64_t results = a * (b / size);
  launch(merge_kernel<Reduction, Store>, Grid((results * kWarp + 255) / 256), partial.data(), cut.pieces, b, size,
         results, store);
}

}  // namespace voxgrad::cuda

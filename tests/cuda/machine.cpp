// The emulated card itself (tests/cuda/emulator): it computes, and it finds the mistakes it is there for.
// ctest labels: gpu
#include "tests/test.h"

#ifdef VOXGRAD_CUDA_EMULATED

#include <numeric>

#include "engine/cuda/context.h"
#include "engine/cuda/device.h"
#include "engine/ops.h"
#include "engine/replay.h"

namespace voxgrad::cuda {
namespace {

__global__ void sum_kernel(const double* x, double* y, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = first_index(); i < n; i += index_step()) sum += x[i];
  sum = block_sum(sum);
  if (thread_index() == 0) y[block_index()] = sum;
}

__global__ void reverse_kernel(int* y, bool wait) {
  __shared__ int parts[64];
  parts[thread_index()] = 1 + thread_index();
  if (wait) __syncthreads();
  y[thread_index()] = parts[63 - thread_index()];
}

__global__ void prefix_kernel(int* y) {
  int value = 1;
  for (int step = 1; step < kWarp; step *= 2) {
    const int below = shuffle_up(value, step);
    if (thread_index() % kWarp >= step) value += below;
  }
  y[thread_index()] = value + 100 * __popc(__ballot_sync(~0u, thread_index() % 2));
}

__global__ void half_a_barrier_kernel(int* y, int mode) {
  if (thread_index() < 32) {
    if (mode == 0) return;
    if (mode == 1) __syncthreads();
    if (mode == 2) __syncwarp();
  }
  if (mode == 3 && thread_index() % 2 == 0) __syncwarp();
  __syncthreads();
  y[thread_index()] = mode;
}

__global__ void shared_kernel(int* y) {
  int* shared = dynamic_shared<int>();
  shared[thread_index()] = static_cast<int>(block_index());
  __syncthreads();
  y[block_index() * block_size() + thread_index()] = shared[(thread_index() + 1) % block_size()];
}

template <class F>
std::string complaint(F&& f) {
  try {
    f();
    cuda_backend().synchronise();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("sums over a block, prefixes over a warp, shared memory") {
  const Tensor x = full({1000}, 3, DType::f64, Device::cuda), sums = empty({4}, DType::f64, Device::cuda);
  launch(sum_kernel, {4, 256}, x.data<double>(), sums.data<double>(), x.numel());
  CHECK(sums.to_vector<double>() == std::vector<double>{768, 768, 768, 696});
  const Tensor y = empty({64}, DType::i32, Device::cuda);
  launch(prefix_kernel, {1, 64}, y.data<int>());
  std::vector<int> expected(64);
  for (std::size_t i = 0; i < 64; ++i) expected[i] = static_cast<int>(i % 32) + 1 + 1600;
  CHECK(y.to_vector<int>() == expected);
  launch(shared_kernel, {2, 32, 128}, y.data<int>());
  for (std::size_t i = 0; i < 64; ++i) expected[i] = i < 32 ? 0 : 1;
  CHECK(y.to_vector<int>() == expected);
}

TEST_CASE("a missing barrier gives wrong results") {
  const Tensor y = empty({64}, DType::i32, Device::cuda);
  std::vector<int> expected(64);
  std::iota(expected.rbegin(), expected.rend(), 1);
  int wrong = 0;
  for (int i = 0; i < 20; ++i) {
    launch(reverse_kernel, {1, 64}, y.data<int>(), true);
    CHECK(y.to_vector<int>() == expected);
    launch(reverse_kernel, {1, 64}, y.data<int>(), false);
    wrong += y.to_vector<int>() != expected;
  }
  CHECK(wrong >= 19);
}

TEST_CASE("barriers that not all threads reach together, and launches no card would accept, are errors") {
  const Tensor y = empty({64}, DType::i32, Device::cuda);
  for (int mode : {0, 1, 2, 3, 4}) {
    const std::string message = complaint([&] { launch(half_a_barrier_kernel, {1, 64}, y.data<int>(), mode); });
    CHECK_MESSAGE(test::contains(message, "a barrier that not all reach") == (mode != 2 && mode != 4), message);
    CHECK((mode == 4 || message.empty() || test::contains(message, "machine.cpp")));
  }
  int host = 0;
  CHECK(test::contains(complaint([&] { launch(prefix_kernel, {1, 64}, &host); }), "host memory"));
  CHECK(test::contains(complaint([&] { launch(prefix_kernel, {1, 48}, y.data<int>()); }), "not all reach"));
  CHECK(test::contains(complaint([&] { launch(prefix_kernel, {1, 2048}, y.data<int>()); }), "threads"));
  CHECK(test::contains(complaint([&] { launch(prefix_kernel, {1, 32, 300000}, y.data<int>()); }), "shared memory"));
  launch(prefix_kernel, {1, 64}, y.data<int>());  // and the card works on
  CHECK(y.to_vector<int>()[0] == 1601);
}

__global__ void write_kernel(int* y, int value) {
  if (first_index() == 0) *y = value;
}

TEST_CASE("what a stream does not wait for may not be there; what it waits for is") {
  int* y = nullptr;
  cudaMallocHost(reinterpret_cast<void**>(&y), sizeof(int));
  static cudaStream_t other = nullptr;
  static cudaEvent_t written = nullptr;
  cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
  cudaEventCreateWithFlags(&written, cudaEventDisableTiming);
  const Tensor seen = empty({1}, DType::i32, Device::cuda);
  const auto wrong = [&](bool waits) {
    int count = 0;
    for (int i = 1; i <= 40; ++i) {
      launch(write_kernel, {1, 32}, y, i);
      cudaEventRecord(written, stream());
      if (waits) cudaStreamWaitEvent(other, written, 0);
      cudaMemcpyAsync(seen.raw(), y, sizeof(int), cudaMemcpyHostToDevice, other);
      cudaStreamSynchronize(other);
      count += seen.to_vector<int>()[0] != i;
    }
    return count;
  };
  CHECK(wrong(true) == 0);
  CHECK(wrong(false) >= 5);
  launch(write_kernel, {1, 32}, y, -1);
  CHECK(*y == 40);  // nothing has run yet
  cudaFreeHost(y);
}

TEST_CASE("copies from memory that is not page-locked are refused") {
  const Tensor there = empty({4}, DType::i32, Device::cuda);
  const int here[4] = {};
  CHECK(cudaMemcpyAsync(there.raw(), here, sizeof here, cudaMemcpyHostToDevice, stream()) != cudaSuccess);
}

TEST_CASE("a call that cannot be recorded spoils the recording, and CUDA allocates and frees nothing meanwhile") {
  void *block = nullptr, *locked = nullptr;
  cudaMalloc(&block, 64);
  cudaMallocHost(&locked, 64);
  cudaGraph_t graph = nullptr;
  const cudaStream_t there = stream();
  CHECK(cudaStreamBeginCapture(there, cudaStreamCaptureModeRelaxed) == cudaSuccess);
  CHECK(cudaMemsetAsync(block, 0, 64, there) == cudaSuccess);
  void* other = nullptr;
  CHECK(test::contains(complaint([&] { cudaMalloc(&other, 64); }), "cudaMalloc while work is recorded"));
  CHECK(test::contains(complaint([&] { cudaMallocHost(&other, 64); }), "cudaMallocHost while work is recorded"));
  CHECK(test::contains(complaint([&] { cudaFree(block); }), "cudaFree while work is recorded"));
  CHECK(test::contains(complaint([&] { cudaFreeHost(locked); }), "cudaFreeHost while work is recorded"));
  CHECK(cudaStreamSynchronize(there) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaMemsetAsync(block, 0, 64, there) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaStreamSynchronize(there) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaStreamEndCapture(there, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(graph == nullptr);
  CHECK(cudaMemsetAsync(block, 0, 64, there) == cudaSuccess);
  CHECK(cudaStreamSynchronize(there) == cudaSuccess);
  cudaFree(block);
  cudaFreeHost(locked);
}

TEST_CASE("waiting work that cannot be started keeps its memory, and runs later") {
  Pool& pool = cuda_backend().pool();
  const Tensor x = full({8}, 2, DType::f32, Device::cuda), y = zeros({8}, DType::f32, Device::cuda);
  Tensor z = zeros({8}, DType::f32, Device::cuda);
  cuda_backend().synchronise();
  cudaGraph_t graph = nullptr;
  const cudaStream_t there = stream();
  cudaStreamBeginCapture(there, cudaStreamCaptureModeRelaxed);
  cudaStreamSynchronize(there);  // spoils it
  z.backend().copy(z.raw(), Device::cuda, x.raw(), Device::cuda, x.bytes());
  y.backend().copy(y.raw(), Device::cuda, z.raw(), Device::cuda, x.bytes());
  z = Tensor();
  CHECK(complaint([&] {
          pool.trim();
          cudaStreamEndCapture(there, &graph);
        }).empty());
  CHECK(y.to_vector<float>() == std::vector<float>(8, 2));
}

TEST_CASE("a recording is destroyed though the card has failed, and what waited tells why") {
  const Tensor x = full({8}, 2, DType::f32, Device::cuda), y = zeros({8}, DType::f32, Device::cuda);
  {
    Replay replay(Device::cuda);
    for (int i = 0; i < 3; ++i) replay("", [&] { y.backend().lerp(x, 1, y); });
    y.backend().lerp(x, 0.5, y);  // waits
    emulator::card.broken = true;
  }
  CHECK(test::contains(complaint([] {}), "unspecified launch failure"));
  emulator::card.broken = false;
}

TEST_CASE("fresh memory of the card is NaN, and there is an end of it") {
  cuda_backend().pool().trim();
  const Tensor fresh = empty({12345}, DType::f64, Device::cuda);
  int numbers = 0;
  for (double value : fresh.to_vector<double>()) numbers += !std::isnan(value);
  CHECK(numbers == 0);
  CHECK_THROWS_AS(empty({std::int64_t{1} << 31}, DType::u8, Device::cuda), Error);
  CHECK(empty({100}, DType::u8, Device::cuda).defined());
}

}  // namespace
}  // namespace voxgrad::cuda

#endif

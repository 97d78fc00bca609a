// CUDA on a processor, for tests: with this folder first among the include folders, a C++ compiler builds the sources
// of engine/cuda, and their kernels run here. It stands in for the header of the CUDA toolkit; what the backend does
// not use is not there.
//
// What it finds, besides wrong results:
//   - results that are read, and buffers that are written again, before the work that was queued has run: it runs when
//     the host waits, and streams overtake one another (streams.cpp);
//   - races: the blocks of a launch, and the threads of a block between two barriers, run in another order every time;
//   - barriers and shuffles that not every thread reaches, or that different threads reach at different places;
//   - host code that touches memory of the card, which is only accessible while a kernel or a copy runs;
//   - memory that is read before it is written: it is full of NaN;
//   - memory of CUDA that is allocated or freed while work is recorded, and calls that spoil a recording: all that
//     follows on the stream fails until the recording ends;
//   - launches beyond the limits of a card.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)
#define __shared__ static thread_local  // one block runs at a time, zeros at the start of a launch

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

struct EmulatedStream;
enum cudaError_t {
  cudaSuccess,
  cudaErrorInvalidValue,
  cudaErrorMemoryAllocation,
  cudaErrorInsufficientDriver,
  cudaErrorNoDevice,
  cudaErrorNoKernelImageForDevice,
  cudaErrorLaunchFailure,
  cudaErrorStreamCaptureUnsupported,
  cudaErrorStreamCaptureInvalidated
};

namespace emulator {

// The thread that runs; `index` counts within the block.
struct Place {
  dim3 thread, block, threads, blocks;
};
extern Place place;

// Runs body, a call of `kernel`, once per thread. Throws std::runtime_error with `at` and what went wrong.
void run(std::int64_t blocks, int threads, std::size_t shared, const std::source_location& at, void (*kernel)(),
         const std::function<void()>& body);

// Every thread of the block.
void block_barrier(const std::source_location& at);
// Every thread of the warp gives a value; the result is what the 32 lanes gave.
std::array<std::uint64_t, 32> exchange(std::uint64_t value, unsigned mask, const std::source_location& at);
void* shared_memory();
inline int lane() { return static_cast<int>(place.thread.x % 32); }

// As long as one lives, the memory of the card is accessible.
class Access {
 public:
  Access();
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;
};

// True if a pointer leads nowhere, to the card or to page-locked memory; anything else that is passed to a kernel is a
// value.
bool on_card(const void* pointer);
template <class T>
bool fit_for_a_kernel([[maybe_unused]] const T& argument) {
  if constexpr (std::is_pointer_v<T>)
    return on_card(static_cast<const void*>(argument));
  else
    return true;
}
// Behind what the stream has to do already; while it is captured, the work is remembered instead.
cudaError_t queue(EmulatedStream* stream, std::function<void()> work);
// Whatever is queued on any stream.
void run_all();
bool is_capturing();  // any stream

[[noreturn]] void complain(const std::source_location& at, const char* what);

template <class T>
T shuffle(T value, unsigned mask, int source, const std::source_location& at) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  const std::array<std::uint64_t, 32> all = exchange(bits, mask, at);
  if (source >= 0 && source < 32) std::memcpy(&value, &all[static_cast<std::size_t>(source)], sizeof value);
  return value;
}

}  // namespace emulator

#define threadIdx (::emulator::place.thread)
#define blockIdx (::emulator::place.block)
#define blockDim (::emulator::place.threads)
#define gridDim (::emulator::place.blocks)

using EmulatedSource = const std::source_location&;
inline void __syncthreads(EmulatedSource at = std::source_location::current()) { emulator::block_barrier(at); }
inline void __syncwarp(unsigned mask = ~0u, EmulatedSource at = std::source_location::current()) {
  emulator::exchange(0, mask, at);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, EmulatedSource at = std::source_location::current()) {
  return emulator::shuffle(value, mask, source & 31, at);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int with, EmulatedSource at = std::source_location::current()) {
  return emulator::shuffle(value, mask, emulator::lane() ^ with, at);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, EmulatedSource at = std::source_location::current()) {
  return emulator::shuffle(value, mask, emulator::lane() - static_cast<int>(by), at);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, EmulatedSource at = std::source_location::current()) {
  return emulator::shuffle(value, mask, emulator::lane() + static_cast<int>(by), at);
}
inline unsigned __ballot_sync(unsigned mask, int vote, EmulatedSource at = std::source_location::current()) {
  const std::array<std::uint64_t, 32> votes = emulator::exchange(vote != 0, mask, at);
  unsigned bits = 0;
  for (std::size_t i = 0; i < 32; ++i) bits |= static_cast<unsigned>(votes[i]) << i;
  return bits;
}

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((std::uint64_t{a} * b) >> 32); }
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T atomicAdd(T* p, T value) {
  const T before = *p;
  *p += value;
  return before;
}

// The host's side.
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
using cudaStream_t = EmulatedStream*;
using cudaEvent_t = struct EmulatedEvent*;
using cudaGraph_t = struct EmulatedGraph*;
using cudaGraphExec_t = struct EmulatedGraph*;
using cudaGraphNode_t = struct EmulatedNode*;
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed };
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;
struct cudaDeviceProp {
  char name[256] = "emulated card";
  std::size_t totalGlobalMem = 0;
  int major = 0, minor = 0;
};
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor, cudaDevAttrComputeCapabilityMinor };
struct cudaFuncAttributes {};

// What a test may change, and has to put back.
namespace emulator {
struct Card {
  int count = 1, major = 9, minor = 0;
  int driver = 13000;    // the newest CUDA that it knows
  bool has_code = true;  // of this build
  bool broken = false;   // nothing can be queued any more
};
extern Card card;
}  // namespace emulator

cudaError_t cudaMalloc(void** pointer, std::size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocHost(void** pointer, std::size_t bytes);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void* kernel);
const char* cudaGetErrorString(cudaError_t status);
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);  // like all that deals with events, it spoils a capture
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long);
cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable);

// What engine/cuda calls where it is not compiled by nvcc: the start of a kernel (launch.h), shared memory (device.h).
namespace voxgrad::cuda {

cudaStream_t stream();
void check_cuda(cudaError_t status, const char* what, const std::source_location& at);

template <class... Parameters, class Grid>
void run_on_host(void (*kernel)(Parameters...), const Grid& grid, const Parameters&... args) {
  if (!(emulator::fit_for_a_kernel(args) && ...)) emulator::complain(grid.at, "an argument points to host memory");
  const auto work = [=] {
    emulator::run(grid.blocks, grid.threads, grid.shared, grid.at, reinterpret_cast<void (*)()>(kernel),
                  [&] { kernel(args...); });
  };
  check_cuda(emulator::queue(stream(), work), "start of a kernel", grid.at);
}
inline void* emulated_shared() { return emulator::shared_memory(); }

}  // namespace voxgrad::cuda

#include "engine/cuda/context.h"

#include <cstring>
#include <new>
#include <utility>

namespace voxgrad::cuda {
namespace {

std::string place(const std::source_location& at) {
  std::string file = at.file_name();
  const std::size_t engine = file.rfind("engine/");
  if (engine != std::string::npos) file.erase(0, engine);
  return text(file, ":", at.line());
}

constexpr const char* kFaultHint =
    "with CUDA_LAUNCH_BLOCKING=1 in the environment the call that failed is named exactly";

// Why no card can be used; empty if one can.
std::string why_absent() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();  // it would be reported by the next call otherwise
  if (status == cudaErrorInsufficientDriver) return "the NVIDIA driver is missing or older than this build's CUDA";
  if (status != cudaSuccess) return cudaGetErrorString(status);
  return count > 0 ? "" : "no NVIDIA card";
}

std::string version(int number, int major, int minor) { return text(number / major, ".", number % major / minor); }

}  // namespace

void check_cuda(cudaError_t status, const char* what, const std::source_location& at) {
  if (status == cudaSuccess) [[likely]]
    return;
  cudaGetLastError();
  if (status == cudaErrorMemoryAllocation)
    throw Error(ErrorKind::memory, text("cuda: ", what, ": the card has no memory left (", place(at), ")"),
                "a smaller --patch, --batch or --base needs less");
  throw Error(ErrorKind::argument, text("cuda: ", what, ": ", cudaGetErrorString(status), " (", place(at), ")"),
              kFaultHint);
}

void check_cublas(cublasStatus_t status, const char* what, const std::source_location& at) {
  if (status == CUBLAS_STATUS_SUCCESS) [[likely]]
    return;
  throw Error(status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorKind::memory : ErrorKind::argument,
              text("cuda: ", what, ": cuBLAS says ", cublasGetStatusString(status), " (", place(at), ")"), kFaultHint);
}

void check_cudnn(cudnnStatus_t status, const char* what, const std::source_location& at) {
  if (status == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  throw Error(status == CUDNN_STATUS_ALLOC_FAILED ? ErrorKind::memory : ErrorKind::argument,
              text("cuda: ", what, ": cuDNN says ", cudnnGetErrorString(status), " (", place(at), ")"), kFaultHint);
}

cudaStream_t stream() { return Context::get().stream(); }

Context& Context::get() {
  // Never destroyed: tensors with static storage may be released later, and the driver frees everything at exit.
  static Context* const context = new Context;
  return *context;
}

Context::Context()
    : pool_(
          [](std::size_t bytes) {
            void* block = nullptr;
            if (cudaMalloc(&block, bytes) == cudaSuccess) return block;
            cudaGetLastError();  // the pool reports it
            return static_cast<void*>(nullptr);
          },
          [](void* block) { cudaFree(block); }) {
  if (const std::string reason = why_absent(); !reason.empty())
    throw Error(ErrorKind::usage, "device cuda: " + reason, "use --device cpu");
  check_cuda(cudaSetDevice(0), "choice of the card");
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
  check_cublas(cublasCreate(&cublas_), "start of cuBLAS");
  check_cublas(cublasSetStream(cublas_, stream_), "start of cuBLAS");
  // One of our own, so that a product is cut the same way whether it is recorded or not.
  constexpr std::size_t kWorkspace = std::size_t{32} << 20;
  void* workspace = nullptr;
  check_cuda(cudaMalloc(&workspace, kWorkspace), "memory of cuBLAS");
  check_cublas(cublasSetWorkspace(cublas_, workspace, kWorkspace), "memory of cuBLAS");
  set_math(false);
  check_cudnn(cudnnCreate(&cudnn_), "start of cuDNN");
  check_cudnn(cudnnSetStream(cudnn_, stream_), "start of cuDNN");
  void* fault = nullptr;
  check_cuda(cudaMallocHost(&fault, sizeof(int)), "page-locked memory");
  fault_ = new (fault) int(0);
  for (Staging& staging : staging_) {
    check_cuda(cudaMallocHost(&staging.memory, kChunk), "page-locked memory");
    check_cuda(cudaEventCreateWithFlags(&staging.free, cudaEventDisableTiming), "event");
  }
}

void Context::set_math(bool tf32) {
  // Products of bf16 are added up in f32 from the first to the last.
  const int mode =
      (tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH) | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  check_cublas(cublasSetMathMode(cublas_, static_cast<cublasMath_t>(mode)), "choice of TF32");
}

void Context::allow(const Shortcuts& wanted) {
  set_math(wanted.tf32);
  allowed_ = wanted;
}

void Context::report_fault() {
  const int fault = std::exchange(*fault_, 0);
  if (fault != 0) throw label_error(fault % 256, fault / 256);
}

Context::Staging& Context::next_staging() {
  Staging& staging = staging_[turn_++ % kChunks];
  check_cuda(cudaEventSynchronize(staging.free), "copy between host and card");
  return staging;
}

void Context::to_card(void* to, const void* from, std::size_t bytes) {
  if (recorder_ != nullptr)
    return check_cuda(cudaMemcpyAsync(to, recorder_->keep(from, bytes), bytes, cudaMemcpyHostToDevice, stream_),
                      "copy to the card");
  for (std::size_t at = 0; at < bytes; at += kChunk) {
    const std::size_t count = std::min(kChunk, bytes - at);
    const Staging& staging = next_staging();
    std::memcpy(staging.memory, static_cast<const char*>(from) + at, count);
    check_cuda(cudaMemcpyAsync(static_cast<char*>(to) + at, staging.memory, count, cudaMemcpyHostToDevice, stream_),
               "copy to the card");
    check_cuda(cudaEventRecord(staging.free, stream_), "copy to the card");
  }
}

void Context::to_host(void* to, const void* from, std::size_t bytes) {
  check(recorder_ == nullptr, "cuda: a number is read on the host, which cannot be recorded");
  // One chunk is on its way while the one before it is copied out of its buffer.
  const Staging* before = nullptr;
  std::size_t done = 0;
  const auto take = [&](std::size_t count) {
    check_cuda(cudaEventSynchronize(before->free), "copy from the card");
    std::memcpy(static_cast<char*>(to) + done, before->memory, count);
    done += count;
  };
  for (std::size_t at = 0; at < bytes; at += kChunk) {
    const std::size_t count = std::min(kChunk, bytes - at);
    const Staging& staging = next_staging();
    check_cuda(
        cudaMemcpyAsync(staging.memory, static_cast<const char*>(from) + at, count, cudaMemcpyDeviceToHost, stream_),
        "copy from the card");
    check_cuda(cudaEventRecord(staging.free, stream_), "copy from the card");
    if (before != nullptr) take(kChunk);
    before = &staging;
  }
  if (before != nullptr) take(bytes - done);
  report_fault();
}

namespace {

// "NVIDIA H200, 140 GiB, sm_90, CUDA 13.0, cuDNN 9.19". Asked without a context, which would take memory of the card.
std::string describe_card() {
  cudaDeviceProp card;
  check_cuda(cudaGetDeviceProperties(&card, 0), "properties of the card");
  int runtime = 0;
  check_cuda(cudaRuntimeGetVersion(&runtime), "version of CUDA");
  const int cudnn = static_cast<int>(cudnnGetVersion());
  const double gib = static_cast<double>(card.totalGlobalMem) / (1024.0 * 1024.0 * 1024.0);
  return text(card.name, ", ", static_cast<std::int64_t>(gib + 0.5), " GiB, sm_", card.major, card.minor, ", CUDA ",
              version(runtime, 1000, 10), ", cuDNN ", version(cudnn, 10000, 100),
              Context::allowed().tf32 ? ", TF32" : "");
}

}  // namespace

}  // namespace voxgrad::cuda

namespace voxgrad {

bool cuda_available() { return cuda::why_absent().empty(); }

std::string cuda_description() {
  const std::string reason = cuda::why_absent();
  if (!reason.empty()) return "built in, but not usable: " + reason;
  try {
    return cuda::describe_card();
  } catch (const Error& error) {
    return std::string("built in, but not usable: ") + error.what();
  }
}

}  // namespace voxgrad

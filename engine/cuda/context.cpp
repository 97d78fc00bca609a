#include "engine/cuda/context.h"

#include <cstring>
#include <new>
#include <utility>

#include "engine/cuda/small.h"

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

std::string version(int number, int major, int minor) { return text(number / major, ".", number % major / minor); }

// Why no card can be used; empty if one can.
std::string why_absent() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();  // it would be reported by the next call otherwise
  if (status == cudaErrorInsufficientDriver) {
    int driver = 0, runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (driver == 0) return "there is no NVIDIA driver";
    return text("the NVIDIA driver knows CUDA up to ", version(driver, 1000, 10), ", and this build needs ",
                version(runtime, 1000, 10), ": install a newer driver");
  }
  if (status != cudaSuccess) return cudaGetErrorString(status);
  if (count == 0) return "no NVIDIA card";
  if (capability() < kOldestCard)
    return text("the card has compute capability ", version(capability(), 10, 1), ", and ", version(kOldestCard, 10, 1),
                " (Turing) is the oldest that is supported");
  return "";
}

}  // namespace

void check_cuda(cudaError_t status, const char* what, const std::source_location& at) {
  if (status == cudaSuccess) [[likely]]
    return;
  cudaGetLastError();
  if (status == cudaErrorMemoryAllocation)
    throw Error(ErrorKind::memory, text("cuda: ", what, ": the card has no memory left (", place(at), ")"),
                "smaller patches, fewer of them at a time or fewer channels need less");
  throw Error(ErrorKind::argument, text("cuda: ", what, ": ", cudaGetErrorString(status), " (", place(at), ")"),
              kFaultHint);
}

void check_cublas(cublasStatus_t status, const char* what, const std::source_location& at) {
  if (status == CUBLAS_STATUS_SUCCESS) [[likely]]
    return;
  throw Error(status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorKind::memory : ErrorKind::argument,
              text("cuda: ", what, ": cuBLAS says ", cublasGetStatusString(status), " (", place(at), ")"), kFaultHint);
}

bool is_out_of_memory(cudnnStatus_t status) {
  return status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
         status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
}

void check_cudnn(cudnnStatus_t status, const char* what, const std::source_location& at) {
  if (status == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  throw Error(is_out_of_memory(status) ? ErrorKind::memory : ErrorKind::argument,
              text("cuda: ", what, ": cuDNN says ", cudnnGetErrorString(status), " (", place(at), ")"), kFaultHint);
}

int capability() {
  int major = 0, minor = 0;
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "properties of the card");
  check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "properties of the card");
  return 10 * major + minor;
}

void check_card() {
  if (const std::string reason = why_absent(); !reason.empty())
    throw Error(ErrorKind::usage, "device cuda: " + reason, "use device cpu");
  const cudaError_t status = find_code();
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error(
      ErrorKind::usage,
      text("device cuda: this build has no code for a card of compute capability ", version(capability(), 10, 1), ": ",
           cudaGetErrorString(status)),
      "build with -DCMAKE_CUDA_ARCHITECTURES=native on the machine with the card, or leave that out to build for "
      "every card from Turing on");
}

cudaStream_t stream() { return Context::get().stream(); }

cudaStream_t Context::stream() { return run_small(), stream_; }
cublasHandle_t Context::cublas() { return run_small(), cublas_; }
cudnnHandle_t Context::cudnn() { return run_small(), cudnn_; }

Context& Context::get() {
  // Never destroyed: tensors with static storage may be released later, and the driver frees everything at exit.
  static Context* const context = new Context;
  return *context;
}

Context::Context()
    : pool_(
          [this](std::size_t bytes) {
            void* block = nullptr;
            const cudaError_t status = recorder_ == nullptr ? cudaMalloc(&block, bytes) : cudaErrorMemoryAllocation;
            cudaGetLastError();
            if (status != cudaErrorMemoryAllocation)
              check_cuda(status, "memory");  // of earlier work; else the pool says it
            return block;
          },
          [this](void* block) { free_block(block); }) {
  check_card();
  check_cuda(cudaSetDevice(0), "choice of the card");
  for (cudaStream_t* stream : {&stream_, &arrivals_})
    check_cuda(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "stream");
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
  make_staging();
}

void Context::free_block(void* block) {
  if (recorder_ != nullptr)
    freed_later_.push_back(block);
  else if (try_run_small())  // it may be there that it reads or writes; what cannot be started keeps its memory
    cudaFree(block);
}

void Context::set_recorder(Recorder* recorder) {
  recorder_ = recorder;
  if (recorder_ != nullptr) return;
  for (void* block : freed_later_) cudaFree(block);
  freed_later_.clear();
}

void Context::make_staging() {
  void *host = nullptr, *card = nullptr;
  check_cuda(cudaMallocHost(&host, kStagings * kStagingBytes), "page-locked memory");
  check_cuda(cudaMalloc(&card, kStagings * kStagingBytes), "memory for what arrives");
  for (std::size_t i = 0; i < kStagings; ++i) {
    Staging& staging = staging_[i];
    staging.host = static_cast<std::byte*>(host) + i * kStagingBytes;
    staging.card = static_cast<std::byte*>(card) + i * kStagingBytes;
    for (cudaEvent_t* event : {&staging.arrived, &staging.free})
      check_cuda(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "event");
  }
}

void Context::set_math(bool tf32) {
  // Products of bf16 are added up in f32 from the first to the last.
  const int mode =
      (tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH) | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  check_cublas(cublasSetMathMode(cublas_, static_cast<cublasMath_t>(mode)), "choice of TF32");
}

void Context::allow(const Shortcuts& wanted) {
  if (wanted.tf32 && capability() < kFirstWithTensorTypes)
    throw Error(
        ErrorKind::usage,
        text("TF32: the card has compute capability ", version(capability(), 10, 1), ", and TF32 came with 8.0"),
        "compute in f32, without TF32");
  set_math(wanted.tf32);
  allowed_ = wanted;
}

void Context::report_fault() {
  const int fault = std::exchange(*fault_, 0);
  if (fault != 0) throw label_error(fault % 256, fault / 256);
}

// Free again when the stream has taken the bytes out of it, or to_host has.
const Context::Staging& Context::next_staging() {
  const Staging& staging = staging_[turn_++ % kStagings];
  check_cuda(cudaEventSynchronize(staging.free), "copy between host and card");
  return staging;
}

void Context::to_card(void* to, const void* from, std::size_t bytes) {
  constexpr const char* kWhat = "copy to the card";
  run_small();
  if (recorder_ != nullptr)
    return check_cuda(cudaMemcpyAsync(to, recorder_->keep(from, bytes), bytes, cudaMemcpyHostToDevice, stream_), kWhat);
  constexpr std::size_t kDetour = std::size_t{64} << 10;   // less than that is sent to its place at once
  constexpr std::size_t kParcel = std::size_t{256} << 10;  // travels while the host copies the next one
  for (std::size_t at = 0; at < bytes; at += kStagingBytes) {
    const std::size_t count = std::min(kStagingBytes, bytes - at);
    const std::byte* const source = static_cast<const std::byte*>(from) + at;
    std::byte* const place = static_cast<std::byte*>(to) + at;
    const Staging& staging = next_staging();
    if (count < kDetour) {
      std::memcpy(staging.host, source, count);
      check_cuda(cudaMemcpyAsync(place, staging.host, count, cudaMemcpyHostToDevice, stream_), kWhat);
    } else {
      for (std::size_t part = 0; part < count; part += kParcel) {
        const std::size_t size = std::min(kParcel, count - part);
        std::memcpy(staging.host + part, source + part, size);
        check_cuda(cudaMemcpyAsync(staging.card + part, staging.host + part, size, cudaMemcpyHostToDevice, arrivals_),
                   kWhat);
      }
      check_cuda(cudaEventRecord(staging.arrived, arrivals_), kWhat);
      check_cuda(cudaStreamWaitEvent(stream_, staging.arrived, 0), kWhat);
      check_cuda(cudaMemcpyAsync(place, staging.card, count, cudaMemcpyDeviceToDevice, stream_), kWhat);
    }
    check_cuda(cudaEventRecord(staging.free, stream_), kWhat);
  }
}

void Context::to_host(void* to, const void* from, std::size_t bytes) {
  check(recorder_ == nullptr, "cuda: a number is read on the host, which cannot be recorded");
  constexpr const char* kWhat = "copy from the card";
  run_small();
  // One buffer is on its way while the one before it is emptied.
  const Staging* before = nullptr;
  std::size_t done = 0;
  const auto take = [&](std::size_t count) {
    check_cuda(cudaEventSynchronize(before->free), kWhat);
    std::memcpy(static_cast<std::byte*>(to) + done, before->host, count);
    done += count;
  };
  for (std::size_t at = 0; at < bytes; at += kStagingBytes) {
    const std::size_t count = std::min(kStagingBytes, bytes - at);
    const Staging& staging = next_staging();
    check_cuda(
        cudaMemcpyAsync(staging.host, static_cast<const std::byte*>(from) + at, count, cudaMemcpyDeviceToHost, stream_),
        kWhat);
    check_cuda(cudaEventRecord(staging.free, stream_), kWhat);
    if (before != nullptr) take(kStagingBytes);
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
    return std::string("built in, but not usable: ") + error.message();
  }
}

}  // namespace voxgrad

// The card as this process uses it: one device, one stream for all work and one for what arrives meanwhile, one handle
// of cuBLAS and of cuDNN, one pool of memory. Made at the first use.
#pragma once

#include <cublas_v2.h>
#include <cudnn.h>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/cuda/launch.h"
#include "engine/memory.h"

namespace voxgrad::cuda {

void check_cublas(cublasStatus_t status, const char* what,
                  const std::source_location& at = std::source_location::current());
bool is_out_of_memory(cudnnStatus_t status);
void check_cudnn(cudnnStatus_t status, const char* what,
                 const std::source_location& at = std::source_location::current());

// Where memory and the sources of copies come from while work is recorded (recording.cpp).
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual Pool& pool() = 0;
  virtual const void* keep(const void* from, std::size_t bytes) = 0;  // a page-locked copy that stays
};

// Compute capability of the card, 75 for 7.5. Turing, 7.5, is the oldest that is supported; bf16 and TF32 came
// with 8.0.
int capability();
constexpr int kOldestCard = 75, kFirstWithTensorTypes = 80;
// Error(usage) that says why the card cannot be used: none, too old, its driver too old, or no code for it in this
// build.
void check_card();
// Whether this build has code for the card (memory.cu).
cudaError_t find_code();

class Context {
 public:
  static Context& get();  // Error(usage) if there is no card
  // For the next piece of work; each starts what waits (small.h) before that.
  cudaStream_t stream();
  cublasHandle_t cublas();
  cudnnHandle_t cudnn();
  // Without starting what waits, which can fail: for destructors, and for the end of a recording.
  cudaStream_t raw_stream() const { return stream_; }
  // Of the card, or of what is being recorded.
  Pool& pool() { return recorder_ != nullptr ? recorder_->pool() : pool_; }
  static Shortcuts allowed() { return allowed_; }
  void allow(const Shortcuts& wanted);

  // Between the host and the card, through page-locked memory. to_card returns when the source has been read; the
  // stream will have the bytes in order, and they travel while it is still at work. to_host returns with the bytes.
  void to_card(void* to, const void* from, std::size_t bytes);
  void to_host(void* to, const void* from, std::size_t bytes);

  // Where a kernel reports a label that is no class: it writes classes * 256 + label. report_fault() throws the Error
  // for it, and is called wherever the host has waited for the card.
  int* fault() { return fault_; }
  void report_fault();

  // While one is set, work is recorded and nothing runs. CUDA allocates and frees nothing meanwhile: that may wait for
  // the card, which spoils the recording. What the pool gives back is freed when none is set any more.
  Recorder* recorder() { return recorder_; }
  void set_recorder(Recorder* recorder);

 private:
  Context();
  void free_block(void* block);
  void set_math(bool tf32);
  void make_staging();
  // Page-locked buffers, each with one of the card, taken in turns: the host may be 64 MiB ahead of the card.
  static constexpr std::size_t kStagingBytes = std::size_t{2} << 20, kStagings = 32;
  struct Staging {
    std::byte *host = nullptr, *card = nullptr;
    cudaEvent_t arrived = nullptr, free = nullptr;
  };
  const Staging& next_staging();
  cudaStream_t stream_ = nullptr, arrivals_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
  cudnnHandle_t cudnn_ = nullptr;
  Staging staging_[kStagings];
  std::size_t turn_ = 0;
  int* fault_ = nullptr;  // page-locked: kernels reach it
  Recorder* recorder_ = nullptr;
  std::vector<void*> freed_later_;
  static inline Shortcuts allowed_;
  Pool pool_;
};

// Memory of the pool for the length of a scope; whoever gets it next is queued behind on the same stream.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : pool_(Context::get().pool()),
        bytes_(static_cast<std::size_t>(count) * sizeof(T)),
        data_(pool_.allocate(bytes_)) {}
  ~Scratch() { pool_.release(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() const { return static_cast<T*>(data_); }

 private:
  Pool& pool_;
  std::size_t bytes_;
  void* data_;
};

// Host values on the card for the length of a scope.
template <class T>
class Uploaded : public Scratch<T> {
 public:
  explicit Uploaded(const std::vector<T>& values) : Scratch<T>(static_cast<std::int64_t>(values.size())) {
    Context::get().to_card(this->data(), values.data(), values.size() * sizeof(T));
  }
};

}  // namespace voxgrad::cuda

// Work that is recorded as a CUDA graph. Its memory is its own as long as it lives, because every replay writes there.
#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <vector>

#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/small.h"

namespace voxgrad::cuda {
namespace {

// Whether what was set aside before a recording did not suffice for it. A class of errors could not tell, because
// backward() throws new ones in place of those that pass through it.
bool exhausted = false;

[[noreturn]] void exhaust(const char* what) {
  exhausted = true;
  throw Error(ErrorKind::memory, what);
}

// Memory for the recorded work, taken from the pool of the card in one piece before anything is recorded. It is cut as
// it is wanted; what is released goes to nobody else. Small blocks, which keep their size, come from the reserve. Large
// ones share `bytes`, because what is cut off for one of them can join no other.
class Arena {
 public:
  Arena(Pool& source, std::size_t bytes, std::size_t reserve)
      : source_(source),
        bytes_(Pool::size_class(bytes) + reserve),
        block_(static_cast<std::byte*>(source_.allocate(bytes_))),
        pool_([this](std::size_t size) { return cut(size); }, nullptr) {
    if (bytes > 0) pool_.release(pool_.allocate(bytes), bytes);
  }
  ~Arena() { source_.release(block_, bytes_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Pool& pool() { return pool_; }

 private:
  void* cut(std::size_t size) {
    constexpr std::size_t kAlignment = 256;  // as cudaMalloc
    if (size > bytes_ - cut_) exhaust("cuda: work that is recorded wants more memory than when it was called");
    void* const part = block_ + cut_;
    cut_ = std::min(bytes_, cut_ + (size + kAlignment - 1) / kAlignment * kAlignment);
    return part;
  }

  Pool& source_;
  std::size_t bytes_, cut_ = 0;
  std::byte* block_;
  Pool pool_;
};

// What a recording holds as long as the card or a tensor may want it.
struct Holdings {
  Arena arena;
  std::byte* constants = nullptr;  // page-locked
  std::size_t constant_bytes;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t runnable = nullptr;

  Holdings(std::size_t memory, std::size_t reserve, std::size_t constants_size)
      : arena(Context::get().pool(), memory, reserve), constant_bytes(constants_size) {
    void* block = nullptr;
    check_cuda(cudaMallocHost(&block, constant_bytes), "page-locked memory");
    constants = static_cast<std::byte*>(block);
  }
  ~Holdings() {
    cudaStreamSynchronize(Context::get().raw_stream());  // the memory goes to others
    if (runnable != nullptr) cudaGraphExecDestroy(runnable);
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaFreeHost(constants);
  }
  Holdings(const Holdings&) = delete;
  Holdings& operator=(const Holdings&) = delete;
};

// Of recordings that have gone, but a tensor that work() left behind has not, or other work was being recorded. Never
// destroyed, like those tensors perhaps.
std::vector<std::unique_ptr<Holdings>>& orphans = *new std::vector<std::unique_ptr<Holdings>>;

class CudaRecording final : public Recording, private Recorder {
 public:
  CudaRecording(const std::function<void()>& work, std::unique_ptr<Holdings> holdings)
      : holdings_(std::move(holdings)) {
    try {
      record(work);
      check(holdings_->arena.pool().statistics().in_use == 0,
            "cuda: work that leaves tensors behind cannot be recorded");
      check_cuda(cudaGraphInstantiate(&holdings_->runnable, holdings_->graph, 0), "making of a graph");
      check_cuda(cudaGraphGetNodes(holdings_->graph, nullptr, &size_), "making of a graph");
    } catch (...) {
      leave();
      throw;
    }
  }
  ~CudaRecording() override { leave(); }

  void replay() override { check_cuda(cudaGraphLaunch(holdings_->runnable, stream()), "start of a graph"); }
  std::int64_t size() const override { return static_cast<std::int64_t>(size_); }

 private:
  void record(const std::function<void()>& work) {
    Context& context = Context::get();
    // Relaxed: other threads may use the card meanwhile.
    check_cuda(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "recording");
    context.set_recorder(this);
    std::exception_ptr failure;
    try {
      work();
      run_small();
    } catch (...) {
      failure = std::current_exception();
      discard_small();
    }
    // Whatever happened, the recording has to end, or nothing would run any more.
    const cudaError_t status = cudaStreamEndCapture(context.raw_stream(), &holdings_->graph);
    context.set_recorder(nullptr);
    if (failure != nullptr) {
      cudaGetLastError();
      std::rethrow_exception(failure);
    }
    check_cuda(status, "recording");
  }
  void leave() {
    const bool wanted = Context::get().recorder() != nullptr || holdings_->arena.pool().statistics().in_use > 0;
    if (wanted) orphans.push_back(std::move(holdings_));
    holdings_.reset();
  }

  Pool& pool() override { return holdings_->arena.pool(); }
  const void* keep(const void* from, std::size_t bytes) override {
    if (bytes > holdings_->constant_bytes - kept_)
      exhaust("cuda: work that is recorded sends more constants to the card than there is room for");
    void* const copy = holdings_->constants + kept_;
    kept_ += bytes;
    return std::memcpy(copy, from, bytes);
  }

  std::unique_ptr<Holdings> holdings_;
  std::size_t kept_ = 0, size_ = 0;
};

}  // namespace

Pool& CudaBackend::pool() {
  Context& context = Context::get();
  if (context.recorder() == nullptr)
    std::erase_if(orphans, [](const auto& holdings) { return holdings->arena.pool().statistics().in_use == 0; });
  return context.pool();
}

std::unique_ptr<Recording> CudaBackend::capture(const std::function<void()>& work, std::size_t memory,
                                                std::string& refusal) try {
  check(Context::get().recorder() == nullptr, "cuda: this is a part of work that is recorded");
  // How much reserve the work takes is not known before. What is recorded does not run, so it can be recorded again.
  constexpr std::size_t kReserve = std::size_t{16} << 20, kConstants = std::size_t{1} << 20, kMost = 64;
  const std::size_t spare = memory / 10, small = kReserve + std::min(spare, std::size_t{64} << 20);
  for (std::size_t scale = 1;; scale *= 4) try {
      exhausted = false;
      return std::make_unique<CudaRecording>(
          work, std::make_unique<Holdings>(memory + scale * spare, scale * small, scale * kConstants));
    } catch (const Error&) {
      if (!exhausted || scale >= kMost) throw;
    }
} catch (const Error& error) {
  refusal = error.message();
  return nullptr;
}

}  // namespace voxgrad::cuda

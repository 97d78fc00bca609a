// Work that is recorded as a CUDA graph. Its memory is its own as long as it lives, because every replay writes there.
#include <map>
#include <memory>
#include <vector>

#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"

namespace voxgrad::cuda {
namespace {

// Memory from the pool of the card for the recorded work. What is released goes to nobody else before the end.
class Arena {
 public:
  Arena(Pool& source, std::size_t bytes)
      : source_(source),
        pool_(
            [this](std::size_t size) {
              void* const block = source_.allocate(size);
              blocks_[block] = size;
              return block;
            },
            [](void*) {}) {
    if (bytes > 0) pool_.release(pool_.allocate(bytes), bytes);  // in one piece, which is cut as it is wanted
  }
  ~Arena() {
    for (const auto& [block, size] : blocks_) source_.release(block, size);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Pool& pool() { return pool_; }

 private:
  Pool& source_;
  std::map<void*, std::size_t> blocks_;
  Pool pool_;
};

// Of recordings that failed, with tensors that work() left behind. Never destroyed, like those tensors perhaps.
std::vector<std::unique_ptr<Arena>>& orphans = *new std::vector<std::unique_ptr<Arena>>;

class CudaRecording final : public Recording, private Recorder {
 public:
  CudaRecording(const std::function<void()>& work, std::size_t memory)
      : arena_(std::make_unique<Arena>(Context::get().pool(), memory)) {
    try {
      record(work);
      check(arena_->pool().statistics().in_use == 0, "cuda: work that leaves tensors behind cannot be recorded");
      check_cuda(cudaGraphInstantiate(&runnable_, graph_, 0), "making of a graph");
      check_cuda(cudaGraphGetNodes(graph_, nullptr, &size_), "making of a graph");
    } catch (...) {
      release();
      if (arena_->pool().statistics().in_use > 0) orphans.push_back(std::move(arena_));
      throw;
    }
  }
  ~CudaRecording() override {
    cudaStreamSynchronize(stream());  // the memory goes to others
    release();
  }

  void replay() override { check_cuda(cudaGraphLaunch(runnable_, stream()), "start of a graph"); }
  std::int64_t size() const override { return static_cast<std::int64_t>(size_); }

 private:
  void record(const std::function<void()>& work) {
    Context& context = Context::get();
    // Relaxed: the pool may ask the card for memory meanwhile.
    check_cuda(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "recording");
    context.set_recorder(this);
    try {
      work();
    } catch (...) {
      context.set_recorder(nullptr);
      cudaStreamEndCapture(stream(), &graph_);
      cudaGetLastError();
      throw;
    }
    context.set_recorder(nullptr);
    check_cuda(cudaStreamEndCapture(stream(), &graph_), "recording");
  }
  void release() {
    if (runnable_ != nullptr) cudaGraphExecDestroy(runnable_);
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
    for (void* kept : kept_) cudaFreeHost(kept);
  }

  Pool& pool() override { return arena_->pool(); }
  const void* keep(const void* from, std::size_t bytes) override {
    void* copy = nullptr;
    check_cuda(cudaMallocHost(&copy, bytes), "page-locked memory");
    kept_.push_back(copy);
    return std::memcpy(copy, from, bytes);
  }

  std::unique_ptr<Arena> arena_;
  std::vector<void*> kept_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t runnable_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

Pool& CudaBackend::pool() {
  std::erase_if(orphans, [](const auto& arena) { return arena->pool().statistics().in_use == 0; });
  return Context::get().pool();
}

std::unique_ptr<Recording> CudaBackend::capture(const std::function<void()>& work, std::size_t memory,
                                                std::string& refusal) try {
  return std::make_unique<CudaRecording>(work, memory);
} catch (const Error& error) {
  refusal = error.message();
  return nullptr;
}

}  // namespace voxgrad::cuda

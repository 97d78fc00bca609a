// Graphs of the emulated card: what was queued while its stream was captured.
#include <memory>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

struct EmulatedGraph {
  std::vector<std::function<void()>> work;
};

namespace {
std::unique_ptr<EmulatedGraph> captured;  // null: the stream runs
cudaError_t unless_captured() { return captured ? cudaErrorInvalidValue : cudaSuccess; }
}  // namespace

namespace emulator {

void queue(std::function<void()> work) {
  if (!captured) return work();
  captured->work.push_back(std::move(work));
}

}  // namespace emulator

cudaError_t cudaStreamSynchronize(cudaStream_t) { return unless_captured(); }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return unless_captured(); }
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  if (captured) return cudaErrorInvalidValue;
  captured = std::make_unique<EmulatedGraph>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  if (!captured) return cudaErrorInvalidValue;
  *graph = captured.release();
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  *count = graph->work.size();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long) {
  *runnable = new EmulatedGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t) {
  if (captured) return cudaErrorInvalidValue;
  for (const auto& work : runnable->work) work();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) { return cudaGraphDestroy(runnable); }

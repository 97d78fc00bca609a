// Streams, events and graphs of the emulated card. Nothing runs before the host waits for it, or memory is freed; then
// streams take turns as the dice give, as far as the events allow it. So a host that does not wait, and a stream that
// does not wait for another one, read what is not there yet.
#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

struct EmulatedEvent {
  std::int64_t recorded = 0, reached = 0;  // how often
};

namespace {

// Work; or the wait for an event; or an event that is reached.
struct Entry {
  std::function<void()> work = {};
  EmulatedEvent *awaited = nullptr, *reaches = nullptr;
  std::int64_t number = 0;  // of the record of the event
};

}  // namespace

struct EmulatedGraph {
  std::vector<std::function<void()>> work;
};

struct EmulatedStream {
  std::deque<Entry> queue;
  std::unique_ptr<EmulatedGraph> captured;  // null: the stream runs
  bool spoilt = false;                      // by a call that cannot be captured
  // What such a call returns.
  cudaError_t refuse() {
    return std::exchange(spoilt, true) ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnsupported;
  }
  bool can_run() const {
    return !queue.empty() &&
           (queue.front().awaited == nullptr || queue.front().awaited->reached >= queue.front().number);
  }
};

namespace {

std::recursive_mutex mutex;  // a tensor that an error throws away is freed
std::vector<EmulatedStream*>& streams = *new std::vector<EmulatedStream*>;
EmulatedStream* favourite = nullptr;
std::minstd_rand dice;

// One entry of a stream that can run. False: none can.
bool run_one() {
  std::vector<EmulatedStream*> able;
  std::copy_if(streams.begin(), streams.end(), std::back_inserter(able),
               [](auto* stream) { return stream->can_run(); });
  if (able.empty()) return false;
  if (std::find(able.begin(), able.end(), favourite) == able.end() || dice() % 8 == 0)
    favourite = able[dice() % able.size()];
  const Entry entry = std::move(favourite->queue.front());
  favourite->queue.pop_front();
  if (entry.work) entry.work();
  if (entry.reaches != nullptr) entry.reaches->reached = entry.number;
  return true;
}

template <class Done>
cudaError_t run_until(const Done& done) {
  const std::lock_guard lock(mutex);
  favourite = nullptr;
  while (!done())
    if (!run_one()) return cudaErrorInvalidValue;
  return cudaSuccess;
}

cudaError_t push(cudaStream_t stream, Entry entry) {
  const std::lock_guard lock(mutex);
  if (stream == nullptr) return cudaErrorInvalidValue;
  if (stream->captured) return stream->refuse();
  stream->queue.push_back(std::move(entry));
  return cudaSuccess;
}

}  // namespace

namespace emulator {

cudaError_t queue(cudaStream_t stream, std::function<void()> work) {
  const std::lock_guard lock(mutex);
  if (card.broken) return cudaErrorLaunchFailure;
  if (stream->captured && stream->spoilt) return cudaErrorStreamCaptureInvalidated;
  if (stream->captured)
    stream->captured->work.push_back(std::move(work));
  else
    stream->queue.push_back({std::move(work)});
  return cudaSuccess;
}
bool is_capturing() {
  const std::lock_guard lock(mutex);
  return std::any_of(streams.begin(), streams.end(), [](auto* stream) { return stream->captured != nullptr; });
}
void run_all() {
  run_until(
      [] { return std::all_of(streams.begin(), streams.end(), [](auto* stream) { return stream->queue.empty(); }); });
}

}  // namespace emulator

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(mutex);
  streams.push_back(*stream = new EmulatedStream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->captured) return stream->refuse();
  return run_until([=] { return stream->queue.empty(); });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return push(stream, {.awaited = event, .number = event->recorded});
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return *event = new EmulatedEvent, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const cudaError_t status = push(stream, {.reaches = event, .number = event->recorded + 1});
  if (status == cudaSuccess) ++event->recorded;
  return status;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return run_until([=] { return event->reached >= event->recorded; });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->captured) return cudaErrorInvalidValue;
  stream->captured = std::make_unique<EmulatedGraph>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream->captured) return cudaErrorInvalidValue;
  *graph = stream->captured.release();
  if (!std::exchange(stream->spoilt, false)) return cudaSuccess;
  delete std::exchange(*graph, nullptr);
  return cudaErrorStreamCaptureInvalidated;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  *count = graph->work.size();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long) {
  *runnable = new EmulatedGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream) {
  for (const auto& work : runnable->work)
    if (push(stream, {work}) != cudaSuccess) return cudaErrorInvalidValue;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) { return cudaGraphDestroy(runnable); }

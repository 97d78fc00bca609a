// Repeats the same work on the same memory. A device with a queue records the work once and then queues all of it with
// one call. Without that, many small kernels wait for the host, which needs longer to start them than they run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/backend.h"

namespace voxgrad {

class Replay {
 public:
  explicit Replay(Device device);

  // Does the work. The first calls run work() itself, later ones replay a recording of it; the bits are the same.
  //
  // work() may only write to tensors that existed before. `key` must name everything else that it depends on besides
  // the contents of such tensors: shapes, and numbers that it passes on. A new key discards the recording. A value that
  // changes from call to call must therefore be in a tensor. If a recording fails, work() may run once more than asked.
  void operator()(const std::string& key, const std::function<void()>& work);
  void release() { recording_.reset(); }  // gives the memory of the recording back; the next call records anew

  std::int64_t called() const { return called_; }                            // how often work() ran itself
  std::int64_t replayed() const { return replayed_; }                        // how often the recording ran instead
  std::int64_t size() const { return recording_ ? recording_->size() : 0; }  // number of recorded kernels and copies
  const std::string& refusal() const { return refusal_; }                    // why nothing can be recorded, or empty

 private:
  void call(const std::function<void()>& work);
  Backend& backend_;
  std::unique_ptr<Recording> recording_;
  std::string key_, refusal_;
  int calls_ = 0;           // number of calls with this key
  std::size_t memory_ = 0;  // bytes that work() allocates for a time
  std::int64_t called_ = 0, replayed_ = 0;
};

}  // namespace voxgrad

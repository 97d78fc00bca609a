// Work that is done again and again on the same memory. A device with a queue records it and then queues all of it with
// one call: many small kernels otherwise wait for the host, which takes longer to start them than they run.
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

  // Does the work: for the first times by calling it, then from the recording. `key` names all that work() depends on
  // besides what lies in tensors that were there before: shapes, and numbers that it passes on. A new key starts
  // again. work() leaves its results in tensors that were there before, and no others; what is different in every
  // call, and has no place in a tensor, does not belong into it. It may be called once more than it is to be done,
  // where the recording fails. The bits are the same either way.
  void operator()(const std::string& key, const std::function<void()>& work);

  std::int64_t called() const { return called_; }
  std::int64_t replayed() const { return replayed_; }
  std::int64_t size() const { return recording_ ? recording_->size() : 0; }  // kernels, copies and fills of the work
  const std::string& refusal() const { return refusal_; }                    // why nothing is recorded; else empty

 private:
  void call(const std::function<void()>& work);
  Backend& backend_;
  std::unique_ptr<Recording> recording_;
  std::string key_, refusal_;
  int calls_ = 0;           // with this key
  std::size_t memory_ = 0;  // that the work takes meanwhile
  std::int64_t called_ = 0, replayed_ = 0;
};

}  // namespace voxgrad

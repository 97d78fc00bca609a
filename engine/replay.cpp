#include "engine/replay.h"

#include <algorithm>

namespace voxgrad {

Replay::Replay(Device device) : backend_(backend_of(device)) {
  if (device == Device::cpu) refusal_ = "device cpu runs everything at once";
}

void Replay::operator()(const std::string& key, const std::function<void()>& work) {
  constexpr int kCalls = 2;  // the first call makes plans, the second shows how much memory the work needs
  if (key != key_) {
    release();
    key_ = key;
    calls_ = 0, memory_ = 0;
  }
  if (!recording_ && refusal_.empty() && calls_ >= kCalls) recording_ = backend_.capture(work, memory_, refusal_);
  if (!recording_) return call(work);
  recording_->replay();
  ++replayed_;
}

void Replay::call(const std::function<void()>& work) {
  ++calls_;
  ++called_;
  if (!refusal_.empty()) return work();
  Pool& pool = backend_.pool();
  pool.reset_peak();
  const std::size_t before = pool.statistics().in_use;
  work();
  memory_ = std::max(memory_, pool.statistics().peak - before);
}

}  // namespace voxgrad

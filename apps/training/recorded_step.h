// Forward and backward pass of a training step, which a device with a queue records once and then replays as a whole.
#pragma once

#include <string>

#include "engine/ops.h"
#include "engine/replay.h"

namespace voxgrad::apps {

class RecordedStep {
 public:
  explicit RecordedStep(Device device) : value_(zeros({}, DType::f64, device)), replay_(device) {}

  // Computes the value of a loss, or replays the recording of an earlier call with the same `constants`
  // (engine/replay.h). What `compute` reads must lie where it lay before, and so must the gradients that it leaves. It
  // returns the value, f64 with one element. Nothing is waited for.
  template <class F>
  void run(const std::string& constants, const F& compute) {
    replay_(constants, [&] {
      const Tensor value = compute();
      copy_into(value_, value);
    });
  }
  // The value of the last run; waits until the device has computed it.
  double value() const { return value_.item(); }
  const Replay& replay() const { return replay_; }
  void release() { replay_.release(); }

 private:
  Tensor value_;  // stays in one place, because a recording writes there
  Replay replay_;
};

}  // namespace voxgrad::apps

// How fast a training is.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>

namespace voxgrad::apps {

// Steps per second since the end of the first step that was seen, with all that happens between the steps.
class Speed {
 public:
  // To be called after each step, with its number (0 ..).
  void see(std::int64_t step) {
    if (first_ >= 0) return;
    first_ = step;
    start_ = std::chrono::steady_clock::now();
  }
  // `done` is the number of steps that are done; NaN until two were seen.
  double operator()(std::int64_t done) const {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    return first_ >= 0 && done > first_ + 1 ? static_cast<double>(done - first_ - 1) / elapsed.count() : std::nan("");
  }

 private:
  std::int64_t first_ = -1;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace voxgrad::apps

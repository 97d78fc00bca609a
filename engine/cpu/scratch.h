// Working memory of a kernel from the pool of the backend: the pool counts it in its statistics and reuses it for the
// next kernel. It is not initialised. Create it inside the body of a parallel_for to have it per thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/backend.h"

namespace voxgrad::cpu {

template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)),
        data_(static_cast<T*>(cpu_backend().pool().allocate(bytes_))) {}
  ~Scratch() { cpu_backend().pool().release(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

// A vector of `count` zeros.
template <class T>
std::vector<T> zero_vector(std::int64_t count) {
  return std::vector<T>(static_cast<std::size_t>(count));
}

}  // namespace voxgrad::cpu

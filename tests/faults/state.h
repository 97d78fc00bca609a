// What the library that makes calls fail shares with the program that watches it: a file that both have in memory.
#pragma once

#include <array>
#include <atomic>

namespace voxgrad::faults {

enum Kind { kMemory, kWrite, kSync, kRename, kOpen, kRead, kThread, kKinds };
constexpr std::array<const char*, kKinds> kNames{"memory", "write", "sync", "rename", "open", "read", "thread"};

struct State {
  std::array<std::atomic<long>, kKinds> calls;  // in the process and its children
  std::atomic<long> faults;
  std::atomic<bool> hdf5;       // whether one of them was an allocation below a call of HDF5
  std::array<char, 1000> path;  // of the first fault; empty for memory and threads
};

}  // namespace voxgrad::faults

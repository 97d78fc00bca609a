// What a target gives: one reader, called with the bytes of a file that may be anything. libFuzzer calls it (./dev
// fuzz), and so does replay.cpp, which needs no libFuzzer.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/error.h"
#include "tests/files.h"

// Reads the bytes. Every input is either read or an Error; whatever else happens is a finding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace voxgrad::test {

// Small inputs that are read, from which all others are made.
std::vector<std::string> seeds();

struct Tally {
  std::uint64_t read = 0, refused = 0;
};
inline Tally& tally() {
  static Tally counts;
  return counts;
}

// Calls read() and counts what came of it.
template <class F>
bool read_or_refuse(F&& read) {
  try {
    read();
  } catch (const Error&) {
    ++tally().refused;
    return false;
  }
  ++tally().read;
  return true;
}

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The bytes as a file, for readers that take nothing else. It stays if the process dies.
inline const std::string& as_file(const std::string& name, const std::string& bytes) {
  static const Folder folder;
  static std::string path;
  path = folder.file(name);
  write_bytes(path, bytes);
  return path;
}

// Some values that differ, for the pixels of seeds.
inline std::string noise(std::size_t bytes) {
  std::string result;
  std::uint32_t state = 7;
  for (std::size_t i = 0; i < bytes; ++i) {
    state = state * 1664525 + 1013904223;
    result += static_cast<char>(state >> 24 & 0xE0);
  }
  return result;
}

}  // namespace voxgrad::test

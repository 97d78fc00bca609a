// Synthetic datasets that mirror the tasks of the papers. They are drawn by rules from anatomy and imaging, and the
// same seed gives the same bytes on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/writer.h"

namespace voxgrad::data {

struct Phantom {
  std::string name;     // "lesions2d"
  std::string summary;  // says in one line what it looks like and what makes it hard
  int dims;
  std::vector<std::string> class_names;
  Shape size;          // the default for PhantomOptions::size
  std::int64_t cases;  // the default for PhantomOptions::cases
};

const std::vector<Phantom>& phantoms();

inline constexpr std::int64_t kMostPhantomCases = 100'000;  // all of them are in memory at once

struct PhantomOptions {
  std::int64_t cases = 0;  // 0 means the phantom's default
  Shape size;              // spatial extents; none mean the phantom's default
  std::uint64_t seed = 1;
};
// Makes a dataset. Case i depends on name, seed, size and i only. Images are quantised to u8, so that files are small
// and equal on every machine. Throws Error(usage) for an unknown name, with the most similar one as a hint.
DatasetContents make_phantom(const std::string& name, const PhantomOptions& options = {});

}  // namespace voxgrad::data

// Synthetic datasets that mirror the tasks of the papers: deterministic, physically motivated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::data {

struct Phantom {
  std::string name;     // "lesions2d"
  std::string summary;  // one line: what it looks like and what makes it hard
  int dims;
  std::vector<std::string> class_names;
  std::vector<std::int64_t> size;  // default spatial size
  std::int64_t cases;              // default number of cases
};

const std::vector<Phantom>& phantoms();

struct PhantomOptions {
  std::int64_t cases = 0;          // 0: the phantom's default
  std::vector<std::int64_t> size;  // empty: the default
  std::uint64_t seed = 1;
};
// Error(usage) with a did-you-mean for an unknown name. Case i depends on (name, seed, size, i) only. Images are
// quantised to u8, so that files are small and equal on every machine.
DatasetContents make_phantom(const std::string& name, const PhantomOptions& options = {});

}  // namespace voxgrad::data

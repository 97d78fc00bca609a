#include "apps/program/outputs.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "engine/error.h"

namespace voxgrad::apps {

void require_output(const std::string& flag, const std::string& path, const std::string& ending,
                    const std::vector<std::string>& inputs) {
  if (path.empty()) return;
  std::string name = path;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool hdf5 = ending == ".h5" && (name.ends_with(".hdf5") || name.ends_with(".hdf"));
  if (!hdf5 && !name.ends_with(ending))
    throw Error(ErrorKind::usage, flag + " " + path + ": what is written there is a " + ending + " file",
                "give a name that ends with " + ending);
  for (const std::string& input : inputs) {
    std::error_code code;  // a file that is not there is no other file
    if (std::filesystem::equivalent(path, input, code))
      throw Error(ErrorKind::usage, flag + " " + path + ": this file is read", "give another name");
  }
}

}  // namespace voxgrad::apps

// Files that a flag names and a verb writes. One rule holds for all of them: a file of the kind that the flag writes is
// replaced without a question, a file of another kind or one that the verb reads never is.
#pragma once

#include <string>
#include <vector>

namespace voxgrad::apps {

// Throws Error(usage) that names the flag if `path` does not end with `ending`, or is one of the files `inputs`,
// whatever it is called. Nothing is wrong with an empty path.
void require_output(const std::string& flag, const std::string& path, const std::string& ending,
                    const std::vector<std::string>& inputs);

}  // namespace voxgrad::apps

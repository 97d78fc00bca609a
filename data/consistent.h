// The rules of format 1 that hold for what is read and for what is written. Internal to this folder.
#pragma once

#include <string>

#include "data/dataset.h"

namespace voxgrad::data {

// Checks names, spacings, groups and splits. Throws Error(data) whose message begins with `where`.
void require_consistent(const DatasetInfo& info, const std::string& where);

}  // namespace voxgrad::data

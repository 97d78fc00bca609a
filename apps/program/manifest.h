// The manifest says which program ran on which machine.
#pragma once

#include "apps/program/json.h"

namespace voxgrad::apps {

const char* version();
// {version, compiler, build, cpu, threads, cuda: {available, description}}
Json manifest();

}  // namespace voxgrad::apps

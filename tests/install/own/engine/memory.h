#pragma once

#include "engine/tensor.h"

namespace own {
constexpr int kMemoryHeaders = 1;
}

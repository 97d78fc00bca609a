// What the exercises share. Each of them is one file with functions that throw until you fill them. Replace the line
// `not_filled(..)` by your code, then run `./dev learn NUMBER` from the root of the tree.
//
// What you need of the engine:
//   Tensors of the exercises are f64 on the CPU, unless an exercise says something else. They are dense and row-major:
//   element (n, v, u, c) of x [N, H, W, C] is x.data<double>()[((n * H + v) * W + u) * C + c], with H = x.extent(1).
//   zeros(shape, DType::f64) is a new tensor of zeros, empty(shape, DType::f64) one whose elements are not set yet.
//   Shape{2, 3} has dims() == 2 axes with the extents shape[0] and shape[1], and numel() == 6 elements.
//   Indices and extents are std::int64_t; nth(values, i) is values[i] of a std::vector, without a cast. Where a double
//   meets one of them, write static_cast<double>(n), or the compiler warns; the program is right all the same.
//   The headers of the C++ library that answers usually need are included below.
//   engine/ops.h has the operations, +, -, * and / among them. You may use all but the one that you are to write.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"

namespace voxgrad::learn {

struct NotFilled : Error {
  explicit NotFilled(const std::string& function)
      : Error(ErrorKind::check, function + ": not filled yet", "replace the line not_filled(..) by your code") {}
};

// The arguments are those of the function, so that the compiler does not call them unused.
template <class... Arguments>
[[noreturn]] void not_filled(const char* function, const Arguments&...) {
  throw NotFilled(function);
}

}  // namespace voxgrad::learn

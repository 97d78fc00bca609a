// A table of operations that are compared with plain loops: what a row draws and says, and the check of all rows.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "tests/engine/kernel_cases.h"
#include "tests/engine/random_case.h"
#include "tests/test.h"

namespace voxgrad::test {

using List = std::vector<double>;
using Index = std::vector<std::int64_t>;

struct Compared {
  Tensor found;
  Shape shape;
  List expected;
  bool exact = false;
};

struct ValueRow {
  std::string name;
  std::function<Compared(Random&, DType)> draw;
};

// [N, *S, C] with one to three spatial axes; one of eight is a single voxel.
inline Shape draw_map_shape(Random& random, std::int64_t least = 1, std::int64_t channels = 70) {
  const std::int64_t spatial = between(random, 1, 3), most = random.below(8) == 0 ? least : spatial == 3 ? 4 : 7;
  Shape shape{between(random, 1, 3)};
  for (std::int64_t i = 0; i < spatial; ++i) shape.push_back(between(random, least, std::max(least, most)));
  shape.push_back(random.chance(0.5) ? between(random, 1, std::min<std::int64_t>(channels, 8))
                                     : between(random, 1, channels));
  return shape;
}

// Element k of a tensor of this shape is of(its index).
template <class F>
List by_index(const Shape& shape, F&& of) {
  List result;
  for (std::int64_t k = 0; k < shape.numel(); ++k) result.push_back(of(index_of(shape, k)));
  return result;
}

// Draws this many cases of each row, in f32 and f64.
inline void check_values(const std::vector<ValueRow>& rows, int cases = 120) {
  for (const ValueRow& row : rows) {
    std::int64_t elements = 0;
    for (int i = 0; i < cases; ++i) {
      Random random(static_cast<std::uint64_t>(i) + 1);
      const DType dtype = i % 3 == 0 ? DType::f64 : DType::f32;
      const Compared c = row.draw(random, dtype);
      CHECK_MESSAGE(c.found.shape() == c.shape, text(row.name, ", case ", i, ": ", c.found, ", not ", c.shape));
      const double error = difference(values(c.found), c.expected);
      CHECK_MESSAGE(error <= (c.exact ? 0 : 3 * tolerance(dtype)),
                    text(row.name, ", case ", i, ", ", c.found, ": ", error));
      elements += c.found.numel();
    }
    CHECK_MESSAGE(elements > 10 * cases, row.name << " compared next to nothing");
  }
  MESSAGE(rows.size() << " operations, " << cases << " cases each");
}

}  // namespace voxgrad::test

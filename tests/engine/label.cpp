// Tables over labels.
#include "tests/test.h"

#include "engine/ops.h"

using namespace voxgrad;

TEST_CASE("lookup gives the row of each label, and zeros where there is none") {
  const Tensor table = from_vector<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor labels = from_vector<std::uint8_t>({1, 4}, {1, 0, 255, 2});
  for (DType dtype : {DType::f32, DType::f64}) {
    const Tensor y = lookup(table, labels, dtype);
    CHECK(y.dtype() == dtype);
    CHECK(y.shape() == Shape{1, 4, 3});
    CHECK(y.to_vector<int>() == std::vector<int>{4, 5, 6, 1, 2, 3, 0, 0, 0, 0, 0, 0});
  }
  CHECK_THROWS_AS(lookup(from_vector<float>({1, 1}, {1}), labels), Error);
  CHECK_THROWS_AS(lookup(table, zeros({1, 4})), Error);
}

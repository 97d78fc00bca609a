// Sums of 10^8 elements, more than f32 can add one after the other.
// ctest labels: slow
#include "tests/test.h"

#include <cmath>

#include "tests/engine/kernel_cases.h"

using namespace voxgrad;
using namespace voxgrad::test;

TEST_CASE("sums of 10^8 elements are right to 1e-6, whatever the order of the axes") {
  // Numbers k / 1024 with k < 1000: each is exact in f32, and so are their sums in f64.
  const std::int64_t period = 1000, count = 100'000'000;
  const Tensor x = empty({count / period, period});
  float* const at = x.data<float>();
  for (std::int64_t i = 0; i < count; ++i) at[i] = static_cast<float>(i % period) / 1024;
  const double of_period = 0.5 * period * (period - 1) / 1024;
  const double sum = of_period * (count / period);
  double squares = 0;
  for (std::int64_t k = 0; k < period; ++k) squares += static_cast<double>(k * k) / (1024 * 1024);

  const auto reduced = [&](const Shape& to) {
    const Tensor y = empty(to);
    cpu_backend().reduce(ReduceOp::sum, x, y);
    return y;
  };
  CHECK(std::fabs(reduced({1, 1}).item() / sum - 1) < 1e-6);
  double worst = 0;
  for (double row : values(reduced({count / period, 1}))) worst = std::max(worst, std::fabs(row / of_period - 1));
  CHECK(worst < 1e-6);
  const std::vector<double> columns = values(reduced({1, period}));
  for (std::int64_t k = 1; k < period; ++k)
    worst = std::max(worst, std::fabs(nth(columns, k) / (static_cast<double>(k) / 1024 * (count / period)) - 1));
  CHECK(worst < 1e-6);
  CHECK(std::fabs(cpu_backend().sum_of_squares(x) / (squares * (count / period)) - 1) < 1e-6);
}

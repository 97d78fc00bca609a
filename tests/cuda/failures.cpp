// ctest labels: gpu
// What the card cannot do is said clearly, and the process goes on.
#include "tests/test.h"

#include <functional>

#include "engine/backend.h"
#include "engine/ops.h"

using namespace voxgrad;
using test::contains;

namespace {

bool is_usable() { return sum(full({3, 5}, 2, DType::f32, Device::cuda)).item() == 30; }

ErrorKind kind_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::argument;
}

}  // namespace

TEST_CASE("more memory than the card has") {
  if (!has_device(Device::cuda)) return;
  const auto huge = [] { empty({std::int64_t{1} << 48}, DType::f32, Device::cuda); };
  CHECK(kind_of(huge) == ErrorKind::memory);
  CHECK(contains(test::error_of(huge), "the device has none left"));
  CHECK(contains(test::error_of(huge), "hint: smaller patches"));
  CHECK(is_usable());
}

TEST_CASE("more memory than the limit allows") {
  if (!has_device(Device::cuda)) return;
  Pool& pool = cuda_backend().pool();
  pool.trim();
  pool.set_limit(pool.statistics().in_use + (std::size_t{1} << 20));
  const auto large = [] { zeros({1 << 19}, DType::f32, Device::cuda); };
  const auto step = [] {  // fails in the middle of an operation
    const Tensor x = zeros({1, 200, 200, 3}, DType::f32, Device::cuda);
    conv(x, zeros({64, 3, 3, 3}, DType::f32, Device::cuda), {}, {.padding = 1});
  };
  CHECK(contains(test::error_of(large), "the limit is"));
  CHECK(kind_of(step) == ErrorKind::memory);
  CHECK(is_usable());
  pool.set_limit(0);
  large();
  CHECK(is_usable());
}

TEST_CASE("operands on two devices") {
  if (!has_device(Device::cuda)) return;
  const Tensor here = zeros({2, 2}), there = zeros({2, 2}, DType::f32, Device::cuda);
  CHECK(contains(test::error_of([&] { add(here, there); }), "cuda"));
  CHECK(is_usable());
}

TEST_CASE("empty maps") {
  if (!has_device(Device::cuda)) return;
  const Tensor none = zeros({0, 4, 4, 3}, DType::f32, Device::cuda);
  CHECK(sum(none).item() == 0);
  CHECK(exp(none).numel() == 0);
  CHECK(softmax(none).numel() == 0);
  CHECK(conv(none, zeros({2, 3, 3, 3}, DType::f32, Device::cuda), {}, {.padding = 1}).numel() == 0);
  CHECK(none.to(Device::cpu).numel() == 0);
  CHECK(is_usable());
}

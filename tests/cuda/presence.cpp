// What a build with CUDA says of the machine, with and without a card.
#include "tests/test.h"

#include "engine/backend.h"

using namespace voxgrad;
using test::contains;

TEST_CASE("a machine without a card is told so, and the CPU goes on") {
  CHECK(!cuda_description().empty());
  if (has_device(Device::cuda)) {
    CHECK(contains(cuda_description(), "cuDNN"));
    return;
  }
  const std::string error = test::error_of([] { zeros({2}, DType::f32, Device::cuda); });
  CHECK(contains(error, "device cuda: "));
  CHECK(contains(error, "hint: use device cpu"));
  CHECK(contains(cuda_description(), "not usable"));
  CHECK(zeros({2}).numel() == 2);
}

TEST_CASE("TF32 is refused where there is none") {
  CHECK(contains(test::error_of([] { cpu_backend().allow({.tf32 = true}); }), "tf32: device cpu has no TF32"));
  CHECK(contains(test::error_of([] { cpu_backend().allow({.fast = true}); }), "fast: device cpu is deterministic"));
  cpu_backend().allow({});
}

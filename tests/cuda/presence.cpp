// What a build with CUDA says of the machine, with and without a card.
#include "tests/test.h"

#include "engine/backend.h"
#include "engine/ops.h"

#ifdef VOXGRAD_CUDA_EMULATED
#include "engine/cuda/context.h"
#endif

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

#ifdef VOXGRAD_CUDA_EMULATED

namespace {

// The card with other properties, as long as it lives.
struct Changed {
  explicit Changed(const emulator::Card& card) { emulator::card = card; }
  ~Changed() { emulator::card = {}; }
};

std::string refusal(const emulator::Card& card) {
  const Changed changed(card);
  return test::error_of([] { cuda::check_card(); });
}

}  // namespace

TEST_CASE("a card or a driver that is too old, and a card for which there is no code, are named with a remedy") {
  CHECK(refusal({}).empty());
  CHECK(refusal({.major = 7, .minor = 5}).empty());
  CHECK(refusal({.major = 12}).empty());
  const std::string old_card = refusal({.major = 6, .minor = 1}), old_driver = refusal({.driver = 12020}),
                    no_driver = refusal({.driver = 0}), no_code = refusal({.major = 8, .has_code = false});
  CHECK_MESSAGE(contains(old_card, "compute capability 6.1, and 7.5 (Turing) is the oldest"), old_card);
  CHECK_MESSAGE(contains(old_driver, "knows CUDA up to 12.2, and this build needs 13.0: install a newer"), old_driver);
  CHECK_MESSAGE(contains(no_driver, "no NVIDIA driver"), no_driver);
  CHECK_MESSAGE(contains(no_code, "no code for a card of compute capability 8.0"), no_code);
  CHECK_MESSAGE(contains(no_code, "hint: build with -DCMAKE_CUDA_ARCHITECTURES=native"), no_code);
  CHECK(contains(refusal({.count = 0}), "no NVIDIA card"));
  const Changed changed({.major = 6, .minor = 1});
  CHECK(!cuda_available());
  CHECK(contains(cuda_description(), "not usable: the card has compute capability 6.1"));
}

TEST_CASE("Turing has neither bf16 nor TF32, and says so") {
  const Tensor x = full({4}, 1.5, DType::f32, Device::cuda), many = full({4000}, 1.5, DType::f32, Device::cuda);
  const Changed changed({.major = 7, .minor = 5});
  for (const Tensor& map : {x, many}) {
    const std::string error = test::error_of([&] { (void)map.to(DType::bf16); });
    CHECK_MESSAGE(contains(error, "compute capability 7.5, and bf16 came with 8.0"), error);
    CHECK(contains(error, "hint: compute in f32"));
  }
  const std::string error = test::error_of([] { cuda_backend().allow({.tf32 = true}); });
  CHECK_MESSAGE(contains(error, "7.5, and TF32 came with 8.0"), error);
  CHECK(sum(many).item() == 6000);
}

#endif

TEST_CASE("TF32 is refused where there is none") {
  CHECK(contains(test::error_of([] { cpu_backend().allow({.tf32 = true}); }), "tf32: device cpu has no TF32"));
  CHECK(contains(test::error_of([] { cpu_backend().allow({.fast = true}); }), "fast: device cpu is deterministic"));
  cpu_backend().allow({});
}

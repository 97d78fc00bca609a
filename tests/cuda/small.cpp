// ctest labels: gpu
// Work on a few numbers waits and runs as one kernel: in the order of the calls, among work that does not wait.
#include "engine/cuda/small.h"

#include "tests/test.h"

#include "engine/replay.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"
#include "tests/cuda/parity.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// A few tensors that random operations overwrite, the same on every device: small ones, which wait, and large ones,
// which do not, in turns.
std::vector<double> random_program(Device device, std::uint64_t seed) {
  Random random(seed);
  constexpr std::int64_t kFew = 24, kMany = 60;  // kMany rows of kFew are more than small
  std::vector<Tensor> few, many;
  for (int i = 0; i < 4; ++i) {
    few.push_back(noise({1, kFew}, DType::f64, random).to(device));
    many.push_back(noise({kMany, kFew}, DType::f64, random).to(device));
  }
  std::vector<double> read;
  const auto pick = [&](std::vector<Tensor>& from) -> Tensor& {
    return from[static_cast<std::size_t>(random.below(4))];
  };
  for (int i = 0; i < 120; ++i) {
    Tensor &a = pick(few), &b = pick(few), &large = pick(many);
    switch (random.below(9)) {
      case 0: a = affine(a + b, 0.5, 0.25); break;
      case 1: a = tanh(a * b); break;
      case 2: a.backend().binary(BinaryOp::subtract, a, b, a); break;
      case 3: a = reshape(sum(large, {0}) / static_cast<double>(kMany), {1, kFew}); break;
      case 4: large = tanh(large + a); break;
      case 5: a.backend().copy(a.raw(), device, b.raw(), device, a.bytes()); break;
      case 6: a.backend().lerp(b, 0.25, a); break;
      case 7: read.push_back(sum(a).item()); break;
      case 8: {
        const std::vector<double> fresh = values(noise({1, kFew}, DType::f64, random));
        b.backend().copy(b.raw(), device, fresh.data(), Device::cpu, b.bytes());
        break;
      }
    }
  }
  for (const auto* all : {&few, &many})
    for (const Tensor& tensor : *all)
      for (const double value : values(tensor)) read.push_back(value);
  return read;
}

#ifdef NDEBUG
constexpr std::int64_t kFills = 1;
#else
constexpr std::int64_t kFills = 2;  // debug builds fill fresh memory, which doubles most counts
#endif

std::int64_t pieces(const std::function<void()>& work) {
  Replay replay(Device::cuda);
  for (int i = 0; i < 3; ++i) replay("", work);
  CHECK_MESSAGE(replay.refusal().empty(), replay.refusal());
  return replay.size();
}

}  // namespace

TEST_CASE("what waits runs in the order of the calls, among what does not wait") {
  if (!has_device(Device::cuda)) return;
  for (std::uint64_t seed = 1; seed <= 30; ++seed)
    CHECK(difference(random_program(Device::cuda, seed), random_program(Device::cpu, seed)) < 1e-11);
}

TEST_CASE("memory that waiting work wants is not given back before") {
  if (!has_device(Device::cuda)) return;
  Pool& pool = cuda_backend().pool();
  Tensor x = full({10}, 3, DType::f64, Device::cuda);
  for (int i = 0; i < 20; ++i) {
    x = x + 1.0;  // the one before is released
    if (i % 5 == 0) pool.trim();
  }
  CHECK(values(x) == std::vector<double>(10, 23));
}

TEST_CASE("sixty operations on a few numbers are three kernels") {
  if (!has_device(Device::cuda)) return;
  const Tensor x = full({2, 3}, 1.5, DType::f64, Device::cuda), y = zeros({2, 3}, DType::f64, Device::cuda);
  const std::int64_t count = pieces([&] {
    Tensor z = x;
    for (int i = 0; i < 60; ++i) z = affine(z, 0.5, 1);
    y.backend().copy(y.raw(), Device::cuda, z.raw(), Device::cuda, y.bytes());
  });
  CHECK(count >= 3);
  CHECK(count <= 3 * kFills);
  CHECK(difference(values(y), std::vector<double>(6, 2)) < 1e-12);
}

TEST_CASE("a bound that f32 rounds is compared with as the value is") {
  if (!has_device(Device::cuda)) return;
  for (const std::int64_t count : {1, 5000})  // one that waits, one that does not
    for (const double bound : {0.1, 0.7}) {
      Tensor x = full({count}, bound, DType::f32, Device::cuda);
      x.set_requires_grad();
      sum(bound < 0.5 ? clamp(x, 0, bound) : clamp(x, bound, 1)).backward();
      CHECK(values(x.grad()) == std::vector<double>(static_cast<std::size_t>(count), 1));
    }
}

TEST_CASE("the value of a loss and its gradient are a handful of kernels") {
  if (!has_device(Device::cuda)) return;
  Random random(4);
  const Tensor logits = noise({4, 24, 24, 3}, DType::f32, random).to(Device::cuda);
  std::vector<std::uint8_t> truth(4 * 24 * 24);
  for (std::uint8_t& label : truth) label = static_cast<std::uint8_t>(random.below(3));
  const Tensor labels = from_vector({4, 24, 24}, truth).to(Device::cuda);
  std::string counts;
  for (const char* name : {"ce", "focal", "dice", "tversky", "generalized_dice", "mcc", "dice_ce", "unified_focal"}) {
    const losses::Loss loss = losses::make_loss(name);
    const Tensor result = zeros({1}, DType::f64, Device::cuda);
    const std::int64_t count = pieces([&] {
      Tensor z = logits.detach();
      z.set_requires_grad();
      const Tensor value = loss(z, labels);
      value.backward();
      result.backend().copy(result.raw(), Device::cuda, value.raw(), Device::cuda, result.bytes());
    });
    counts += text(' ', name, ' ', count);
    CHECK_MESSAGE(count <= 12 * kFills, name << ": " << count);
  }
  MESSAGE("kernels, copies and fills:" << counts);
}

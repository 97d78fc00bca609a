// ctest labels: gpu
// What goes wrong while work is recorded is said, and the card goes on; CUDA allocates and frees nothing meanwhile.
#include "tests/test.h"

#include <optional>

#include "engine/autograd.h"
#include "engine/ops.h"
#include "engine/replay.h"
#include "tests/engine/kernel_cases.h"

using namespace voxgrad;
using test::contains;

namespace {

constexpr std::int64_t kMiB = 1 << 20;

Tensor bytes(std::int64_t count) { return empty({count}, DType::u8, Device::cuda); }

// A call that cannot be recorded: what follows on the stream fails until the recording ends.
void spoil() {
  try {
    cuda_backend().synchronise();
  } catch (const Error&) {  // work() may not know that it is recorded
  }
}

// Called twice, then recorded if it can be, and `between` runs before that.
std::string refusal_of(
    const std::function<void()>& work, const std::function<void()>& between = [] {}) {
  Replay replay(Device::cuda);
  replay("", work);
  replay("", work);
  between();
  replay("", work);
  replay("", work);
  CHECK(replay.called() + replay.replayed() == 4);
  CHECK((replay.replayed() == 2) == replay.refusal().empty());
  return replay.refusal();
}

}  // namespace

TEST_CASE("a recording that was spoilt is refused, and the card goes on") {
  if (!has_device(Device::cuda)) return;
  const Tensor x = full({8}, 2, DType::f32, Device::cuda);
  const std::string refusal = refusal_of([&] {
    spoil();
    const Tensor waits = x + 1.0;
  });
  CHECK_MESSAGE(contains(refusal, "cuda: "), refusal);
  CHECK(sum(x).item() == 16);
}

TEST_CASE("an error in work that is recorded keeps its message, whatever waits or was spoilt") {
  if (!has_device(Device::cuda)) return;
  const Tensor x = full({8}, 2, DType::f32, Device::cuda);
  for (const bool spoilt : {false, true}) {
    int calls = 0;
    const std::string refusal = refusal_of([&] {
      if (spoilt) spoil();
      const Tensor waits = x + 1.0;
      if (++calls == 3) throw Error(ErrorKind::argument, "the reason");
    });
    CHECK_MESSAGE(refusal == "the reason", refusal);
    CHECK(sum(x).item() == 16);
  }
}

TEST_CASE("a recording may be destroyed while other work is recorded") {
  if (!has_device(Device::cuda)) return;
  const Tensor x = full({8}, 2, DType::f32, Device::cuda), y = zeros({8}, DType::f32, Device::cuda);
  for (const bool spoilt : {false, true}) {
    std::optional<Replay> other(Device::cuda);
    for (int i = 0; i < 3; ++i) (*other)("", [&] { y.backend().lerp(x, 1, y); });
    CHECK(other->replayed() == 1);
    int calls = 0;
    const std::string refusal = refusal_of([&] {
      if (spoilt) spoil();
      y.backend().lerp(x, 0.5, y);  // waits
      if (++calls == 3) other.reset();
    });
    CHECK_MESSAGE(refusal.empty() == !spoilt, refusal);
    CHECK(test::values(y) == std::vector<double>(8, 2));
  }
}

TEST_CASE("what is recorded within recorded work becomes a part of it") {
  if (!has_device(Device::cuda)) return;
  const Tensor x = full({8}, 2, DType::f32, Device::cuda), y = zeros({8}, DType::f32, Device::cuda);
  Replay inner(Device::cuda);
  const std::string refusal = refusal_of([&] { inner("", [&] { y.backend().lerp(x, 0.5, y); }); });
  CHECK_MESSAGE(refusal.empty(), refusal);
  CHECK_MESSAGE(contains(inner.refusal(), "a part of work that is recorded"), inner.refusal());
  CHECK(test::values(y) == std::vector<double>(8, 1.875));
}

TEST_CASE("pieces that do not fit into one another are found before the recording") {
  if (!has_device(Device::cuda)) return;
  const std::string refusal = refusal_of([] {
    Tensor a = bytes(20 * kMiB), b = bytes(20 * kMiB), c = bytes(20 * kMiB);
    a = c = Tensor();
    const Tensor larger = bytes(30 * kMiB);  // fits into neither gap
    larger.backend().fill(larger, 1);
  });
  CHECK_MESSAGE(refusal.empty(), refusal);
}

TEST_CASE("small blocks are there before the recording, too") {
  if (!has_device(Device::cuda)) return;
  const Tensor y = zeros({40}, DType::f32, Device::cuda);
  const std::string refusal = refusal_of(
      [&] {
        std::vector<Tensor> all;
        for (std::int64_t i = 1; i <= 40; ++i) all.push_back(full({300 * i}, 1, DType::f32, Device::cuda));
        for (std::int64_t i = 0; i < 40; ++i) {
          const Tensor total = sum(all[static_cast<std::size_t>(i)]);
          y.backend().copy(y.alias(i, {1}).raw(), Device::cuda, total.raw(), Device::cuda, 4);
        }
      },
      [] { cuda_backend().pool().trim(); });
  CHECK_MESSAGE(refusal.empty(), refusal);
  CHECK(sum(y).item() == 300.0 * 40 * 41 / 2);
}

TEST_CASE("memory that is given back while work is recorded is freed afterwards") {
  if (!has_device(Device::cuda)) return;
  Pool& pool = cuda_backend().pool();
  const Tensor x = full({8}, 2, DType::f32, Device::cuda), y = zeros({8}, DType::f32, Device::cuda);
  Tensor early = bytes(3 * kMiB);
  pool.trim();
  const std::size_t before = pool.statistics().in_use;
  int calls = 0;
  const std::string refusal = refusal_of([&] {
    if (++calls == 3) {
      early = Tensor();
      pool.trim();
    }
    const Tensor z = x + 1.0;
    y.backend().copy(y.raw(), Device::cuda, z.raw(), Device::cuda, y.bytes());
  });
  CHECK_MESSAGE(refusal.empty(), refusal);
  CHECK(test::values(y) == std::vector<double>(8, 3));
  CHECK(pool.statistics().in_use == before - Pool::size_class(3 * kMiB));
}

TEST_CASE("large constants are sent by every replay") {
  if (!has_device(Device::cuda)) return;
  const Tensor y = zeros({1}, DType::f32, Device::cuda);
  const std::string refusal = refusal_of([&] {
    const Tensor constant = from_vector<float>({3 << 20}, std::vector<float>(3 << 20, 1)).to(Device::cuda);
    const Tensor total = sum(constant);
    y.backend().copy(y.raw(), Device::cuda, total.raw(), Device::cuda, 4);
    constant.backend().fill(constant, 7);
  });
  CHECK_MESSAGE(refusal.empty(), refusal);
  CHECK(y.item() == 3 << 20);
}

TEST_CASE("what is wanted in a backward pass beyond the reserve is given at the next try, too") {
  if (!has_device(Device::cuda)) return;
  const Tensor y = zeros({1}, DType::f32, Device::cuda), x = full({1}, 2, DType::f32, Device::cuda);
  const std::string refusal = refusal_of([&] {
    Tensor leaf = x.clone();
    leaf.set_requires_grad();
    const Tensor z = record("send", leaf.clone(), {{leaf, [&](const Tensor& gradient) {
                                                      const Tensor constant =
                                                          from_vector<float>({3 << 20}, std::vector<float>(3 << 20, 1));
                                                      return gradient * reshape(sum(constant.to(Device::cuda)), {1});
                                                    }}});
    z.backward(full({1}, 1, DType::f32, Device::cuda));
    y.backend().copy(y.raw(), Device::cuda, leaf.grad().raw(), Device::cuda, 4);
  });
  CHECK_MESSAGE(refusal.empty(), refusal);
  CHECK(y.item() == 3 << 20);
}

TEST_CASE("a recording that is released gives its memory back, and is made anew by the next call") {
  if (!has_device(Device::cuda)) return;
  Pool& pool = cuda_backend().pool();
  const Tensor x = full({8}, 2, DType::f32, Device::cuda), y = zeros({8}, DType::f32, Device::cuda);
  Replay replay(Device::cuda);
  const auto work = [&] {
    const Tensor scratch = bytes(100 * kMiB);
    scratch.backend().fill(scratch, 1);
    y.backend().lerp(x, 0.5, y);
  };
  for (int i = 0; i < 3; ++i) replay("", work);
  CHECK(replay.replayed() == 1);
  const std::size_t held = pool.statistics().in_use;
  replay.release();
  CHECK(held - pool.statistics().in_use >= static_cast<std::size_t>(100 * kMiB));
  replay("", work);
  CHECK(replay.called() == 2);
  CHECK(replay.replayed() == 2);
  CHECK(test::values(y) == std::vector<double>(8, 1.875));
}

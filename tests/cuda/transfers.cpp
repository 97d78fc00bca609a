// ctest labels: gpu
// Copies between host and card, while the card is at work: in order, whatever overtakes what.
#include "tests/test.h"

#include "engine/backend.h"
#include "engine/ops.h"

using namespace voxgrad;

namespace {

// Bytes that tell which copy they belong to, and where they are.
std::vector<std::uint8_t> pattern(std::size_t size, std::size_t number) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(number * 31 + i + i / 251);
  return bytes;
}

constexpr std::size_t kKiB = 1024, kMiB = kKiB * kKiB;
// Around the sizes at which the way of a copy changes, and more than the host may be ahead.
const std::vector<std::size_t> kSizes{1,        100,          64 * kKiB - 1, 64 * kKiB, 256 * kKiB + 1,
                                      2 * kMiB, 2 * kMiB + 7, 5 * kMiB};

}  // namespace

TEST_CASE("what is sent comes back") {
  if (!has_device(Device::cuda)) return;
  std::vector<std::size_t> sizes = kSizes;
  sizes.push_back(70 * kMiB);
  for (const std::size_t size : sizes) {
    const auto bytes = pattern(size, size);
    CHECK(from_vector({static_cast<std::int64_t>(size)}, bytes).to(Device::cuda).to_vector<std::uint8_t>() == bytes);
  }
}

TEST_CASE("a copy overwrites its place behind the work that was queued before, and before the work queued after") {
  if (!has_device(Device::cuda)) return;
  for (const std::size_t size : kSizes) {
    const auto n = static_cast<std::int64_t>(size);
    const Tensor there = empty({n}, DType::u8, Device::cuda);
    std::vector<Tensor> seen;
    constexpr std::size_t kTurns = 40;  // more than there are buffers
    for (std::size_t turn = 0; turn < kTurns; ++turn) {
      std::vector<std::uint8_t> bytes = pattern(size, turn);
      there.backend().copy(there.raw(), Device::cuda, bytes.data(), Device::cpu, size);
      bytes.assign(size, 0);                                            // the source belongs to the caller again
      seen.push_back(turn % 8 == 0 ? there.to(DType::i32) : Tensor());  // a kernel that reads it
    }
    int wrong = 0;
    for (std::size_t turn = 0; turn < kTurns; turn += 8) {
      const std::vector<std::uint8_t> expected = pattern(size, turn);
      wrong += seen[turn].to_vector<int>() != std::vector<int>(expected.begin(), expected.end());
    }
    CHECK_MESSAGE(wrong == 0, size << " bytes");
  }
}

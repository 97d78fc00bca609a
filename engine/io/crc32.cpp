#include "engine/io/crc32.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#include "engine/parallel.h"

namespace voxgrad {
namespace {

// The checksum advances sixteen bytes at a time. Entry [k][b] of the table is the checksum of the byte b followed by k
// zero bytes, and the checksum of a sum (exclusive or) is the sum of the checksums (Kounavis and Berry, "A systematic
// approach to building high performance, software-based, CRC generators", 2005).
constexpr std::size_t kSlices = 16;
using Table = std::array<std::array<std::uint32_t, 256>, kSlices>;

constexpr std::uint32_t kPolynomial = 0xEDB88320u;

constexpr Table make_table() {
  Table table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[0][byte] = crc;
  }
  for (std::size_t k = 1; k < kSlices; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = table[k - 1][byte];
      table[k][byte] = (crc >> 8) ^ table[0][crc & 0xFF];
    }
  return table;
}
constexpr Table kTable = make_table();

// The product of two checksums as polynomials over the field of two elements. The highest bit is the constant term.
std::uint32_t product(std::uint32_t a, std::uint32_t b) {
  std::uint32_t sum = 0;
  for (; a != 0; a <<= 1) {
    if (a >> 31 != 0) sum ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return sum;
}

std::uint32_t serial_crc32(std::span<const std::byte> bytes, std::uint32_t before) {
  std::uint32_t crc = ~before;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= kSlices; left -= kSlices, at += kSlices) {
    std::array<std::uint8_t, kSlices> block;
    std::memcpy(block.data(), at, kSlices);
    for (std::size_t i = 0; i < 4; ++i) block[i] = static_cast<std::uint8_t>(block[i] ^ (crc >> 8 * i));
    crc = 0;
    for (std::size_t i = 0; i < kSlices; ++i) crc ^= kTable[kSlices - 1 - i][block[i]];
  }
  for (; left > 0; --left, ++at) crc = (crc >> 8) ^ kTable[0][(crc ^ std::to_integer<std::uint32_t>(*at)) & 0xFF];
  return ~crc;
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  if (bytes.size() <= kBlock) return serial_crc32(bytes, before);
  std::vector<std::uint32_t> crcs((bytes.size() + kBlock - 1) / kBlock);
  const auto block = [&](std::size_t index) {
    return bytes.subspan(index * kBlock, std::min(kBlock, bytes.size() - index * kBlock));
  };
  parallel_for(std::ssize(crcs), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      crcs[i] = serial_crc32(block(i), 0);
  });
  for (std::size_t i = 0; i < crcs.size(); ++i) before = combined_crc32(before, crcs[i], block(i).size());
  return before;
}

std::uint32_t combined_crc32(std::uint32_t a, std::uint32_t b, std::uint64_t length_of_b) {
  // Each byte that follows a multiplies the checksum of a by x^8.
  for (std::uint32_t power = 1u << 23; length_of_b > 0; length_of_b >>= 1, power = product(power, power))
    if ((length_of_b & 1) != 0) a = product(a, power);
  return a ^ b;
}

std::string hexadecimal(std::uint32_t crc) {
  std::array<char, 9> digits{};
  std::snprintf(digits.data(), digits.size(), "%08x", static_cast<unsigned>(crc));
  return digits.data();
}

}  // namespace voxgrad

// The CRC-32 of zlib, PNG and Ethernet (polynomial 0x04C11DB7, bits reflected), without zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace voxgrad {

// The checksum of `bytes` after other bytes whose checksum is `before`: crc32(b, crc32(a)) is that of a followed by b.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);
// The checksum of a followed by b, from the checksum of each and the length of b.
std::uint32_t combined_crc32(std::uint32_t a, std::uint32_t b, std::uint64_t length_of_b);
std::string hexadecimal(std::uint32_t crc);  // eight digits, as in files and messages

}  // namespace voxgrad

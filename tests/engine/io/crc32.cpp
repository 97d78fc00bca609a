// CRC-32 against its known values and against the definition, bit by bit.
#include "engine/io/crc32.h"

#include <string>
#include <string_view>

#include "engine/random.h"
#include "tests/test.h"

using namespace voxgrad;

namespace {

std::uint32_t crc_of(std::string_view text, std::uint32_t before = 0) {
  return crc32(std::as_bytes(std::span(text)), before);
}

std::uint32_t by_definition(std::string_view text) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

}  // namespace

TEST_CASE("known values") {
  CHECK(crc_of("") == 0);
  CHECK(crc_of("123456789") == 0xCBF43926u);
  CHECK(crc_of("The quick brown fox jumps over the lazy dog") == 0x414FA339u);
  CHECK(crc_of(std::string(32, '\0')) == 0x190A55ADu);
}

TEST_CASE("two pieces of many bytes") {
  const std::string a(12345, 'a'), b((1 << 20) + 7, 'b');
  CHECK(combined_crc32(crc_of(a), crc_of(b), b.size()) == crc_of(a + b));
  CHECK(combined_crc32(crc_of(a), 0, 0) == crc_of(a));
  CHECK(combined_crc32(0, crc_of(b), b.size()) == crc_of(b));
  CHECK(crc_of(b, crc_of(a)) == by_definition(a + b));
}

TEST_CASE("any length at any address, in one piece or in two") {
  Random random(1);
  std::string text(300, ' ');
  for (char& c : text) c = static_cast<char>(random.below(256));
  const std::string_view all = text;
  for (std::size_t first = 0; first < 20; ++first)
    for (std::size_t length = 0; length < 100; ++length) {
      const std::string_view part = all.substr(first, length);
      CHECK(crc_of(part) == by_definition(part));
      const std::string_view head = part.substr(0, length / 3), tail = part.substr(length / 3);
      CHECK(crc_of(tail, crc_of(head)) == crc_of(part));
      CHECK(combined_crc32(crc_of(head), crc_of(tail), tail.size()) == crc_of(part));
    }
}

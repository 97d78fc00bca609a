// Writes messages of Protocol Buffers in their wire format, which is all that a writer of ONNX files needs of it. A
// field is its number and kind, followed by a number in groups of 7 bits, by 4 bytes, or by a length and so many bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace voxgrad::nn {

static_assert(std::endian::native == std::endian::little, "the wire format is little-endian");

class WireMessage {
 public:
  WireMessage& number(int field, std::int64_t value) {
    tag(field, 0);
    groups(static_cast<std::uint64_t>(value));
    return *this;
  }
  WireMessage& real(int field, float value) {
    tag(field, 5);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    bytes_.append(bytes, sizeof value);
    return *this;
  }
  // A text, raw bytes or the bytes of another message.
  WireMessage& bytes(int field, std::string_view value) {
    begin(field, value.size());
    bytes_.append(value);
    return *this;
  }
  WireMessage& message(int field, const WireMessage& value) { return bytes(field, value.bytes_); }
  // The head of a field whose `size` bytes follow from elsewhere.
  WireMessage& begin(int field, std::size_t size) {
    tag(field, 2);
    groups(size);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void tag(int field, int kind) { groups(static_cast<std::uint64_t>(field * 8 + kind)); }
  void groups(std::uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_.push_back(static_cast<char>(value | 128));
    bytes_.push_back(static_cast<char>(value));
  }
  std::string bytes_;
};

}  // namespace voxgrad::nn

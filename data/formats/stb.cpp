// The decoders of PNG and JPEG: stb_image, with memory that is bounded by the picture. A file of its own, because the
// library is one header with all of its code.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "data/formats/formats_detail.h"
#include "engine/error.h"

namespace {

// The most bytes that one block of memory may have while this thread decodes a picture. What a damaged stream
// decompresses to has no other bound.
thread_local std::size_t most_bytes = 0;
thread_local bool out_of_memory = false;

void* noted(void* block, std::size_t bytes) {
  out_of_memory = out_of_memory || (block == nullptr && bytes > 0);
  return block;
}

// Zeros: no damaged stream may bring what is left in memory into tables or pixels.
void* bounded_malloc(std::size_t bytes) {
  return bytes > most_bytes ? nullptr : noted(std::calloc(1, std::max<std::size_t>(1, bytes)), bytes);
}

void* bounded_realloc(void* block, std::size_t bytes) {
  return bytes > most_bytes ? nullptr : noted(std::realloc(block, bytes), bytes);
}

}  // namespace

#define STBI_MALLOC(bytes) bounded_malloc(bytes)
#define STBI_REALLOC(block, bytes) bounded_realloc(block, bytes)
#define STBI_FREE(block) std::free(block)
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_ASSERT(condition) static_cast<void>(0)  // in a build for debugging, too, damaged files are refused
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#ifdef __clang__  // stb 2.27 shifts a zero too far when a stream ends early, and copies no bytes to a null pointer
#pragma clang attribute push(__attribute__((no_sanitize("shift-exponent", "nonnull-attribute"))), apply_to = function)
#endif
#include <stb/stb_image.h>
#ifdef __clang__
#pragma clang attribute pop
#endif
#pragma GCC diagnostic pop

namespace voxgrad::data::detail {

Tensor decode_samples(std::string_view bytes, bool sixteen_bits, const Shape& shape, const std::string& path) {
  constexpr std::size_t kMost = std::numeric_limits<int>::max();  // stb counts bytes with an int
  const std::size_t samples = static_cast<std::size_t>(shape.numel());
  // A decoder also keeps the rows before filters are undone, or coefficients of 16 bits.
  if (bytes.size() > kMost || 2 * samples > kMost) refuse(path, by(shape) + " samples are more than can be decoded");
  out_of_memory = false;
  most_bytes = 8 * samples + bytes.size() + (std::size_t{1} << 20);

  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<void, decltype(&std::free)> decoded(
      sixteen_bits ? static_cast<void*>(
                         stbi_load_16_from_memory(data, static_cast<int>(bytes.size()), &width, &height, &channels, 0))
                   : stbi_load_from_memory(data, static_cast<int>(bytes.size()), &width, &height, &channels, 0),
      &std::free);
  if (decoded == nullptr && out_of_memory) throw std::bad_alloc();
  const char* reason = stbi_failure_reason();
  if (decoded == nullptr)
    refuse(path, text("cannot be decoded", reason == nullptr ? "" : text(" (", reason, ")")), "the file is damaged");
  if (shape != Shape{height, width, channels})
    refuse(path, text("is decoded as ", by({height, width, channels}), " instead of ", by(shape)));

  const Tensor result = empty(shape);
  const auto convert = [&](const auto* from) { std::copy_n(from, samples, result.data<float>()); };
  if (sixteen_bits)
    convert(static_cast<const std::uint16_t*>(decoded.get()));
  else
    convert(static_cast<const std::uint8_t*>(decoded.get()));
  return result;
}

}  // namespace voxgrad::data::detail

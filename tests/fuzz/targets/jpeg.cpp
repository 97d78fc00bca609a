// JPEG, as stb_image reads it.
#include "data/formats/formats_detail.h"
#include "tests/data/formats/files.h"
#include "tests/fuzz/target.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

using namespace voxgrad;
using namespace voxgrad::test;

std::vector<std::string> voxgrad::test::seeds() {
  std::vector<std::string> found{progressive_jpeg()};
  const std::string pixels = noise(40 * 30 * 3);
  const auto append_to = [](void* to, void* bytes, int count) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), static_cast<std::size_t>(count));
  };
  for (const int channels : {1, 3})
    for (const int quality : {20, 95}) {  // with and without colours of half the resolution
      std::string bytes;
      ::stbi_write_jpg_to_func(append_to, &bytes, 40, 30, channels, pixels.data(), quality);
      found.push_back(bytes);
    }
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = test::text_of(data, size);
  read_or_refuse([&] { data::detail::decode_jpeg(bytes, "input.jpg"); });
  return 0;
}

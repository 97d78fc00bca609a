// PNG. Inputs of odd length get right checksums, so that what is behind those is reached.
#include <zlib.h>

#include "data/formats/formats_detail.h"
#include "data/formats/png.h"
#include "tests/data/formats/files.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

void mend_checksums(std::string& png) {
  for (std::size_t at = 8; at + 12 <= png.size();) {
    std::uint32_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<std::uint8_t>(png[at + i]);
    if (length > png.size() - at - 12) return;
    const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(png.data() + at + 4), length + 4);
    std::string number;
    append(number, static_cast<std::uint32_t>(crc), true);
    png.replace(at + 8 + length, 4, number);
    at += 12 + std::size_t{length};
  }
}

}  // namespace

std::vector<std::string> voxgrad::test::seeds() {
  std::vector<std::string> found;
  struct Kind {
    int bits, colour, row;
  };
  for (const auto& [bits, colour, row] :
       {Kind{1, 0, 2}, Kind{2, 0, 3}, Kind{4, 0, 6}, Kind{8, 0, 11}, Kind{16, 0, 22}, Kind{8, 2, 33}, Kind{16, 2, 66},
        Kind{1, 3, 2}, Kind{4, 3, 6}, Kind{8, 3, 11}, Kind{8, 4, 22}, Kind{8, 6, 44}}) {
    PngBytes png{11, 7, bits, colour, std::vector<std::string>(7, noise(static_cast<std::size_t>(row)))};
    if (colour == 3) png.before = png_chunk("PLTE", noise(bits == 1 ? 6 : 48)) + png_chunk("tRNS", "a");
    found.push_back(png.str());
    png.level = 0;  // where a change reaches the pixels
    found.push_back(png.str());
  }
  const std::string pixels = noise(40 * 30 * 3);
  found.push_back(data::to_png({30, 40, 3}, 8, {reinterpret_cast<const std::uint8_t*>(pixels.data()), pixels.size()}));
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes = test::text_of(data, size);
  if (size % 2 != 0) mend_checksums(bytes);
  read_or_refuse([&] { data::detail::decode_png(bytes, "input.png"); });
  return 0;
}

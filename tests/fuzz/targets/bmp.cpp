// BMP: every number of bits, both headers.
#include "data/formats/formats_detail.h"
#include "tests/data/formats/files.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

std::vector<std::string> voxgrad::test::seeds() {
  std::vector<std::string> found;
  for (const int bits : {1, 4, 8, 24, 32})
    for (const std::uint32_t header : {12u, 40u, 124u}) {
      const std::size_t row = (11u * static_cast<unsigned>(bits) + 7u) / 8u, colours = bits > 8 ? 0u : 48u;
      BmpBytes bmp{11, 7, static_cast<std::uint16_t>(bits), std::vector<std::string>(7, noise(row)), noise(colours)};
      bmp.header = header;
      bmp.method = bits == 32 && header != 12 ? 3 : 0;
      found.push_back(bmp.str());
    }
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = test::text_of(data, size);
  read_or_refuse([&] { data::detail::decode_bmp(bytes, "input.bmp"); });
  return 0;
}

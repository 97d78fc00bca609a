// GIF: codes of every number of bits, interlaced, transparent and animated files.
#include "data/formats/formats_detail.h"
#include "tests/data/formats/files.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

std::vector<std::string> voxgrad::test::seeds() {
  std::vector<std::string> found;
  for (const int bits : {2, 3, 5, 8})
    for (const int size : {7, 90}) {
      const auto side = static_cast<std::uint16_t>(size);
      GifBytes gif{side, side, noise(static_cast<std::size_t>(size * size)), noise(48), bits, size == 7};
      for (char& pixel : gif.pixels) pixel = static_cast<char>(pixel & ((1 << bits) - 1));
      if (bits == 5) gif.transparent = 9;
      std::string bytes = gif.str();
      if (bits == 2) bytes.insert(bytes.size() - 1, gif.picture());
      found.push_back(bytes);
    }
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = test::text_of(data, size);
  read_or_refuse([&] { data::detail::decode_gif(bytes, "input.gif"); });
  return 0;
}

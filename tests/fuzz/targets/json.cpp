// JSON of headers and metadata. What was read is written, and read again as the same text.
#include "engine/io/json.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

std::vector<std::string> voxgrad::test::seeds() {
  return {
      R"({"a":[1,-2,3.5e-7,1E300,18446744073709551615],"b":{"c":null,"d":[true,false]},"e":"\u00e4\ud83d\ude00\n"})",
      R"([[[[[[[["x"]]]]]]]])", R"( {"" : -0.0 , "\"" : 9007199254740993 } )", "\"\xC3\xA4\"", "0"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = test::text_of(data, size);
  read_or_refuse([&] {
    const std::string written = to_text(parse_json(bytes));
    if (to_text(parse_json(written)) != written) throw std::logic_error("written and read again: " + written);
  });
  return 0;
}

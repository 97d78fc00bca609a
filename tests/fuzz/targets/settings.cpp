// Configuration files in TOML, and the settings in them.
#include "apps/program/toml.h"
#include "apps/training/config.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

std::vector<std::string> voxgrad::test::seeds() {
  return {
      apps::to_toml({}),
      "# a comment\nloss = \"dice_ce\" # another\nseed = 3\nlosses = [ 'ce', \"di\\u0063e\",\n  \"a\\\\b\" ]\nx=[]\n",
      "amp = true\nlr = 1e-3\ndata = 'C:\\data.h5'\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = test::text_of(data, size);
  read_or_refuse([&] {
    for (const apps::TomlSetting& setting : apps::read_flat_toml(bytes))
      for (const std::string& word : setting.words)
        if (read_or_refuse([&] { apps::toml_text(word); })) {
          const auto again = apps::read_flat_toml("x = " + apps::toml_text(word));
          if (again.size() != 1 || again[0].words != std::vector{word})
            throw std::logic_error("not read back: " + word);
        }
  });
  return 0;
}

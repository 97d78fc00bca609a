// Small texts of the command line and of attributes. The first byte says which, '0' the first; the rest is the text.
#include "apps/program/words.h"
#include "apps/comparison/compare.h"
#include "apps/training/budget.h"
#include "apps/training/config.h"
#include "apps/training/plan.h"
#include "data/attributes.h"
#include "data/sampling/augment.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

using Reader = void (*)(const std::string&);
constexpr Reader kReaders[] = {
    [](const std::string& words) { apps::parse_label_map(words); },
    [](const std::string& words) {
      const auto map = data::label_map_of(words, "input");
      if (data::label_map_of(data::text_of(map), "input") != map) throw std::logic_error("label map: " + words);
    },
    [](const std::string& words) {
      const auto colours = data::colours_of(words, "input");
      if (data::colours_of(data::text_of(colours), "input") != colours) throw std::logic_error("colours: " + words);
    },
    [](const std::string& words) { apps::parse_sizes(words, 3, "--patch"); },
    [](const std::string& words) { apps::parse_spacing(words, 3); },
    [](const std::string& words) { apps::parse_time(words); },
    [](const std::string& words) { apps::parse_losses(words); },
    [](const std::string& words) { apps::parse_part(words); },
    [](const std::string& words) { data::turn_to_ras(words); },
    [](const std::string& words) {
      const std::string name = apps::file_name(words);
      if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos || name.size() > 200)
        throw std::logic_error("file name: " + name);
      apps::shell_word(words);
      apps::csv_cell(words);
      apps::shown(words, 40);
    },
};

}  // namespace

std::vector<std::string> voxgrad::test::seeds() {
  return {"00:0,255:1",
          "10:0,4:3",
          "2#000000,#ff00a0",
          "396x96x64",
          "43x0.8x0.8",
          "520min",
          "6dice,ce:a=1/2,b=3,focal",
          "72/5",
          "8LPS",
          "9../a b\x1B[2J\xFF'\"",
          "520min",
          "664x64x8"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Reader read = kReaders[(data[0] + 2u) % std::size(kReaders)];
  const std::string words = test::text_of(data + 1, size - 1);
  read_or_refuse([&] { read(words); });
  return 0;
}

// What is left where some images and masks are pairs: named, refused, or left out if the options say so.
#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::discover;
using Names = std::vector<std::string>;

namespace {

void write_files(const Folder& folder, const Names& names) {
  for (const std::string& name : names) write_bytes(made(folder.file(name)), "x");
}

data::DiscoverOptions skipping() {
  data::DiscoverOptions options;
  options.skip_unpaired = true;
  return options;
}

}  // namespace

TEST_CASE("what is left beside pairs is no pair because its name goes on") {
  for (const char* other : {"p_3", "p_2_b"}) {
    const Folder folder;
    write_files(folder, {"images/p.png", "images/p_1.png", "images/p_2.png", "masks/p_1.png", "masks/p_2.png",
                         std::string("masks/") + other + ".png"});
    const std::string message = error_of([&] { discover({folder.file("")}); });
    CHECK_MESSAGE(contains(message, std::string(other) + ".png"), message);
  }
}

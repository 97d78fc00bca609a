// Programs in C that use the library: the example segments as nn::predict does, and one that loads and unloads the
// library again and again keeps neither threads nor memory.
#include <cstdlib>

#include "engine/ops.h"
#include "tests/embed/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

int run(const std::string& command, const std::string& output) {
  const int status = std::system((command + " > " + output + " 2>&1").c_str());
  return status < 0 || status % 256 != 0 ? -1 : status / 256;
}

void check_example(const std::string& program) {
  const Folder folder;
  const nn::Model model = random_model(2);
  nn::save_model(folder.file("model"), model);
  const auto segment = [&](const std::string& from) {
    return run(text(program, ' ', folder.file("model"), ' ', from, ' ', folder.file("labels.pgm")),
               folder.file("said"));
  };
  for (const int most : {255, 65535}) {
    const Tensor image = random_uniform({37, 50, 1}, 3, 0, most).to(DType::i32);
    std::string pgm = text("P5 50 37 ", most, "\n");
    for (const int value : image.to_vector<int>()) {
      if (most > 255) pgm += static_cast<char>(value >> 8);
      pgm += static_cast<char>(value & 255);
    }
    write_bytes(folder.file("image.pgm"), pgm);
    CHECK(segment(folder.file("image.pgm")) == 0);
    std::string expected = "P5 50 37 2\n";
    for (const int label : nn::predict(model, image).to_vector<int>()) expected += static_cast<char>(label);
    CHECK(bytes_of(folder.file("labels.pgm")) == expected);
    CHECK(contains(bytes_of(folder.file("said")), "100 %"));
  }
  CHECK(segment(folder.file("none.pgm")) == 1);
  CHECK(contains(bytes_of(folder.file("said")), "error: cannot read"));
}

}  // namespace

TEST_CASE("the example segments pictures of 8 and of 16 bits, and refuses others") {
  check_example(VOXGRAD_EMBED_EXAMPLE);
}

#ifdef VOXGRAD_EMBED_SMALL
TEST_CASE("the library for prediction alone segments with the same bits") { check_example(VOXGRAD_EMBED_SMALL); }
#endif

#ifdef VOXGRAD_EMBED_UNLOAD
TEST_CASE("a hundred times loaded, used with four threads and unloaded, the library leaves nothing behind") {
  const Folder folder;
  nn::save_model(folder.file("model"), random_model(3));
  // With an arena for each thread the allocator keeps more or less, as the threads happened to meet.
  const int code = run(
      text("MALLOC_ARENA_MAX=1 ", VOXGRAD_EMBED_UNLOAD, ' ', VOXGRAD_EMBED_LIBRARY, ' ', folder.file("model"), " 100"),
      folder.file("said"));
  CHECK_MESSAGE(code == 0, bytes_of(folder.file("said")));
  MESSAGE(bytes_of(folder.file("said")));
}
#endif

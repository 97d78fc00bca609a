// Programs in C that use the library: the example segments as nn::predict does, one compiled from the one file as the
// library does, and one that loads and unloads the library again and again keeps neither threads nor memory.
#include <cmath>
#include <cstdlib>
#include <cstring>

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

#ifdef VOXGRAD_EMBED_ONE_FILE
namespace {

// What tests/embed/scores.c writes: the labels, and behind them the probabilities. Empty if `program` has no kernels
// for this instruction set.
std::string scores(const std::string& program, const std::string& instructions, const std::string& arguments) {
  const Folder folder;
  const int code = run(text("VOXGRAD_SIMD=", instructions, ' ', program, ' ', arguments, ' ', folder.file("scores")),
                       folder.file("said"));
  if (code == 1 && contains(bytes_of(folder.file("said")), "is not available")) return "";
  CHECK_MESSAGE(code == 0, bytes_of(folder.file("said")));
  return bytes_of(folder.file("scores"));
}

// Another compiler fuses other products with their sums.
void check_similar(const std::string& found, const std::string& expected, std::size_t voxels) {
  REQUIRE(found.size() == expected.size());
  std::size_t others = 0;
  for (std::size_t i = 0; i < voxels; ++i) others += found[i] != expected[i];
  CHECK_MESSAGE(others * 10000 <= voxels, others, " of ", voxels, " labels are others");
  for (std::size_t at = voxels; at < found.size(); at += sizeof(float)) {
    float one, other;
    std::memcpy(&one, found.data() + at, sizeof one);
    std::memcpy(&other, expected.data() + at, sizeof other);
    if (std::abs(one - other) > 1e-4f) CHECK_MESSAGE(false, "a probability is ", one, ", not ", other);
  }
}

}  // namespace

TEST_CASE("compiled from the one file, a program has the labels and the probabilities of the library") {
#ifndef VOXGRAD_EMBED_ONE_FILE_OTHER
  MESSAGE("there is no second compiler to try");
#endif
  const Folder folder;
  for (const int dims : {2, 3}) {
    nn::save_model(folder.file("model"), random_model(dims));
    const std::size_t voxels = dims == 2 ? 150 * 131 : 29 * 30 * 31;
    const std::string arguments = folder.file("model") + (dims == 2 ? " 150 131" : " 29 30 31");
    for (const char* instructions : {"baseline", "avx2"}) {
      const std::string expected = scores(VOXGRAD_EMBED_SCORES, instructions, arguments);
      if (expected.empty()) continue;
      CHECK(expected.size() == voxels * (1 + 3 * sizeof(float)));
      CHECK_MESSAGE(scores(VOXGRAD_EMBED_ONE_FILE, instructions, arguments) == expected, dims, " axes, ", instructions);
#ifdef VOXGRAD_EMBED_ONE_FILE_OTHER
      check_similar(scores(VOXGRAD_EMBED_ONE_FILE_OTHER, instructions, arguments), expected, voxels);
#endif
    }
  }
}
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

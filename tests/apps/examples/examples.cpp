// ctest labels: unsanitized
// Runs every program of apps/examples and compares its output with the number that its first comment promises.
#include <regex>

#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct Example {
  const char* name;
  const char* line;       // of its output; the group in it is the number
  double low, high;       // the range of the number
  const char* file = "";  // which it writes
  const char* holds = "";
};

const Example kExamples[] = {
    {"1_derivative", "by hand -0.9045 and -0.5022, by sweep (-0.9045) and -0.5022\n", -0.9046, -0.9044,
     "derivative.svg", ">w (-0.904494)<"},
    {"2_line", R"(descent (\S+ x - \S+), least squares \1\n)", 2.9, 3.1},
    {"3_moons", R"(accuracy on new points (\S+)\n)", 0.99, 1},
    {"4_convolution", "largest difference (\\S+) of the largest value", 0, 5e-5},
    {"5_nuclei", R"(Dice of 16 test images (\S+)\n)", 0.85, 1, "nuclei.safetensors", "nucleus"},
    {"6_own_loss", R"(error of the gradient (\S+) in 200 elements\n\S+ fell from 0.6\d\d to 0.0\d\d\n)", 0, 1e-6},
    {"7_own_layer", R"(error of the gradient (\S+) in \d+ elements\na wrong derivative is refused: input 0)", 0, 1e-6},
    {"8_volumes", R"(resumed after 15 of (30) steps: the same bits\n)", 30, 30, "volumes.safetensors", "optim.first"},
    {"9_prediction", R"((\d+) nuclei of 1\d\d pixels on average in an image of 100 x 140\n)", 14, 16},
};

}  // namespace

TEST_CASE("every example prints the number that its first comment promises") {
  const Folder folder;  // they write to the folder that they are run in
  for (const Example& example : kExamples) {
    const std::string path = VOXGRAD_EXAMPLES + std::string(example.name);
    const std::string program = std::filesystem::absolute(path).string();
    const Outcome outcome = Running(
                                {}, [&folder] { std::filesystem::current_path(folder.file("")); }, program.c_str())
                                .wait();
    INFO(std::string(example.name) << " printed " << outcome.out << outcome.err);
    REQUIRE(outcome.code == 0);
    std::smatch found;
    REQUIRE(std::regex_search(outcome.out, found, std::regex(example.line)));
    const double number = std::stod(found[1].str());
    CHECK_MESSAGE((number >= example.low && number <= example.high), number);
    if (*example.file != '\0') CHECK(contains(bytes_of(folder.file(example.file)), example.holds));
  }
}

TEST_CASE("the table has every example") {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(VOXGRAD_SOURCE_DIR "/apps/examples"))
    count += entry.path().extension() == ".cpp";
  CHECK(count == std::size(kExamples));
}

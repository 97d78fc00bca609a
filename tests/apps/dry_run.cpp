// What a dry run foretells. It compares the memory of whole processes, so tests/CMakeLists.txt gives this test alone an
// address sanitizer that keeps little of what is released.
#include <set>

#include "apps/program/json.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
namespace fs = std::filesystem;

TEST_CASE("a dry run trains nothing and foretells memory and time") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {48, 48});
  const Outcome outcome = program(small_training(data, folder.file("run"), {"--dry-run", "--json"}));
  REQUIRE(outcome.code == 0);
  const Json json = Json::parse(outcome.out);
  for (const char* name :
       {"parameters", "step_seconds", "seconds", "peak_memory_bytes", "tensor_memory_bytes", "steps"})
    CHECK_MESSAGE(json[name] > 0, name);
  // Whoever repeats the training elsewhere needs the network, the changes of the samples, and the cases.
  CHECK(json["model"]["depth"] == 2);
  CHECK(json["model"]["patch"] == Json{32, 32});
  CHECK(json["augment"]["rotate"] == 0.2);
  std::set<std::int64_t> cases;
  for (const char* split : {"train", "val", "test"})
    for (const Json& index : json["cases"][split]) cases.insert(index.get<std::int64_t>());
  CHECK(cases.size() == 10);
  CHECK(!fs::exists(folder.file("run")));
  const Json trained = Json::parse(program(small_training(data, folder.file("run"), {"--json", "-q"})).out);
  CHECK(trained["parameters"] == json["parameters"]);
  const double ratio = trained["peak_memory_bytes"].get<double>() / json["peak_memory_bytes"].get<double>();
  CHECK_MESSAGE(ratio > 0.8, "peak memory ", ratio, " of what was planned");
  CHECK_MESSAGE(ratio < 1.2, "peak memory ", ratio, " of what was planned");
}

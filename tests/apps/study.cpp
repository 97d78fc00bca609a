// ctest labels: unsanitized
// The claims of `voxgrad study`: all hold, a wrong number does not, and the verb writes a page and the numbers.
#include <cmath>

#include "apps/program/json.h"
#include "apps/study/study.h"
#include "tests/apps/pages.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
using apps::StudyCheck;

namespace {

Json answer_to(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  return Json::parse(program(arguments).out);
}

}  // namespace

TEST_CASE("every claim holds, twice with the same numbers, and has a picture") {
  CHECK(apps::claims().size() == 8);
  for (const apps::Claim& claim : apps::claims()) {
    INFO(claim.name);
    const apps::Examined once = apps::examine(claim);
    INFO(apps::study_text(once));
    CHECK(once.evidence.holds());
    CHECK(once.evidence.checks.size() >= 4);
    CHECK(once.evidence.picture.starts_with("<svg"));
    CHECK(once.evidence.picture.find("nan") == std::string::npos);
    const apps::Evidence again = claim.examine();
    for (std::size_t i = 0; i < again.checks.size(); ++i)
      CHECK(again.checks[i].measured == once.evidence.checks[i].measured);
  }
}

TEST_CASE("a claim does not hold with one wrong number, or with none") {
  using enum StudyCheck::Relation;
  CHECK(StudyCheck{"", 1, equal, 1.1, 0.2}.holds());
  CHECK_FALSE(StudyCheck{"", 1, equal, 1.3, 0.2}.holds());
  CHECK(StudyCheck{"", 1, at_most, 1}.holds());
  CHECK_FALSE(StudyCheck{"", 1.01, at_most, 1}.holds());
  CHECK_FALSE(StudyCheck{"", 0.99, at_least, 1}.holds());
  for (const auto relation : {equal, at_most, at_least}) CHECK_FALSE(StudyCheck{"", NAN, relation, 1, 9}.holds());
  CHECK_FALSE(apps::Evidence{}.holds());
  CHECK_FALSE(apps::Evidence{{{"", 1, at_most, 1}, {"", 2, at_most, 1}}, "", ""}.holds());
}

TEST_CASE("the verb lists claims, computes one or all, and writes page and numbers") {
  const Folder folder;
  const Json list = answer_to({"study"});
  REQUIRE(list.size() == apps::claims().size());
  CHECK(list[0]["claim"] == "dice_jaccard");

  const Outcome one = program({"study", "tversky"});
  CHECK(one.code == 0);
  CHECK(one.out.find("tversky: holds") == 0);

  const Json all = answer_to({"study", "all", "-o", folder.file("study")});
  CHECK(all["claims"].size() == list.size());
  const std::string html = bytes_of(folder.file("study/study.html"));
  CHECK(disorder(html) == "");
  CHECK(count(html, "<svg") == list.size());
  CHECK(Json::parse(bytes_of(folder.file("study/study.json")))["claims"].size() == list.size());

  const Outcome wrong = program({"study", "tverski"});
  CHECK(wrong.code == 2);
  CHECK(wrong.err.find("tversky") != std::string::npos);
}

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

TEST_CASE("every claim holds, with the same numbers in two processes, and has a picture on the page") {
  const Folder folder;
  const Json all = answer_to({"study", "all", "-o", folder.file("study")})["claims"];
  REQUIRE(all.size() == apps::claims().size());
  CHECK(all.size() == 8);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const apps::Examined here = apps::examine(apps::claims()[i]);
    INFO(apps::study_text(here));
    CHECK(here.evidence.holds());
    CHECK(here.evidence.checks.size() >= 4);
    CHECK(here.evidence.picture.starts_with("<svg"));
    CHECK(here.evidence.picture.find("nan") == std::string::npos);
    REQUIRE(all[i]["checks"].size() == here.evidence.checks.size());
    for (std::size_t k = 0; k < here.evidence.checks.size(); ++k)
      CHECK(all[i]["checks"][k]["measured"] == here.evidence.checks[k].measured);
  }
  const std::string html = bytes_of(folder.file("study/study.html"));
  CHECK(disorder(html) == "");
  CHECK(count(html, "<svg") == all.size());
  CHECK(Json::parse(bytes_of(folder.file("study/study.json")))["claims"].size() == all.size());
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

TEST_CASE("the verb lists claims, computes one, and knows no other") {
  const Json list = answer_to({"study"});
  REQUIRE(list.size() == apps::claims().size());
  CHECK(list[0]["claim"] == "dice_jaccard");

  const Outcome one = program({"study", "tversky"});
  CHECK(one.code == 0);
  CHECK(one.out.find("tversky: holds") == 0);

  const Outcome wrong = program({"study", "tverski"});
  CHECK(wrong.code == 2);
  CHECK(wrong.err.find("tversky") != std::string::npos);
}

// The losses that are advised for a dataset: each rule where it holds and not where it does not, and the verb.
#include "apps/training/loss_advice.h"

#include <algorithm>

#include "apps/program/json.h"
#include "losses/core/grammar.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::advise_losses;
using apps::Json;
using apps::LossAdvice;

namespace {

// 20 volumes of a million voxels, with one compact organ of 50,000 voxels in each.
data::Fingerprint organ() {
  data::Fingerprint print;
  print.cases = 20;
  print.dims = 3;
  print.voxels = 20'000'000;
  print.foreground_fraction = 0.05;
  print.classes.resize(2);
  print.classes[0].name = "background";
  print.classes[0].fraction = 0.95;
  data::ClassFingerprint& one = print.classes[1];
  one.name = "organ";
  one.fraction = 0.05;
  one.cases = one.objects = 20;
  one.object_voxels = {40'000, 50'000, 50'000, 60'000};
  one.thinness = 1.1;
  return print;
}

data::Fingerprint lesions() {
  data::Fingerprint print = organ();
  data::ClassFingerprint& one = print.classes[1];
  one.name = "lesion";
  one.objects = 120;
  one.fraction = print.foreground_fraction = 0.003;
  one.object_voxels = {1, 20, 90, 4000};
  return print;
}

// The advice for a loss, or an empty one.
LossAdvice advice_for(const data::Fingerprint& print, const std::string& loss) {
  const std::vector<LossAdvice> all = advise_losses(print);
  const auto found = std::find_if(all.begin(), all.end(), [&](const LossAdvice& one) { return one.loss == loss; });
  return found == all.end() ? LossAdvice{} : *found;
}

bool advised(const data::Fingerprint& print, const std::string& loss) { return !advice_for(print, loss).loss.empty(); }

}  // namespace

TEST_CASE("the default comes first, every loss can be trained with, and each has a reason with numbers and a source") {
  data::Fingerprint vessels = organ();
  vessels.classes[1].thinness = 3.2;
  CHECK(advised(vessels, "dice_ce:background=0+skeleton_recall"));
  CHECK(advised(lesions(), "2*dice_ce:background=0+blob"));
  for (const data::Fingerprint& print : {organ(), lesions(), vessels}) {
    const std::vector<LossAdvice> all = advise_losses(print);
    REQUIRE(all.size() >= 2);
    CHECK(all.size() <= 6);
    CHECK(all[0].loss == "dice_ce");
    for (const LossAdvice& one : all) {
      CHECK(!losses::make_loss(one.loss).text().empty());
      const std::vector<losses::TermText> terms = losses::parse_terms(one.loss);
      CHECK_MESSAGE(std::any_of(terms.begin(), terms.end(),
                                [](const losses::TermText& term) { return losses::find_spec(term.name).objective; }),
                    one.loss);
      CHECK_MESSAGE(one.reason.find_first_of("0123456789") != std::string::npos, one.reason);
      CHECK(one.reason.ends_with("."));
      CHECK(!one.source.empty());
    }
  }
}

TEST_CASE("small rare objects: hard voxels, and recall if they are rarer still") {
  const LossAdvice topk = advice_for(lesions(), "dice_topk");
  CHECK_MESSAGE(contains(topk.reason, "class \"lesion\": 0.3 % of the voxels, in objects of 20 voxels"), topk.reason);
  CHECK(advised(lesions(), "dice_focal"));
  CHECK(!advised(lesions(), "tversky:alpha=0.3,beta=0.7"));
  data::Fingerprint rarer = lesions();
  rarer.classes[1].fraction = rarer.foreground_fraction = 0.0005;
  CHECK(advised(rarer, "tversky:alpha=0.3,beta=0.7"));
  CHECK(!advised(organ(), "dice_topk"));
}

TEST_CASE("thin structures: their centrelines; large compact objects: distances; even classes: cross entropy") {
  data::Fingerprint vessels = organ();
  vessels.classes[1].thinness = 3.2;
  CHECK(contains(advice_for(vessels, "0.5*dice+0.5*cldice").reason, "3.2 times as long"));
  CHECK(!advised(vessels, "dice_hd"));
  CHECK(!advised(organ(), "0.5*dice+0.5*cldice"));
  CHECK(contains(advice_for(organ(), "dice_hd").reason, "50000 voxels (median), 1 per case"));
  CHECK(!advised(lesions(), "dice_hd"));
  data::Fingerprint even = organ();
  even.classes[1].fraction = even.foreground_fraction = 0.4;
  CHECK(contains(advice_for(even, "ce").reason, "at least 40 %"));
  CHECK(!advised(organ(), "ce"));
}

TEST_CASE("images without foreground: sums over the batch") {
  data::Fingerprint print = organ();
  print.empty_cases = 5;
  CHECK(contains(advice_for(print, "dice_ce:batch=1").reason, "5 of 20 cases have no foreground"));
  CHECK(!advised(organ(), "dice_ce:batch=1"));
}

TEST_CASE("losses --for prints reasons and the command that compares, and --json the same as data") {
  const std::string data = std::string(VOXGRAD_SOURCE_DIR) + "/data/bundled/vessels2d.h5";
  const Outcome outcome = program({"losses", "--for", data});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK_MESSAGE(contains(outcome.out, "class \"vessel\": its border is 3 times"), outcome.out);
  CHECK(contains(outcome.out, "voxgrad compare " + data + " --losses "));
  const Json json = Json::parse(program({"losses", "--for", data, "--json"}).out);
  CHECK(json["data"] == data);
  REQUIRE(json["losses"].size() >= 2);
  for (const Json& one : json["losses"])
    for (const char* key : {"loss", "reason", "source"}) CHECK_MESSAGE(one[key].is_string(), std::string(key));
  CHECK(program({"losses", "dice", "--for", data}).code == 2);
}

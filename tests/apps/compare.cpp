// Comparisons: the ranking, the protocol, resuming, the files.
#include "apps/comparison/compare.h"

#include <cmath>

#include "apps/training/trainer.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

// A run on one dataset with one foreground class and two cases of these Dice values (as tp of 10 voxels each).
ComparedRun run(const std::string& dataset, const std::string& loss, std::uint64_t seed, std::int64_t a,
                std::int64_t b) {
  return {dataset, loss, seed, false, {{"a", {{}, {a, 10 - a, 10 - a, 0}}}, {"b", {{}, {b, 10 - b, 10 - b, 0}}}}, 0, 2};
}

std::vector<std::string> comparison(const std::vector<std::string>& data, const std::string& out,
                                    const std::vector<std::string>& more = {}) {
  std::vector<std::string> words{"compare", "-o",      out,   "--losses",         "ce,dice", "--seeds",
                                 "2",       "--base",  "4",   "--depth",          "2",       "--patch",
                                 "32",      "--steps", "100", "--validate-every", "0"};
  words.insert(words.end(), data.begin(), data.end());
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

TEST_CASE("ranking: means over seeds and cases, both spreads, ties, diverged runs last") {
  std::vector<ComparedRun> runs{run("d", "ce", 1, 5, 7),   run("d", "ce", 2, 7, 9),    // 0.6, 0.8
                                run("d", "dice", 1, 8, 8), run("d", "dice", 2, 9, 9),  // 0.8, 0.9
                                run("d", "twin", 1, 8, 8), run("d", "twin", 2, 9, 9),
                                run("d", "wild", 1, 9, 9), {"d", "wild", 2, true, {}, 0, 1}};
  const std::vector<Standing> ranking = rank_losses(runs, "d");
  REQUIRE(ranking.size() == 4);
  CHECK(ranking[0].loss == "dice");
  CHECK(std::abs(ranking[0].dice - 0.85) < 1e-15);
  CHECK(std::abs(ranking[0].sd_seeds - std::sqrt(0.005)) < 1e-15);
  CHECK(std::abs(ranking[0].sd_cases) < 1e-15);
  CHECK(ranking[0].rank == 1);
  CHECK(ranking[1].rank == 1);
  CHECK(ranking[2].rank == 3);
  CHECK(ranking[2].loss == "ce");
  CHECK(std::abs(ranking[2].sd_cases - std::sqrt(0.02)) < 1e-15);  // cases 0.6 and 0.8 over the seeds
  CHECK(ranking[3].loss == "wild");
  CHECK(std::abs(ranking[3].dice - 0.45) < 1e-15);
  CHECK(ranking[3].diverged == 1);
  const auto overall = rank_overall({ranking, rank_losses({run("e", "ce", 1, 9, 9), run("e", "dice", 1, 1, 1)}, "e")});
  CHECK(overall[0].loss == "twin");  // never anything but first
  CHECK(overall[1].mean_rank == 1.5);
}

TEST_CASE("a comparison trains, tests, ranks, and does nothing twice") {
  const Folder folder;
  const std::string a = phantom_file(folder, "nuclei2d", 12, {32, 32}),
                    b = phantom_file(folder, "organs2d", 12, {48, 48});
  const std::string out = folder.file("out");
  const Outcome first = program(comparison({a, b}, out));
  REQUIRE_MESSAGE(first.code == 0, first.err);
  for (const char* word :
       {"nuclei2d", "organs2d", "rank", "mean Dice", "SD cases", "SD seeds", "over 2 datasets", "mean rank"})
    CHECK_MESSAGE(contains(first.out, word), word, " is missing in\n", first.out);
  const Json results = Json::parse(bytes_of(out + "/results.json"));
  REQUIRE(results["runs"].size() == 8);
  CHECK(results["protocol"]["settings"]["steps"] == 100);
  CHECK(results["datasets"][1]["ranking"].size() == 2);
  const std::string csv = bytes_of(out + "/results.csv");
  CHECK(csv.starts_with("dataset,loss,seed,case,class,dice,jaccard"));
  // Same weights and patches for every loss: the first loss value of both is computed from the same logits, so the
  // checkpoints before the first step are equal but for the name of the loss.
  const std::string before = bytes_of(out + "/nuclei2d/ce/seed_2/run.json");
  const Outcome second = program(comparison({a, b}, out, {"--json", "-q"}));
  REQUIRE(second.code == 0);
  CHECK(bytes_of(out + "/nuclei2d/ce/seed_2/run.json") == before);  // was not run again
  CHECK(Json::parse(second.out)["datasets"] == results["datasets"]);
  CHECK(Json::parse(second.out)["runs"] == results["runs"]);
  const Outcome other = program(comparison({a, b}, out, {"--lr", "0.01"}));
  CHECK(other.code == 2);
  CHECK_MESSAGE(contains(other.err, "a run of another protocol: lr 0.002 there, 0.01 here"), other.err);
}

TEST_CASE("an interrupted comparison goes on where it stopped, to the same results") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32});
  REQUIRE(program(comparison({data}, folder.file("whole"))).code == 0);
  Running process(comparison({data}, folder.file("parts")));
  REQUIRE(process.saw("2/4"));
  process.send(SIGINT);
  CHECK(process.wait().code == 130);
  CHECK(Json::parse(bytes_of(folder.file("parts/results.json")))["runs"].size() < 4);
  REQUIRE(program(comparison({data}, folder.file("parts"))).code == 0);
  for (const char* loss : {"ce", "dice"})
    for (const char* seed : {"1", "2"}) {
      const std::string file = std::string("/nuclei2d/") + loss + "/seed_" + seed + "/best.safetensors";
      CHECK(!bytes_of(folder.file("whole") + file).empty());
      CHECK(bytes_of(folder.file("whole") + file) == bytes_of(folder.file("parts") + file));
    }
}

TEST_CASE("for a seed every loss starts from the same weights and sees the same patches") {
  const Folder folder;
  const std::string path = phantom_file(folder, "nuclei2d", 12, {32, 32});
  const data::Dataset dataset = data::Dataset::open(path);
  TrainConfig config;
  config.data = path;
  config.base = 4;
  config.loss = "ce";
  const Plan ce = make_plan(dataset, config);
  config.loss = "dice";
  const Plan dice = make_plan(dataset, config);
  Trainer one(dataset, ce, Device::cpu), two(dataset, dice, Device::cpu);
  const auto a = one.weights(), b = two.weights();
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].tensor.to_vector<float>() == b[i].tensor.to_vector<float>());
  data::Loader first(dataset, ce.loader), second(dataset, dice.loader);
  for (int step = 0; step < 5; ++step)
    CHECK(first.batch(step).images.to_vector<float>() == second.batch(step).images.to_vector<float>());
}

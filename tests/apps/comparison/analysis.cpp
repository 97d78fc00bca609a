// From runs to rankings: what counts as a case, what a diverged run is worth, and that results survive their file.
#include "apps/comparison/analysis.h"

#include <cmath>
#include <limits>

#include "losses/metrics/metrics.h"
#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

TEST_CASE("means over seeds and cases, both spreads, ties, diverged runs count as 0") {
  std::vector<ComparedRun> runs{
      tested_run("d", "ce", 1, {0.5, 0.7}),   tested_run("d", "ce", 2, {0.7, 0.9}),    // means 0.6, 0.8
      tested_run("d", "dice", 1, {0.8, 0.8}), tested_run("d", "dice", 2, {0.9, 0.9}),  // 0.8, 0.9
      tested_run("d", "twin", 1, {0.8, 0.8}), tested_run("d", "twin", 2, {0.9, 0.9}),
      tested_run("d", "wild", 1, {0.9, 0.9}), tested_run("d", "wild", 2, {})};
  runs.back().diverged = true;
  Comparison comparison = made_up(runs);
  comparison.protocol["baseline"] = "ce";
  const std::vector<Analysis> analyses = analyse(comparison);
  REQUIRE(analyses.size() == 1);
  const std::vector<LossStatistics>& ranking = analyses[0].losses;
  REQUIRE(ranking.size() == 4);
  CHECK(ranking[0].loss == "dice");
  CHECK(std::abs(ranking[0].mean - 0.85) < 1e-15);
  CHECK(std::abs(ranking[0].sd_seeds - std::sqrt(0.005)) < 1e-15);
  CHECK(std::abs(ranking[0].sd_cases) < 1e-15);
  CHECK(ranking[0].rank == 1);
  CHECK(ranking[1].rank == 1);
  CHECK(ranking[2].rank == 3);
  CHECK(ranking[2].loss == "ce");
  CHECK(std::abs(ranking[2].sd_cases - std::sqrt(0.02)) < 1e-15);  // cases 0.6 and 0.8 over the seeds
  CHECK(ranking[3].loss == "wild");
  CHECK(std::abs(ranking[3].mean - 0.45) < 1e-15);
  CHECK(ranking[3].diverged == 1);
  CHECK(std::abs(ranking[0].to_baseline.difference - 0.15) < 1e-15);
  CHECK(ranking[1].to_best.difference == 0);
  CHECK(contains(analyses[0].why_open, "2 independent cases"));
  CHECK(ranking[0].seconds == 2);
}

TEST_CASE("a loss without all its runs is not ranked; the truth decides which cases count") {
  const double nothing = std::nan(""), alarm = -1;
  const Comparison comparison =
      made_up({tested_run("d", "a", 1, {0.5, nothing, 0.7}), tested_run("d", "b", 1, {0.4, alarm, 0.6}),
               tested_run("e", "a", 1, {0.9, 0.8}), tested_run("e", "b", 1, {0.7, 0.9}),
               tested_run("d", "half", 1, {0.9, 0.9, 0.9})});
  const std::vector<Analysis> analyses = analyse(comparison);
  REQUIRE(analyses.size() == 3);
  CHECK(analyses[0].losses.size() == 2);
  CHECK(analyses[0].cases == 2);
  CHECK(analyses[0].left_out == 1);
  CHECK(analyses[0].absent == 1);
  CHECK(analyses[0].losses[0].alarms == 0);
  CHECK(analyses[0].losses[1].alarms == 1);
  CHECK(analyses[2].cases == 4);
  CHECK(analyses[2].losses[0].loss == "a");
  CHECK(std::abs(analyses[2].losses[0].mean - (0.6 + 0.85) / 2) < 1e-15);  // of the means of the datasets
  CHECK(contains(ranking_text(analyses), "over 2 datasets"));
  CHECK(contains(ranking_text(analyses), "nothing follows for the losses"));
  CHECK(!contains(ranking_text(analyses), "0.700 .. "));  // of one training an interval says nothing
}

TEST_CASE("the mean rank over several datasets is that of theirs, whatever their sizes") {
  std::vector<ComparedRun> runs;
  for (const std::uint64_t seed : {1, 2}) {
    runs.push_back(tested_run("large", "a", seed, std::vector<double>(40, 0.71)));
    runs.push_back(tested_run("large", "b", seed, std::vector<double>(40, 0.7)));
    runs.push_back(tested_run("small", "a", seed, std::vector<double>(12, 0.6)));
    runs.push_back(tested_run("small", "b", seed, std::vector<double>(12, 0.8)));
  }
  const Analysis all = analyse(made_up(runs)).back();
  for (const LossStatistics& loss : all.losses) CHECK(std::abs(loss.mean_rank - 1.5) < 1e-12);
}

TEST_CASE("the cases of a fold in which every training has diverged count 0") {
  std::vector<ComparedRun> runs;
  const auto add = [&](const std::string& loss, int fold, std::size_t first) {
    ComparedRun run = tested_run("d", loss, 1, std::vector<double>(10, 0.8));
    run.fold = fold;
    for (std::size_t i = 0; i < run.cases.size(); ++i) run.cases[i].id = std::to_string(first + i);
    runs.push_back(run);
  };
  for (const char* loss : {"a", "b"})
    for (const int fold : {0, 1}) add(loss, fold, fold == 0 ? 0 : 10);
  Comparison comparison = made_up(runs);
  for (std::size_t i = 10; i < 20; ++i) comparison.datasets[0].cases.push_back({std::to_string(i), 0.01, 5.0, ""});
  comparison.protocol["folds"] = 2;
  CHECK(std::abs(analyse(comparison).front().losses[0].mean - 0.8) < 1e-12);
  for (ComparedRun& run : comparison.runs)
    if (run.fold == 1) run.diverged = true, run.cases.clear();
  const Analysis analysis = analyse(comparison).front();
  CHECK(analysis.cases == 20);
  CHECK(std::abs(analysis.losses[0].mean - 0.4) < 1e-12);
  comparison.protocol["folds"] = 3;  // an interrupted comparison: the third fold is not tested yet
  CHECK(analyse(comparison).front().cases == 10);
}

TEST_CASE("results in which cases or values are missing are refused, because they would count as failures") {
  const Comparison whole = made_up({tested_run("d", "a", 1, {0.5, std::nan(""), 0.7}),
                                    tested_run("d", "b", 1, {0.4, -1, 0.6}), tested_run("d", "gone", 1, {})});
  Comparison comparison = whole;
  comparison.runs[2].diverged = true;
  CHECK(comparison_from_json(to_json(comparison)).runs.size() == 3);
  comparison.runs[2].diverged = false;
  CHECK(contains(error_of([&] { comparison_from_json(to_json(comparison)); }),
                 "have not tested the same cases: 3 and 0"));
  comparison = whole;
  comparison.runs.pop_back();
  comparison.runs[1].cases[2].classes[0][0] = std::nan("");
  const std::string message = error_of([&] { comparison_from_json(to_json(comparison)); });
  CHECK_MESSAGE(contains(message, "no Dice of class 1 in the case 2, which has 100 voxels of it"), message);
}

TEST_CASE("results in which something is there twice, or colours are missing, are refused") {
  const Comparison whole = made_up({tested_run("d", "a", 1, {0.5, 0.7}), tested_run("e", "a", 1, {0.4, 0.6})});
  const auto refusal = [&](auto&& change) {
    Comparison comparison = whole;
    change(comparison);
    return error_of([&] { comparison_from_json(to_json(comparison)); });
  };
  CHECK(refusal([](Comparison&) {}).empty());
  for (const auto& one : std::vector<std::pair<std::string, std::string>>{
           {refusal([](Comparison& c) { c.datasets[0].cases[1].id = "0"; }), "two cases of d with the id 0"},
           {refusal([](Comparison& c) { c.datasets[1] = c.datasets[0]; }), "a run is on e, which is not listed"},
           {refusal([](Comparison& c) { c.datasets.push_back(c.datasets[0]); }), "two datasets named d"},
           {refusal([](Comparison& c) { c.runs.push_back(c.runs[0]); }),
            "two runs with loss a, fold -1 and seed 1 on d"},
           {refusal([](Comparison& c) { c.runs[0].cases[1].id = "0"; }), "with the id 0"},
           {refusal([](Comparison& c) { c.datasets[0].used["class_colours"] = "#000000"; }),
            "`class_colours` is \"#000000\", must be 2 colours"},
           {refusal([](Comparison& c) {
              for (int i = 0; i < 1000; ++i) c.runs.push_back(c.runs[0]), c.runs.back().loss = std::to_string(i);
            }),
            "the runs have 1001 losses, at most 1000 are compared"},
           {refusal([](Comparison& c) {
              c.numbers.clear();
              for (int i = 0; i < 101; ++i) c.numbers.push_back(text("n", i));
              for (ComparedRun& run : c.runs)
                for (CaseNumbers& one : run.cases)
                  for (std::vector<double>& row : one.classes) row.resize(101);
            }),
            "at most 100 numbers"},
           {refusal([](Comparison& c) { c.datasets[0].used["class_colours"] = "red"; }), "class_colours"}})
    CHECK_MESSAGE(contains(one.first, one.second), one.first);
  Comparison comparison = whole;
  comparison.numbers[1] = "a,b";
  CHECK(to_csv(comparison).starts_with("dataset,loss,fold,seed,case,class,dice,\"a,b\",hd95,"));
}

TEST_CASE("a loss that is left out is named") {
  std::vector<ComparedRun> runs;
  for (const std::uint64_t seed : {1, 2})
    for (const char* loss : {"a", "b"}) runs.push_back(tested_run("d", loss, seed, std::vector<double>(12, 0.8)));
  runs.push_back(tested_run("d", "late", 1, std::vector<double>(12, 0.9)));
  const Comparison comparison = made_up(runs);
  const std::string words = answer(comparison, analyse(comparison)).words.back();
  CHECK_MESSAGE(contains(words, "trainings that the other losses have are missing: late (1 training)."), words);
  Comparison asked = comparison;
  asked.protocol["losses"] = {"a", "b", "late", "never"};
  const std::string all = answer(asked, analyse(asked)).words.back();
  CHECK_MESSAGE(contains(all, "late (1 training) and never (0 trainings)"), all);
}

TEST_CASE("cases of a group count once") {
  Comparison comparison = made_up({tested_run("d", "a", 1, {0.2, 0.4, 0.9}), tested_run("d", "a", 2, {0.2, 0.4, 0.9})});
  for (const std::size_t i : {0u, 1u}) comparison.datasets[0].cases[i].group = "p";
  const Analysis analysis = analyse(comparison).front();
  CHECK(analysis.units == 2);
  CHECK(analysis.grouped);
  CHECK(std::abs(analysis.losses[0].mean - (0.3 + 0.9) / 2) < 1e-15);
  CHECK(contains(cases_words(analysis), "3 test cases of 2 groups"));
  std::vector<ComparedRun> runs = comparison.runs;
  for (const std::uint64_t seed : {1, 2}) runs.push_back(tested_run("e", "a", seed, {0.5, 0.6}));
  Comparison both = made_up(runs);
  for (const std::size_t i : {0u, 1u}) both.datasets[0].cases[i].group = "p";
  CHECK(contains(cases_words(analyse(both).back()), "5 test cases of 4 groups and single cases"));
}

TEST_CASE("a better loss is found better, and the same loss under two names is not") {
  std::vector<ComparedRun> runs;
  for (const std::uint64_t seed : {1, 2, 3}) {
    std::vector<double> low, high, twin;
    for (int i = 0; i < 20; ++i) {
      low.push_back(0.5 + 0.01 * ((i * 7) % 20) + 0.001 * static_cast<double>(seed));
      high.push_back(low.back() + 0.05 + 0.001 * (i % 3));
      twin.push_back(low.back() + (i % 2 == 0 ? 0.002 : -0.002));
    }
    runs.push_back(tested_run("d", "low", seed, low));
    runs.push_back(tested_run("d", "high", seed, high));
    runs.push_back(tested_run("d", "twin", seed, twin));
  }
  Comparison comparison = made_up(runs);
  comparison.protocol["baseline"] = "low";
  const Analysis analysis = analyse(comparison).front();
  CHECK(analysis.losses[0].loss == "high");
  CHECK(analysis.losses[0].to_baseline.verdict == Verdict::larger);
  CHECK(analysis.losses[0].to_baseline.p_holm < 0.001);
  CHECK(analysis.losses[0].to_baseline.rank_biserial == 1);
  CHECK(analysis.losses[0].wins == 2);
  CHECK(analysis.losses[0].ranks.high == 1);
  for (const LossStatistics& loss : analysis.losses)
    if (loss.loss == "twin") CHECK(loss.to_baseline.verdict == Verdict::equal);
}

TEST_CASE("results are the same after they were written and read") {
  std::vector<ComparedRun> runs{tested_run("d", "ce", 1, {0.5, std::nan(""), 1.0 / 3}),
                                tested_run("d", "dice", 1, {1, 0, 1})};
  runs[0].history = {{1, 20, 0.5, 1e-3, std::nan(""), {}}, {2, 40, 0.25, 1e-4, 0.75, {0.75}}};
  runs[1].path = "d/dice/seed_1";
  const Comparison comparison = made_up(runs);
  const Json json = to_json(comparison);
  CHECK(to_json(comparison_from_json(json)) == json);
  CHECK(to_csv(comparison_from_json(json)) == to_csv(comparison));
  CHECK(contains(to_csv(comparison), "d,ce,,1,1,1,,,,0.0,0.0,0.0,\n"));  // undefined is an empty cell
  Json broken = json;
  broken["runs"][0].erase("seed");
  CHECK(contains(error_of([&] { comparison_from_json(broken); }), "seed"));
  broken = json;
  broken["runs"][0]["val_dice"] = "very good";
  CHECK(contains(error_of([&] { comparison_from_json(broken); }), "`val_dice` is \"very good\", must be a number"));
}

namespace {

double mean_in(const Comparison& comparison, const CaseNumbers& one, const std::string& name) {
  return losses::summarise(finite_number_of(comparison, one, name)).mean;
}

}  // namespace

TEST_CASE("in a mean an infinite distance is the diagonal of the image; what is undefined is left out") {
  Comparison comparison;
  comparison.versions = manifest();
  comparison.numbers = {"dice", "hd95", "relative_volume_difference"};
  const double none = std::nan(""), far = std::numeric_limits<double>::infinity();
  // Found, missed, neither there nor found, found where it is not.
  const CaseNumbers one{"a", {{0.8, 4, -0.1}, {0, far, -1}, {none, none, none}, {0, far, far}}, 100};
  CHECK(mean_in(comparison, one, "hd95") == (4 + 100 + 100) / 3.0);
  CHECK(std::abs(mean_in(comparison, one, "dice") - 0.8 / 3) < 1e-15);
  CHECK(mean_in(comparison, one, "relative_volume_difference") == -1.1 / 2);  // a ratio to 0 has no largest value
  CHECK(std::isinf(number_of(comparison, one, "hd95")[1]));
  CHECK(std::isnan(mean_in(comparison, {"b", {{none, none, none}}, 100}, "hd95")));
  // Kept in the file: the diagonal in JSON, infinite values as they are in both.
  comparison.datasets = {{"d", "d.h5", 2, {"background", "1", "2", "3", "4"}, {{"a", 0.01, 5.0, ""}}}};
  comparison.runs = {tested_run("d", "ce", 1, {})};
  comparison.runs[0].cases = {one};
  const Comparison again = comparison_from_json(to_json(comparison));
  REQUIRE(again.runs.size() == 1);
  CHECK(again.runs[0].cases[0].diagonal == 100);
  CHECK(again.numbers == comparison.numbers);
  CHECK(mean_in(again, again.runs[0].cases[0], "hd95") == mean_in(comparison, one, "hd95"));
  CHECK(contains(to_csv(comparison), "d,ce,,1,a,2,0.0,inf,-1.0,100.0"));
}

TEST_CASE("a case that a seed has not tested yet is no failure") {
  std::vector<ComparedRun> runs;
  for (const char* loss : {"a", "b"})
    for (const std::uint64_t seed : {1, 2})
      for (const int fold : {0, 1, 2}) {
        runs.push_back(tested_run("d", loss, seed, std::vector<double>(12, 0.8)));
        runs.back().fold = fold;
        for (CaseNumbers& one : runs.back().cases) one.id = text(fold, "_", one.id);
      }
  Comparison whole = made_up(runs);
  whole.datasets[0].cases.clear();
  for (const int fold : {0, 1, 2})
    for (int i = 0; i < 12; ++i) whole.datasets[0].cases.push_back({text(fold, "_", i), 0.01, 5.0, ""});
  CHECK(analyse(whole).front().cases == 36);
  // Interrupted: each loss has both seeds of the first fold, and one of the second.
  Comparison part = whole;
  std::erase_if(part.runs, [](const ComparedRun& run) { return run.fold == 2 || (run.fold == 1 && run.seed == 2); });
  CHECK(analyse(part).empty());
  // Both seeds of the first fold: the other cases wait, and are not called empty.
  std::erase_if(part.runs, [](const ComparedRun& run) { return run.fold == 1; });
  const Analysis first = analyse(part).front();
  CHECK(first.cases == 12);
  CHECK(first.left_out == 0);
  CHECK(first.losses.front().mean == doctest::Approx(0.8));
  // Interrupted with --jobs: as many runs of each loss, but of other folds. Those of the first loss count.
  part = whole;
  std::erase_if(part.runs, [](const ComparedRun& run) { return run.fold == (run.loss == "a" ? 2 : 1); });
  const Analysis other = analyse(part).front();
  REQUIRE(other.losses.size() == 1);
  CHECK(other.losses.front().loss == "a");
  CHECK(other.losses.front().mean == doctest::Approx(0.8));
  CHECK(other.cases == 24);
  // The further fold of a loss that has too few runs adds no cases.
  part = whole;
  std::erase_if(part.runs, [](const ComparedRun& run) { return run.fold == 2; });
  part.runs.push_back(whole.runs[2]);
  part.runs.back().loss = "late";
  CHECK(analyse(part).front().cases == 24);
  CHECK(analyse(part).front().losses.back().mean == doctest::Approx(0.8));
}

TEST_CASE("what a diverged training has not tested is no chance of a false alarm, and the words leave it out") {
  std::vector<ComparedRun> runs;
  for (const std::uint64_t seed : {1, 2, 3}) {
    runs.push_back(tested_run("d", "ce", seed, {0.5, std::nan("")}));
    runs.push_back(tested_run("d", "dice", seed, {0.5, -1}));
    runs.back().diverged = seed > 1;
    if (seed > 1) runs.back().cases.clear();
  }
  const Comparison comparison = made_up(runs);
  const std::vector<Analysis> analyses = analyse(comparison);
  CHECK(analyses[0].absent == 3);
  CHECK(analyses[0].losses[0].absent == 3);
  CHECK(analyses[0].losses[1].absent == 1);
  CHECK(analyses[0].losses[1].alarms == 1);
  CHECK(to_json(analyses[0])["ranking"][1]["absent_classes"] == 1);
  std::string words;
  for (const std::string& part : answer(comparison, analyses).words) words += part + "\n";
  CHECK_MESSAGE(contains(words, "found all the same by dice (1 of 1)."), words);
  CHECK_MESSAGE(contains(words, "; diverged trainings are left out (2 of 3 of dice)."), words);
}

TEST_CASE("the spread over seeds is that of the seeds that every dataset has") {
  std::vector<ComparedRun> runs;
  for (const auto& [dataset, count] : {std::pair{"d", 3}, {"e", 2}, {"f", 1}})
    for (int seed = 1; seed <= count; ++seed)
      for (const char* loss : {"ce", "dice"})
        runs.push_back(tested_run(dataset, loss, static_cast<std::uint64_t>(seed),
                                  std::vector<double>(12, 0.8 + 0.01 * static_cast<double>(seed))));
  const Analysis three = analyse(made_up(runs)).back();
  CHECK(three.seeds == 1);
  CHECK(std::isnan(three.losses[0].sd_seeds));
  std::erase_if(runs, [](const ComparedRun& run) { return run.dataset == "f"; });
  const Analysis two = analyse(made_up(runs)).back();
  CHECK(two.seeds == 2);
  CHECK(two.losses[0].sd_seeds == doctest::Approx(0.01 / std::sqrt(2)));
}

TEST_CASE("the spread is one of cases, and a case that failed is counted, whatever its group") {
  std::vector<double> dice;
  for (int i = 0; i < 40; ++i) dice.push_back(i % 4 == 0 ? 0 : 0.8);
  Comparison comparison = made_up({tested_run("d", "ce", 1, dice), tested_run("d", "ce", 2, dice)});
  for (std::size_t i = 0; i < dice.size(); ++i) comparison.datasets[0].cases[i].group = std::to_string(i / 4);
  const Analysis analysis = analyse(comparison).front();
  const LossStatistics& loss = analysis.losses[0];
  CHECK(analysis.units == 10);
  CHECK(loss.mean == doctest::Approx(0.6));
  CHECK(loss.failures == 10);
  CHECK(loss.sd_cases == doctest::Approx(0.8 * std::sqrt(40 * 0.25 * 0.75 / 39)));
  CHECK(loss.median == doctest::Approx(0.8));
  CHECK(loss.low_5 == 0);
}

// Means over cases and classes with undefined and infinite values, the JSON and the tables of results, the bootstrap.
#include "apps/training/evaluation_text.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;

namespace {

Tensor image_of(const std::vector<std::uint8_t>& labels) {
  return from_vector<std::uint8_t>({3, static_cast<std::int64_t>(labels.size()) / 3}, labels);
}

CaseResult compare(const std::string& id, const std::vector<std::uint8_t>& prediction,
                   const std::vector<std::uint8_t>& truth) {
  return compare_labels(id, image_of(prediction), image_of(truth), {.classes = 3, .spacing = {2, 1}});
}

// Three cases of 3 x 4 pixels, 2 x 1 mm each, two foreground classes.
std::vector<CaseResult> three_cases() {
  return {
      compare("a", {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),   // Dice 1, undefined
      compare("b", {1, 1, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0}, {0, 1, 1, 0, 2, 2, 0, 0, 0, 0, 0, 0}),   // 1/2, 2/3
      compare("c", {0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0}, {1, 1, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0})};  // 0, 2/3
}

const double kDiagonal = std::sqrt(36.0 + 16.0);
constexpr double kTiny = 1e-12;

}  // namespace

TEST_CASE("class means over the cases where the value is defined, then the mean over the classes") {
  const auto cases = three_cases();
  CHECK(std::fabs(foreground_mean(cases) - (0.5 + 2.0 / 3) / 2) < kTiny);
  const std::vector<double> means = case_means(cases);
  CHECK(means[0] == 1);
  CHECK(std::fabs(means[1] - (0.5 + 2.0 / 3) / 2) < kTiny);
  CHECK(std::isnan(foreground_mean({})));
  CHECK(std::isnan(over_cases(cases, 2)[0]));
  CHECK(test::contains(test::error_of([&] { foreground_mean(cases, "dise"); }), "dice"));
}

TEST_CASE("a training goes by the classes that the truth has: one false voxel of another one is not half of the Dice") {
  const std::vector<std::uint8_t> one{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nothing(12, 0);
  std::vector<std::uint8_t> alarm = one, alone = nothing;
  alarm[11] = alone[0] = 2;
  const std::vector<CaseResult> cases{compare("a", alarm, one)};
  CHECK(foreground_mean(cases) == 0.5);
  CHECK(validation_dice(cases) == 1);
  CHECK(validation_dice(three_cases()) == foreground_mean(three_cases()));
  CHECK(validation_dice({compare("b", alone, nothing)}) == 0);
  CHECK(std::isnan(validation_dice({})));
}

TEST_CASE("a prediction that is the complement of the truth has an MCC of -1, also after rounding") {
  const auto cases = std::vector<CaseResult>{
      compare_labels("a", image_of({1, 0, 0}), image_of({0, 1, 1}), {.classes = 2, .spacing = {1, 1}}),
      compare_labels("b", from_vector<std::uint8_t>({2, 2}, {1, 0, 0, 0}),
                     from_vector<std::uint8_t>({2, 2}, {0, 1, 1, 1}), {.classes = 2, .spacing = {1, 1}})};
  const auto back = cases_from_json(to_json(cases, {"background", "one"})["cases"]);
  CHECK(over_cases(back, 1, "mcc") == over_cases(cases, 1, "mcc"));
  CHECK(std::fabs(over_cases(back, 1, "mcc")[1] + 1) < kTiny);
}

TEST_CASE("a distance to an empty mask is infinite for a case and the diagonal in a mean") {
  const auto cases = three_cases();
  const std::vector<double> hd = over_cases(cases, 1, "hd");
  CHECK(hd[0] == 0);
  CHECK(hd[1] == 1);
  CHECK(std::isinf(hd[2]));
  CHECK(cases[0].diagonal == kDiagonal);
  CHECK(cases[0].tau == 2);
  const losses::Aggregate a = class_aggregate(cases, 1, "hd");
  CHECK(std::fabs(a.mean - (1 + kDiagonal) / 3) < kTiny);
  CHECK(a.infinite == 1);
  CHECK(a.median == 1);
  // Class 2: undefined in the first case, 2 mm in the others.
  CHECK(class_aggregate(cases, 2, "hd").undefined == 1);
  CHECK(std::fabs(class_aggregate(cases, 2, "hd").empty_is_perfect - 4.0 / 3) < kTiny);
  CHECK(std::fabs(foreground_mean(cases, "hd") - ((1 + kDiagonal) / 3 + 2) / 2) < kTiny);
  CHECK(std::fabs(case_means(cases, "hd")[2] - (kDiagonal + 2) / 2) < kTiny);
}

TEST_CASE("what is there and what is found is counted by case") {
  const auto cases = three_cases();
  const Detection one = detection(cases, 1), two = detection(cases, 2);
  CHECK(one.there == 3);
  CHECK(one.missed == 1);
  CHECK(std::isnan(one.false_positive_rate()));
  CHECK(two.not_there == 1);
  CHECK(two.false_positive_rate() == 0);
  CHECK(detection({compare("d", std::vector<std::uint8_t>(12, 2), std::vector<std::uint8_t>(12, 0))}, 2)
            .false_positive_rate() == 1);
}

TEST_CASE("results survive JSON; what is undefined is the text NaN, what is infinite Infinity") {
  const auto cases = three_cases();
  const Json json = Json::parse(to_json(cases, {"background", "one", "two"}).dump());
  CHECK(json["cases"][0]["classes"]["2"]["dice"] == "NaN");
  CHECK(json["cases"][0]["classes"]["1"]["dice"] == 1.0);
  CHECK(json["cases"][2]["classes"]["1"]["hd95"] == "Infinity");
  CHECK(json["cases"][2]["tau_mm"] == 2.0);
  CHECK(!json["cases"][0]["classes"]["1"].contains("soft_region_proportion_error"));
  CHECK(json["mean"]["classes"]["2"]["cases"] == 2);
  CHECK(json["mean"]["classes"]["1"]["name"] == "one");
  CHECK(json["mean"]["nsd"].is_number());
  CHECK(json["classes"]["2"]["metrics"]["dice"]["undefined"] == 1);
  CHECK(json["classes"]["1"]["detection"]["missed"] == 1);
  CHECK(json["classes"]["1"]["objects"]["count"] == 3);
  CHECK(json["classes"]["1"]["objects"]["by_size"].size() == 4);
  const auto back = cases_from_json(json["cases"]);
  REQUIRE(back.size() == 3);
  CHECK(back[0].classes[1].objects.size() == cases[0].classes[1].objects.size());
  CHECK(back[2].id == "c");
  for (const losses::Metric& metric : losses::metrics()) {
    const double before = foreground_mean(cases, metric.name), after = foreground_mean(back, metric.name);
    CHECK_MESSAGE((before == after || (std::isnan(before) && std::isnan(after))), std::string(metric.name));
  }
}

TEST_CASE("results of an older version, which lack some metrics, are read") {
  Json json = to_json(three_cases(), {"background", "one", "two"})["cases"];
  for (Json& one : json) {
    one.erase("objects");
    for (const char* label : {"1", "2"})
      for (const char* name : {"cc_dice", "betti0_error", "boundary_iou"}) one["classes"][label].erase(name);
  }
  const auto back = cases_from_json(json);
  CHECK(std::isnan(foreground_mean(back, "cc_dice")));
  CHECK(std::isnan(foreground_mean(back, "boundary_iou")));
  CHECK(foreground_mean(back, "object_recall") == foreground_mean(three_cases(), "object_recall"));
  CHECK(foreground_mean(back, "nsd") == foreground_mean(three_cases(), "nsd"));
  CHECK(back[0].classes[1].objects.empty());
}

TEST_CASE("objects have a row per class, and quarters where a class has several in a case") {
  std::vector<std::uint8_t> dots(64, 0), found(64, 0);
  for (std::size_t i = 0; i < 64; i += 4) dots[i] = found[i] = 1;
  for (std::size_t i = 0; i < 24; ++i) found[i] = 0;
  const auto compare_dots = [&](const char* id) {
    return compare_labels(id, from_vector(Shape{1, 64}, found), from_vector(Shape{1, 64}, dots), {.classes = 2});
  };
  const std::string several = table({compare_dots("a"), compare_dots("b")}, {"background", "dot"});
  CHECK_MESSAGE(test::contains(several, "True objects by size"), several);
  CHECK_MESSAGE(test::contains(several, "dot            1   1       32   0.625  0.625"), several);
  CHECK(!test::contains(table(three_cases(), {"background", "one", "two"}), "by size"));
  // The widest numbers: errors of counts that are no whole numbers.
  std::vector<CaseResult> cases{compare_dots("a"), compare_dots("b"), compare_dots("c")};
  for (const char* name : {"false_positive_objects", "betti0_error", "betti1_error", "betti2_error"})
    cases[0].classes[1].values[losses::metric_index(name)] = 1.0 / 7;
  std::istringstream lines(table(cases, {"background", "left_hippocampus"}));
  for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(line.size() <= 100, line);
}

TEST_CASE("the tables fit 100 columns, and say how empty masks were dealt with only if there are any") {
  const std::string some = table(three_cases(), {"background", "left_hippocampus", "two"});
  std::istringstream lines(some);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, line.size());
  CHECK_MESSAGE(widest <= 100, some);
  CHECK(test::contains(some, "HD95"));
  CHECK(test::contains(some, "not there"));
  CHECK(test::contains(some, "diagonal"));
  CHECK(test::contains(some, "Precision and calibration error of a missed class are undefined"));
  const std::string none = table({three_cases()[1]}, {"background", "one", "two"});
  CHECK_MESSAGE(!test::contains(none, "not there"), none);
  CHECK(!test::contains(none, "Precision"));
  CHECK(!test::contains(some, "Sensitivity"));
  const std::vector<std::uint8_t> nothing(12, 0);
  std::vector<std::uint8_t> found = nothing;
  found[0] = 1;
  const std::string alarm = table({compare("d", found, nothing)}, {"background", "one", "two"});
  CHECK_MESSAGE(test::contains(alarm, "Sensitivity, RVD and object recall of a class that is not there"), alarm);
  CHECK(!test::contains(alarm, "Precision"));
  std::istringstream words(alarm);
  for (std::string line; std::getline(words, line);) CHECK_MESSAGE(line.size() <= 100, line);
}

TEST_CASE("distances of small pixels and errors of small objects keep their digits") {
  std::vector<CaseResult> cases;
  for (const CaseResult& one : three_cases()) cases.insert(cases.end(), 2, one);
  for (CaseResult& one : cases)
    for (losses::ClassScores& scores : one.classes) {
      scores.values.resize(losses::metrics().size(), losses::kUndefined);
      scores.values[losses::metric_index("hd95")] = 0.0021;
      scores.values[losses::metric_index("nsd")] = 0.5;
      scores.values[losses::metric_index("region_proportion_error")] = 3.8e-6;
      scores.values[losses::metric_index("soft_region_proportion_error")] = 4.1e-7;
    }
  const std::string all = table(cases, {"background", "one", "two"});
  CHECK_MESSAGE(test::contains(all, "3.8e-06 by labels, 4.1e-07 by probabilities"), all);
  CHECK(interval_words(cases, "hd95") == "0.0021 .. 0.0021");
  CHECK(interval_words(cases, "nsd") == "0.5000 .. 0.5000");
  CHECK(interval_words(three_cases(), "hd95") == "- (fewer than 6 cases)");
}

TEST_CASE("the bootstrap interval holds the mean, narrows with cases, and is the same every time") {
  const std::vector<CaseResult> three = three_cases();
  std::vector<CaseResult> few, many;
  for (std::size_t i = 0; i < 6; ++i) few.push_back(three[i % 3]);
  for (std::size_t i = 0; i < 300; ++i) many.push_back(three[i % 3]);
  const double mean = foreground_mean(few);
  const Interval wide = bootstrap_interval(few), narrow = bootstrap_interval(many);
  CHECK(wide.low < mean);
  CHECK(wide.high > mean);
  CHECK(narrow.high - narrow.low < (wide.high - wide.low) / 4);
  CHECK(bootstrap_interval(few).low == wide.low);
  CHECK(std::isnan(bootstrap_interval(three).low));  // too few
  CHECK(std::isnan(bootstrap_interval(std::vector<CaseResult>{}).low));
  // The normal approximation for the mean of 300 values of 0.5, 0.7 and 0.9: 0.7 -+ 1.96 * 0.1633 / sqrt(300).
  const Interval known = bootstrap_interval(300, [](const std::vector<std::size_t>& choice) {
    double total = 0;
    for (const std::size_t i : choice) total += 0.5 + 0.2 * static_cast<double>(i % 3);
    return total / 300;
  });
  CHECK(std::fabs(known.low - 0.6815) < 2e-3);
  CHECK(std::fabs(known.high - 0.7185) < 2e-3);
}

TEST_CASE("cases of a group are resampled together, and the words count the groups") {
  const std::vector<CaseResult> three = three_cases();
  std::vector<CaseResult> alone, grouped;
  for (std::size_t i = 0; i < 6; ++i) {
    alone.push_back(three[i % 3]);
    for (int slice = 0; slice < 10; ++slice) {
      grouped.push_back(three[i % 3]);
      grouped.back().group = "patient " + std::to_string(i);
    }
  }
  const Interval known = bootstrap_interval(alone), found = bootstrap_interval(grouped);
  CHECK(std::fabs(found.low - known.low) < kTiny);
  CHECK(std::fabs(found.high - known.high) < kTiny);
  CHECK(cases_words(grouped) == "60 cases of 6 groups");
  CHECK(cases_words(alone) == "6 cases");
  CHECK(too_few_words(grouped).empty());
  const Json json = to_json(grouped, {"background", "one", "two"});
  CHECK(cases_from_json(json["cases"])[59].group == "patient 5");
  CHECK(!to_json(alone, {"background", "one", "two"})["cases"][0].contains("group"));
  grouped.resize(50);
  CHECK(too_few_words(grouped) == "fewer than 6 groups");
  CHECK(std::isnan(bootstrap_interval(grouped).low));
}

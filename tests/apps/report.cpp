// The report: one well-formed page that loads nothing, says what its pictures show, and is the same when drawn again.
#include "apps/report/report.h"

#include <cmath>
#include <filesystem>
#include <optional>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/html.h"
#include "apps/report/picture.h"
#include "apps/report/plots/critical_difference.h"
#include "apps/report/plots/learning_curves.h"
#include "apps/report/plots/power.h"
#include "apps/report/plots/rows.h"
#include "data/formats/image.h"
#include "engine/error.h"
#include "tests/apps/comparison.h"
#include "tests/apps/pages.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

// The first picture of a case; the name of its file goes on with a checksum.
std::string picture_in(const std::string& directory, const std::string& begin) {
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/overlays"))
    if (const std::string name = entry.path().filename().string(); name.starts_with(begin) && name.ends_with("_0.png"))
      return entry.path().string();
  return "";
}

// Of the plot of one loss, `ce`, on one dataset, `d`.
std::vector<std::pair<double, double>> points_of_only_curve(const std::vector<ComparedRun>& runs) {
  const std::optional<Svg> plot = named_curves_plot(made_up(runs), "d", {"ce"}, kPictureWidth);
  REQUIRE(plot);
  std::vector<std::vector<std::pair<double, double>>> curves;
  for (const Mark& mark : plot->marks())
    if (mark.style == "of-distribution" && mark.points.size() > 1) curves.push_back(mark.points);
  REQUIRE(curves.size() == 1);
  return curves.front();
}

}  // namespace

TEST_CASE("a page of made-up results: well-formed, self-contained, with everything a reader looks for") {
  std::vector<ComparedRun> runs;
  for (const char* dataset : {"a & b", "<c>"})
    for (const char* loss : {"dice_ce", "ce", "dice", "0.5*ce+0.5*dice"})
      for (const std::uint64_t seed : {1u, 2u}) {
        std::vector<double> dice;
        for (int i = 0; i < 12; ++i)
          dice.push_back(0.5 + 0.01 * i + (loss[0] == 'd' ? 0.1 : 0) + 0.003 * ((i * 7 + static_cast<int>(seed)) % 5));
        dice.push_back(std::nan(""));
        runs.push_back(tested_run(dataset, loss, seed, dice));
        runs.back().history = {{1, 20, 0.5, 1e-3, 0.3, {}}, {2, 40, 0.25, 1e-4, 0.6, {}}};
      }
  runs[3].diverged = true;
  runs[3].cases.clear();
  Comparison comparison = made_up(runs);
  comparison.protocol = {{"command", "voxgrad compare \"a & b.h5\" -o AGAIN"},
                         {"baseline", "dice_ce"},
                         {"seeds", 2},
                         {"settings", {{"steps", 40}, {"label_map", ""}}}};
  const Folder folder;
  const Findings findings = findings_of(comparison);
  const std::string html =
      bytes_of(write_report(comparison, findings.analyses, findings.answers, folder.file(""), true));
  check_page(html);
  for (const char* words :
       {"a &amp; b", "&lt;c&gt;", "voxgrad compare &quot;a &amp; b.h5&quot;", "class=\"card",
        "Comparison of 4 losses on 2 datasets", "Ranking", "Losses and datasets", "critical difference",
        "Dice per class", "Learning curves", "No pictures of a &amp; b", "Bias of the predicted size",
        "Kinds of losses", "Time and memory", "Protocol", "diverged", "95 % interval", "Holm"})
    CHECK_MESSAGE(contains(html, words), words);
  CHECK(contains(html, "1 of 2 runs diverged"));
  CHECK(html.find("class=\"card") < html.find("<h2>Ranking"));
  CHECK(contains(html, "swipe it"));
  CHECK(!contains(html, "from the data"));
}

TEST_CASE("the report of a real comparison, and the same bytes from its results alone") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 12, {48, 48}), out = folder.file("out");
  const Outcome outcome = program(comparison_of({data}, out, {"--seeds", "1", "--steps", "40"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(contains(outcome.out, "report:  " + out + "/report.html"));
  CHECK(contains(outcome.out, "On these data"));
  const std::string html = bytes_of(out + "/report.html");
  check_page(html);
  CHECK(count(html, "data:image/png;base64,") == 8);  // two cases: image, truth and what two losses made of it
  for (const char* words :
       {"worst case of", "classes in the truth of", "liver", "found as in the truth", "No loss can be recommended yet",
        "Compare again with --seeds 3", "<td>32x32</td>", "; the weights of the last epoch are tested. "})
    CHECK_MESSAGE(contains(html, words), words);
  const data::Image picture = data::read_image(picture_in(out, "organs2d_worst_"));
  CHECK(picture.extents() == Shape{480, 480});  // ten pixels for each of the case
  const std::string paper = bytes_of(out + "/paper/methods.tex");
  std::filesystem::remove(data);  // nothing is trained or predicted again
  std::filesystem::remove(out + "/report.html");
  const Outcome again = program({"report", out});
  REQUIRE_MESSAGE(again.code == 0, again.err);
  CHECK(bytes_of(out + "/report.html") == html);
  CHECK(bytes_of(out + "/paper/methods.tex") == paper);
  CHECK(program({"report", folder.file("nothing")}).code == 5);
  if (!has_device(Device::cuda)) CHECK(program({"report", out, "--device", "cuda"}).code == 2);
  // Without one of the losses the pictures that are there show something else than their captions would say.
  Json results = Json::parse(bytes_of(out + "/results.json"));
  results["runs"].erase(0);
  write_bytes(out + "/results.json", results.dump());
  REQUIRE(program({"report", out}).code == 0);
  CHECK(contains(bytes_of(out + "/report.html"), "No pictures of organs2d"));
}

TEST_CASE("nearly equal values have nearly equal shades") {
  std::vector<Analysis> analyses(3);
  for (Analysis& analysis : analyses)
    for (const double mean : {0.8, 0.799, 0.75, 0.2}) {
      analysis.losses.emplace_back().mean = mean;
      analysis.losses.back().loss = fixed(mean, 3);
    }
  const std::string html = heat_map_section(analyses);
  CHECK(count(html, ",0.75)\">0.800<") == 3);  // the full colour
  CHECK(count(html, ",0.74)\">0.799<") == 3);
  CHECK(count(html, ",0.38)\">0.750<") + count(html, ",0.37)\">0.750<") == 3);
  CHECK(count(html, ",0.00)\">0.200<") == 3);
  analyses.resize(1);
  CHECK(heat_map_section(analyses).empty());  // the ranking has the same numbers
}

TEST_CASE("curves: a name for every loss, on a scale of what is late in the training") {
  std::vector<ComparedRun> runs;
  for (int k = 0; k < 36; ++k) {
    runs.push_back(tested_run("d", text("loss_", k), 1, {0.5}));
    const double end = k == 35 ? 0.02 : 0.7 + 0.002 * k;
    runs.back().history = {{1, 10, 1, 1e-3, 0.01, {}}, {2, 20, 1, 1e-3, end - 0.02, {}}, {3, 40, 1, 1e-3, end, {}}};
  }
  const Comparison comparison = made_up(runs);
  for (const double width : {kPictureWidth, kWideWidth}) {
    const std::optional<Svg> plot = named_curves_plot(comparison, "d", comparison.losses(), width);
    REQUIRE(plot);
    const std::string svg = plot->str();
    CHECK(disorder(svg).empty());
    std::vector<double> places;
    for (const Mark& mark : plot->marks()) {
      for (const auto& [x, y] : mark.points) {
        CHECK(x >= 0);
        CHECK(x <= width);
        CHECK(y >= 0);
        CHECK(y <= plot->height());
      }
      if (mark.kind == Mark::Kind::text && contains(mark.words, "loss_")) places.push_back(mark.points[0].second);
    }
    REQUIRE(places.size() == 36);
    for (std::size_t i = 1; i < places.size(); ++i) CHECK(places[i] - places[i - 1] >= 12);
    CHECK(contains(svg, ">0.70<"));
    CHECK(!contains(svg, ">0.40<"));  // nobody is there
    CHECK(contains(svg, "loss_35 0.02"));
  }
  CHECK(!named_curves_plot(made_up({tested_run("d", "ce", 1, {0.5})}), "d", {"ce"}, kPictureWidth));
}

TEST_CASE("names and paths of a comparison's file lead nowhere else") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), out = folder.file("out"),
                    elsewhere = folder.file("elsewhere"), results = out + "/results.json";
  REQUIRE(program(comparison_of({data}, out, {"--losses", "ce", "--seeds", "1", "--steps", "2"})).code == 0);
  std::filesystem::create_directory(elsewhere);
  const Json whole = Json::parse(bytes_of(results));
  Json named = whole;
  named["datasets"][0]["name"] = named["runs"][0]["dataset"] = "../../elsewhere/x";
  write_bytes(results, named.dump());
  const Outcome drawn = program({"report", out, "--redraw"});
  CHECK_MESSAGE(drawn.code == 0, drawn.err);
  CHECK(std::filesystem::is_empty(elsewhere));
  CHECK(!picture_in(out, "_.._.._elsewhere_x_best_").empty());
  for (const char* path : {"../elsewhere", "/tmp", "nuclei2d/../../elsewhere"}) {
    Json led = whole;
    led["runs"][0]["path"] = path;
    write_bytes(results, led.dump());
    const Outcome refused = program({"report", out, "--redraw"});
    CHECK_MESSAGE(refused.code == 3, path, ": ", refused.err);
    CHECK_MESSAGE(contains(refused.err, "results.json: `path` is "), refused.err);
  }
}

TEST_CASE("base64") {
  for (const auto& [plain, coded] : {std::pair<std::string, std::string>{"", ""},
                                     {"f", "Zg=="},
                                     {"fo", "Zm8="},
                                     {"foo", "Zm9v"},
                                     {"foob", "Zm9vYg=="},
                                     {"fooba", "Zm9vYmE="},
                                     {"foobar", "Zm9vYmFy"}})
    CHECK(base64(plain) == coded);  // RFC 4648
}

TEST_CASE("groups that one critical difference spans") {
  using Groups = std::vector<std::pair<std::size_t, std::size_t>>;
  const std::vector<double> ranks{1, 2, 3, 6};
  const auto within = [&](double difference) {
    return groups_of(4, [&](std::size_t i, std::size_t j) { return ranks[j] - ranks[i] <= difference; });
  };
  CHECK(within(1.5) == Groups{{0, 1}, {1, 2}});
  CHECK(within(9) == Groups{{0, 3}});
  CHECK(within(0.5).empty());
}

TEST_CASE("axes: round ticks inside, whatever the values") {
  for (const auto& [low, high] : {std::pair{0.0, 1.0}, {0.82, 0.91}, {-1.0, 2.0}, {0.0, 3700.0}, {5.0, 5.0}}) {
    const Axis axis = axis_around({low, high}, -1e300, 1e300, 0, 100, 300);
    const std::vector<double> ticks = axis.ticks();
    CHECK(axis.low <= low);
    CHECK(axis.high >= high);
    if (low < high) CHECK(ticks.size() >= 3);
    CHECK(ticks.size() <= 7);
    for (const double tick : ticks) {
      CHECK(axis(tick) >= 100 - 1e-6);
      CHECK(axis(tick) <= 300 + 1e-6);
    }
  }
  CHECK(Axis{0, 1, 0, 1}.label(0.2) == "0.2");
  CHECK(Axis{0, 400, 0, 1}.label(100) == "100");
}

TEST_CASE("plots: long names are shortened with the whole name to be found; no validation, no curve") {
  RowPlot plot{"title", "Dice", {}, 0, 1};
  add_box(plot, "tversky:alpha=0.3,beta=0.7,smooth=1", losses::Family::region, {0.2, 0.4, std::nan("")});
  add_box(plot, "nothing", losses::Family::region, {std::nan("")});
  REQUIRE(plot.rows.size() == 1);
  CHECK(std::abs(plot.rows[0].middle - 0.3) < 1e-15);
  const std::string svg = row_plot(plot).str();
  CHECK(contains(svg, "\u2026<title>tversky:alpha=0.3,beta=0.7,smooth=1</title>"));
  CHECK(disorder(svg).empty());
  CHECK(learning_curves_plot(made_up({tested_run("d", "ce", 1, {0.5})}), "d", {"ce"}).empty());
}

TEST_CASE("plots: where every difference is found the scale has two ends, and nothing leaves it") {
  for (const double spread : {1e-4, 1e-2, 3.0}) {
    const std::string svg = power_plot("d", {spread, spread / 10, true}, 20, 2, 2, 400).str();
    for (const char* wrong : {"inf", "nan", "=\"-\""}) CHECK_MESSAGE(!contains(svg, wrong), wrong, " in ", svg);
  }
  std::vector<double> places;  // of the names, where trainings hardly differ
  const Svg plot = power_plot("d", {0.1, 0.005, true}, 20, 3, 5);
  for (const Mark& mark : plot.marks())
    if (mark.words.ends_with(" seeds")) places.push_back(mark.points[0].second);
  REQUIRE(places.size() == 5);
  for (std::size_t i = 1; i < places.size(); ++i) CHECK(places[i] - places[i - 1] >= 12);
}

TEST_CASE("the picture of a case is the same in every unit of the intensities") {
  const Folder folder;
  const data::DatasetContents contents = data::make_phantom("nuclei2d", {8, {32, 32}, 1});
  std::vector<std::string> pictures;
  for (const float unit : {1.0f, 0x1p-40f}) {
    data::DatasetContents scaled = contents;
    for (data::Case& one : scaled.cases) {
      one.image = one.image.clone();
      for (std::int64_t i = 0; i < one.image.numel(); ++i) one.image.data<float>()[i] *= unit;
    }
    scaled.image_dtype = DType::f32;
    data::write_dataset(folder.file("d.h5"), scaled);
    const std::string directory = folder.file(pictures.empty() ? "a" : "b");
    const Outcome outcome = program({"compare", folder.file("d.h5"), "--losses", "ce,dice", "--steps", "2", "--base",
                                     "4", "--depth", "2", "-o", directory, "-q"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    for (const auto& entry : std::filesystem::directory_iterator(directory + "/overlays"))
      if (entry.path().string().ends_with("_0.png")) pictures.push_back(bytes_of(entry.path().string()));
  }
  REQUIRE(pictures.size() == 4);  // the best and the worst case, which are all tested ones in both
  std::sort(pictures.begin(), pictures.begin() + 2);
  std::sort(pictures.begin() + 2, pictures.end());
  for (std::size_t i = 0; i < 2; ++i) CHECK(pictures[i] == pictures[i + 2]);
}

TEST_CASE("a case whose truth is empty is no worst case, whatever was found in it") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 24, {32, 32}), out = folder.file("out");
  REQUIRE(program(comparison_of({data}, out, {"--losses", "ce", "--seeds", "1", "--steps", "2"})).code == 0);
  Json results = Json::parse(bytes_of(out + "/results.json"));
  Json& one = results["runs"][0]["cases"][0];
  one["classes"]["1"].update({{"dice", 0}, {"tp", 0}, {"fn", 0}, {"fp", 5}});
  write_bytes(out + "/results.json", results.dump());
  REQUIRE(program({"report", out}).code == 0);
  const std::string html = bytes_of(out + "/report.html");
  CHECK(contains(html, "worst case of ce on nuclei2d: "));
  CHECK(!contains(html, "worst case of ce on nuclei2d: " + one["id"].get<std::string>() + "<"));
  Json& cases = results["runs"][0]["cases"];
  while (cases.size() > 2) cases.erase(2);
  write_bytes(out + "/results.json", results.dump());
  REQUIRE(program({"report", out, "--redraw"}).code == 0);
  const std::string one_left = bytes_of(out + "/report.html");
  CHECK(count(one_left, ">only case of ce on nuclei2d: ") == 1);
  CHECK(!contains(one_left, "worst case of"));
}

TEST_CASE("other metrics: a diverged training counts as one that missed every class") {
  std::vector<ComparedRun> runs;
  for (const std::uint64_t seed : {1, 2, 3}) {
    runs.push_back(tested_run("d", "wild", seed, {0.75, 0.75}));
    for (CaseNumbers& one : runs.back().cases) one.diagonal = 100;
    runs.back().diverged = seed > 1;
    if (seed > 1) runs.back().cases.clear();
  }
  const Comparison comparison = made_up(runs);
  const std::string html = metrics_section(comparison, analyse(comparison));
  for (const char* cell : {"wild (2 of 3 runs diverged)", "<td>67.5</td>", "<td>4</td>", "<td>infinite</td>"})
    CHECK_MESSAGE(contains(html, cell), html);
}

TEST_CASE("other metrics: what is undefined for a class that was missed is named and counted") {
  std::vector<ComparedRun> runs{tested_run("d", "ce", 1, {0.75, 0.5, 0, 0, std::nan("")})};
  Comparison comparison = made_up(runs);
  comparison.numbers.push_back("precision");
  for (CaseNumbers& one : comparison.runs[0].cases) {
    std::vector<double>& row = one.classes[0];
    row.push_back(row[0] > 0 ? 0.875 : std::nan(""));
  }
  const std::string html = metrics_section(comparison, analyse(comparison));
  CHECK_MESSAGE(contains(html, "<td>0.875 (3)</td>"), html);
  CHECK_MESSAGE(contains(html, "<td>0.25</td>"), html);  // the Dice, with the classes that were missed
  CHECK(contains(html, "For a class that was missed these are precision, mcc"));
}

TEST_CASE("a loss that was not tested has no bar, and stands between none") {
  Analysis analysis;
  analysis.name = "d";
  for (const char* loss : {"ce", "short", "dice"}) {
    analysis.losses.emplace_back().loss = loss;
    analysis.losses.back().mean_rank = static_cast<double>(analysis.losses.size());
  }
  analysis.losses[1].too_short = "a training has seen 16 % of the training cases";
  const auto bars = [&](double p) {
    const double unknown = std::nan("");
    analysis.p_pairs = {{1, unknown, p}, {unknown, unknown, unknown}, {p, unknown, 1}};
    const std::string svg = critical_difference_plot(analysis).str();
    CHECK(!contains(svg, "short"));
    return count(svg, "class=\"group\"");
  };
  CHECK(bars(0.01) == 0);
  CHECK(bars(0.6) == 1);
}

TEST_CASE("the ranks of many losses have most of the width, and better is on the left") {
  Analysis analysis;
  analysis.name = "d";
  for (std::size_t i = 0; i < 40; ++i) {
    analysis.losses.emplace_back().loss = text("loss_", i);
    analysis.losses.back().mean_rank = static_cast<double>(i + 1);
    for (std::size_t j = 0; j < 40; ++j)
      analysis.p_pairs.resize(40), analysis.p_pairs[i].push_back(std::max(i, j) - std::min(i, j) <= 4 ? 1 : 0.001);
  }
  std::vector<double> places;
  double bars = 1e9;
  const Svg plot = critical_difference_plot(analysis);
  for (const Mark& mark : plot.marks()) {
    if (mark.kind == Mark::Kind::dot || mark.kind == Mark::Kind::polygon || mark.kind == Mark::Kind::rect)
      places.push_back(mark.points[0].first);
    if (mark.style == "group") bars = std::min(bars, mark.points[0].first);
  }
  REQUIRE(places.size() == 40);
  CHECK(std::is_sorted(places.begin(), places.end()));
  CHECK(places.back() - places.front() > 100);
  CHECK(bars > places.back());
}

TEST_CASE("the curve of a training with many validations has as many points as a picture can show") {
  std::vector<ComparedRun> runs{tested_run("d", "ce", 1, {0.5})};
  for (int epoch = 1; epoch <= 3001; ++epoch)
    runs[0].history.push_back({epoch, 10 * epoch, 1, 1e-3, epoch == 3001 ? 0.7 : 0.6, {}});
  const auto points = points_of_only_curve(runs);
  CHECK(points.size() > 300);
  CHECK(points.size() <= 400);
  CHECK(points.back().second < points.front().second);  // the last validation is there
}

TEST_CASE("the curve of folds that are validated at different steps does not jump between them") {
  std::vector<ComparedRun> runs{tested_run("d", "ce", 1, {0.5}), tested_run("d", "ce", 1, {0.5})};
  runs[1].fold = 1;
  for (int epoch = 1; epoch <= 4; ++epoch)
    runs[0].history.push_back({epoch, std::min(33 * epoch, 100), 1, 1e-3, 0.6, {}});
  for (int epoch = 1; epoch <= 3; ++epoch)
    runs[1].history.push_back({epoch, std::min(34 * epoch, 100), 1, 1e-3, 0.8, {}});
  const auto points = points_of_only_curve(runs);
  CHECK(points.size() == 5);  // 34, 66, 68, 99 and 100
  for (const auto& [x, y] : points) CHECK(y == doctest::Approx(points[0].second));
}

TEST_CASE("captions say what is below the scale, and name a dot only where there is one") {
  std::vector<ComparedRun> runs;
  for (const char* dataset : {"d", "e"})
    for (const std::uint64_t seed : {1, 2}) {
      std::vector<double> high, low;
      for (int i = 0; i < (*dataset == 'd' ? 12 : 8); ++i) {
        high.push_back(0.8 + 0.01 * i + 0.001 * static_cast<double>(seed));
        low.push_back(*dataset == 'd' ? 0.1 + 0.02 * i : high.back() - 0.01 * (i % 3));
      }
      runs.push_back(tested_run(dataset, "ce", seed, high));
      runs.push_back(tested_run(dataset, "dice", seed, low));
    }
  const Folder folder;
  const Comparison comparison = made_up(runs);
  const Findings findings = findings_of(comparison);
  const std::string html =
      bytes_of(write_report(comparison, findings.analyses, findings.answers, folder.file(""), true));
  const std::string edge = "; losses at the left edge are below the scale";
  for (const std::string& caption :
       {"Mean Dice with 95 % intervals, d; the dashed line is ce" + edge + "<",
        std::string("Mean Dice with 95 % intervals, e; the dashed line is ce<"),
        std::string(">d; the dot is this comparison, 12 units and 2 seeds<"),
        std::string(">e; this comparison, 8 units and 2 seeds, is too small to find any<")})
    CHECK_MESSAGE(contains(html, caption), caption);
}

// ctest labels: unsanitized
// The page of a training: what it says and shows, that it can be drawn again from the files, and what is wrong with
// them.
#include "apps/report/run_page.h"

#include <filesystem>
#include <sstream>
#include <utility>

#include "apps/program/json.h"
#include "apps/program/svg.h"
#include "apps/report/run_record.h"
#include "data/formats/image.h"
#include "tests/apps/pages.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
namespace fs = std::filesystem;

namespace {

Outcome trained(const std::string& data, const std::string& run, const std::vector<std::string>& more = {}) {
  const Outcome outcome = program(small_training(data, run, more));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  return outcome;
}

std::string page_of(const std::string& run) { return bytes_of(run + "/report.html"); }

}  // namespace

TEST_CASE("the page of a run: numbers, curves, pictures and settings; the same bytes when it is drawn again") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("organs2d", {24, {48, 48}, 1});
  contents.class_names[1] = "<liver> & \"more\"";
  for (data::Case& one : contents.cases) one.group.clear();  // six independent cases are tested
  const std::string data = folder.file("a&b.h5"), run = folder.file("run");
  data::write_dataset(data, contents);
  const Outcome outcome = trained(data, run);
  CHECK_MESSAGE(outcome.out.ends_with("\nreport: " + run + "/report.html\n"), outcome.out);
  const std::string html = page_of(run);
  check_page(html);
  for (const char* words : {"Training on a&amp;b with dice_ce",
                            "&lt;liver&gt; &amp; &quot;more&quot;",
                            "Test Dice",
                            "95 % interval",
                            "Validation Dice",
                            "of the best epoch",
                            "Training loss",
                            "44 of 44 steps",
                            "validation Dice over the steps",

                            "worst case: ",
                            "median case: ",
                            "best case: ",
                            "dice_ce:lambda_dice=1",
                            "32x32",
                            "2x2",
                            "each image by its own mean and deviation",
                            "cosine",
                            "training, ",
                            "parameters",
                            "of tensors",
                            "voxgrad 0.",
                            "thread",
                            "--steps 44",
                            "-o ",
                            "mean of the classes"})
    CHECK_MESSAGE(contains(html, words), std::string(words));
  CHECK(!contains(html, "from the data"));
  CHECK(!contains(html, "finds nothing"));
  CHECK(count(html, "data:image/png;base64,") == 9);
  // The numbers of the table are those that were printed.
  const std::string line = outcome.out.substr(outcome.out.find("spleen"));
  const std::vector<std::string> printed = [&] {
    std::vector<std::string> words;
    std::istringstream in(line.substr(0, line.find('\n')));
    for (std::string word; in >> word;) words.push_back(word);
    return words;
  }();
  REQUIRE(printed.size() > 8);
  for (std::size_t i = 1; i < printed.size(); ++i)
    CHECK_MESSAGE(contains(html, "<td>" + printed[i] + "</td>"), printed[i]);
  for (const char* kind : {"worst", "median", "best"})
    for (const char* what : {"image", "truth", "prediction"}) {
      const data::Image picture = data::read_image(run + "/overlays/" + kind + "_" + what + ".png");
      CHECK(picture.extents() == Shape{1008, 1008});  // 21 pixels for each
      CHECK(picture.channels() == 3);
    }
  fs::remove(run + "/report.html");
  fs::remove_all(run + "/overlays");
  const Outcome again = program({"report", run, "--json"});
  REQUIRE_MESSAGE(again.code == 0, again.err);
  CHECK(Json::parse(again.out)["report"] == run + "/report.html");
  CHECK(page_of(run) == html);
  CHECK(fs::exists(run + "/overlays/best_truth.png"));
  CHECK(Json::parse(program({"train", "--resume", run, "--json", "-q"}).out)["report"] == run + "/report.html");
}

TEST_CASE("a heading names a loss without its parameters, and a sum as it is") {
  CHECK(apps::loss_name("dice_ce") == "dice_ce");
  CHECK(apps::loss_name("dice_ce:smooth_nr=1,smooth_dr=1") == "dice_ce");
  CHECK(apps::loss_name("0.5*dice+ce:weights=1/2") == "0.5*dice+ce:weights=1/2");
}

TEST_CASE("without its dataset a page has no pictures; damaged files are named, with the exit code of their kind") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  trained(data, run);
  const std::string whole = page_of(run);
  fs::rename(data, data + ".moved");
  REQUIRE(program({"report", run}).code == 0);
  const std::string bare = page_of(run);
  check_page(bare);
  CHECK(count(bare, "<img ") == 0);
  CHECK(contains(bare, "No pictures: the dataset is not at " + data));
  data::DatasetContents renamed = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  renamed.class_names.emplace_back("more");
  data::write_dataset(data, renamed);  // the same images and labels
  const Outcome other = program({"report", run});
  CHECK(other.code == 3);
  CHECK_MESSAGE(contains(other.err, "the files are not of one training"), other.err);
  data::write_dataset(data, data::make_phantom("nuclei2d", {12, {32, 32}, 2}));
  REQUIRE(program({"report", run}).code == 0);
  CHECK(contains(page_of(run), "has another content"));
  fs::rename(data + ".moved", data);
  REQUIRE(program({"report", run}).code == 0);
  CHECK(page_of(run) == whole);
  CHECK(contains(whole, "<code>voxgrad train --config RUN/config.toml -o AGAIN</code>"));

  const auto refused = [&](const std::string& file, const std::string& bytes, int code) {
    const std::string good = bytes_of(file);
    write_bytes(file, bytes);
    const Outcome outcome = program({"report", run});
    CHECK_MESSAGE(outcome.code == code, file, ": ", outcome.code, " ", outcome.err);
    CHECK_MESSAGE(contains(outcome.err, fs::path(file).filename().string() + ": "), outcome.err);
    CHECK_MESSAGE(!contains(outcome.err, "internal"), outcome.err);
    write_bytes(file, good);
  };
  const std::string manifest = bytes_of(run + "/run.json");
  refused(run + "/run.json", manifest.substr(0, manifest.size() / 2), 3);
  refused(run + "/run.json", "[]", 3);
  const auto edited = [&](auto&& change) {
    Json json = Json::parse(manifest);
    change(json);
    refused(run + "/run.json", json.dump(), 3);
  };
  edited([](Json& json) { json.erase("config"); });
  edited([](Json& json) { json["config"]["loss"] = "nothing"; });
  edited([](Json& json) { json["config"]["fold"] = "x"; });
  edited([](Json& json) { json["config"]["label_map"] = "x"; });
  edited([](Json& json) { json["seconds"] = "long"; });
  edited([](Json& json) { json["epochs"] = "many"; });
  edited([](Json& json) { json["warnings"] = 3; });
  edited([](Json& json) { json["split"] = 3; });
  edited([](Json& json) { json["dataset"] = "d.h5"; });
  edited([](Json& json) { json["results"]["history"][0]["epoch"] = -1; });
  edited([](Json& json) { json["results"]["test_cases"][0]["classes"].erase("1"); });
  edited([](Json& json) { json["results"]["test_cases"][0]["classes"]["1"].erase("dice"); });
  const std::string best = bytes_of(run + "/best.safetensors");
  refused(run + "/best.safetensors", best.substr(0, best.size() / 2), 4);
  refused(run + "/best.safetensors", "", 4);
  refused(data, "no dataset", 3);
  fs::remove(run + "/best.safetensors");
  fs::remove(run + "/last.safetensors");
  CHECK(program({"report", run}).code == 5);
}

TEST_CASE("an interrupted run has a page that says how far it came, with the curves of its log") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 20, {48, 48}), run = folder.file("run");
  std::vector<std::string> words = small_training(data, run, {"--validate-cases", "100"});  // after every epoch
  *std::find(words.begin(), words.end(), "44") = "4000";
  Running process(words);
  REQUIRE(process.saw("epoch 3/"));
  process.send(SIGINT);
  CHECK(process.wait().code == 130);
  CHECK(!fs::exists(run + "/report.html"));
  const Outcome outcome = program({"report", run});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const std::string html = page_of(run);
  check_page(html);
  CHECK(contains(html, "The training was interrupted at step "));
  CHECK(contains(html, " of 4000."));
  CHECK(contains(html, "validation Dice over the steps"));
  CHECK(contains(html, "spleen<"));
  CHECK(count(html, "<img ") == 9);
  const std::string log = bytes_of(run + "/log.jsonl");
  write_bytes(run + "/log.jsonl", log + "{\"event\":\"ep");  // a line that a crash has cut off
  REQUIRE(program({"report", run}).code == 0);
  CHECK(page_of(run) == html);
  write_bytes(run + "/log.jsonl", "damage\n" + log);
  const Outcome damaged = program({"report", run});
  CHECK(damaged.code == 3);
  CHECK_MESSAGE(contains(damaged.err, "error: " + run + "/log.jsonl: "), damaged.err);
}

TEST_CASE("a run without validation cases shows test cases, without those training cases; a model that finds nothing") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  const std::string data = folder.file("d.h5");
  contents.splits = {{"train", {0, 1, 2, 3}}, {"test", {4, 5}}};
  data::write_dataset(data, contents);
  trained(data, folder.file("test"));
  const std::string tested = page_of(folder.file("test"));
  check_page(tested);
  CHECK(contains(tested, "From all 2 test cases"));
  CHECK(contains(tested, "<li>no validation cases"));
  CHECK(contains(tested, "with the weights of the last epoch"));
  CHECK(!contains(tested, "best epoch"));
  CHECK(!contains(tested, "Validation Dice</dt>"));
  CHECK(count(tested, "<img ") == 6);
  contents.splits = {{"train", {0, 1, 2, 3}}};
  data::write_dataset(data, contents);
  trained(data, folder.file("train"));
  CHECK(contains(page_of(folder.file("train")), "From all 4 training cases"));
  CHECK(contains(page_of(folder.file("train")), "the network has seen them"));

  contents.splits = {{"train", {0, 1, 2, 3}}, {"val", {4, 5, 6}}};
  for (data::Case& one : contents.cases)
    if (&one < &contents.cases[4]) one.label = zeros(one.label.shape(), DType::u8);
  data::write_dataset(data, contents);
  const std::string run = folder.file("nothing");
  REQUIRE(program({"train", data, "-o", run, "--loss", "ce", "--base", "4", "--depth", "2", "--steps", "60", "--lr",
                   "0.02"})
              .code == 0);
  const std::string html = page_of(run);
  check_page(html);
  const std::size_t body = html.find("</h1>\n<p class=\"alarm\">This model finds nothing");
  CHECK(body != std::string::npos);
}

TEST_CASE("volumes are shown by a slice; many cases by a choice; large pictures are made smaller for the page") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organ3d", 8, {12, 32, 32}), run = folder.file("run");
  REQUIRE(program({"train", data, "-o", run, "--base", "4", "--patch", "8x16x16", "--steps", "24", "-q"}).code == 0);
  check_page(page_of(run));
  CHECK(contains(page_of(run), " of 12</h3>"));

  data::DatasetContents many = random_contents(std::vector<Shape>(31, {8, 8}), 3, 2);
  many.splits = {{"train", {0}}, {"val", {}}};
  for (int i = 1; i < 31; ++i) many.splits["val"].push_back(i);
  data::write_dataset(folder.file("many.h5"), many);
  const auto short_training = [&](const std::string& name, const std::string& clean_up) {
    const std::string out = folder.file(name + "_" + clean_up);
    const Outcome outcome = program({"train", folder.file(name + ".h5"), "-o", out, "--base", "4", "--depth", "2",
                                     "--steps", "1", "--batch", "1", "--clean-up", clean_up, "-q"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return page_of(out);
  };
  CHECK(contains(short_training("many", "off"), "From 24 of 30 validation cases"));
  CHECK(contains(short_training("many", "auto"), "From all 30 validation cases"));  // the choice has segmented them

  many.splits["test"] = std::exchange(many.splits["val"], {});
  data::write_dataset(folder.file("tested.h5"), many);
  CHECK(contains(short_training("tested", "auto"), "From all 30 test cases"));  // the test has segmented them

  data::DatasetContents large = random_contents({{256, 256}, {900, 900}}, 3, 2);
  large.splits = {{"train", {0}}, {"val", {1}}};
  data::write_dataset(folder.file("large.h5"), large);
  const std::string html = short_training("large", "auto");
  check_page(html);
  const std::size_t note = html.find("The pictures are shown with at most ");
  CHECK_MESSAGE(note != std::string::npos, html.size());
  CHECK_MESSAGE(contains(html, "at most 512 pixels a side"), html.substr(note, 80));
  CHECK(data::read_image(folder.file("large_auto/overlays/only_truth.png")).extents() == Shape{900, 900});
}

TEST_CASE("the interval of a run is one of groups where the dataset names them") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 24, {32, 32}), run = folder.file("run");
  trained(data, run);
  CHECK(contains(page_of(run), "6 cases of 3 groups, too few for an interval"));
  const Outcome outcome = program({"evaluate", run, data});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK_MESSAGE(contains(outcome.out, "Dice - (fewer than 6 groups)"), outcome.out);
  CHECK_MESSAGE(contains(outcome.out, "\n6 cases of 3 groups, "), outcome.out);
}

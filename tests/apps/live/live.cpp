// The live page: what a training leaves for it, what is read from the files, and the page itself. The server has tests
// of its own (server.cpp).
#include <chrono>
#include <filesystem>
#include <thread>

#include "apps/live/page.h"
#include "apps/live/recorder.h"
#include "apps/live/server.h"
#include "apps/live/state.h"
#include "tests/apps/comparison.h"
#include "tests/apps/pages.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

void replace_in(const std::string& path, const std::string& what, const std::string& by) {
  std::string bytes = bytes_of(path);
  REQUIRE(contains(bytes, what));
  for (std::size_t at = 0; (at = bytes.find(what, at)) != std::string::npos; at += by.size())
    bytes.replace(at, what.size(), by);
  std::ofstream(path, std::ios::binary) << bytes;
}

// Its script is the only one, and it has no other tag.
void check_live_page(std::string html) {
  const std::size_t begin = html.find("<script>\n"), end = html.find("</script>");
  REQUIRE(begin != std::string::npos);
  CHECK(count(html, "<script") == 1);
  html.erase(begin, end + std::string("</script>").size() - begin);
  check_page(html);
  CHECK(contains(html, "role=\"alert\""));
}

std::string html_of_run(const std::string& directory) { return html_of(page_of(read_live_run(directory))); }

}  // namespace

TEST_CASE("the curve of the losses has few points, which are means") {
  LossCurve curve;
  for (int step = 0; step < 1000; ++step) curve.add(step, step < 500 ? 1.0 : 3.0);
  curve.add(1000, std::nan(""));
  const Json points = curve.json();
  CHECK(points.size() == 250);  // of four steps each
  CHECK(points.front().at(1) == 1.0);
  CHECK(points.back().at(1) == 3.0);
  CHECK(points.back().at(0) <= 1000);
  double sum = 0;
  for (const Json& point : points) sum += point.at(1).get<double>();
  CHECK(sum / static_cast<double>(points.size()) == doctest::Approx(2).epsilon(0.01));
  LossCurve back;
  for (int step = 0; step < 10; ++step) back.add(step, 1.0);
  back.add(4, 3.0);  // a rollback
  CHECK(back.json().size() == 5);
  CHECK(back.json().back() == Json{5, 3.0});
}

TEST_CASE("a training that is watched has the same bits, and its page is there afterwards") {
  if (!has_live_server()) return;
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 12, {48, 48});
  const std::string plain = folder.file("plain"), watched = folder.file("watched");
  REQUIRE(program(small_training(data, plain)).code == 0);
  const Outcome outcome = program(small_training(data, watched, {"--watch", "0"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(contains(outcome.err, "live page http://127.0.0.1:"));
  CHECK(contains(outcome.err, "voxgrad watch " + watched));
  for (const char* file : {"/best.safetensors", "/last.safetensors", "/metrics.csv"})
    CHECK_MESSAGE(bytes_of(plain + file) == bytes_of(watched + file), file);

  const LiveRun run = read_live_run(watched), bare = read_live_run(plain);
  CHECK(run.state == "finished");
  CHECK(run.ended());
  CHECK(run.step == 44);
  CHECK(run.steps == 44);
  CHECK(run.epoch == 3);
  CHECK(std::isnan(run.eta()));
  CHECK(run.test_dice >= 0);
  CHECK(run.losses.size() == 44);  // each step; without --watch each epoch
  CHECK(bare.losses.size() == 3);
  CHECK(to_json(run.history) == to_json(bare.history));
  CHECK(run.best_dice() == bare.best_dice());
  REQUIRE(run.pictures.size() >= 1);
  for (const ShownPictures& shown : run.pictures) {
    CHECK(shown.files.size() == kPictureNames.size());
    for (const auto& [name, file] : shown.files) CHECK(bytes_of(file).starts_with("\x89PNG"));
  }
  CHECK(bare.pictures.size() >= 1);  // those of the report
  const Json json = to_json(run);
  CHECK(json.at("state") == "finished");
  CHECK(json.at("history").size() == 3);
  CHECK(json.at("classes").size() == run.classes.size());
  CHECK(json.at("network").get<std::string>().starts_with("2-D U-Net, base 4, depth 2, "));
  const std::string of_plain = html_of_run(plain);
  for (const std::string& html : {html_of_run(watched), of_plain}) {
    check_live_page(html);
    for (const char* words : {"44 of 44", "Test Dice", "validation Dice", "training loss", "finished", "dice_ce"})
      CHECK_MESSAGE(contains(html, words), words);
    for (std::size_t label = 1; label < run.classes.size(); ++label) CHECK(contains(html, run.classes[label]));
    CHECK(contains(html, "of the first validation, as they are after step ") == (html != of_plain));
    CHECK(contains(html, "The cases of the report, which were chosen and drawn after the training.") ==
          (html == of_plain));
  }
  Json manifest = Json::parse(bytes_of(plain + "/run.json"));
  manifest.update({{"exit_reason", "running"}, {"seconds", 0}});
  write_bytes(plain + "/run.json", manifest.dump());
  const LiveRun unwatched = read_live_run(plain);  // what another process trains without --watch
  CHECK(unwatched.seconds > 0);
  CHECK(unwatched.memory == 0);
  CHECK(unwatched.silent >= 0);
}

TEST_CASE("texts from files are no HTML, and bytes that are no text do no harm") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  const std::string hostile = "<script>alert(1)</script><img src=x>";
  replace_in(run + "/run.json", "\"loss\": \"dice_ce\"", "\"loss\": \"" + hostile + "\"");
  replace_in(run + "/run.json", "\"nucleus\"", "\"" + hostile + "\"");
  std::filesystem::create_directories(run + "/live");
  std::ofstream(run + "/live/state.json") << Json{
      {"messages", {hostile}},
      {"warnings", {hostile}},
      {"colours", {"#000000", "}body{display:none}"}},
      {"pictures",
       {{"step", 1}, {"cases", {hostile}}}}}.dump();
  const LiveRun read = read_live_run(run);
  CHECK(read.colours.empty());
  const std::string html = html_of(page_of(read));
  check_live_page(html);
  CHECK(!contains(html, "<script>alert"));
  CHECK(!contains(html, "<img src=x"));
  CHECK(!contains(html, "}body{"));
  CHECK(count(html, "&lt;script&gt;alert(1)") >= 4);  // loss, caption, message, warning
  CHECK(dumped(Json{{"id", "a\xff"}}) == "{\"id\":\"a\xef\xbf\xbd\"}");
  LiveComparison comparison;
  comparison.rows.push_back({hostile, "dice", {read}, 1});
  check_live_page(html_of(page_of(comparison, hostile)));
  check_live_page(html_of(page_of_failure(hostile)));

  std::ofstream(run + "/live/state.json") << "{\"steps\": \"many\"}";
  const std::string error = error_of([&] { read_live_run(run); });
  CHECK(contains(error, run));
}

TEST_CASE("a run that goes on: what its process last wrote, and how long ago") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {32, 32}), path = folder.file("run");
  REQUIRE(program(small_training(data, path)).code == 0);
  Json manifest = Json::parse(bytes_of(path + "/run.json"));
  manifest["exit_reason"] = "running";
  manifest["seconds"] = 3600;  // of the processes before
  std::ofstream(path + "/run.json") << manifest.dump();
  std::filesystem::create_directories(path + "/live");
  std::ofstream(path + "/live/state.json")
      << R"({"steps":1000,"step":500,"rate":10,"lr":0.5,"seconds":7,"memory":1048576,"time":1,"loss":[[450,0.5]]})";
  const LiveRun run = read_live_run(path);
  CHECK(!run.ended());
  CHECK(run.step == 500);
  CHECK(run.eta() == 50);
  CHECK(run.lr == 0.5);
  CHECK(run.seconds == 3607);
  CHECK(run.losses.size() == run.history.size() + 1);  // the epochs before the first step of this process
  CHECK(run.silent > 1000);
  const std::string html = html_of(page_of(run));
  for (const char* words : {"500 of 1000", "50.0 s", "10.0 steps a second", "0.5", "1 MiB", "Nothing was heard"})
    CHECK_MESSAGE(contains(html, words), words);
  write_bytes(path + "/live/state.json", R"({"steps":1000,"step":1000,"rate":0.04,"time":1})");
  const LiveRun last = read_live_run(path);
  CHECK(std::isnan(last.eta()));
  for (const char* words : {"validating", "0.04 steps a second"})
    CHECK_MESSAGE(contains(html_of(page_of(last)), words), words);
}

TEST_CASE("where nothing can be written the training goes on with one warning") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 6, {32, 32}));
  TrainConfig config;
  config.steps = 3;
  config.base = 4;
  config.depth = 2;
  const Plan plan = make_plan(dataset, config);
  struct Told final : Observer {
    int steps = 0, epochs = 0, warnings = 0;
    void on_step(const StepReport&, const Plan&) override { ++steps; }
    void on_epoch(const EpochRecord&, const Plan&) override { ++epochs; }
    void on_warning(const std::string& warning) override {
      ++warnings;
      CHECK(contains(warning, "training goes on"));
    }
  } told;
  std::ofstream(folder.file("file")) << "no directory";
  LiveRecorder recorder(told, folder.file("file"), plan, 255);
  recorder.on_step({0, 1.0, 1.0, 0.1}, plan);
  recorder.on_epoch({1, 1, 1.0, 0.1, 0.5, {0.5}}, plan);
  recorder.on_epoch({2, 2, 1.0, 0.1, 0.5, {0.5}}, plan);
  CHECK(told.steps == 1);
  CHECK(told.epochs == 2);
  CHECK(told.warnings == 1);
}

TEST_CASE("all pictures are drawn anew, with their captions, or none") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 6, {32, 32}));
  TrainConfig config;
  config.base = 4;
  config.depth = 2;
  const Plan plan = make_plan(dataset, config);
  Observer nobody;
  LiveRecorder recorder(nobody, folder.file("run"), plan, 255);
  const auto see = [&](std::int64_t index, bool right) {
    const data::Case one = dataset.read(index);
    const Tensor labels = right ? one.label : zeros(one.label.shape(), DType::u8);
    recorder.on_case(one, labels, compare_labels(one.id, labels, one.label, {}), plan);
  };
  const auto end_epoch = [&](std::int64_t epoch) { recorder.on_epoch({epoch, epoch, 1.0, 0.1, 0.5, {0.5}}, plan); };
  see(0, false);
  see(1, true);
  end_epoch(1);
  const std::string file = folder.file("run/live/" + live_picture(0, 2)), first = bytes_of(file);
  REQUIRE(first.starts_with("\x89PNG"));
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));  // the pause between pictures ends after the other case
  see(0, true);
  end_epoch(2);
  CHECK(bytes_of(file) == first);
  see(0, true);
  see(1, true);
  end_epoch(3);
  CHECK(bytes_of(file) != first);
}

TEST_CASE(
    "a comparison that is watched has the same results; the page knows what is to come, what runs and what is done") {
  if (!has_live_server()) return;
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 8, {32, 32});
  const std::string plain = folder.file("plain"), watched = folder.file("watched");
  REQUIRE(program(comparison_of({data}, plain, {"--steps", "20"})).code == 0);
  const Outcome outcome = program(comparison_of({data}, watched, {"--steps", "20", "--jobs", "2", "--watch", "0"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(contains(outcome.err, "live page http://127.0.0.1:"));
  CHECK(bytes_of(plain + "/results.csv") == bytes_of(watched + "/results.csv"));

  LiveComparisonReader reader(watched);
  CHECK(is_comparison(watched));
  LiveComparison all = reader.read();
  REQUIRE(all.rows.size() == 2);
  CHECK(all.done() == 4);
  CHECK(all.planned() == 4);
  CHECK(all.rows[0].loss == "ce");
  CHECK(all.rows[0].words() == "done");
  CHECK(all.rows[0].test_dice() >= 0);
  CHECK(to_json(reader.read()) == to_json(all));
  const std::string html = html_of(page_of(all, "watched"));
  check_live_page(html);
  for (const char* words : {"4 of 4 runs are done", "nuclei2d", "test Dice", ">ce<", ">dice<"})
    CHECK_MESSAGE(contains(html, words), words);

  std::filesystem::remove_all(watched + "/nuclei2d/ce");
  replace_in(watched + "/nuclei2d/dice/seed_1/run.json", "\"exit_reason\": \"finished\"",
             "\"exit_reason\": \"running\"");
  all = reader.read();
  CHECK(all.rows[0].words() == "waiting");
  CHECK(all.rows[1].words() == "1 of 2 runs done, running, step 20 of 20");
  CHECK(all.done() == 1);
  CHECK(all.planned() == 4);
  replace_in(watched + "/nuclei2d/dice/seed_1/run.json", "\"exit_reason\": \"running\"",
             "\"exit_reason\": \"interrupted\"");
  all = reader.read();
  CHECK(all.done() == 1);  // it has to go on
  CHECK(all.rows[1].words() == "1 of 2 runs done, interrupted");
  CHECK(!is_comparison(folder.file("nothing")));

  // With --tune the runs of a loss have several rates.
  const std::string dice = watched + "/nuclei2d/dice/";
  std::filesystem::rename(dice + "seed_1", dice + "lr_0.1_seed_1");
  all = LiveComparisonReader(watched).read();
  REQUIRE(all.rows[1].runs.size() == 2);
  CHECK(all.rows[1].runs[0].tried == "lr_0.1");
  CHECK(all.rows[1].runs[1].tried.empty());
  std::filesystem::rename(dice + "lr_0.1_seed_1", dice + "lr_0.1_fold_2_seed_1");
  all = LiveComparisonReader(watched).read();
  CHECK(all.rows[1].runs[0].tried == "lr_0.1");
  CHECK(all.rows[1].runs[0].fold == "fold_2");
}

TEST_CASE("with several rates the means are those of the runs with the best one") {
  LiveRow row;
  const auto add = [&](const std::string& rate, double val, double test, const std::string& state = "finished") {
    LiveRun& run = row.runs.emplace_back();
    run.state = state;
    run.tried = rate;
    run.test_dice = test;
    run.history = {{1, 10, 0.5, 0.1, val, {}}};
  };
  add("lr_0.1", std::nan(""), std::nan(""), "diverged");
  add("lr_0.01", 0.8, 0.6);
  add("lr_0.001", 0.7, 0.9);
  CHECK(row.val_dice() == 0.8);
  CHECK(row.test_dice() == 0.6);
  add("lr_0.03", std::nan(""), std::nan(""), "running");
  CHECK(row.val_dice() == 0.8);
  CHECK(row.test_dice() == 0.6);
  row.runs.back().silent = 1000;
  CHECK_MESSAGE(contains(row.words(), "not heard of for "), row.words());
  row.runs.pop_back();
  add("lr_0.01", 0.75, 0.5);
  CHECK(row.test_dice() == 0.55);
  add("lr_0.001", 0.7, 0.7);  // another fold has a rate of its own
  row.runs.back().fold = "fold_1";
  add("lr_0.01", 0.6, 0.1);
  row.runs.back().fold = "fold_1";
  CHECK(row.test_dice() == doctest::Approx(0.6));
}

// Every value in the files of a run and of a comparison, replaced by what a damaged or forged file may have in its
// place, behind right checksums. Whoever reads it refuses it with the name of the file and of the key, or does not need
// it: no signal, no internal error, no words of the JSON library, no long wait, no control character in a page. The
// fields are those of real files, so new ones are covered by themselves.
#include <cctype>
#include <chrono>
#include <utility>

#include "apps/live/state.h"
#include "apps/program/json.h"
#include "apps/run_program.h"
#include "engine/io/safetensors.h"
#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

using Pointer = Json::json_pointer;
using Command = std::vector<std::string>;

// The program in this process, which takes a hundredth of the time of a new one.
Outcome here(const Command& arguments, const Folder& folder) {
  const std::string out = folder.file("out.txt"), err = folder.file("err.txt");
  const int before[]{::dup(STDOUT_FILENO), ::dup(STDERR_FILENO)};
  std::fflush(stdout);
  int place = STDOUT_FILENO;
  for (const std::string& path : {out, err}) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, place++);
    ::close(file);
  }
  std::vector<const char*> words{"voxgrad"};
  for (const std::string& word : arguments) words.push_back(word.c_str());
  Outcome outcome;
  outcome.code = apps::run_program(static_cast<int>(words.size()), words.data());
  std::fflush(stdout);
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(before[stream - 1], stream);
    ::close(before[stream - 1]);
  }
  outcome.out = bytes_of(out);
  outcome.err = bytes_of(err);
  return outcome;
}

bool is_place(const Json& json, bool numbers) {
  return !numbers || json.is_number() || json == "NaN" || json == "Infinity";
}

// The places of all values in a document, or of all numbers; of a list only the first entry is looked at, and of the
// classes, whose keys are numbers, the first one: the others are read like it.
void add_places(const Json& json, const Pointer& at, bool numbers, std::vector<Pointer>& places) {
  if (is_place(json, numbers)) places.push_back(at);
  if (json.is_array() && !json.empty()) add_places(json[0], at / 0, numbers, places);
  if (!json.is_object()) return;
  bool looked_at_a_class = false;
  for (const auto& [key, value] : json.items())
    if (std::isdigit(static_cast<unsigned char>(key[0])) == 0 || !std::exchange(looked_at_a_class, true))
      add_places(value, at / key, numbers, places);
}

const std::vector<Json> kDamagedNumbers{-1, 0, std::int64_t{1} << 31, std::int64_t{1} << 62, INT64_MAX, 1e308};
const std::vector<Json> kNoNumbers{nullptr, "\x1b[31m<b>", Json::array(), Json::object(), true};

// What no metric can be: ratios and distances are not below 0, what is counted is whole.
const std::vector<std::pair<std::string, Json>> kNoMetrics{
    {"dice", -0.5},        {"hd95", -1}, {"assd", -0.5}, {"nsd", -1}, {"mcc", -1.5}, {"false_positive_objects", -1},
    {"betti0_error", 0.5}, {"tp", 0.5},  {"fn", -1}};

// Calls use(changed document, what was changed, whether it is no number) for each place. Each gets one number and one
// thing that is none, in turn, so that all of them meet every kind of field.
template <class F>
void for_each_damage(const Json& document, bool numbers, F&& use) {
  std::vector<Pointer> places;
  add_places(document, Pointer(), numbers, places);
  CHECK(!places.empty());
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (const Json& value : {kDamagedNumbers[i % 6], kNoNumbers[i % 5]}) {
      Json changed = document;
      changed[places[i]] = value;
      use(changed, text(places[i].to_string(), " = ", value.dump()), !value.is_number());
    }
  }
}

// What may come of a damaged file.
void check_answer(const Command& command, const Folder& folder, const std::string& file, const std::string& what,
                  bool refused) {
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = here(command, folder);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const bool failed = outcome.code == 3 || outcome.code == 4 || outcome.code == 5;
  CHECK_MESSAGE((failed || (outcome.code == 0 && !refused)), command.front(), ", ", what, ": ", outcome.code, " ",
                outcome.err);
  if (failed) CHECK_MESSAGE(contains(outcome.err, file), command.front(), ", ", what, ": ", outcome.err);
  CHECK_MESSAGE(!contains(outcome.err, "[json."), command.front(), ", ", what, ": ", outcome.err);
  if (const std::string page = command.back() + "/report.html"; command.front() == "report" && outcome.code == 0)
    CHECK_MESSAGE(!contains(bytes_of(page), "\x1b"), what);
  CHECK_MESSAGE(seconds < 20, command.front(), ", ", what, ": ", seconds, " s");
}

// A run that is finished, and its dataset.
struct DamagedRun {
  Folder folder;
  std::string data = phantom_file(folder, "organs2d", 10, {16, 16}), run = folder.file("run");
  DamagedRun() {
    const Outcome outcome = program({"train",      data,      "-o",          run,       "--base",    "2",     "--depth",
                                     "2",          "--batch", "2",           "--steps", "80",        "--ema", "0.5",
                                     "--schedule", "plateau", "--normalise", "dataset", "--spacing", "1.2",   "-q"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  }
};

// Damages the metadata of a checkpoint.
void damage(const DamagedRun& finished, const std::string& name, const Command& parts, const Command& command) {
  const std::string path = finished.run + "/" + name;
  const TensorFile good = load_tensors(path);
  for (const std::string& part : parts)
    for_each_damage(Json::parse(good.metadata.at(part)), true,
                    [&](const Json& changed, const std::string& what, bool no) {
                      TensorFile file = good;
                      file.metadata[part] = changed.dump();
                      save_tensors(path, file);
                      check_answer(command, finished.folder, name, part + what, no);
                    });
  save_tensors(path, good);
  CHECK(here(command, finished.folder).code == 0);
}

}  // namespace

TEST_CASE("numbers in the best checkpoint: predict, evaluate and report") {
  const DamagedRun finished;
  const std::string mask = finished.folder.file("mask.h5");
  damage(finished, "best.safetensors", {"model"},
         {"predict", finished.run, finished.data, "--split", "test", "-o", mask, "-q"});
  damage(finished, "best.safetensors", {"model"}, {"evaluate", finished.run, finished.data, "--split", "val", "-q"});
  std::filesystem::rename(finished.data, finished.data + ".moved");  // a page without pictures takes less time
  damage(finished, "best.safetensors", {"model"}, {"report", finished.run});
}

TEST_CASE("numbers in the last checkpoint: train --resume") {
  const DamagedRun finished;
  damage(finished, "last.safetensors", {"step", "counters", "running", "history", "config"},
         {"train", "--resume", finished.run, "-q"});
}

TEST_CASE("numbers in run.json: report, doctor and train --resume") {
  const DamagedRun finished;
  const std::string path = finished.run + "/run.json", good = bytes_of(path);
  for_each_damage(Json::parse(good), true, [&](const Json& changed, const std::string& what, bool) {
    write_bytes(path, changed.dump());
    const Outcome examined = here({"doctor", finished.run}, finished.folder);
    CHECK_MESSAGE((examined.code == 0 || examined.code == 8), what, ": ", examined.code, " ", examined.err);
  });
  std::filesystem::rename(finished.data, finished.data + ".moved");
  for_each_damage(Json::parse(good), false, [&](const Json& changed, const std::string& what, bool) {
    write_bytes(path, changed.dump());
    check_answer({"report", finished.run}, finished.folder, "run.json", what, false);
    const std::string said = error_of([&] { apps::read_live_run(finished.run); });
    CHECK_MESSAGE((said.empty() || (contains(said, "run.json: ") && !contains(said, "[json."))), what, ": ", said);
  });
  for (const auto& [name, value] : kNoMetrics) {
    Json changed = Json::parse(good);
    changed["results"]["test_cases"][0]["classes"]["1"][name] = value;
    write_bytes(path, changed.dump());
    check_answer({"report", finished.run}, finished.folder, "run.json: `" + name + "` is ", name, true);
  }
  std::filesystem::rename(finished.data + ".moved", finished.data);
  // The training goes on without what it cannot read, and writes the file anew.
  for (const char* damaged : {"", "null", "[1]", "{\"seconds\": -1}", "{\"warnings\": 3}", "{\"command\": {}}"}) {
    write_bytes(path, damaged);
    const Outcome resumed = here({"train", "--resume", finished.run}, finished.folder);
    CHECK_MESSAGE(resumed.code == 0, damaged, ": ", resumed.code, " ", resumed.err);
    CHECK_MESSAGE(contains(resumed.err, "run.json: "), damaged, ": ", resumed.err);
    CHECK(Json::parse(bytes_of(path))["exit_reason"] == "finished");
  }
}

// The JSON library writes, copies and frees nested values by functions that call themselves, and looks for a key among
// all that are there.
TEST_CASE("a million brackets and a hundred thousand keys: every file of a run and of a comparison") {
  const DamagedRun finished;
  const std::string nested = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  const std::string deep = "{\"label_map\":" + nested + ",\"config\":" + nested + "}";
  std::string wide = "{";
  for (int i = 0; i < 100'000; ++i) wide += text("\"", i, "\":0,");
  wide += "\"end\":0}";
  const std::string best = finished.run + "/best.safetensors", state = finished.run + "/live/state.json";
  const TensorFile good = load_tensors(best);
  const std::string manifest = bytes_of(finished.run + "/run.json"), log = bytes_of(finished.run + "/log.jsonl");
  const std::string results = finished.folder.file("out") + "/results.json";
  std::filesystem::create_directories(finished.folder.file("out"));
  std::filesystem::create_directories(finished.run + "/live");
  for (const std::string& hostile : {deep, wide}) {
    TensorFile file = good;
    file.metadata["config"] = hostile;
    save_tensors(best, file);
    check_answer({"evaluate", finished.run, finished.data}, finished.folder, "best.safetensors", "config", true);
    save_tensors(best, good);
    write_bytes(finished.run + "/run.json", hostile);
    check_answer({"report", finished.run}, finished.folder, "run.json", "run.json", true);
    CHECK(here({"doctor", finished.run}, finished.folder).code == 8);
    write_bytes(finished.run + "/run.json", manifest);
    write_bytes(finished.run + "/log.jsonl", log + hostile + "\n");
    CHECK(here({"doctor", finished.run}, finished.folder).code == 8);
    CHECK(contains(error_of([&] { apps::read_live_run(finished.run); }), "log.jsonl: "));
    write_bytes(finished.run + "/log.jsonl", log);
    write_bytes(state, hostile);
    CHECK(contains(error_of([&] { apps::read_live_run(finished.run); }), "state.json: "));
    write_bytes(results, hostile);
    check_answer({"report", finished.folder.file("out")}, finished.folder, "results.json", "results.json", true);
    const Outcome outcome =
        here(comparison_of({finished.data}, finished.folder.file("out"), {"--losses", "ce"}), finished.folder);
    CHECK_MESSAGE((outcome.code == 2 && contains(outcome.err, "results.json is there")), outcome.code, outcome.err);
  }
  write_bytes(finished.run + "/run.json", deep);
  const Outcome resumed = here({"train", "--resume", finished.run}, finished.folder);
  CHECK_MESSAGE((resumed.code == 0 && contains(resumed.err, "nested too deep")), resumed.code, resumed.err);
}

TEST_CASE("numbers in the files of a comparison: report and compare") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), out = folder.file("out");
  const Command more{"--losses", "ce", "--seeds", "1", "--steps", "2"};
  REQUIRE(program(comparison_of({data}, out, more)).code == 0);
  const std::string results = out + "/results.json", whole = bytes_of(results);
  Json read = Json::parse(whole);
  for (const char* unread : {"analyses", "answers"}) read.erase(unread);
  CHECK(here({"report", out}, folder).code == 0);  // else each damage would be refused for another reason
  for_each_damage(read, false, [&](const Json& changed, const std::string& what, bool) {
    write_bytes(results, changed.dump());
    check_answer({"report", out}, folder, "results.json", what, false);
  });
  for (const auto& [name, value] : kNoMetrics) {
    Json changed = read;
    changed["runs"][0]["cases"][0]["classes"]["1"][name] = value;
    write_bytes(results, changed.dump());
    check_answer({"report", out}, folder, "results.json: `" + name + "` is ", name, true);
  }
  Json hostile = read;
  hostile["datasets"][0]["used"]["settings"] = {{"depth", "\x1b[31m"}, {"<b>\x1b", 1},          {"steps", 1},
                                                {"training_cases", 1}, {"validation_cases", 1}, {"test_cases", 1}};
  write_bytes(results, hostile.dump());
  check_answer({"report", out}, folder, "results.json", "settings", false);
  CHECK(contains(bytes_of(out + "/report.html"), "&lt;b&gt;\\u001b"));
  write_bytes(results, whole);
  const std::string manifest = out + "/nuclei2d/ce/seed_1/run.json", good = bytes_of(manifest);
  Command merge = comparison_of({data}, out, more);
  merge.insert(merge.end(), {"--shard", "0/2", "-q"});
  for_each_damage(Json::parse(good), true, [&](const Json& changed, const std::string& what, bool) {
    if (what.starts_with("/config") || what.starts_with("/dataset")) return;  // then it is a run of another protocol
    write_bytes(manifest, changed.dump());
    check_answer(merge, folder, "run.json", what, false);
  });
}

// ctest labels: unsanitized
// Interrupted and resumed trainings: signals, bits, damaged files.
#include <csignal>

#include "apps/program/json.h"
#include "apps/program/signals.h"
#include "apps/training/checkpoint.h"
#include "apps/training/session.h"
#include "data/h5/h5_writer.h"
#include "engine/io/safetensors.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

Json manifest(const std::string& run) { return Json::parse(bytes_of(run + "/run.json")); }

int step_of(const std::string& run) { return std::stoi(load_tensors(run + "/last.safetensors").metadata.at("step")); }

// Options whose state is easy to forget: moments, moving average, dropout, batch norm, plateau.
const std::vector<std::string> kStateful{"--ema", "0.9",        "--dropout", "0.2",     "--norm",
                                         "batch", "--schedule", "plateau",   "--steps", "360"};

std::vector<std::string> long_training(const std::string& data, const std::string& run) {
  std::vector<std::string> words = small_training(data, run);
  words.resize(words.size() - 4);  // its --steps and --loss
  words.insert(words.end(), kStateful.begin(), kStateful.end());
  return words;
}

void check_same(const std::string& a, const std::string& b) {
  for (const char* name : {"last.safetensors", "best.safetensors", "metrics.csv", "curves.svg"})
    CHECK_MESSAGE(bytes_of(a + "/" + name) == bytes_of(b + "/" + name), name, " differs");
  CHECK(!bytes_of(a + "/last.safetensors").empty());
  CHECK(manifest(a)["results"]["test_cases"] == manifest(b)["results"]["test_cases"]);
}

}  // namespace

TEST_CASE("a resumed run knows its data even if the file has no checksum, and its seed") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  const data::Dataset checked = data::Dataset::open(data);
  // Writes the first `cases` cases as a file without checksums; `wrong` is a voxel whose label is changed.
  const auto plain = [&](const std::string& name, std::int64_t wrong) {
    data::h5::Writer out(folder.file(name));
    out.attribute("/", "format", std::string("voxgrad-dataset"));
    out.attribute("/", "format_version", std::int64_t{1});
    out.attribute("/", "class_names", checked.info().class_names);
    out.create("/images", data::h5::Element::f32, {12, 32, 32, 1});
    out.create("/labels", data::h5::Element::u8, {12, 32, 32});
    for (std::int64_t i = 0; i < 12; ++i) {
      data::Case one = checked.read(i);
      if (i == 5 && wrong >= 0) one.label.data<std::uint8_t>()[wrong] ^= 1;
      out.write("/images", {i, 0, 0, 0}, {1, 32, 32, 1}, data::h5::Element::f32, one.image.raw());
      out.write("/labels", {i, 0, 0}, {1, 32, 32}, data::h5::Element::u8, one.label.raw());
    }
    out.attribute("/images", "axes", std::string("NYXC"));
    out.attribute("/images", "spacing", std::vector<double>{1, 1});
    out.attribute("/labels", "axes", std::string("NYX"));
    out.texts("/case_ids", checked.info().case_ids);
    out.save();
    return folder.file(name);
  };
  const std::string original = plain("a.h5", -1);
  CHECK(data::Dataset::open(original).info().labels_crc32 == 0);
  REQUIRE(program(small_training(original, run)).code == 0);
  const Outcome other = program({"train", "--resume", run, plain("b.h5", 77)});
  CHECK(other.code == 3);
  CHECK_MESSAGE(contains(other.err, "its content is not what"), other.err);
  CHECK(program({"train", "--resume", run, plain("c.h5", -1)}).code == 0);
  // The same arrays with other splits or spacing are other data: what is tested could have been trained on.
  const data::DatasetInfo info = data::Dataset::open(original).info();
  const std::vector<std::vector<std::int64_t>> splits{{0, 1}, {2}, {3}};
  data::DatasetInfo spaced = info, named = info;
  spaced.spacings[0][0] = 2;
  named.class_names[1] = "other";
  const std::uint32_t sum = apps::checksum_of_description(info, splits);
  CHECK(sum == apps::checksum_of_description(info, splits));
  CHECK(sum != apps::checksum_of_description(info, {{0, 2}, {1}, {3}}));
  CHECK(sum != apps::checksum_of_description(spaced, splits));
  CHECK(sum != apps::checksum_of_description(named, splits));
  const Outcome seed = program({"train", "--resume", run, "--seed", "2"});
  CHECK(seed.code == 2);
  CHECK_MESSAGE(contains(seed.err, "--seed cannot be changed"), seed.err);
  CHECK(program({"train", "--resume", run, "--seed", "1"}).code == 0);
}

TEST_CASE("a run that was interrupted in the middle of an epoch, twice, ends with the bits of one that was not") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 20, {48, 48});
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  REQUIRE(program(long_training(data, whole)).code == 0);
  Running first(long_training(data, parts));
  REQUIRE(first.saw("epoch 1/"));
  first.send(SIGINT);
  const Outcome stopped = first.wait();
  CHECK_MESSAGE(stopped.code == 130, stopped.code, " ", stopped.err);
  CHECK(manifest(parts)["exit_reason"] == "interrupted");
  const int reached = step_of(parts);
  CHECK_MESSAGE(contains(stopped.err, text("stopped at step ", reached, " of 360; go on with: voxgrad train --resume ",
                                           parts, "\n")),
                stopped.err);
  CHECK(reached >= 20);
  CHECK(reached < 240);  // the second part waits for the end of epoch 12 of 18
  Running second({"train", "--resume", parts});
  REQUIRE(second.saw("epoch 12/"));
  second.send(SIGTERM);
  const Outcome ended = second.wait();
  CHECK(ended.code == 143);
  CHECK_MESSAGE(contains(ended.err, text("resumed   at step ", reached, " of 360\n")), ended.err);
  CHECK(step_of(parts) > reached);
  REQUIRE(program({"train", "--resume", parts, "--threads", "1"}).code == 0);
  check_same(whole, parts);
  // A run that is complete is tested again, not trained again.
  const Outcome again = program({"train", "--resume", parts, "--json", "-q"});
  REQUIRE(again.code == 0);
  CHECK(Json::parse(again.out)["test"] == manifest(whole)["results"]["test"]);
  check_same(whole, parts);
}

TEST_CASE("a run that was killed goes on from its last checkpoint, even if that one was damaged, to the same bits") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 20, {48, 48});
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  REQUIRE(program(long_training(data, whole)).code == 0);
  Running first(long_training(data, parts));
  REQUIRE(first.saw("epoch 2/"));
  first.send(SIGKILL);
  CHECK(first.wait().code == 256 + SIGKILL);
  std::string bytes = bytes_of(parts + "/last.safetensors");
  bytes.resize(bytes.size() / 2);
  write_bytes(parts + "/last.safetensors", bytes);
  const Outcome resumed = program({"train", "--resume", parts});
  REQUIRE_MESSAGE(resumed.code == 0, resumed.err);
  CHECK_MESSAGE(contains(resumed.err, "warning: "), resumed.err);
  CHECK(contains(resumed.err, "going on from"));
  check_same(whole, parts);
}

TEST_CASE("a run with a schedule that waits for validations goes on from a checkpoint before the first of them") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 20, {48, 48});
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  const auto training = [&](const std::string& run) {
    std::vector<std::string> words = long_training(data, run);
    words.insert(words.end(), {"--validate-every", "4"});
    return words;
  };
  REQUIRE(program(training(whole)).code == 0);
  constexpr int kFirstValidation = 80;
  int reached = kFirstValidation;
  for (int attempt = 0; attempt < 20 && reached >= kFirstValidation; ++attempt) {  // this process may be slow
    std::filesystem::remove_all(parts);
    Running first(training(parts));
    REQUIRE(first.saw("epoch 1/"));
    first.send(SIGINT);  // it leaves a checkpoint, and a kill that of step 0: without a validation no epoch is the best
    first.wait();
    reached = step_of(parts);
  }
  CHECK(reached >= 20);
  CHECK(reached < kFirstValidation);
  const Outcome resumed = program({"train", "--resume", parts});
  REQUIRE_MESSAGE(resumed.code == 0, resumed.err);
  check_same(whole, parts);
}

TEST_CASE("a terminal that is closed interrupts a training as Ctrl-C does, unless it was started with nohup") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 20, {48, 48}), run = folder.file("run");
  Running closed(long_training(data, run), [] { ::signal(SIGHUP, SIG_DFL); });
  REQUIRE(closed.saw("epoch 1/"));
  closed.send(SIGHUP);
  const Outcome stopped = closed.wait();
  CHECK_MESSAGE(stopped.code == 129, stopped.code, " ", stopped.err);
  CHECK(manifest(run)["exit_reason"] == "interrupted");
  CHECK(step_of(run) >= 20);
  Running kept({"train", "--resume", run}, [] { ::signal(SIGHUP, SIG_IGN); });
  REQUIRE(kept.saw("resumed"));
  kept.send(SIGHUP);
  CHECK(kept.wait().code == 0);
}

TEST_CASE("a second process on the same run directory is refused") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 20, {48, 48}), run = folder.file("run");
  Running first(long_training(data, run));
  REQUIRE(first.saw("epoch 1/"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"train", "--resume", run}, long_training(data, run)}) {
    const Outcome second = program(words);
    CHECK(second.code == 2);
    CHECK_MESSAGE(contains(second.err, "another process is training there"), second.err);
    CHECK(contains(second.err, "hint: "));
  }
  first.send(SIGINT);
  CHECK(first.wait().code == 130);
}

TEST_CASE("a run is resumed with its own settings and its own data") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  const Outcome changed = program({"train", "--resume", run, "--lr", "0.1"});
  CHECK(changed.code == 2);
  CHECK_MESSAGE(contains(changed.err, "--lr cannot be changed when a run is resumed"), changed.err);
  // A process that was killed has its time in the log alone.
  std::string log = bytes_of(run + "/log.jsonl"), killed = bytes_of(run + "/run.json");
  write_bytes(run + "/log.jsonl", log + "{\"event\":\"epoch\",\"seconds\":3600}\n");
  Json before = Json::parse(killed);
  before["seconds"] = 0;
  write_bytes(run + "/run.json", before.dump(2));
  REQUIRE(program({"train", "--resume", run}).code == 0);
  CHECK(manifest(run)["seconds"].get<double>() > 3600);
  const std::string other = phantom_file(folder, "lesions2d", 12, {32, 32});
  const Outcome foreign = program({"train", "--resume", run, other});
  CHECK(foreign.code == 3);
  CHECK_MESSAGE(contains(foreign.err, "its content is not what"), foreign.err);
  const Outcome missing = program({"train", "--resume", folder.file("none")});
  CHECK(missing.code == 5);
  CHECK_MESSAGE(contains(missing.err, "no run in"), missing.err);
  const Outcome taken = program(small_training(data, run));
  CHECK(taken.code == 2);
  CHECK_MESSAGE(contains(taken.err, "a run is in it already"), taken.err);
  const std::string moved = folder.file("moved.h5");
  std::filesystem::rename(data, moved);
  const Outcome lost = program({"train", "--resume", run});
  CHECK(lost.code == 5);
  CHECK_MESSAGE(contains(lost.err, "hint: say where it is: voxgrad train DATA.h5 --resume " + run), lost.err);
  CHECK(program({"train", moved, "--resume", run}).code == 0);
}

TEST_CASE("a run whose best weights are older than its checkpoint says is refused; another device is said") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  const std::string path = run + "/best.safetensors", whole = bytes_of(path);
  TensorFile best = load_tensors(path);
  Json record = Json::parse(best.metadata.at("best"));
  record["step"] = record["step"].get<int>() - 1;
  best.metadata["best"] = record.dump();
  save_tensors(path, best);
  const Outcome older = program({"train", "--resume", run});
  CHECK(older.code == 4);
  CHECK_MESSAGE(contains(older.err, "the best epoch ended at step"), older.err);
  CHECK_MESSAGE(contains(older.err, "--from " + run + "/last.safetensors"), older.err);
  write_bytes(path, whole);
  Json began = manifest(run);
  began["device"] = "cuda";
  write_bytes(run + "/run.json", began.dump());
  const Outcome elsewhere = program({"train", "--resume", run});
  CHECK(elsewhere.code == 0);
  CHECK_MESSAGE(contains(elsewhere.err, "the process before had device \"cuda\", this one has \"cpu\""), elsewhere.err);
}

TEST_CASE("numbers of a checkpoint outside their range are refused by name") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  const std::string path = run + "/last.safetensors";
  const TensorFile good = load_tensors(path);
  const auto edited = [&](const std::string& part, const std::string& key, const Json& value, std::string named = "") {
    TensorFile file = good;
    Json json = Json::parse(file.metadata.at(part));
    key.empty() ? json = value : json[key] = value;
    file.metadata[part] = json.dump();
    save_tensors(path, file);
    const Outcome outcome = program({"train", "--resume", run});
    if (named.empty()) named = key.empty() ? part : key;
    CHECK_MESSAGE(outcome.code == 4, part, ".", key, " ", value.dump(), ": ", outcome.code, " ", outcome.err);
    CHECK_MESSAGE(contains(outcome.err, path + ": "), outcome.err);
    CHECK_MESSAGE((contains(outcome.err, "`" + named + "` is ") || value.is_null()), outcome.err);
  };
  for (const Json& step : {Json(-1), Json(INT64_MAX), Json(UINT64_MAX), Json(45), Json(1.5), Json("44")})
    edited("step", "", step);
  for (const Json& record : {Json(1000000), Json(-1), Json(0), Json(UINT64_MAX), Json(true)})
    edited("running", "best_record", record);
  edited("running", "loss_count", -1);
  edited("running", "loss_sum", nullptr);
  edited("counters", "optimizer_steps", -1);
  edited("counters", "optimizer_steps", 0);
  edited("counters", "ema_updates", Json::object());
  edited("counters", "ema_updates", 44);
  edited("running", "skipped", 1, "optimizer_steps");
  edited("running", "skipped", 45);
  edited("counters", "rate_scale", 0);
  edited("counters", "rate_scale", nullptr);
  edited("history", "", Json(nullptr));
  edited("history", "", Json::array({{{"epoch", nullptr}}}), "epoch");
  // The settings are those of run.json. Without it they agree with what a training makes of them, and with the history.
  for (const Json& steps : {Json(0), Json(46)}) edited("config", "steps", steps, "config.steps");
  edited("config", "loss", "ce", "config.loss");
  edited("config", "lr", 0.5, "config.lr");
  const std::string manifest = bytes_of(run + "/run.json");
  std::filesystem::remove(run + "/run.json");
  edited("config", "steps", 0, "config.steps");
  edited("config", "steps", 46, "history.step");
  write_bytes(run + "/run.json", manifest);
  save_tensors(path, good);
  CHECK(program({"train", "--resume", run}).code == 0);
}

TEST_CASE("a run that was interrupted before a step that is not finite goes back to where it would have gone") {
  struct Interrupting final : Observer {
    std::int64_t at;
    std::vector<std::string> warnings;
    explicit Interrupting(std::int64_t step) : at(step) {}
    void on_step(const StepReport& report, const Plan&) override {
      if (report.step == at) std::raise(SIGINT);
    }
    void on_warning(const std::string& text) override { warnings.push_back(text); }
  };
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  TrainConfig config;
  config.data = dataset.info().path;
  config.base = 4;
  config.depth = 2;
  config.batch = 2;
  config.steps = 160;
  config.loss = "ce";
  config.norm = "none";
  config.clip = 0;
  config.optimizer = "sgd";
  config.lr = 10;  // diverges in the first steps, and on some processors in step 39, of the second epoch
  config.schedule = "constant";
  config.augment = config.normalise = "none";
  config.on_nan = "rollback";
  const Plan plan = make_plan(dataset, config);
  const auto trained = [&](const std::string& run, std::int64_t interrupted) {
    Interrupting observer(interrupted);
    if (interrupted > 0) {
      RunDirectory directory = RunDirectory::create(run);
      CHECK_THROWS_AS(Session(dataset, plan, directory, observer, Device::cpu, "test").run(), Interrupted);
    }
    RunDirectory directory = interrupted > 0 ? RunDirectory::reopen(run) : RunDirectory::create(run);
    Session session(dataset, plan, directory, observer, Device::cpu, "test");
    observer.at = -1;
    if (interrupted > 0) session.resume();
    session.run();
    return observer.warnings;
  };
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  CHECK(!trained(whole, 0).empty());
  trained(parts, 30);
  check_same(whole, parts);
}

TEST_CASE("checksums of the dataset that are known are not computed again") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 6, {24, 24}));
  TrainConfig config;
  config.data = dataset.info().path;
  config.base = 4;
  config.depth = 2;
  config.steps = 1;
  RunDirectory directory = RunDirectory::create(folder.file("run"));
  Observer nobody;
  Session(dataset, make_plan(dataset, config), directory, nobody, Device::cpu, "test", DatasetChecksums{1, 2}).run();
  CHECK(load_tensors(folder.file("run/last.safetensors")).metadata.at("dataset_crc32") == "1/2");
}

// Runs that went wrong in a known way: the examination names it. Runs that are fine give no failure, and damaged files
// are findings.
#include <cmath>

#include "apps/doctor/run_checks.h"
#include "apps/program/json.h"
#include "apps/training/history.h"
#include "apps/training/run_directory.h"
#include "engine/io/safetensors.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;
namespace fs = std::filesystem;

namespace {

// The findings of a check; with "" all failures.
std::vector<Finding> of_check(const std::string& run, const std::string& check) {
  std::vector<Finding> all = examine_run(run, Device::cpu);
  std::erase_if(all, [&](const Finding& one) { return check.empty() ? !one.failure : one.check != check; });
  for (const Finding& one : all) {
    CHECK(!one.what.empty());
    CHECK(!one.why.empty());
    CHECK(!one.remedy.empty());
  }
  return all;
}

std::string first_of(const std::string& run, const std::string& check) {
  const std::vector<Finding> found = of_check(run, check);
  return found.empty() ? "" : found[0].what + " | " + found[0].where + " | " + found[0].remedy;
}

void check_found(const std::string& run, const std::string& check, const std::vector<std::string>& parts) {
  const std::string found = first_of(run, check);
  for (const std::string& part : parts) CHECK_MESSAGE(contains(found, part), check, ": ", part, " is not in: ", found);
}

// A finished run, of which copies are changed.
class Finished {
 public:
  Finished() {
    data_ = phantom_file(folder_, "organs2d", 12, {48, 48});
    const Outcome outcome = program(small_training(data_, folder_.file("run"), {"-q"}));
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  }
  std::string copy() {
    const std::string path = folder_.file("copy" + std::to_string(++copies_));
    fs::copy(folder_.file("run"), path);
    return path;
  }
  // A copy whose epochs have these losses and Dice.
  std::string with_course(const std::vector<double>& losses, const std::vector<double>& dice, double lr = 2e-3) {
    const std::string path = copy();
    std::vector<EpochRecord> epochs;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const std::int64_t epoch = static_cast<std::int64_t>(i) + 1;
      epochs.push_back({epoch, 20 * epoch, losses[i], lr, dice[i], {dice[i], dice[i], dice[i] / 2}});
    }
    write_text(path + "/metrics.csv", to_csv(epochs, {"background", "liver", "kidney", "spleen"}));
    return path;
  }
  const std::string& data() const { return data_; }
  const Folder& folder() const { return folder_; }

 private:
  Folder folder_;
  std::string data_;
  int copies_ = 0;
};

template <class F>
void change_manifest(const std::string& run, F&& change) {
  Json json = Json::parse(read_text(run + "/run.json"));
  change(json);
  write_text(run + "/run.json", json.dump());
}

void add_line(const std::string& run, const std::string& line) {
  write_text(run + "/log.jsonl", read_text(run + "/log.jsonl") + line + "\n");
}

}  // namespace

TEST_CASE("a course of loss and Dice that went wrong is named") {
  Finished runs;
  const std::vector<double> falling{1.0, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.28};
  const std::vector<double> good{0.3, 0.5, 0.6, 0.7, 0.75, 0.78, 0.79, 0.8, 0.8, 0.8};
  const std::string fine = runs.with_course(falling, good);
  change_manifest(fine, [](Json& json) { json["results"]["test"]["dice_mean"] = 0.79; });
  CHECK_MESSAGE(examine_run(fine, Device::cpu).empty(), report_of(examine_run(fine, Device::cpu)));
  CHECK(run_checks().size() == 12);

  check_found(runs.with_course(falling, std::vector<double>(10, 0)), "found_nothing",
              {"Dice is 0 in all 10 epochs", "--foreground 1"});
  check_found(runs.with_course(std::vector<double>(10, 0.9), std::vector<double>(10, 0.1)), "loss_falls",
              {"the loss does not fall: 0.9", "--lr (it was 0.004)"});
  check_found(runs.with_course(falling, {0.3, 0.6, 0.7, 0.72, 0.7, 0.68, 0.66, 0.64, 0.62, 0.6}), "overfitting",
              {"best Dice 0.720 in epoch 4, 0.600 at the end", "from epoch 4"});
  check_found(runs.with_course(falling, {0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75}), "still_rising",
              {"still rises at the end", "--steps"});
  check_found(runs.with_course(falling, {0.5, 0.4, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3}), "first_is_best",
              {"the first epoch is the best one: Dice 0.500"});
  std::vector<double> at_once(10, 0.8997);  // a model that was good from the start
  at_once[0] = 0.9;
  CHECK(of_check(runs.with_course(falling, at_once), "first_is_best").empty());
  CHECK(of_check(runs.with_course(falling, std::vector<double>(10, 0.9)), "first_is_best").empty());
  check_found(runs.with_course(falling, good, 1e-5), "never_warm", {"at most 1e-05 of 0.004"});
  const std::string apart = runs.with_course(falling, good);
  change_manifest(apart, [](Json& json) { json["results"]["test"]["dice_mean"] = 0.31; });
  check_found(apart, "val_and_test", {"Dice 0.800 and 0.310", "--fold k/5"});

  const std::string absent = runs.copy();
  std::vector<EpochRecord> epochs;
  for (std::int64_t i = 1; i <= 5; ++i)
    epochs.push_back({i, 20 * i, 1.0 / static_cast<double>(i), 2e-3, 0.4, {0.8, 0}});
  write_text(absent + "/metrics.csv", to_csv(epochs, {"background", "liver", "spleen, \"right\""}));
  check_found(absent, "class_zero", {"class 2 (\"spleen, \"right\"\") is 0 in every epoch"});
  epochs[1].val_classes[1] = std::nan("");  // no validation case has it
  write_text(absent + "/metrics.csv", to_csv(epochs, {"background", "liver", "spleen, \"right\""}));
  CHECK(of_check(absent, "class_zero").empty());
}

TEST_CASE("a run that did not come to its end says why, and how to go on") {
  Finished runs;
  const std::string wild = runs.folder().file("wild");
  REQUIRE(program(small_training(runs.data(), wild, {"-q", "--lr", "1e38", "--schedule", "constant"})).code == 7);
  check_found(wild, "ending", {"the training has diverged: step ", "learning rate 1e+38", "--lr, for instance 0.001"});

  const std::string stopped = runs.copy();
  change_manifest(stopped, [](Json& json) { json["exit_reason"] = "interrupted"; });
  check_found(stopped, "ending", {"interrupted by a signal", "voxgrad train --resume " + stopped});

  const std::string spaced = runs.folder().file("my run");
  fs::copy(stopped, spaced);
  check_found(spaced, "ending", {"voxgrad train --resume '" + spaced + "'"});

  const std::string killed = runs.copy();
  change_manifest(killed, [](Json& json) { json["exit_reason"] = "running"; });
  check_found(killed, "ending", {"no process is training there", "voxgrad train --resume " + killed});
  {
    const RunDirectory held = RunDirectory::reopen(killed);
    CHECK(of_check(killed, "ending").empty());
  }
  fs::remove(killed + "/last.safetensors");
  fs::remove(killed + "/previous.safetensors");
  check_found(killed, "ending", {"there is no checkpoint"});
  change_manifest(killed, [](Json& json) { json["dataset"]["path"] = "/nowhere/x.h5"; });
  check_found(killed, "dataset", {"/nowhere/x.h5 is no longer where it was"});

  const std::string failed = runs.copy();
  change_manifest(failed, [](Json& json) { json["exit_reason"] = "error"; });
  add_line(failed, R"({"event":"error","step":3,"message":"out of memory","hint":"smaller patches"})");
  check_found(failed, "ending", {"ended with an error: out of memory", "smaller patches"});

  const std::string lucky = runs.copy();
  for (int i = 0; i < 5; ++i)
    add_line(lucky, R"({"event":"skip","step":7,"message":"step 7 (epoch 1): the loss is NaN"})");
  check_found(lucky, "skipped", {"5 steps were left out", "first: step 7 (epoch 1): the loss is NaN"});
  CHECK(of_check(lucky, "skipped").at(0).failure);  // 5 of 44
}

TEST_CASE("damaged and absent files of a run are findings, whatever is in them") {
  Finished runs;
  check_found(runs.folder().file("nothing"), "files", {"there is no run in"});
  const std::string manifest = read_text(runs.copy() + "/run.json"), metrics = read_text(runs.copy() + "/metrics.csv"),
                    log = read_text(runs.copy() + "/log.jsonl");
  const std::string run = runs.copy();
  for (const std::string& bad : {std::string(), manifest.substr(0, manifest.size() / 2), std::string("[1]"),
                                 std::string("\xff\0\x01", 3), std::string("{\"config\": 1e999}")}) {
    write_text(run + "/run.json", bad);
    check_found(run, "files", {"run.json cannot be used"});
  }
  for (const char* odd : {"{}", R"({"exit_reason": 3, "config": [], "dataset": "x", "results": {"test": 1}})",
                          R"({"steps": {}, "results": {"test": {"dice_mean": "x"}}, "config": {"lr": null}})"}) {
    write_text(run + "/run.json", odd);  // keys of other types
    CHECK(of_check(run, "files").empty());
  }
  write_text(run + "/run.json", manifest);
  for (const std::string& bad : {std::string("a,b\n"), metrics + "1,2\n", metrics + "x,1,2,3,4,5,6,7\n"}) {
    write_text(run + "/metrics.csv", bad);
    check_found(run, "files", {"metrics.csv cannot be used"});
  }
  fs::remove(run + "/metrics.csv");
  check_found(run, "files", {"the run has no file metrics.csv"});
  write_text(run + "/metrics.csv", metrics);
  write_text(run + "/log.jsonl", log + "{\"event\": \"epo");
  check_found(run, "files", {"log.jsonl cannot be used: 1 of its lines", "metrics.csv"});
  write_text(run + "/log.jsonl", log);
  const std::string best = read_text(run + "/best.safetensors");
  write_bytes(run + "/best.safetensors", best.substr(0, best.size() - 9));
  check_found(run, "files", {"best.safetensors cannot be used"});
  TensorFile broken = load_tensors(run + "/last.safetensors");
  broken.tensors.front().tensor = full(broken.tensors.front().tensor.shape(), std::nan(""));
  save_tensors(run + "/best.safetensors", broken);
  check_found(run, "files", {"best.safetensors cannot be used", broken.tensors.front().name});
  write_bytes(run + "/best.safetensors", best);
  CHECK(of_check(run, "files").empty());
}

// Comparisons: the protocol, what is written, who is refused.
#include "apps/comparison/compare.h"

#include "apps/training/trainer.h"
#include "losses/core/registry.h"
#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

TEST_CASE("a comparison trains, tests, ranks, and does nothing twice") {
  const Folder folder;
  const std::string a = phantom_file(folder, "nuclei2d", 12, {32, 32}),
                    b = phantom_file(folder, "organs2d", 12, {48, 48});
  const std::string out = folder.file("out");
  const Outcome first = program(comparison_of({a, b}, out));
  REQUIRE_MESSAGE(first.code == 0, first.err);
  for (const char* word : {"nuclei2d", "organs2d", "rank", "mean Dice", "95 % interval", "SD cases", "SD seeds",
                           "over 2 datasets", "mean rank", "p (Holm)"})
    CHECK_MESSAGE(contains(first.out, word), word, " is missing in\n", first.out);
  const Json results = Json::parse(bytes_of(out + "/results.json"));
  REQUIRE(results["runs"].size() == 8);
  CHECK(results["protocol"]["settings"]["steps"] == 100);
  CHECK(results["protocol"]["baseline"] == "ce");
  REQUIRE(results["analyses"].size() == 3);
  CHECK(results["analyses"][2]["ranking"].size() == 2);
  CHECK(results["runs"][0]["history"].size() == 5);
  CHECK(results["runs"][0]["peak_tensor_bytes"] > 100000);
  CHECK(bytes_of(out + "/results.csv").starts_with("dataset,loss,fold,seed,case,class,dice,jaccard"));
  const std::string before = bytes_of(out + "/nuclei2d/ce/seed_2/run.json");
  const Outcome second = program(comparison_of({a, b}, out, {"--json", "-q"}));
  REQUIRE(second.code == 0);
  CHECK(bytes_of(out + "/nuclei2d/ce/seed_2/run.json") == before);  // was not run again
  CHECK(Json::parse(second.out)["datasets"] == results["datasets"]);
  CHECK(Json::parse(second.out)["runs"] == results["runs"]);
  const Outcome other = program(comparison_of({a, b}, out, {"--lr", "0.01"}));
  CHECK(other.code == 2);
  CHECK_MESSAGE(contains(other.err, "a run of another protocol: lr 0.004 there, 0.01 here"), other.err);
}

TEST_CASE("a dry run says what a comparison takes and could find, and trains nothing") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 24, {32, 32}), out = folder.file("out");
  const Outcome planned = program(comparison_of({data}, out, {"--dry-run", "--folds", "3", "--seeds", "3"}));
  REQUIRE_MESSAGE(planned.code == 0, planned.err);
  CHECK(!std::filesystem::exists(out));
  std::vector<std::string> without = comparison_of({data}, out);
  const auto flag = std::find(without.begin(), without.end(), "-o");
  without.erase(flag, flag + 2);
  const Outcome refused = program(without);
  CHECK(refused.code == 2);
  CHECK_MESSAGE(contains(refused.err, "compare: no directory given"), refused.err);
  without.emplace_back("--dry-run");
  CHECK(program(without).code == 0);
  for (const char* word : {"nuclei2d", "trainings", "time", "memory", "5 seeds", "typical"})
    CHECK_MESSAGE(contains(planned.out, word), word, " is missing in\n", planned.out);
  const auto json_of = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--dry-run", "--json", "-q"});
    const Outcome outcome = program(comparison_of({data}, out, more));
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return Json::parse(outcome.out).at("datasets").at(0);
  };
  const Json folds = json_of({"--folds", "3", "--seeds", "3"}), once = json_of({"--seeds", "1"});
  CHECK(folds.at("trainings") == 18);
  CHECK(folds.at("units") == 12);  // groups of two cases
  CHECK(folds.at("units_are_groups") == true);
  CHECK(folds.at("detectable_difference") > 0.01);
  CHECK(folds.at("detectable_difference") < 0.2);
  CHECK(once.at("detectable_difference") == "Infinity");
  CHECK(once.at("seconds_each") > 0);

  // The spreads of results in the directory are better than typical ones.
  REQUIRE(program(comparison_of({data}, out, {"--folds", "3", "--seeds", "2", "--steps", "10"})).code == 0);
  CHECK(json_of({"--folds", "3", "--seeds", "3"}).at("sd_measured") == true);
  const Outcome merged = program(comparison_of({data}, out, {"--dry-run", "--merge"}));
  CHECK(merged.code == 2);
  CHECK(contains(merged.err, "--merge and --dry-run"));
}

TEST_CASE("--max-memory takes fewer jobs, and refuses what no single training fits") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), out = folder.file("out");
  const auto planned = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--dry-run", "--json", "--jobs", "3"});
    return program(comparison_of({data}, out, more));
  };
  const Outcome refused = planned({"--max-memory", "2MiB"});
  CHECK(refused.code == 2);
  const std::string says = "--max-memory 2 MiB: a training takes ";
  REQUIRE_MESSAGE(contains(refused.err, says), refused.err);
  const int each = std::stoi(refused.err.substr(refused.err.find(says) + says.size()));
  const Outcome limited = planned({"--max-memory", text(5 * each / 2, "MiB")});
  REQUIRE_MESSAGE(limited.code == 0, limited.err);
  CHECK_MESSAGE(contains(limited.err, "jobs      2 instead of 3"), limited.err);
  const auto peak = [](const Outcome& plan) { return Json::parse(plan.out).at("peak_memory_bytes").get<double>(); };
  CHECK(peak(limited) < peak(planned({})));
  const Json tuned = Json::parse(planned({"--tune", "--losses", "dice"}).out);  // one process does all four trainings
  CHECK(tuned.at("seconds") > 3.9 * tuned.at("datasets").at(0).at("seconds_each").get<double>());
  CHECK(contains(planned({"--max-memory", "much"}).err, "write 2GiB or 800MiB"));
  CHECK(program(comparison_of({folder.file("none.h5")}, out, {"--max-memory", "2GiB"})).code == 5);
}

TEST_CASE("where every training diverged nothing is ranked, and the runs are kept") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), out = folder.file("out");
  const Outcome outcome = program(comparison_of({data}, out, {"--lr", "1e38", "--schedule", "constant"}));
  CHECK_MESSAGE(outcome.code == 3, outcome.code);
  CHECK_MESSAGE(contains(outcome.err, "nuclei2d: every training diverged"), outcome.err);
  const Json results = Json::parse(bytes_of(out + "/results.json"));
  CHECK(results["runs"].size() == 4);
  CHECK(results["runs"][0]["diverged"] == true);
  const Outcome again = program({"report", out});
  CHECK(again.code == 3);
  CHECK_MESSAGE(contains(again.err, "every training diverged"), again.err);
}

TEST_CASE("the command in the results makes the same comparison") {
  CompareOptions options;
  options.datasets = {"a.h5", "b.h5"};
  options.losses = {"ce", "dice:batch=1"};
  options.seeds = 3;
  options.config.steps = 50;
  options.config.residual = true;
  CHECK(command_of(options) ==
        "voxgrad compare a.h5 b.h5 --losses ce,dice:batch=1 --residual --steps 50 --seeds 3 -o AGAIN");
  options.losses = parse_losses("all");
  CHECK(contains(command_of(options), "--losses all"));
  options.config.tta = options.config.clean_up = "auto";  // as `train` has them, but not a comparison
  CHECK(contains(command_of(options), " --clean-up auto "));
  CHECK(contains(command_of(options), " --tta auto "));
  options.datasets = {"my data's.h5"};
  options.config.steps = 0;
  options.short_steps = 900;
  CHECK(contains(command_of(options), "voxgrad compare 'my data'\\''s.h5' --losses all --preset quick"));
  options.of_preset = {"depth"};
  CHECK(contains(command_of(options), " --depth 0 "));  // the preset would set another one
  options.of_machine = " --device cuda --tf32";
  CHECK(command_of(options).ends_with(" --device cuda --tf32 -o AGAIN"));
}

TEST_CASE("all losses: those of the registry that can be trained with alone") {
  const std::vector<std::string> all = parse_losses("all");
  std::size_t objectives = 0;
  for (const losses::Spec& spec : losses::registry()) objectives += spec.objective ? 1 : 0;
  CHECK(all.size() == objectives);
  CHECK(all.size() > 15);
  CHECK(std::find(all.begin(), all.end(), "region_size") == all.end());
  CHECK(parse_losses("a,b:x=1,y=2,c") == std::vector<std::string>{"a", "b:x=1,y=2", "c"});
}

TEST_CASE("folds: every case is tested once, by models that did not see its group") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), out = folder.file("out");
  const Outcome outcome =
      program(comparison_of({data}, out, {"--folds", "3", "--seeds", "1", "--losses", "dice", "--steps", "20"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Comparison comparison = read_comparison(out);
  REQUIRE(comparison.runs.size() == 3);
  CHECK(comparison.datasets[0].cases.size() == 12);
  std::vector<std::string> tested;
  for (const ComparedRun& run : comparison.runs)
    for (const CaseNumbers& one : run.cases) tested.push_back(one.id);
  std::sort(tested.begin(), tested.end());
  CHECK(tested.size() == 12);
  CHECK(std::unique(tested.begin(), tested.end()) == tested.end());
  const data::Dataset dataset = data::Dataset::open(data);
  for (const char* fold : {"0/3", "1/3", "2/3"}) {
    TrainConfig config;
    config.data = data;
    config.fold = fold;
    const Plan plan = make_plan(dataset, config);
    CHECK(plan.loader.cases.size() + plan.val.size() + plan.test.size() == 12);
    for (const std::int64_t test : plan.test)
      for (const std::int64_t train : plan.loader.cases)
        CHECK(dataset.info().groups[static_cast<std::size_t>(test)] !=
              dataset.info().groups[static_cast<std::size_t>(train)]);
  }
}

TEST_CASE("--tune trains every loss with three rates and goes on with the best") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), out = folder.file("out");
  const Outcome outcome = program(comparison_of({data}, out, {"--tune", "--steps", "20", "--losses", "dice"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "ETA "), outcome.err);  // after the first of two runs
  const Comparison comparison = read_comparison(out);
  REQUIRE(comparison.runs.size() == 2);
  double best = -1, rate = 0;
  for (const char* run : {"lr_0.00133333_seed_1", "lr_0.004_seed_1", "lr_0.012_seed_1"}) {
    const Json json = Json::parse(bytes_of(out + "/nuclei2d/dice/" + run + "/run.json"));
    const double dice = to_number(json["results"]["val"]["dice_mean"]);
    if (dice > best) {
      best = dice;
      rate = json["config"]["lr"];
    }
  }
  for (const ComparedRun& run : comparison.runs) CHECK(run.lr == rate);
  const auto status_of = [&] {
    return Json::parse(
        program(comparison_of({data}, out, {"--tune", "--steps", "20", "--losses", "dice", "--status", "--json"})).out);
  };
  CHECK(status_of()["runs"].size() == 4);
  const Outcome averaged = program({"predict", out + "/nuclei2d/dice", data, "-o", folder.file("p.h5")});
  CHECK(averaged.code == 2);
  CHECK_MESSAGE(contains(averaged.err, "every rate that --tune tried: lr_0.00133333, lr_0.004, lr_0.012"),
                averaged.err);
  std::filesystem::remove_all(out + "/nuclei2d/dice/lr_0.012_seed_1");
  CHECK(status_of()["runs"].size() == 4);
}

TEST_CASE("runs that were not made alike are named, on the page too") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), out = folder.file("out");
  REQUIRE(program(comparison_of({data}, out, {"--steps", "10"})).code == 0);
  const std::string file = out + "/nuclei2d/ce/seed_1/run.json";
  std::string manifest = bytes_of(file);
  const std::size_t device = manifest.find("\"device\": \"cpu\"");
  REQUIRE(device != std::string::npos);
  write_bytes(file, manifest.replace(device, 15, "\"device\": \"cuda\""));
  const Outcome again = program(comparison_of({data}, out, {"--steps", "10"}));
  REQUIRE_MESSAGE(again.code == 0, again.err);
  CHECK_MESSAGE(contains(again.err, "not made alike: device \"cpu\" and \"cuda\""), again.err);
  CHECK(contains(bytes_of(out + "/report.html"), "not made alike: device"));
}

TEST_CASE("what cannot be compared is refused before anything is trained") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), out = folder.file("out");
  const auto refused = [&](const std::vector<std::string>& more, const std::string& words) {
    const Outcome outcome = program(comparison_of({data}, out, more));
    CHECK(outcome.code == 2);
    CHECK_MESSAGE(contains(outcome.err, words), outcome.err);
  };
  refused({"--losses", "dcie"}, "did you mean \"dice\"?");
  refused({"--losses", "ce,ce"}, "named twice");
  refused({"--preset", "quik"}, "did you mean `quick`?");
  refused({"--baseline", "jaccard"}, "is not one of --losses");
  refused({"--folds", "2"}, "outside 3..");
  refused({"--folds", "50"}, "every fold needs at least one");
  refused({"--shard", "2/2"}, "not a part of a whole");
  data::DatasetContents unvalidated = data::make_phantom("nuclei2d", {4, {32, 32}, 1});
  unvalidated.splits = {{"train", {0, 1}}, {"val", {}}, {"test", {2, 3}}};
  data::write_dataset(folder.file("u.h5"), unvalidated);
  const Outcome tuned = program(comparison_of({folder.file("u.h5")}, out, {"--tune"}));
  CHECK(tuned.code == 3);
  CHECK_MESSAGE(contains(tuned.err, "--tune chooses the learning rate by validation cases"), tuned.err);
  refused({"--shard", "0/2", "--merge"}, "leave --shard away");
  refused({"--status", "--merge"}, "leave --merge,");
  refused({"--merge"}, "4 of 4 runs are not complete");
  CHECK(error_of([&] { read_comparison(out); }).find("no results in") == 0);
}

TEST_CASE("runs of a dataset that is another one now are not compared with new ones, and files of others stay") {
  const Folder folder;
  const std::string data = folder.file("d.h5"), out = folder.file("out");
  const data::DatasetContents original = data::make_phantom("nuclei2d", {8, {32, 32}, 1});
  data::write_dataset(data, original);
  const auto refusal = [&](const std::string& losses) {
    const Outcome outcome = program(comparison_of({data}, out, {"--losses", losses, "--seeds", "1", "--steps", "4"}));
    CHECK(outcome.code == (outcome.err.find("error: ") == std::string::npos ? 0 : 2));
    return outcome.err;
  };
  CHECK(refusal("dice").find("error: ") == std::string::npos);
  data::DatasetContents swapped = original, coarse = original, ignoring = original;
  std::swap(swapped.splits["train"], swapped.splits["test"]);
  for (data::Case& one : coarse.cases) one.spacing = {7, 7};
  ignoring.ignore_label = 200;
  for (const data::DatasetContents& other : {swapped, coarse, ignoring}) {
    data::write_dataset(data, other);
    const std::string message = refusal("dice,ce");
    CHECK_MESSAGE(contains(message, "the dataset had other splits, groups, spacing or names"), message);
  }
  data::write_dataset(data, original);
  write_bytes(out + "/results.json", "[]");  // of somebody else
  const std::string message = refusal("dice,ce");
  CHECK_MESSAGE(contains(message, "results.json is there, and no comparison has written it"), message);
  CHECK(bytes_of(out + "/results.json") == "[]");
  std::filesystem::create_directory(folder.file("web"));
  write_bytes(folder.file("web/report.html"), "theirs");
  const Outcome web = program(comparison_of({data}, folder.file("web")));
  CHECK(web.code == 2);
  CHECK_MESSAGE(contains(web.err, "report.html is there"), web.err);
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

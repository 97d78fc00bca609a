// The protocol of a comparison: which trainings there are, who does which, and where they are kept.
#include "apps/comparison/protocol.h"

#include <set>

#include "engine/names.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

CompareOptions small_options(const std::string& data) {
  CompareOptions options;
  options.datasets = {data};
  options.losses = {"ce", "tversky:alpha=0.3,beta=0.7"};
  options.seeds = 2;
  options.folds = 3;
  options.config.base = 4;
  options.out = "unused";
  return options;
}

std::vector<std::string> paths_of(const CompareOptions& options) {
  const Protocol protocol(options);
  std::vector<std::string> paths;
  for (const Task& task : protocol.tasks()) paths.push_back(protocol.path(task));
  return paths;
}

}  // namespace

TEST_CASE("every loss is trained on every fold with every seed, in a directory of its own; shards share the tasks") {
  const Folder folder;
  CompareOptions options = small_options(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  const std::vector<std::string> all = paths_of(options);
  CHECK(all.size() == 2 * 3 * 2);
  CHECK(all.front() == "nuclei2d/ce/fold_0_seed_1");
  CHECK(all.back() == "nuclei2d/tversky_alpha=0.3_beta=0.7/fold_2_seed_2");
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == all.size());
  std::multiset<std::string> shared;
  options.of_shards = 5;
  for (options.shard = 0; options.shard < options.of_shards; ++options.shard)
    for (const std::string& path : paths_of(options)) shared.insert(path);
  CHECK(shared == std::multiset<std::string>(all.begin(), all.end()));
}

TEST_CASE("with a rate to be found, one shard has all tasks of a loss, and the trial of a fold is the first of it") {
  const Folder folder;
  CompareOptions options = small_options(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  options.tune = true;
  options.of_shards = 2;
  options.shard = 1;
  const Protocol protocol(options);
  REQUIRE(protocol.tasks().size() == 6);
  for (const Task& task : protocol.tasks()) {
    CHECK(task.loss == options.losses[1]);
    CHECK(protocol.trial(task).fold == task.fold);  // its validation cases are the test cases of another fold
    CHECK(protocol.trial(task).seed == options.config.seed);
  }
  Task task = protocol.tasks().front();
  task.lr = 0.002;
  CHECK(protocol.path(task) == "nuclei2d/tversky_alpha=0.3_beta=0.7/lr_0.002_fold_0_seed_1");
  CHECK(protocol.plan(task).config.lr == 0.002);
  CHECK(protocol.plan(task).config.fold == "0/3");
}

TEST_CASE("a file without groups whose tested cases look like slices of few patients is warned about") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  for (std::size_t i = 0; i < 12; ++i) {
    contents.cases[i].group.clear();
    contents.cases[i].id = text("p", i / 4, "_z", i % 4);
  }
  contents.splits = {{"train", {0, 1, 2, 3}}, {"val", {4, 5, 6, 7}}, {"test", {8, 9, 10, 11}}};  // none is shared
  data::write_dataset(folder.file("d.h5"), contents);
  CompareOptions options = small_options(folder.file("d.h5"));
  options.folds = 0;
  const std::string words = join(Protocol(options).question().datasets[0].warnings, "; ");
  CHECK_MESSAGE(contains(words, "the 4 test cases are of 1 patient, and each counts as independent"), words);
  CHECK_MESSAGE(contains(words, "--groups '^(.+)_[A-Za-z]*[0-9]+$'"), words);
}

TEST_CASE("all tested cases of all folds are described, each once") {
  const Folder folder;
  const Protocol protocol(small_options(phantom_file(folder, "nuclei2d", 12, {32, 32})));
  REQUIRE(protocol.question().datasets.size() == 1);
  std::set<std::string> ids;
  for (const TestCase& one : protocol.question().datasets[0].cases) {
    ids.insert(one.id);
    CHECK(one.foreground > 0);
    CHECK(one.object_size > 0);
  }
  CHECK(ids.size() == 12);
  CHECK(protocol.question().datasets[0].cases.size() == 12);
  CHECK(protocol.question().runs.empty());
}

TEST_CASE("short trainings are longer with more classes, and see every training case") {
  const Folder folder;
  const auto steps_of = [&](const std::string& data, std::int64_t wish, const TrainConfig& config = {}) {
    CompareOptions options = small_options(data);
    options.folds = 0;
    options.short_steps = wish;
    options.config = config;
    options.config.base = 4;
    options.config.batch = 1;
    const Protocol protocol(options);
    CHECK(protocol.plan(protocol.tasks().front()).steps == protocol.plan(protocol.tasks().back()).steps);
    return protocol.plan(protocol.tasks().front()).steps;
  };
  const std::string nuclei = phantom_file(folder, "nuclei2d", 20, {32, 32});
  const std::string organs = phantom_file(folder, "organs2d", 12, {48, 48});
  CHECK(steps_of(nuclei, 900) == 900);
  CHECK(steps_of(organs, 900) == 1800);  // four foreground classes
  CHECK(steps_of(nuclei, 3) >= std::ssize(split_of(data::Dataset::open(nuclei), "").train));
  TrainConfig config;
  config.steps = 50;
  CHECK(steps_of(nuclei, 900, config) == 50);
  CHECK(steps_of(nuclei, 0) >= 600);  // as `train` chooses
}

TEST_CASE("datasets whose names become one folder are refused before anything is trained") {
  const Folder folder;
  const std::string first = folder.file("\xc3\xa4.h5"), second = folder.file("\xc3\xb6.h5");
  for (const std::string& path : {first, second})
    data::write_dataset(path, data::make_phantom("nuclei2d", {12, {32, 32}, 1}));
  CompareOptions options = small_options(first);
  options.datasets.push_back(second);
  const std::string message = error_of([&] { Protocol{options}; });
  CHECK_MESSAGE(contains(message, "would share the folder __"), message);
}

TEST_CASE("the baseline may be spelt as the folder of its loss") {
  const Folder folder;
  CompareOptions options = small_options(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  const auto baseline = [&] { return Protocol(options).question().protocol.at("baseline"); };
  CHECK(baseline() == "ce");
  options.baseline = "tversky_alpha=0.3_beta=0.7";
  CHECK(baseline() == options.losses[1]);
}

TEST_CASE("what the rules chose has their reasons in every run, and nobody is said to have asked for it") {
  const Folder folder;
  CompareOptions options = small_options(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  options.config.depth = 2;
  options.cache_bytes = 1 << 20;
  const Protocol protocol(options);
  const Plan plan = protocol.plan(protocol.tasks().back());
  CHECK(plan.loader.cache_bytes == options.cache_bytes);
  for (const Reason& reason : plan.reasons)
    if (reason.setting == "patch" || reason.setting == "crop" || reason.setting == "depth")
      CHECK_MESSAGE((reason.why == "as asked") == (reason.setting == "depth"), reason.setting, ": ", reason.why);
}

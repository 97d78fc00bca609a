// Plans that fit a limit of memory: the search against a made-up machine, and the program's promise that what was made
// smaller is a setting of the run, so that a run that goes on needs no limit to give the same bits.
#include "apps/training/memory.h"

#include "apps/program/console.h"
#include "apps/program/json.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

constexpr std::int64_t kMiB = 1 << 20;

struct Refusal {
  std::string message, hint;
};

// A machine on which a step takes 1 KiB for each pixel, and the rest 10 MiB.
struct Machine {
  std::int64_t usual_batch = 8, usual_side = 256, pool = 1 << 30;

  Plan plan_of(const TrainConfig& config, std::int64_t most_voxels) const {
    Plan plan;
    plan.config = config;
    plan.config.dims = plan.model.net.dims = 2;
    if (config.batch == 0) plan.config.batch = usual_batch;
    Shape patch{usual_side, usual_side};
    if (!config.patch.empty()) patch = parse_sizes(config.patch, 2, "--patch");
    while (config.patch.empty() && most_voxels > 0 && patch.numel() > most_voxels) patch[patch[1] > patch[0]] /= 2;
    plan.model.window = patch;
    plan.config.patch = sizes_text(patch);
    plan.reasons = {{"patch", plan.config.patch, "usual"}, {"batch", text(plan.config.batch), "usual"}};
    return plan;
  }
  Costs measure(const Plan& plan) const {
    const std::int64_t bytes = 10 * kMiB + 1024 * plan.config.batch * plan.model.window.numel();
    if (bytes > pool) throw Error(ErrorKind::memory, "none is left");
    Costs costs;
    costs.memory = bytes;
    return costs;
  }
  FittedPlan fit(TrainConfig& config, std::int64_t limit) const {
    return fit_memory(
        config, limit, [&](const TrainConfig& wish, std::int64_t most) { return plan_of(wish, most); },
        [&](const Plan& plan) { return measure(plan); });
  }
  Refusal refusal(TrainConfig config, std::int64_t limit) const {
    try {
      fit(config, limit);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::usage);
      return {error.message(), error.hint()};
    }
    FAIL("was not refused");
    return {};
  }
};

TrainConfig settings(std::int64_t batch, const std::string& patch) {
  TrainConfig config;
  config.batch = batch;
  config.patch = patch;
  return config;
}

}  // namespace

TEST_CASE("an amount of memory has a unit") {
  CHECK(parse_memory("2GiB") == 2048 * kMiB);
  CHECK(parse_memory("1.5GiB") == 1536 * kMiB);
  CHECK(parse_memory("800MiB") == 800 * kMiB);
  for (const char* wrong : {"", "2", "2GB", "-1GiB", "0MiB", "GiB", "2 GiB", "1e30GiB", "nanGiB", "2GiBs"})
    CHECK_THROWS_AS_MESSAGE(parse_memory(wrong), Error, wrong);
}

TEST_CASE("a plan that fits stays as it is; else the batch is made smaller, then the patch, and the plan says why") {
  const Machine machine;
  for (const auto& [limit, batch, patch] :
       std::vector<std::tuple<std::int64_t, std::int64_t, std::string>>{{522 * kMiB, 8, "256x256"},
                                                                        {521 * kMiB, 4, "256x256"},
                                                                        {74 * kMiB, 1, "256x256"},
                                                                        {73 * kMiB, 1, "128x256"},
                                                                        {11 * kMiB, 1, "32x32"}}) {
    TrainConfig config = settings(0, "");
    const FittedPlan fitted = machine.fit(config, limit);
    CHECK(fitted.plan.config.batch == batch);
    CHECK(fitted.plan.config.patch == patch);
    CHECK(fitted.costs.memory <= limit);
    const bool less_batch = batch < 8, less_patch = patch != "256x256";
    CHECK(config.batch == (less_batch ? batch : 0));  // a setting only if it was made smaller
    CHECK(config.patch == (less_patch ? patch : ""));
    CHECK(fitted.smaller.size() == std::size_t{less_batch} + std::size_t{less_patch});
    for (const Reason& reason : fitted.plan.reasons) {
      const bool changed = reason.setting == "batch" ? less_batch : less_patch;
      CHECK(contains(reason.why, "a batch of 8 and a patch of 256x256 take 522 MiB") == changed);
      CHECK(reason.value == (reason.setting == "batch" ? text(batch) : patch));
    }
  }
}

TEST_CASE("what was asked for is refused with its bytes and with what fits, after all else was made smaller") {
  const Machine machine;
  const Refusal both = machine.refusal(settings(16, "128x128"), 100 * kMiB);
  CHECK_MESSAGE(contains(both.message, "--max-memory 100 MiB: a batch of 16 and a patch of 128x128 take 266 MiB"),
                both.message);
  CHECK_MESSAGE(contains(both.hint, "--batch 4 --patch 128x128 takes 74 MiB"), both.hint);

  TrainConfig batch = settings(8, "");  // the patch is free
  CHECK(machine.fit(batch, 138 * kMiB).plan.config.patch == "128x128");
  CHECK(batch.batch == 8);
  TrainConfig patch = settings(0, "256x256");
  CHECK(machine.fit(patch, 138 * kMiB).plan.config.batch == 2);
  CHECK(patch.patch == "256x256");
  CHECK(contains(machine.refusal(patch, 50 * kMiB).hint, "--batch 1 --patch 128x256 takes 42 MiB"));

  const Refusal nothing = machine.refusal(settings(0, ""), 10 * kMiB);
  CHECK_MESSAGE(contains(nothing.message, "and even a batch of 1 and a patch of 32x32 take 11 MiB"), nothing.message);
  CHECK_MESSAGE(contains(nothing.hint, "--base"), nothing.hint);
}

TEST_CASE("a plan that runs out of memory does not fit") {
  Machine machine;
  machine.pool = 300 * kMiB;
  TrainConfig config = settings(0, "");
  const FittedPlan fitted = machine.fit(config, 290 * kMiB);
  CHECK(fitted.plan.config.batch == 4);
  CHECK_MESSAGE(contains(fitted.smaller.front().why, "take more than there is"), fitted.smaller.front().why);
}

#ifndef __SANITIZE_ADDRESS__  // it keeps what is released, so a smaller plan takes no less
TEST_CASE("a training within a limit has the settings that fit, keeps to it, and has the bits of these settings") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {128, 128});
  const auto words = [&](const std::string& run, const std::vector<std::string>& more) {
    std::vector<std::string> all{"train", data,      "-o", folder.file(run), "--depth", "3", "--base",
                                 "32",    "--steps", "4",  "--json",         "-q"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Json free = Json::parse(program(words("free", {"--dry-run"})).out);
  const std::int64_t limit = free["peak_memory_bytes"].get<std::int64_t>() * 85 / 100 / kMiB;
  const std::string amount = text(limit, "MiB");
  const Json plan = Json::parse(program(words("plan", {"--dry-run", "--max-memory", amount})).out);
  CHECK(plan["batch"] < free["batch"]);
  CHECK(plan["peak_memory_bytes"] <= limit * kMiB);
  const std::string flag = "--max-memory " + size_text(limit * kMiB);
  for (const Json& reason : plan["reasons"])
    if (reason["setting"] == "batch") CHECK(contains(reason["why"].get<std::string>(), flag));

  const Outcome limited = program(words("limited", {"--max-memory", amount}));
  REQUIRE_MESSAGE(limited.code == 0, limited.err);
  CHECK(Json::parse(limited.out)["peak_memory_bytes"].get<double>() < 1.1 * static_cast<double>(limit * kMiB));
  // Its own batch: two measurements near the limit may differ by a thread's scratch memory.
  const Json chosen = Json::parse(bytes_of(folder.file("limited/run.json")))["config"];
  CHECK(chosen["batch"] < free["batch"]);
  const Outcome same = program(words("same", {"--batch", text(chosen["batch"].get<int>())}));
  REQUIRE_MESSAGE(same.code == 0, same.err);
  CHECK(bytes_of(folder.file("limited/last.safetensors")) == bytes_of(folder.file("same/last.safetensors")));

  const Outcome refused = program(words("refused", {"--batch", "64", "--max-memory", amount}));
  CHECK(refused.code == 2);
  CHECK_MESSAGE(contains(refused.err, "a batch of 64 and a patch of"), refused.err);
  CHECK(!std::filesystem::exists(folder.file("refused")));
}
#endif

TEST_CASE(
    "a limit that makes no patch smaller is refused after a few plans, and so is a patch that cannot be trained") {
  TrainConfig config;
  int plans = 0;
  bool refuses = false;
  const auto plan_of = [&](const TrainConfig& wish, std::int64_t most_voxels) {
    if (refuses && most_voxels > 0) throw Error(ErrorKind::usage, "a single value is left");
    Plan plan;
    plan.config = wish;
    plan.config.batch = 1;
    plan.config.dims = plan.model.net.dims = 3;
    plan.model.window = {64, 64, 64};  // whatever the limit, as the poolings need it
    plan.config.patch = "64x64x64";
    if (++plans > 99) throw std::logic_error("it never ends");
    return plan;
  };
  const auto measure = [](const Plan&) {
    Costs costs;
    costs.memory = 300 * kMiB;
    return costs;
  };
  const auto refusal = [&] { return error_of([&] { fit_memory(config, 200 * kMiB, plan_of, measure); }); };
  CHECK_MESSAGE(contains(refusal(), "and even a batch of 1 and a patch of 64x64x64"), refusal());
  CHECK(plans < 30);
  refuses = true;
  CHECK_MESSAGE(contains(refusal(), "--max-memory 200 MiB"), refusal());
  CHECK_MESSAGE(contains(refusal(), "a single value is left"), refusal());
}

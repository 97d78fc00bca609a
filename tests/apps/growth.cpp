// ctest labels: slow
// Nothing grows: threads, descriptors, memory of tensors and of the process, over many trainings with their predictions
// in one process, and over the steps of one training.
#include <fstream>
#include <thread>

#include "apps/training/session.h"
#include "apps/training/trainer.h"
#include "engine/backend.h"
#include "nn/inference/windows.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

#ifdef __linux__
namespace {

struct Held {
  std::int64_t threads, descriptors, tensors, resident;
};

std::int64_t entries_of(const char* folder) {
  const std::filesystem::directory_iterator entries(folder);
  return std::distance(begin(entries), end(entries));
}

// What this process holds. Linux lists a thread for a moment after it was joined, so the fewest of some looks count.
Held held() {
  Pool& pool = backend_of(Device::cpu).pool();
  pool.trim();
  std::int64_t pages = 0, threads = entries_of("/proc/self/task");
  for (int look = 0; look < 20; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    threads = std::min(threads, entries_of("/proc/self/task"));
  }
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return {threads, entries_of("/proc/self/fd"), static_cast<std::int64_t>(pool.statistics().in_use),
          pages * ::sysconf(_SC_PAGESIZE)};
}

void check_no_growth(const Held& before, const Held& after, [[maybe_unused]] std::int64_t most_kibibytes) {
  CHECK(after.threads <= before.threads);
  CHECK(after.descriptors <= before.descriptors);
  CHECK(after.tensors <= before.tensors);
#ifndef __SANITIZE_ADDRESS__  // it keeps what is released
  const std::int64_t kibibytes = (after.resident - before.resident) / 1024;
  CHECK_MESSAGE(kibibytes <= most_kibibytes, kibibytes, " KiB more");
#endif
}

TrainConfig tiny(const std::string& data) {
  TrainConfig config;
  config.data = data;
  config.base = 4;
  config.depth = 2;
  config.batch = 1;
  config.patch = "16";
  config.steps = 2;
  config.loss = "dice_hd";  // with fields, so that their cache is opened, too
  return config;
}

}  // namespace

TEST_CASE("200 trainings with their tests and predictions leave nothing behind in the process") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {24, 24});
  const auto once = [&](int number) {
    const data::Dataset dataset = data::Dataset::open(data);
    const Plan plan = make_plan(dataset, tiny(data));
    const std::string path = folder.file("run" + std::to_string(number));
    {
      RunDirectory directory = RunDirectory::create(path);
      Observer nobody;
      Session(dataset, plan, directory, nobody, Device::cpu, "test").run();
    }
    const nn::Model model = nn::load_model(path + "/best.safetensors");
    CHECK(nn::predict(model, dataset.read(0).image).numel() == 24 * 24);
    TrainConfig wrong = tiny(data);
    wrong.patch = "17";
    CHECK_THROWS_AS(make_plan(dataset, wrong), Error);  // what is refused leaves nothing behind either
    std::filesystem::remove_all(path);
  };
  constexpr int kFirst = 40, kAll = 200;
  Held before{};
  for (int number = 0; number < kAll; ++number) {
    if (number == kFirst) before = held();
    once(number);
  }
  check_no_growth(before, held(), 4096);
}

TEST_CASE("the memory of a training does not grow from step 1,000 to step 5,000") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {24, 24});
  const data::Dataset dataset = data::Dataset::open(data);
  TrainConfig config = tiny(data);
  config.steps = 5000;
  config.loss = "dice_ce";
  Trainer trainer(dataset, make_plan(dataset, config), Device::cpu);
  Held before{};
  while (trainer.steps_done() < 5000) {
    if (trainer.steps_done() == 1000) before = held();
    trainer.step();
  }
  check_no_growth(before, held(), 2048);
}
#endif

// ctest labels: unsanitized
// Trainings with losses that need distances: of whole cases, made once, the same bits with and without a cache.
#include "losses/core/fields.h"

#include <cmath>

#include "apps/program/json.h"
#include "apps/training/feed.h"
#include "apps/training/plan.h"
#include "engine/io/safetensors.h"
#include "engine/ops.h"
#include "losses/core/inputs.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

// The last option of a kind counts.
std::vector<std::string> training(const std::string& data, const std::string& run, const std::string& loss,
                                  const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = small_training(data, run);
  words.back() = loss;
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void check_same_weights(const std::string& a, const std::string& b) {
  for (const char* name : {"last.safetensors", "best.safetensors", "metrics.csv"}) {
    CHECK(!bytes_of(a + "/" + name).empty());
    CHECK_MESSAGE(bytes_of(a + "/" + name) == bytes_of(b + "/" + name), name, " of ", a, " and ", b);
  }
}

}  // namespace

TEST_CASE("distances are made in the first training and read in the next: a line, a file, the same bits") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {48, 40}), cache = folder.file("nuclei2d.cache.h5");
  const std::string before = bytes_of(data);
  for (const std::string loss :
       {"dice_ce+0.01*boundary", "boundary:unit=mm", "dpce", "dice_hd", "cc_dice_ce+skeleton_recall"}) {
    const std::string first = folder.file("a-" + loss), second = folder.file("b-" + loss);
    const Outcome made = program(training(data, first, loss));
    REQUIRE_MESSAGE(made.code == 0, made.err);
    CHECK_MESSAGE(contains(made.err, "of the training cases are made once"), made.err);
    REQUIRE(std::filesystem::exists(cache));
    const Outcome read = program(training(data, second, loss, {"--threads", "1"}));
    REQUIRE_MESSAGE(read.code == 0, read.err);
    CHECK_MESSAGE(!contains(read.err, "made once"), read.err);
    check_same_weights(first, second);
  }
  CHECK(bytes_of(data) == before);
  std::filesystem::remove(cache);
  const Outcome dry = program(training(data, folder.file("dry"), "dice_hd", {"--dry-run"}));
  CHECK_MESSAGE(dry.code == 0, dry.err);
  CHECK(!std::filesystem::exists(cache));
  const Outcome plain = program(training(data, folder.file("plain"), "dice_ce"));
  REQUIRE(plain.code == 0);
  CHECK_MESSAGE(!contains(plain.err, "fields"), plain.err);
  CHECK(!std::filesystem::exists(cache));
}

TEST_CASE("a training with distances that was interrupted and lost its cache ends with the same bits") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 20, {48, 48}), cache = folder.file("nuclei2d.cache.h5");
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  const auto words = [&](const std::string& run) {
    std::vector<std::string> result = training(data, run, "gd_boundary");
    *(std::find(result.begin(), result.end(), "--steps") + 1) = "300";
    return result;
  };
  REQUIRE(program(words(whole)).code == 0);
  Running first(words(parts));
  REQUIRE(first.saw("epoch 2/"));
  first.send(SIGINT);
  CHECK(first.wait().code == 130);
  std::filesystem::remove(cache);
  std::filesystem::create_directories(cache + "/in the way");
  const Outcome resumed = program({"train", "--resume", parts});
  REQUIRE_MESSAGE(resumed.code == 0, resumed.err);
  CHECK_MESSAGE(contains(resumed.err, "kept in memory"), resumed.err);
  check_same_weights(whole, parts);
}

TEST_CASE("a patch gets the distances of its case, not its own") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "lesions2d", 8, {96, 96}));
  apps::TrainConfig config;
  config.data = dataset.info().path;
  config.loss = "boundary";
  config.patch = "32";
  const apps::Plan plan = apps::make_plan(dataset, config);
  data::Loader loader(dataset, plan.loader);
  int nearer = 0, further = 0, compared = 0;
  for (std::int64_t step = 0; step < 20; ++step) {
    const data::Batch batch = loader.batch(step);
    const Tensor own =
        losses::make_field("signed:kervadec", batch.labels, plan.model.net.classes, batch.spacing, DType::f32);
    const std::vector<float> a = batch.fields.at("signed:kervadec").to_vector<float>(), b = own.to_vector<float>();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (b[i] == 0) continue;  // the rim, or nothing of the class in the patch
      ++compared;
      further += std::abs(a[i]) > std::abs(b[i]);
      nearer += std::abs(a[i]) < std::abs(b[i]);
    }
  }
  CHECK(compared > 1000);
  CHECK(nearer > 100);
  CHECK(further == 0);
}

TEST_CASE("a patch that does not show an object knows how far it is, warped or not") {
  const Folder folder;
  data::DatasetContents contents = random_contents({{128, 128}, {128, 128}, {128, 128}}, 1, 2);
  contents.splits["train"] = {0, 1, 2};
  for (data::Case& one : contents.cases)
    for (std::int64_t v = 0; v < one.label.numel(); ++v)
      one.label.data<std::uint8_t>()[v] = v / 128 < 6 && v % 128 < 6 ? 1 : 0;
  data::write_dataset(folder.file("d.h5"), contents);
  const data::Dataset dataset = data::Dataset::open(folder.file("d.h5"));
  const auto options_for = [&](const std::string& augment) {
    apps::TrainConfig config;
    config.data = dataset.info().path;
    config.loss = "dice_ce+0.01*boundary";
    config.patch = "16";
    config.batch = 1;
    config.foreground = 0;
    config.augment = augment;
    return apps::make_plan(dataset, config).loader;
  };
  data::Loader cut(dataset, options_for("none")), turned(dataset, options_for("none,rotate=1"));
  const auto at_centre = [](const std::vector<float>& map) {  // of the object, the second of two channels
    return (map[2 * 119 + 1] + map[2 * 120 + 1] + map[2 * 135 + 1] + map[2 * 136 + 1]) / 4;
  };
  int far = 0;
  for (std::int64_t step = 0; step < 20; ++step) {
    const std::vector<float> own = cut.batch(step).fields.at("signed:kervadec").to_vector<float>(),
                             warped = turned.batch(step).fields.at("signed:kervadec").to_vector<float>();
    REQUIRE(own.size() == 2 * 256);
    REQUIRE(warped.size() == own.size());
    if (at_centre(own) < 20) continue;  // the object is in sight
    ++far;
    CHECK(std::abs(at_centre(warped) - at_centre(own)) < 1);
    for (std::size_t i = 0; i < own.size(); i += 2) {
      CHECK(warped[i] < 0);  // of the background
      CHECK(warped[i + 1] > 0);
    }
  }
  CHECK(far > 10);
}

TEST_CASE("coarser labels are those of the voxel in the middle of each window") {
  Tensor labels = empty({2, 4, 6}, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i) labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i);
  CHECK(apps::coarser(labels, {2, 3}).to_vector<int>() == std::vector<int>{7, 10, 19, 22, 31, 34, 43, 46});
  CHECK(apps::coarser(labels, {4, 6}).to_vector<int>() == std::vector<int>{15, 39});
}

TEST_CASE("at coarse levels of deep supervision equal masks have equal distances, in voxels of that level") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {6, {48, 48}, 1});
  for (std::size_t i = 0; i < contents.cases.size(); ++i) contents.cases[i].spacing = {0.05 * double(1 + i), 0.05};
  data::write_dataset(folder.file("d.h5"), contents);
  const data::Dataset dataset = data::Dataset::open(folder.file("d.h5"));
  apps::TrainConfig config;
  config.data = dataset.info().path;
  config.loss = "hausdorff_dt";
  config.depth = 3;
  config.batch = 3;
  config.deep_supervision = true;
  const apps::Plan plan = apps::make_plan(dataset, config);
  apps::Feed feed(dataset, plan, Device::cpu);
  int nonzero = 0;
  for (std::int64_t step = 0; step < 3; ++step) {
    const std::vector<apps::Truth>& truths = feed.batch(step).truths;
    for (std::size_t k = 1; k < truths.size(); ++k) {
      const apps::Truth& truth = truths[k];
      REQUIRE(truth.spacing.size() == 6);
      losses::Context context = plan.context;
      context.spacing = truth.spacing;
      context.fields = truth.fields;
      const losses::CommonOptions options{.loss = "test"};
      const Tensor labels = truth.labels.to(DType::f32);
      const Tensor z = 40 * reshape(labels, labels.shape() + Shape{1});
      const Tensor logits = concat({20 - z, z - 20}, -1);  // predicts the labels
      const losses::LossInput in(logits, truth.labels, context, options);
      const std::vector<float> truth_d = in.field("distance").to_vector<float>();
      const std::vector<float> d = in.prediction(true).distance.to_vector<float>();
      REQUIRE(d.size() == truth_d.size());
      for (std::size_t i = 0; i < d.size(); ++i) CHECK(std::fabs(d[i] - truth_d[i]) <= 1e-6F * d[i]);
      nonzero += d[0] > 0;
    }
  }
  CHECK(nonzero > 0);
}

TEST_CASE("the share of the boundary loss grows within a training that is shorter than an epoch") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32});
  const auto course = [&](const std::string& loss) {
    const std::string run = folder.file(loss);
    std::vector<std::string> words = training(data, run, loss);
    *(std::find(words.begin(), words.end(), "--steps") + 1) = "12";
    const Outcome outcome = program(words);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return bytes_of(run + "/metrics.csv");
  };
  CHECK(course("gd_boundary:growth=0") == course("gd_boundary:growth=0,least=0.2"));
  CHECK(course("gd_boundary") != course("gd_boundary:growth=0,least=0.3"));
}

TEST_CASE("deep supervision and other spacings: a training with distances runs and is repeatable") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organ3d", 6, {20, 24, 24});
  for (const char* run : {"a", "b"}) {
    std::vector<std::string> words = training(data, folder.file(run), "dice_ce+0.01*boundary:sdf=plain");
    *(std::find(words.begin(), words.end(), "--steps") + 1) = "6";
    *(std::find(words.begin(), words.end(), "--patch") + 1) = "16";
    *(std::find(words.begin(), words.end(), "--depth") + 1) = "3";
    words.push_back("--deep-supervision");
    const Outcome outcome = program(words);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  }
  check_same_weights(folder.file("a"), folder.file("b"));
}

TEST_CASE("the same pictures learn the same whatever the unit of the spacing") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {12, {32, 32}, 1});
  for (const std::string loss : {"boundary", "20*boundary+dice", "dice_hd", "dpce:normalize=none"}) {
    std::string first;
    for (const double unit : {1.0, 0.05, 3.0}) {
      for (data::Case& one : contents.cases) one.spacing = {2 * unit, unit};
      const std::string data = folder.file(text("unit_", unit, ".h5")), run = folder.file(text(loss, unit));
      data::write_dataset(data, contents);
      const Outcome outcome = program(training(data, run, loss, {"--deep-supervision"}));
      REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
      const std::string metrics = bytes_of(run + "/metrics.csv");
      if (first.empty()) first = metrics;
      CHECK_MESSAGE(metrics == first, loss << " " << unit << ": " << metrics << " instead of " << first);
    }
  }
}

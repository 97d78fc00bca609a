// The choice of the clean-up: the rule, what a training stores of it, and the same bits after an interruption.
#include "apps/training/clean_up_choice.h"

#include "apps/program/json.h"
#include "apps/report/run_record.h"
#include "apps/training/checkpoint.h"
#include "data/writer.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

// A network that reads the label of a voxel off its value: class c is found where the value is 4 c.
nn::Model reader(std::int64_t classes) {
  nn::Model model;
  model.spec.net = {.in_channels = 1, .classes = classes, .base = 8, .depth = 1, .norm = nn::Norm::none};
  model.spec.window = {16, 16};
  model.spec.normalisation.kind = nn::Normalisation::Kind::none;
  model.net = std::make_unique<nn::UNet>(model.spec.net, Random(1));
  std::vector<NamedTensor> state = model.net->state();
  for (NamedTensor& entry : state) {
    float* values = entry.tensor.data<float>();
    std::fill_n(values, entry.tensor.numel(), 0.0f);
    // The value passes both convolutions in channel 0; 1 comes from a bias in channel 1.
    if (entry.name.ends_with("conv1.weight")) values[4] = 1;
    if (entry.name.ends_with("conv2.weight")) values[4] = values[(8 + 1) * 9 + 4] = 1;
    if (entry.name.ends_with("conv1.bias")) values[1] = 1;
    // logit c = c x - 2 c^2, which is largest for x = 4 c
    if (entry.name.ends_with("heads.0.weight"))
      for (std::int64_t c = 0; c < classes; ++c) {
        values[c * 8] = static_cast<float>(c);
        values[c * 8 + 1] = static_cast<float>(-2 * c * c);
      }
  }
  model.net->load_state(state);
  model.net->train(false);
  return model;
}

// Cases whose image says what is found, and whose labels are the truth; "." is the background.
data::Dataset dataset_of(const Folder& folder, const std::vector<std::pair<std::string, std::string>>& found_and_true,
                         const std::vector<std::string>& class_names) {
  const auto classes_of = [](const std::string& line) {
    std::vector<std::uint8_t> values;
    for (const char c : line) values.push_back(c == '.' ? 0 : static_cast<std::uint8_t>(c - '0'));
    return values;
  };
  data::DatasetContents contents;
  contents.class_names = class_names;
  for (const auto& [found, truth] : found_and_true) {
    const Shape shape{1, std::ssize(found)};
    std::vector<float> image;
    for (const std::uint8_t value : classes_of(found)) image.push_back(4.0f * value);
    data::Case one;
    one.id = text("case_", contents.cases.size());
    one.group = text("patient_", contents.cases.size());
    one.image = from_vector<float>(shape + Shape{1}, image);
    one.label = from_vector<std::uint8_t>(shape, classes_of(truth));
    one.spacing = {1, 1};
    contents.cases.push_back(one);
  }
  data::write_dataset(folder.file("lines.h5"), contents);
  return data::Dataset::open(folder.file("lines.h5"));
}

}  // namespace

TEST_CASE("a clean-up is chosen if the mean Dice rises and no class falls: of all foreground, then of each class") {
  const std::vector<std::string> two{"background", "a"}, three{"background", "a", "b"};
  const auto choose = [](const std::vector<std::pair<std::string, std::string>>& lines,
                         const std::vector<std::string>& names) {
    const Folder folder;
    const data::Dataset dataset = dataset_of(folder, lines, names);
    return choose_clean_up(reader(dataset.classes()), dataset, dataset.split("all"));
  };
  using Classes = std::vector<std::int64_t>;

  const CleanUpChoice island = choose({{".11..1..", ".11....."}, {"..111.1.", "..111..."}}, two);
  CHECK(island.chosen == nn::CleanUp{.foreground = true});  // of the only class there is nothing left to do
  CHECK(island.before == doctest::Approx((0.8 + 6.0 / 7) / 2));
  CHECK(island.after == 1);
  CHECK(island.results.at(1).group == "patient_1");
  CHECK(choice_text(island, two) ==
        "only the largest component of all foreground; validation Dice 1.0000 with it, 0.8286 without");

  // All is right already, and nothing changes; or the objects are many.
  const CleanUpChoice right = choose({{".11.....", ".11....."}}, two), many = choose({{".11..11.", ".11..11."}}, two);
  CHECK(right.chosen == nn::CleanUp{});
  CHECK(many.chosen == nn::CleanUp{});
  CHECK(many.after == 1);
  CHECK(contains(choice_text(many, two), "none, because"));

  // The mean would rise with all foreground, but b, which lies apart, would fall; a gains by its own clean-up.
  const CleanUpChoice apart = choose({{"111.1..22.2", "111....22.2"}}, three);
  CHECK(!apart.chosen.foreground);
  CHECK(apart.chosen.classes == Classes{0, 1, 0});
  CHECK(apart.classes_before.at(0) == doctest::Approx(6.0 / 7));
  CHECK(apart.classes_after.at(0) == 1);
  CHECK(apart.classes_after.at(1) == 1);
  CHECK(foreground_mean(apart.results) == doctest::Approx(apart.after));
  CHECK(clean_up_text(apart.chosen, three) == "only the largest component of a");

  // First the foreground; then an island of b inside it, which touches a.
  const CleanUpChoice both = choose({{"222111211..1", "222111111..."}, {"222111..2222", "222111..2222"}}, three);
  CHECK(!both.chosen.foreground);  // b falls by the second case
  const CleanUpChoice inner = choose({{"222111211..1", "222111011..."}}, three);
  CHECK(inner.chosen.foreground);
  CHECK(inner.chosen.classes == Classes{0, 0, 1});
  CHECK(inner.after > inner.before);

  // A class that is in no case has no Dice, which neither rises nor falls.
  const CleanUpChoice absent = choose({{".11..1..", ".11....."}}, three);
  CHECK(absent.chosen.foreground);
  CHECK(std::isnan(absent.classes_after.at(1)));
  CHECK(to_json(absent, three)["val_dice"]["classes"]["2"]["after"] == "NaN");
  const CleanUpChoice alarm = choose({{".11..1.2", ".11....."}}, three);  // found all the same
  CHECK(alarm.before == doctest::Approx(0.8));
  CHECK(alarm.after == 1);
}

TEST_CASE("a training stores the clean-up in its best model, says what it gains, and can leave it out") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 24, {48, 48}), run = folder.file("run");
  const Outcome trained = program(small_training(data, run));
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  CHECK_MESSAGE(contains(trained.out, "clean-up: only the largest component of"), trained.out);
  const Json choice = Json::parse(bytes_of(run + "/run.json"))["results"]["clean_up"];
  const auto spec = [&](const std::string& file) { return nn::parse_spec(load_tensors(file).metadata.at("model")); };
  const nn::CleanUp stored = spec(run + "/best.safetensors").clean_up;
  CHECK(stored != nn::CleanUp{});
  CHECK(stored.foreground == choice["foreground"]);
  // The page takes what the choice has found.
  const RunRecord record = read_run(run);
  CHECK(foreground_mean(record.val) == doctest::Approx(choice["val_dice"]["after"].get<double>()));
  CHECK(spec(run + "/last.safetensors").clean_up == nn::CleanUp{});
  const auto dice = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"evaluate", run, data, "--split", "val", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return Json::parse(program(words).out)["mean"]["dice"].get<double>();
  };
  CHECK(dice({}) == doctest::Approx(choice["val_dice"]["after"].get<double>()));
  CHECK(dice({"--no-clean-up"}) == doctest::Approx(choice["val_dice"]["before"].get<double>()));
  CHECK(contains(bytes_of(run + "/report.html"), "clean-up of the labels"));

  const std::string plain = folder.file("plain");
  const Outcome off = program(small_training(data, plain, {"--clean-up", "off", "--json"}));
  REQUIRE_MESSAGE(off.code == 0, off.err);
  CHECK(Json::parse(off.out)["clean_up"].is_null());
  CHECK(spec(plain + "/best.safetensors").clean_up == nn::CleanUp{});
  CHECK(bytes_of(plain + "/metrics.csv") == bytes_of(run + "/metrics.csv"));  // validations are without it
  CHECK(program(small_training(data, folder.file("no"), {"--clean-up", "some"})).code == 2);
}

TEST_CASE("what the progress throws ends the choice within a case") {
  const Folder folder;
  const data::Dataset dataset = dataset_of(folder, {{".11.", ".11."}, {".11.", ".11."}}, {"background", "a"});
  const auto stop = [](double) { throw std::runtime_error("stop"); };
  CHECK_THROWS_AS(choose_clean_up(reader(2), dataset, dataset.split("all"), stop), std::runtime_error);
}

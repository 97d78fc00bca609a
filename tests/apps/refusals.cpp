// Bad input: the exit code, what the message names, and the remedy. What the user typed is wrong: 2; the data: 3; a
// model: 4; files: 5; numbers: 7.
#include <cmath>
#include <functional>

#include "apps/program/json.h"
#include "engine/io/safetensors.h"
#include "engine/names.h"
#include "engine/ops.h"
#include "tests/apps/support.h"
#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// The program fails with this code, and stderr has "error: " first and all of these words.
void check_refused(const std::vector<std::string>& arguments, int code, const std::vector<std::string>& words) {
  const Outcome outcome = program(arguments);
  std::string command;
  for (const std::string& word : arguments) command += " " + word;
  INFO("voxgrad", command, "\n", outcome.err);
  CHECK(outcome.code == code);
  CHECK(outcome.out.empty());
  CHECK(contains("\n" + outcome.err, "\nerror: "));
  for (const std::string& word : words) CHECK_MESSAGE(contains(outcome.err, word), "missing: ", word);
}

// The same for training on a file that has been made wrong.
void check_data_refused(const std::function<void(Recipe&)>& change, const std::vector<std::string>& words) {
  const Folder folder;
  Recipe recipe;
  recipe.splits = {{"train", {0}}, {"val", {1}}, {"test", {}}};
  change(recipe);
  recipe.write(folder.file("cells.h5"));
  check_refused({"train", folder.file("cells.h5"), "-o", folder.file("run"), "-q"}, 3, words);
}

}  // namespace

TEST_CASE("data that is not what it should be: exit code 3, naming object, case and value") {
  check_data_refused([](Recipe& r) { r.label_values = {0, 255, 255, 0, 0, 255, 0, 0, 0, 0, 255, 255}; },
                     {"255", "img_000", "/labels of cells.h5", "hint: ", "--label-map 0:0,255:1"});
  check_data_refused([](Recipe& r) { r.label_values[7] = 4; },
                     {"value 4 outside 0..1", "case 1 (\"img_001\")", "/labels"});
  check_data_refused([](Recipe& r) { r.axes = "XYNC"; }, {"XYNC", "/images of cells.h5"});
  check_data_refused(
      [](Recipe& r) {
        r.image_element = h5::Element::f32;
        r.image_values.assign(24, 1.0f);
        r.image_values[13] = std::nanf("");
      },
      {"nan", "img_001", "/images"});
}

TEST_CASE("a dataset without labels is refused by all that learns, and inspected") {
  const Folder folder;
  Recipe recipe;
  recipe.without = "/labels";
  recipe.splits = {{"train", {0}}, {"test", {1}}};
  const std::string data = folder.file("cells.h5"), run = folder.file("run");
  recipe.write(data);
  check_refused({"train", data, "-o", run}, 3, {"cells.h5: has no labels, training needs them"});
  check_refused({"compare", data, "--losses", "ce,dice", "-o", run}, 3, {"has no labels, training needs them"});
  CHECK(!std::filesystem::exists(run));
  const Outcome outcome = program({"inspect", data});
  CHECK_MESSAGE(outcome.code == 0, outcome.err);
  CHECK_MESSAGE(contains(outcome.out, "labels      none"), outcome.out);
}

TEST_CASE("a truncated file: exit code 3") {
  const Folder folder;
  const std::string path = phantom_file(folder, "nuclei2d", 10, {32, 32}), bytes = bytes_of(path);
  for (const double share : {0.0, 0.1, 0.5, 0.99}) {
    write_bytes(path, bytes.substr(0, static_cast<std::size_t>(share * static_cast<double>(bytes.size()))));
    check_refused({"train", path, "-o", folder.file("run")}, 3, {"nuclei2d.h5"});
    check_refused({"inspect", path}, 3, {"nuclei2d.h5"});
  }
}

TEST_CASE("what only a card does: exit code 2") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32});
  check_refused({"train", data, "-o", folder.file("run"), "--amp"}, 2,
                {"--amp: device cpu", "hint: add --device cuda"});
  check_refused({"bench", "train", "--amp"}, 2, {"--amp: device cpu"});
  check_refused({"bench", "train", "--fast"}, 2, {"--fast: device cpu"});
  check_refused({"bench", "train", "--tf32"}, 2, {"--tf32: device cpu"});
}

TEST_CASE("files that are not there or cannot be made: exit code 5, with the reason of the system") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32});
  check_refused({"train", folder.file("none.h5")}, 5, {"none.h5", "No such file"});
  check_refused({"evaluate", folder.file("none"), data}, 5, {"none", "No such file"});
  check_refused({"train", data, "-o", data + "/run"}, 5, {"/run", "Not a directory"});
  check_refused({"synth", "nuclei2d", "--cases", "8", "-o", folder.file("none/x.h5")}, 5,
                {"none/x.h5", "No such file"});
  check_refused({"train", data, "--config", folder.file("none.toml")}, 5, {"none.toml"});
  check_refused({"compare", data, "--losses", "ce", "--status", "-o", data}, 5, {data, "it is no folder"});
  check_refused(
      {"compare", data, "--losses", "ce", "-o", folder.file("c"), "--seeds", "3", "--seed", "18446744073709551615"}, 2,
      {"--seed 18446744073709551615 --seeds 3"});
#ifdef __linux__
  check_refused({"train", data, "--config", "/dev/zero"}, 2, {"--config: has 1 MiB or more"});
  check_refused({"inspect", "/proc/self/mem"}, 5, {"/proc/self/mem: Input/output error"});  // as a broken disk
#endif
}

TEST_CASE("paths that the system cannot follow are named by every verb that reads or writes one") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), loop = folder.file("loop"),
                    endless = folder.file(std::string(300, 'n'));
  std::filesystem::create_symlink(loop, loop);
  for (const std::string& path : {loop, endless})
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"inspect", path},
                                               {"doctor", path},
                                               {"train", path},
                                               {"train", data, "-o", path},
                                               {"train", "--resume", path},
                                               {"train", data, "--from", path},
                                               {"train", data, "--config", path},
                                               {"evaluate", path, data},
                                               {"predict", path, data, "-o", folder.file("p.h5")},
                                               {"export", path, "-o", folder.file("exported")},
                                               {"import", path, "-o", folder.file("i.h5")},
                                               {"metrics", data, path},
                                               {"losses", "eval", "ce", path},
                                               {"report", path},
                                               {"compare", data, "--losses", "ce", "--steps", "1", "-o", path},
                                               {"synth", "nuclei2d", "--cases", "2", "-o", path}}) {
      const Outcome outcome = program(words);
      const std::string command = join(words, " ").substr(0, 40);
      CHECK_MESSAGE((outcome.code == 2 || outcome.code == 3 || outcome.code == 5 || outcome.code == 8), command, ": ",
                    outcome.code, " ", outcome.err);
      CHECK_MESSAGE(contains(outcome.err + outcome.out, path.substr(0, 60)), command, ": ", outcome.err);
    }
}

TEST_CASE("losses and settings that are misspelt or out of range: exit code 2, with a did-you-mean") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), run = folder.file("run");
  check_refused({"train", data, "--loss", "dicee"}, 2, {"dicee", "hint: ", "dice"});
  check_refused({"train", data, "--loss", "tversky:alfa=0.3"}, 2, {"alfa", "hint: ", "alpha"});
  check_refused({"train", data, "--loss", "dice:smooth_nr=-1"}, 2, {"smooth_nr", "-1", "0.."});
  check_refused({"train", data, "--optimizer", "adm", "-o", run}, 2, {"adm", "adam"});
  check_refused({"train", data, "--norm", "bach", "-o", run}, 2,
                {"--norm: unknown value `bach`", "did you mean `batch`?"});
  check_refused({"train", data, "--normalise", "z", "-o", run}, 2, {"--normalise: unknown value `z`", "auto"});
  check_refused({"train", data, "--loss", "ce", "--loss", "dice", "-o", run}, 2, {"--loss is given more than once"});
  check_refused({"train", data, "--augment", "defualt", "-o", run}, 2, {"defualt", "default"});
  check_refused({"train", data, "--schedule", "cosin", "-o", run}, 2, {"cosin", "cosine"});
  check_refused({"train", data, "--on-nan", "stp", "-o", run}, 2, {"--on-nan", "did you mean `stop`?"});
  check_refused({"train", data, "--lr", "-1", "-o", run}, 2, {"--lr -1 outside 0.."});
  check_refused({"train", data, "--dropout", "1", "-o", run}, 2, {"--dropout 1 outside [0, 1)"});
  check_refused({"train", data, "--patch", "33", "-o", run}, 2, {"--patch 33x33", "multiples of", "hint: use --patch"});
  check_refused({"train", data, "--patch", "1x2x3", "-o", run}, 2, {"--patch: cannot read \"1x2x3\""});
  check_refused({"train", data, "--dims", "3", "-o", run}, 2, {"--dims 3", "2 spatial axes"});
  check_refused({"train", data, "--steps", "3", "--epochs", "2", "-o", run}, 2, {"--steps and --epochs"});
  check_refused({"train", data, "--label-map", "0=1"}, 2, {"--label-map: cannot read"});
  check_refused({"train"}, 2, {"no dataset given"});
  check_refused({"evaluate", run, data, "--split", "tets"}, 5, {run});  // the model is looked for first
  check_refused({"compare", data, "-o", run, "--losses", "ce,dicee"}, 2, {"dicee"});
  check_refused({"compare", data, data, "-o", run}, 2, {"would share the folder nuclei2d"});
  check_refused({"compare", data, "-o", run, "--preset", "quik"}, 2, {"quik", "did you mean `quick`?"});
  CHECK(!std::filesystem::exists(run));  // nothing was begun
}

TEST_CASE("numbers that would wrap or overflow: exit code 2, with their range") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), run = folder.file("run");
  check_refused({"train", data, "--depth", "4294967298", "-o", run}, 2, {"--depth 4294967298 outside 0..10"});
  check_refused({"train", data, "--base", "4294967297", "-o", run}, 2, {"--base 4294967297 outside 0..65536"});
  check_refused({"train", data, "--batch", "9223372036854775807", "-o", run}, 2, {"--batch", "outside 0..65536"});
  check_refused({"train", data, "--epochs", "9223372036854775807", "-o", run}, 2, {"--epochs", "outside 0.."});
  check_refused({"train", data, "--steps", "9223372036854775807", "-o", run}, 2, {"--steps", "outside 0.."});
  check_refused({"train", data, "--weight-decay", "nan", "-o", run}, 2, {"--weight-decay: `nan` is no finite number"});
  check_refused({"train", data, "--seed", "-1", "-o", run}, 2, {"--seed: -1 outside 0..18446744073709551615"});
  check_refused({"train", data, "--threads", "1025", "-o", run}, 2, {"--threads", "1024"});
  const std::string endless(23, '9');
  check_refused({"train", data, "--seed", endless, "-o", run}, 2, {"--seed: " + endless + " outside 0.."});
  check_refused({"train", data, "--steps", endless, "-o", run}, 2, {"--steps: " + endless + " outside -92"});
  check_refused({"synth", "nuclei2d", "--cases", endless, "-o", run}, 2, {"--cases: " + endless + " outside"});
  check_refused({"synth", "nuclei2d", "--cases", "2147483648", "-o", run}, 2, {"--cases 2147483648 outside 0..100000"});
  check_refused({"synth", "nuclei2d", "--cases", "-1", "-o", run}, 2, {"--cases -1 outside 0.."});
  check_refused({"compare", data, "--seeds", "2000000000", "-o", run}, 2,
                {"--seeds 2000000000: 2000000000 runs of every loss", "at most 1000"});
  check_refused({"compare", data, "--seeds", "2147483647", "--folds", "2147483647", "-o", run}, 2, {"at most 1000"});
  check_refused({"compare", data, "--shard", "0/2147483647", "-o", run}, 2, {"--shard 0/2147483647", "1 to 100000"});
  // 2^64 voxels are none, if one counts them with 64 bits.
  check_refused(
      {"train", VOXGRAD_SOURCE_DIR "/data/bundled/organ3d.h5", "--patch", "65536", "--batch", "65536", "--dry-run"}, 6,
      {"more elements than can be counted"});
  check_refused({"bench", "train", "--batch", "-5"}, 2, {"--batch", "-5", "0 to 65536"});
  check_refused({"losses", "eval", "ce", data, "--png", "x.png", "--slice", "-5"}, 2, {"--slice", "-5"});
  CHECK(!std::filesystem::exists(run));
}

TEST_CASE("a text that is no number: exit code 2, in a file as on the command line") {
  const Folder folder;
  for (const std::string key : {"lr", "clip", "steps", "seed", "threads", "foreground", "validate_every"})
    for (const char* value : {"\"\"", "nan", "-inf", "0x10", "\" 5\""}) {
      write_bytes(folder.file("c.toml"), key + " = " + value + "\n");
      const Outcome outcome = program({"train", "x.h5", "--config", folder.file("c.toml"), "--dump-config"});
      CHECK_MESSAGE(outcome.code == 2, key, " = ", value, outcome.out);
      std::string flag = "--" + key;
      std::replace(flag.begin(), flag.end(), '_', '-');
      CHECK_MESSAGE(contains(outcome.err, flag + ": `"), outcome.err);
    }
  for (const std::vector<std::string>& words : {std::vector<std::string>{"evaluate", "run", "x.h5", "--tau"},
                                                {"metrics", "p.h5", "x.h5", "--tau"},
                                                {"import", "w.pt", "--weights", "monai", "--slope"},
                                                {"compare", "x.h5", "-o", "run", "--ema"}})
    for (const char* value : {"nan", "inf", "-inf", "1e400"}) {
      std::vector<std::string> all = words;
      all.push_back(value);
      check_refused(all, 2, {words.back() + ": `" + value + "` is no finite number"});
    }
  CHECK(contains(program({"train", "x.h5", "--steps", "010", "--dump-config"}).out, "steps = 10\n"));
}

TEST_CASE("a training that cannot run leaves no run directory, so that the next try is not refused") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {8, 8}), run = folder.file("run");
  for (const std::string norm : {"batch", "instance"})
    check_refused({"train", data, "--norm", norm, "--batch", "1", "--patch", "8", "--depth", "4", "-o", run}, 2,
                  {"--norm " + norm, "a patch of 8x8 at depth 4", "hint: use --norm group"});
  check_refused(
      {"train", data, "--norm", "group", "--base", "1", "--batch", "1", "--patch", "8", "--depth", "4", "-o", run}, 2,
      {"--norm group", "leaves a single value", "hint: use a larger --patch or a smaller --depth"});
  CHECK(!std::filesystem::exists(run));
  check_refused({"train", data, "--loss", "ce:weights=1/2/3", "-o", run, "-q"}, 2, {"weights has 3 values"});
  CHECK(!std::filesystem::exists(run));
  check_refused({"train", data, "--fold", "0/11", "-o", run}, 2, {"folds: 11 of", "every fold needs at least one"});
  const Outcome possible = program({"train", data, "--norm", "group", "--batch", "1", "--patch", "8", "--depth", "4",
                                    "--base", "4", "--steps", "2", "-o", run});
  CHECK_MESSAGE(possible.code == 0, possible.err);
}

TEST_CASE("options that would do nothing: exit code 2") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  check_refused({"doctor", run, "--loss", "dice"}, 2, {"are for datasets", run});
  check_refused({"train", "--resume", run, "--dry-run"}, 2, {"--resume excludes --dry-run"});
  check_refused({"train", "--resume", run, "-o", folder.file("other")}, 2, {"--out excludes --resume"});
  check_refused({"train", data, "--dry-run", "--watch"}, 2, {"--watch excludes --dry-run"});
  check_refused({"train", data, "--watch", "abc"}, 2, {"--watch", "abc"});
  check_refused({"train", data, "--from", run, "--kernels", "full"}, 2, {"--kernels full", "its kernels are taken"});
  check_refused(small_training(data, folder.file("other"), {"--patience", "9"}), 2, {"--patience 9", "never takes"});
  check_refused({"compare", data, "--losses", "ce", "--dry-run", "--watch"}, 2, {"--dry-run and --watch"});
  check_refused({"predict", run, data, "-o", folder.file("p.h5"), "--axes", "YX"}, 2, {"--axes is for images", data});
  CHECK(!std::filesystem::exists(folder.file("other")));
  check_refused({"report", run, "--redraw"}, 2, {"--redraw is for comparisons", run});
  check_refused({"inspect", data, "--augment-options", "none"}, 2, {"--augment sheet.png"});
  check_refused({"synth", "all", "--cases", "1", "--size", "32x32", "-o", folder.file("all")}, 2, {"--size"});
  CHECK(!std::filesystem::exists(folder.file("all")));
  check_refused({"synth", "nuclei2d", "--list"}, 2, {"--list lists the tasks"});
  check_refused({"synth", "--list", "--cases", "3"}, 2, {"--list lists the tasks"});
  check_refused({"doctor", data, "--list"}, 2, {"--list lists the checks"});
  check_refused({"doctor", "--list", "--data-only"}, 2, {"--list lists the checks"});
}

TEST_CASE("words of the command line that are unknown: exit code 2") {
  check_refused({"trian", "x.h5"}, 2, {"unknown verb `trian`", "did you mean `train`?"});
  check_refused({}, 2, {"no verb given", "info, synth"});
  check_refused({"train", "x.h5", "--epoch", "3"}, 2, {"train: unknown flag `--epoch`", "did you mean `--epochs`?"});
  check_refused({"train", "x.h5", "--thread=3"}, 2, {"unknown flag `--thread`", "did you mean `--threads`?"});
  check_refused({"train", "x.h5", "y.h5"}, 2, {"unexpected argument `y.h5`"});
  check_refused({"train", "x.h5", "--steps", "many"}, 2, {"--steps", "many"});
  check_refused({"evaluate", "run"}, 2, {"data", "required"});
  check_refused({"losses", "jacard"}, 2, {"jacard", "jaccard"});
  check_refused({"synth", "lesion2d"}, 2, {"lesion2d", "did you mean `lesions2d`?"});
  check_refused({"synth"}, 2, {"no task given", "--list"});
  check_refused({"synth", "all"}, 2, {"no directory is named", "-o DIR"});
  check_refused({"info", "--device", "cpuu"}, 2, {"--device", "cpuu"});
}

TEST_CASE("a file that is no model: exit code 4") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), model = folder.file("model.safetensors");
  write_bytes(model, "not a model");
  check_refused({"evaluate", model, data}, 4, {model});
  check_refused({"synth", "nuclei2d", "--cases", "8", "-o", model}, 2, {"model", "is no phantom"});
  save_tensors(model, {{{"w", zeros({2})}}, {}});
  check_refused({"evaluate", model, data}, 4, {model, "no `model` in its metadata", "hint: "});
  REQUIRE(program(small_training(data, folder.file("run"))).code == 0);
  TensorFile file = load_tensors(folder.file("run/best.safetensors"));
  file.tensors.pop_back();
  save_tensors(model, file);
  check_refused({"evaluate", model, data}, 4, {model});
  // A good model, but other data.
  const std::string other = phantom_file(folder, "organs2d", 10, {32, 32});
  check_refused({"evaluate", folder.file("run"), other}, 3,
                {"its classes are background, liver", "best.safetensors are background, nucleus"});
  check_refused({"evaluate", folder.file("run"), data, "--split", "tets"}, 2, {"tets"});
}

TEST_CASE("numbers that are not finite: exit code 7, naming step and epoch; skip and rollback go on for a while") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32});
  // A rate that throws the weights out of range at once.
  const std::vector<std::string> wild{"--lr", "1e38",       "--norm",   "none",   "--optimizer",
                                      "sgd",  "--schedule", "constant", "--clip", "0"};
  const auto with = [&](const std::string& run, std::vector<std::string> more) {
    more.insert(more.end(), wild.begin(), wild.end());
    return small_training(data, folder.file(run), more);
  };
  check_refused(with("stop", {"-q"}), 7, {"step ", "(epoch 1)", "hint: "});
  CHECK(apps::Json::parse(bytes_of(folder.file("stop/run.json")))["exit_reason"] == "diverged");
  const Outcome page = program({"report", folder.file("stop")});  // its weights are those from before the first step
  CHECK_MESSAGE(page.code == 0, page.err);
  check_refused({"evaluate", folder.file("stop"), data}, 3, {"its weights are random", "hint: "});
  check_refused({"evaluate", folder.file("stop/last.safetensors"), data}, 3, {"its weights are random", "hint: "});
  check_refused(with("skip", {"--on-nan", "skip"}), 7, {"this step is left out", "the step has broken the weights"});
  std::vector<std::string> infinite = small_training(data, folder.file("infinite"), {"--on-nan", "skip"});
  *std::find(infinite.begin(), infinite.end(), "dice_ce") = "1e300*ce";  // the weights stay as they were
  check_refused(infinite, 7, {"this step is left out", "as in the 20 steps before"});
  check_refused(with("rollback", {"--on-nan", "rollback"}), 7,
                {"back to step 0 with half the learning rate", "after 10 rollbacks"});
}

// The command line as scripts see it: JSON, configuration files, help, lists, losses eval.
#include <cmath>

#include "apps/program/json.h"
#include "data/h5/h5.h"
#include "data/h5/h5_writer.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

// Exactly one JSON document on stdout, and nothing else.
Json json_of(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome outcome = program(arguments);
  INFO(arguments.front(), ": ", outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE(Json::accept(outcome.out));
  return Json::parse(outcome.out);
}

}  // namespace

TEST_CASE("--json is one well-formed document, for every verb that has results") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 10, {48, 48}), run = folder.file("run");
  CHECK(json_of({"info"})["threads"] >= 1);
  const std::string cpu = json_of({"info"})["cpu"];  // and by whom matrices are multiplied
  CHECK_MESSAGE((contains(cpu, ", built-in matrix products") || contains(cpu, ", OpenBLAS ")), cpu);
  CHECK(json_of({"synth", "--list"}).size() >= 6);
  CHECK(json_of({"doctor", "--list"})[0]["check"] == "reading");
  CHECK(json_of({"synth", "nuclei2d", "--cases", "8", "--size", "32", "-o", folder.file("x.h5")})["written"][0] ==
        folder.file("x.h5"));
  const Json inspected = json_of({"inspect", data});
  CHECK(inspected["cases"] == 10);
  CHECK(inspected["class_names"].size() == 5);
  CHECK(inspected["classes"][1]["fraction"] > 0);
  CHECK(json_of(small_training(data, run))["epochs"] == 3);
  CHECK(json_of({"evaluate", run, data})["cases"].size() == json_of({"inspect", data})["splits"]["test"]);
  CHECK(json_of({"predict", run, data, "-o", folder.file("p.h5")})["written"].size() == 1);
  // organs are absent from some cases: what is undefined must still be JSON
  CHECK(json_of({"metrics", folder.file("p.h5"), data})["mean"]["classes"]["4"].contains("dice"));
  CHECK(json_of({"losses"}).size() >= 5);
  CHECK(json_of({"losses", "dice"})["parameters"][0].contains("default"));
}

TEST_CASE("progress goes to stderr, one line an epoch without a terminal; -q leaves results only") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32});
  const Outcome loud = program(small_training(data, folder.file("a")));
  CHECK(contains(loud.err, "epoch 1/3  loss "));
  CHECK(contains(loud.err, "epoch 3/3  loss "));
  CHECK(!contains(loud.err, "\r"));
  CHECK(!contains(loud.err, "\033"));
  CHECK(contains(loud.out, "Dice"));
  const Outcome quiet = program(small_training(data, folder.file("b"), {"-q"}));
  CHECK(quiet.err.empty());
  CHECK(contains(quiet.out, "Dice"));
}

TEST_CASE("a configuration file sets what flags do not; a run's own file repeats it; unknown keys are refused") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 12, {32, 32}), file = folder.file("c.toml");
  write_bytes(
      file,
      "# small\nbase = 4\ndepth = 2\npatch = \"32\"\nsteps = 44\nloss = \"tversky:alpha=0.4,beta=0.6\"\nseed = 7\n"
      "weight_decay = 0.5\nresidual = true\n");
  REQUIRE(program({"train", data, "--config", file, "-o", folder.file("a"), "--weight-decay", "0.25"}).code == 0);
  const Json config = Json::parse(bytes_of(folder.file("a/run.json")))["config"];
  CHECK(config["loss"] == "tversky:alpha=0.4,beta=0.6");
  CHECK(config["seed"] == 7);
  CHECK(config["weight_decay"] == 0.25);
  CHECK(config["residual"] == true);
  REQUIRE(program({"train", "--config", folder.file("a/config.toml"), "-o", folder.file("b")}).code == 0);
  CHECK(bytes_of(folder.file("a/best.safetensors")) == bytes_of(folder.file("b/best.safetensors")));
  write_bytes(file, "bse = 4\n");
  const Outcome unknown = program({"train", data, "--config", file});
  CHECK(unknown.code == 2);
  CHECK_MESSAGE(contains(unknown.err, "train has no setting `bse`"), unknown.err);
  CHECK_MESSAGE(contains(unknown.err, "did you mean `base`?"), unknown.err);
}

TEST_CASE("the settings of a run repeat it whatever the name of its dataset is") {
  const Folder folder;
  const std::string bytes = bytes_of(phantom_file(folder, "nuclei2d", 12, {32, 32}));
  for (const std::string name : {"C:\\temp\\new", "it's a q\"uote", "#1\nline", "[\xc3\xbc, \xe4\xb8\xad]"}) {
    const std::string data = folder.file(name + ".h5"), run = folder.file("run"), again = folder.file("again");
    write_bytes(data, bytes);
    const Outcome first = program({"train", data, "-o", run, "--base", "4", "--depth", "2", "--steps", "2"});
    REQUIRE_MESSAGE(first.code == 0, first.err);
    const Outcome second = program({"train", "--config", run + "/config.toml", "-o", again});
    CHECK_MESSAGE(second.code == 0, name, second.err);
    CHECK(Json::parse(bytes_of(again + "/run.json"))["config"]["data"] == data);
    for (const std::string& made : {run, again}) std::filesystem::remove_all(made);
  }
  write_bytes(folder.file("bad\xff.h5"), bytes);
  const Outcome bad = program(small_training(folder.file("bad\xff.h5"), folder.file("run")));
  CHECK(bad.code == 2);
  CHECK_MESSAGE(contains(bad.err, "not a text in UTF-8"), bad.err);
}

TEST_CASE("--dump-config leaves out a switch that is left to a rule") {
  using Words = std::vector<std::string>;
  for (const Words& verb : {Words{"train", "x.h5"}, Words{"predict", "run", "x.h5", "-o", "out.h5"}}) {
    const std::string name = verb[0] == "train" ? "deep_supervision" : "tta",
                      flag = verb[0] == "train" ? "deep-supervision" : "tta";
    const auto dumped = [&](const std::string& more) {
      Words words = verb;
      if (!more.empty()) words.push_back(more);
      words.push_back("--dump-config");
      return "\n" + program(words).out;
    };
    CHECK(!contains(dumped(""), name + " ="));
    if (verb[0] == "train") CHECK(contains(dumped(""), "\n# crop = \"auto\"\n"));
    CHECK(contains(dumped("--" + flag), "\n" + name + " = true\n"));
    CHECK(contains(dumped("--no-" + flag), "\n" + name + " = false\n"));
  }
}

TEST_CASE("--dump-config prints what --config takes") {
  const Folder folder;
  const Outcome first = program({"train", "x.h5", "--loss", "ce:weights=1/2", "--seed", "3", "--dump-config"});
  REQUIRE(first.code == 0);
  CHECK_MESSAGE(contains(first.out, "loss = \"ce:weights=1/2\"\n"), first.out);
  CHECK(contains(first.out, "seed = 3\n"));
  CHECK(contains(first.out, "\n# weight_decay = 0.01\n"));
  write_bytes(folder.file("c.toml"), first.out);
  const Outcome second = program({"train", "--config", folder.file("c.toml"), "--dump-config"});
  CHECK_MESSAGE(second.out == first.out, second.out, second.err);
}

TEST_CASE("a preset still holds when its settings are printed and read back: the settings of a file win over it") {
  const Folder folder;
  const std::string printed =
      program({"compare", "x.h5", "--losses", "ce", "--preset", "quick", "--depth", "3", "--dump-config"}).out;
  write_bytes(folder.file("c.toml"), printed);
  for (const std::string& toml :
       {printed, program({"compare", "--config", folder.file("c.toml"), "--dump-config"}).out})
    for (const char* line :
         {"\npreset = \"quick\"\n", "\ndepth = 3\n", "\n# base = 0\n", "\n# lr = 0\n", "\n# jobs = 1\n"})
      CHECK_MESSAGE(contains(toml, line), toml);
}

TEST_CASE("a switch is true or false; exit code 2 names what else was given, and where") {
  const Folder folder;
  const std::string file = folder.file("c.toml");
  const auto dumped = [&](const std::string& toml, std::vector<std::string> more = {}) {
    write_bytes(file, "lr = 0.1\n" + toml + "\n");
    more.insert(more.begin(), {"train", "x.h5", "--config", file, "--dump-config"});
    return program(more);
  };
  for (const char* value : {"2026-01-01", "-1", "{}", "1 2", "off", "4.7", "1e308", "\"\"", "[]", "[true, true]", "1"})
    for (const std::string key : {"residual", "deep_supervision", "no_residual", "json"}) {
      const Outcome outcome = dumped(key + " = " + value);
      CHECK_MESSAGE(outcome.code == 2, key, value, outcome.out);
      CHECK_MESSAGE(contains(outcome.err, "--config: line 2: " + key + ": `"), outcome.err);
      CHECK_MESSAGE(contains(outcome.err, "is neither true nor false"), outcome.err);
    }
  CHECK(contains(dumped("residual = true").out, "residual = true\n"));
  CHECK(contains(dumped("residual = false").out, "residual = false\n"));
  CHECK(contains(dumped("no_residual = true").out, "residual = false\n"));
  for (const char* flag : {"--residual=2026", "--no-residual=7", "--json=5", "--json=", "--residual=on",
                           "--no-residual=99999999999999999999", "--residual=99999999999999999999"}) {
    const Outcome outcome = program({"train", "x.h5", flag, "--dump-config"});
    CHECK_MESSAGE(outcome.code == 2, flag, outcome.out);
    const std::string word = flag;
    const std::size_t at = word.find('=');
    CHECK_MESSAGE(contains(outcome.err, word.substr(0, at) + ": `" + word.substr(at + 1) + "` is neither"),
                  outcome.err);
  }
  CHECK(program({"--json=5", "info"}).code == 2);
  CHECK(contains(dumped("", {"--residual=true", "--json", "--json"}).out, "json = true\n"));
  CHECK(contains(dumped("", {"--no-residual=true"}).out, "residual = false\n"));
}

TEST_CASE("a setting that is there twice, by whatever name, is refused with both lines") {
  const Folder folder;
  const std::string file = folder.file("c.toml");
  for (const auto& [toml, words] : std::vector<std::pair<std::string, std::string>>{
           {"steps = 4\n# x\nsteps = 5\n", "lines 1 and 3 both set `steps`"},
           {"weight-decay = 4\nweight_decay = 4\n", "lines 1 and 2 both set `weight_decay`"},
           {"residual = true\nno_residual = true\n", "lines 1 and 2 both set `no_residual`"},
           {"seed = 1\nseed = 1\n", "lines 1 and 2 both set `seed`"}}) {
    write_bytes(file, toml);
    const Outcome outcome = program({"train", "x.h5", "--config", file, "--dump-config"});
    CHECK(outcome.code == 2);
    CHECK_MESSAGE(contains(outcome.err, words), outcome.err);
  }
}

TEST_CASE("a configuration file may begin with the mark of UTF-8; a folder is none") {
  const Folder folder;
  write_bytes(folder.file("c.toml"), "\xEF\xBB\xBFsteps = 7\n");
  const Outcome marked = program({"train", "x.h5", "--config", folder.file("c.toml"), "--dump-config"});
  CHECK_MESSAGE(contains(marked.out, "steps = 7\n"), marked.err);
  const Outcome none = program({"train", "x.h5", "--config", folder.file("")});
  CHECK(none.code == 5);
  CHECK_MESSAGE(contains(none.err, folder.file("") + " is a folder"), none.err);
  CHECK(program({"info", "--config", ""}).code == 2);
#ifdef __linux__
  CHECK(program({"info", "--config", "/proc/self/mem"}).code == 5);  // it can be opened, and not be read
#endif
}

TEST_CASE("the settings that --dump-config prints make no run silent") {
  const Folder folder;
  for (const char* flag : {"--json=false", "-v"}) {
    write_bytes(folder.file("c.toml"), program({"synth", "nuclei2d", flag, flag, "--dump-config"}).out);
    const Outcome outcome =
        program({"synth", "--config", folder.file("c.toml"), "--cases", "2", "-o", folder.file("x.h5")});
    CHECK_MESSAGE(contains(outcome.err, "wrote "), outcome.err);
  }
}

TEST_CASE("what --dump-config prints can be given to --config, for every verb that has settings") {
  const Folder folder;
  const std::string file = folder.file("c.toml");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"info"},
                                                {"inspect", "x.h5"},
                                                {"import", "x.png"},
                                                {"export", "run", "-o", "x"},
                                                {"synth", "nuclei2d"},
                                                {"doctor", "x.h5"},
                                                {"train", "x.h5"},
                                                {"evaluate", "run", "x.h5"},
                                                {"metrics", "x.h5", "y.h5"},
                                                {"predict", "run", "x.png", "-o", "y.png"},
                                                {"compare", "x.h5", "--losses", "ce"},
                                                {"report", "run"},
                                                {"watch", "run"},
                                                {"losses", "dice"}}) {
    std::vector<std::string> dumped = words;
    dumped.push_back("--dump-config");
    const Outcome outcome = program(dumped);
    REQUIRE_MESSAGE(outcome.code == 0, words[0], outcome.err);
    write_bytes(file, outcome.out);
    const Outcome again = program({words[0], "--config", file, "--dump-config"});
    CHECK_MESSAGE(again.code == 0, words[0], again.err);
    CHECK_MESSAGE(again.out == outcome.out, words[0]);
  }
  CHECK(contains(program({"predict", "run", "x.png", "-o", "y.png", "--no-clean-up", "--dump-config"}).out,
                 "no_clean_up = true"));
}

TEST_CASE("help and version") {
  CHECK(contains(program({"--version"}).out, "voxgrad "));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--help"}, {"train", "--help"}, {"losses", "eval", "-h"}}) {
    const Outcome help = program(words);
    CHECK(help.code == 0);
    CHECK(contains(help.out, "Usage:"));
  }
  CHECK(contains(program({"train", "--help"}).out, "--deep-supervision"));
  CHECK(contains(program({"train", "--help"}).out, "Usage: voxgrad train [OPTIONS] [data]\n"));
  CHECK(contains(program({"losses", "eval", "--help"}).out, "Usage: voxgrad losses eval [OPTIONS]"));
}

TEST_CASE("the losses are listed, explained, and written as Markdown") {
  CHECK(contains(program({"losses"}).out, "dice_ce"));
  const std::string explained = program({"losses", "tversky"}).out;
  for (const char* word : {"formula", "source", "helps", "fails", "alpha", "0.3"})
    CHECK_MESSAGE(contains(explained, word), word);
  const std::string markdown = program({"losses", "--markdown"}).out;
  CHECK(contains(markdown, "| `tversky` | region |"));
}

TEST_CASE("losses eval: value and gradient on given logits") {
  const Folder folder;
  const std::string file = folder.file("in.h5"), gradient = folder.file("out.h5");
  const std::vector<double> logits{0, 0, 1, -1, 2, 0.5, -3, 3};  // four voxels, two classes
  const std::vector<std::uint8_t> labels{0, 1, 0, 1};
  data::h5::Writer writer(file);
  writer.array("/logits", data::h5::Element::f64, {1, 2, 2, 2}, logits.data());
  writer.create("/labels", data::h5::Element::i32, {1, 2, 2});
  writer.write("/labels", {0, 0, 0}, {1, 2, 2}, data::h5::Element::u8, labels.data());
  writer.save();
  double expected = 0;
  std::vector<double> slopes;
  for (std::size_t i = 0; i < 4; ++i) {
    const double difference = logits[2 * i + 1 - labels[i]] - logits[2 * i + labels[i]];
    expected += std::log1p(std::exp(difference)) / 4;
    const double wrong = 1 / (1 + std::exp(-difference)) / 4;
    slopes.push_back(labels[i] == 0 ? -wrong : wrong);
    slopes.push_back(-slopes.back());
  }
  const Json f64 = json_of({"losses", "eval", "ce", file, "--gradient", gradient});
  CHECK(f64["dtype"] == "f64");
  CHECK(f64["device"] == "cpu");
  CHECK(contains(f64["loss"].get<std::string>(), "ce"));
  CHECK(std::abs(f64["value"].get<double>() - expected) < 1e-14);
  std::vector<double> found(8);
  const data::h5::Array array = data::h5::File::open(gradient).array("/gradient");
  array.read({0, 0, 0, 0}, {1, 2, 2, 2}, data::h5::Element::f64, found.data());
  for (std::size_t i = 0; i < 8; ++i) CHECK(std::abs(found[i] - slopes[i]) < 1e-14);
  const Json f32 = json_of({"losses", "eval", "ce", file, "--dtype", "f32"});
  CHECK(f32["dtype"] == "f32");
  CHECK(std::abs(f32["value"].get<double>() - expected) < 1e-6);
}

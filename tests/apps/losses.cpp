// The verb losses: list, explanations, the table of the README, losses eval with pictures and bad files.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "apps/program/json.h"
#include "apps/program/svg.h"
#include "data/h5/h5_writer.h"
#include "losses/core/registry.h"
#include "tests/apps/pages.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
using data::h5::Element;

namespace {

std::size_t widest(const std::string& lines) {
  std::istringstream stream(lines);
  std::size_t most = 0;
  for (std::string line; std::getline(stream, line);) most = std::max(most, line.size());
  return most;
}

// The first line of each text in which the two differ; twice the empty line if they are equal.
std::pair<std::string, std::string> first_difference(const std::string& a, const std::string& b) {
  std::istringstream left(a), right(b);
  std::string from_a, from_b;
  do {
    if (!std::getline(left, from_a)) from_a.clear();
    if (!std::getline(right, from_b)) from_b.clear();
  } while (from_a == from_b && (left || right));
  return {from_a, from_b};
}

// Logits [.., C] and labels without the channels; both are repeated over the voxels.
std::string write_input(const Folder& folder, const Shape& shape, const std::vector<double>& logits,
                        const std::vector<std::uint8_t>& labels) {
  const std::string path = folder.file("in.h5");
  const Shape space(std::span(shape.begin(), shape.end() - 1));
  const std::int64_t voxels = space.numel();
  std::vector<double> z;
  std::vector<std::uint8_t> y;
  for (std::int64_t i = 0; i < voxels * shape[-1]; ++i)
    z.push_back(logits[static_cast<std::size_t>(i) % logits.size()]);
  for (std::int64_t i = 0; i < voxels; ++i) y.push_back(labels[static_cast<std::size_t>(i) % labels.size()]);
  data::h5::Writer writer(path);
  writer.array("/logits", Element::f64, shape, z.data());
  writer.array("/labels", Element::u8, space, y.data());
  writer.save();
  return path;
}

// Width and height in the header of a PNG file.
std::pair<int, int> png_size(const std::string& bytes) {
  if (bytes.substr(1, 3) != "PNG" || bytes.size() < 24) return {0, 0};
  const auto number = [&](std::size_t at) {
    int value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value * 256 + static_cast<unsigned char>(bytes[at + i]);
    return value;
  };
  return {number(16), number(20)};
}

}  // namespace

TEST_CASE("every loss is listed below its family and explained in 100 columns") {
  const std::string list = program({"losses"}).out;
  CHECK(widest(list) <= 100);
  CHECK(list.find("region: ") < list.find("  dice "));
  CHECK(list.find("  dice ") < list.find("compound: "));
  for (const losses::Spec& spec : losses::registry()) {
    const Outcome one = program({"losses", spec.name});
    CHECK_MESSAGE(widest(one.out) <= 100, spec.name);
    for (const char* word : {"formula", "source", "helps", "fails"})
      CHECK_MESSAGE(contains(one.out, std::string("\n") + word + " "), spec.name, " ", std::string(word));
    for (const losses::Parameter& parameter : spec.parameters)
      CHECK_MESSAGE(contains(one.out, "\n" + parameter.name + " "), spec.name, " ", parameter.name);
  }
  CHECK(contains(program({"losses", "tversky"}).out, "tversky:alpha=1,beta=1 = jaccard"));
}

TEST_CASE("the table of the README is what losses --markdown prints") {
  const std::string path = std::string(VOXGRAD_SOURCE_DIR) + "/losses/README.md", readme = bytes_of(path);
  const std::size_t marker = readme.find("<!-- losses:"), end = readme.find("<!-- end of losses -->");
  REQUIRE(marker != std::string::npos);
  REQUIRE(end != std::string::npos);
  const std::size_t begin = readme.find('\n', marker) + 1;
  const std::string table = program({"losses", "--markdown"}).out;
  if (std::getenv("VOXGRAD_RENEW") != nullptr) {
    std::ofstream(path, std::ios::binary) << readme.substr(0, begin) << table << readme.substr(end);
    return;
  }
  const auto difference = first_difference(readme.substr(begin, end - begin), table);
  CHECK_MESSAGE(difference.first == difference.second, "renew it by VOXGRAD_RENEW=1 ctest --test-dir ",
                std::filesystem::path(VOXGRAD_PROGRAM).parent_path().string(), " -R apps/losses");
}

TEST_CASE("losses --markdown has no name; --for takes a file that has folds alone") {
  CHECK(program({"losses", "dice", "--markdown"}).code == 2);
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {9, {32, 32}, 1});
  contents.splits.clear();
  for (data::Case& one : contents.cases) one.group.clear();
  for (std::int64_t i = 0; i < 9; ++i) contents.splits[text("fold_", i % 3, "/val")].push_back(i);
  data::write_dataset(folder.file("folds.h5"), contents);
  const Outcome advised = program({"losses", "--for", folder.file("folds.h5"), "--json"});
  REQUIRE_MESSAGE(advised.code == 0, advised.err);
  CHECK(!Json::parse(advised.out)["losses"].empty());
}

TEST_CASE("losses --html writes a page for each loss, and one that leads to all of them") {
  const Folder folder;
  const std::string catalogue = folder.file("catalogue");
  const Outcome outcome = program({"losses", "--html", catalogue});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.out == catalogue + "/index.html\n");
  const std::string index = bytes_of(catalogue + "/index.html");
  check_page(index);
  CHECK(count(index, "<img ") == losses::registry().size() + 1);
  CHECK(index.find("region: ") < index.find("dice.html"));
  for (const losses::Spec& spec : losses::registry()) {
    INFO(spec.name);
    CHECK(count(index, "href=\"" + spec.name + ".html\"") == 1);
    const std::string page = bytes_of(catalogue + "/" + spec.name + ".html");
    check_page(page);
    CHECK(count(page, "<img ") == 2);
    CHECK(count(page, "<svg ") == 2);
    // A disc is too thick for the skeletons of this one.
    CHECK(contains(page, "The colours end at ") == (spec.name != "cldice"));
    for (const std::string& words : {spec.summary, spec.formula, spec.source, spec.helps, spec.fails})
      CHECK_MESSAGE(contains(page, apps::escaped(words)), words);
    for (const losses::Parameter& parameter : spec.parameters)
      CHECK_MESSAGE(contains(page, "<th scope=\"row\">" + parameter.name + "</th>"), parameter.name);
  }
  const std::string dice = bytes_of(catalogue + "/dice.html");
  CHECK(contains(dice, "smallest at 1 times the true size"));
  CHECK(contains(dice, "smallest at 0 pixels"));
  CHECK(contains(bytes_of(catalogue + "/region_size.html"), "is moved. It is the same everywhere."));
  CHECK(contains(dice, "tversky:alpha=0.5,beta=0.5"));  // an identity
  CHECK(program({"losses", "dice", "--html", catalogue}).code == 2);
  std::filesystem::remove(catalogue + "/dice.html");
  CHECK(program({"losses", "--html", catalogue}).code == 0);  // a catalogue is drawn anew
  CHECK(bytes_of(catalogue + "/dice.html") == dice);
  for (const char* name : {"index.html", "dice.html"}) {  // but not over pages of others
    const std::string site = folder.file(text("site-", name));
    std::filesystem::create_directory(site);
    write_bytes(site + "/" + name, "theirs");
    const Outcome refused = program({"losses", "--html", site});
    CHECK(refused.code == 2);
    CHECK_MESSAGE(contains(refused.err, text(name, " is there, and no `voxgrad losses --html` has written it")),
                  refused.err);
    CHECK(bytes_of(site + "/" + name) == "theirs");
    CHECK(std::distance(std::filesystem::directory_iterator(site), {}) == 1);
  }
  const Outcome both = program({"losses", "--markdown", "--json"});
  CHECK_MESSAGE((both.code == 2 && both.out.empty()), both.out);
}

TEST_CASE("losses eval draws images, slices of volumes, one channel and several") {
  const Folder folder;
  const std::string png = folder.file("out.png");
  const std::string image = write_input(folder, {2, 5, 6, 3}, {0, 1, -1, 2}, {0, 1, 2, 1, 0});
  REQUIRE(program({"losses", "eval", "dice_ce", image, "--png", png, "--sample", "1"}).code == 0);
  const auto [width, height] = png_size(bytes_of(png));
  CHECK(width > 3 * 230);
  CHECK(height > 3 * 200);
  CHECK(program({"losses", "eval", "ce", image, "--png", png, "--sample", "2"}).code == 2);
  CHECK(program({"losses", "eval", "ce", image, "--sample", "1"}).code == 2);  // it would do nothing
  const std::string volume = write_input(folder, {1, 4, 5, 6, 1}, {0, 1, -1, 2}, {0, 1, 1});
  REQUIRE(program({"losses", "eval", "boundary", volume, "--png", png, "--slice", "3"}).code == 0);
  CHECK(png_size(bytes_of(png)).second < height);
  CHECK(program({"losses", "eval", "ce", volume, "--png", png, "--slice", "4"}).code == 2);
}

TEST_CASE("losses eval writes neither over its input nor over files of another kind") {
  const Folder folder;
  const std::string input = write_input(folder, {1, 3, 4, 2}, {0, 1, -1, 2}, {0, 1, 1}), before = bytes_of(input);
  const std::string link = folder.file("link.h5"), disguised = folder.file("input.png"), notes = folder.file("a.txt");
  std::filesystem::create_symlink(input, link);
  std::filesystem::copy(input, disguised);
  write_bytes(notes, "mine");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{input, "--gradient", input},
                                                                                     {input, "--gradient", link},
                                                                                     {input, "--gradient", notes},
                                                                                     {input, "--png", input},
                                                                                     {disguised, "--png", disguised},
                                                                                     {input, "--png", notes}}) {
    std::vector<std::string> all{"losses", "eval", "ce"};
    all.insert(all.end(), words.begin(), words.end());
    const Outcome outcome = program(all);
    CHECK_MESSAGE(outcome.code == 2, words[1], " ", words[2], ": ", outcome.code, " ", outcome.err);
    CHECK_MESSAGE(contains(outcome.err, words[1] + " " + words[2] + ": "), outcome.err);
  }
  CHECK(bytes_of(input) == before);
  CHECK(bytes_of(disguised) == before);
  CHECK(bytes_of(notes) == "mine");
  CHECK(program({"losses", "eval", "ce", input, "--gradient", folder.file("G.HDF5")}).code == 0);
}

TEST_CASE("losses eval refuses logits that are no numbers, labels without a class, shapes that do not fit") {
  const Folder folder;
  std::vector<double> logits{0, 1, 2, 3, 4, 5};
  logits[3] = std::numeric_limits<double>::quiet_NaN();
  const Outcome nan = program({"losses", "eval", "ce", write_input(folder, {1, 3, 1, 2}, logits, {0})});
  CHECK(nan.code == 3);
  CHECK_MESSAGE(contains(nan.err, "[0, 1, 0, 1]"), nan.err);
  const Outcome label = program({"losses", "eval", "ce", write_input(folder, {1, 3, 1, 2}, {0, 1}, {0, 2})});
  CHECK(label.code == 3);
  CHECK_MESSAGE(contains(label.err, "label 2"), label.err);
  const std::string path = folder.file("shapes.h5");
  data::h5::Writer writer(path);
  const std::vector<double> zeros(8, 0.0);
  const std::vector<std::uint8_t> none(6, 0);
  writer.array("/logits", Element::f64, {1, 2, 2, 2}, zeros.data());
  writer.array("/labels", Element::u8, {1, 2, 3}, none.data());
  writer.save();
  const Outcome shapes = program({"losses", "eval", "ce", path});
  CHECK(shapes.code == 3);
  CHECK_MESSAGE(contains(shapes.err, "[N, *S, C]"), shapes.err);
  for (const Shape& extents : {Shape{0, 2, 2}, Shape{1, 0, 2}, Shape{1}}) {
    data::h5::Writer other(path);
    other.array("/logits", Element::f64, {1, 2, 2, 2}, zeros.data());
    other.array("/labels", Element::u8, extents, none.data());
    other.save();
    const Outcome refused = program({"losses", "eval", "ce", path});
    CHECK_MESSAGE(refused.code == 3, extents, ": ", refused.code);
    CHECK_MESSAGE(contains(refused.err, "[N, *S, C]"), refused.err);
  }
  data::h5::Writer ignoring(path);
  ignoring.array("/logits", Element::f64, {1, 2, 2, 2}, zeros.data());
  ignoring.array("/labels", Element::u8, {1, 2, 2}, none.data());
  ignoring.attribute("/", "ignore_label", (std::int64_t{1} << 32) + 1);  // must not become 1
  ignoring.save();
  const Outcome ignore = program({"losses", "eval", "ce", path});
  CHECK(ignore.code == 3);
  CHECK_MESSAGE(contains(ignore.err, "ignore_label is 4294967297, expected 0..255"), ignore.err);
}

TEST_CASE("losses eval refuses a spacing that is none, and arrays without elements, with file and place") {
  const Folder folder;
  const std::string path = folder.file("le.h5");
  const std::vector<double> zeros(72, 0.0);
  const std::vector<std::uint8_t> none(36, 0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto eval = [&](const char* loss, const Shape& shape, const std::vector<double>& spacing, const char* holder) {
    data::h5::Writer writer(path);
    writer.array("/logits", Element::f64, shape, zeros.data());
    writer.array("/labels", Element::u8, shape.without(-1), none.data());
    if (!spacing.empty()) writer.attribute(holder, "spacing", spacing);
    writer.save();
    return program({"losses", "eval", loss, path});
  };
  for (const std::vector<double>& bad :
       {std::vector<double>{1}, {0, 1}, {nan, 1}, {-1, 1}, {1e-30, 1}, {1e-300, 1}, {1, 1, 1}})
    for (const char* loss : {"surface_dice", "dice", "hausdorff_dt"}) {
      const Outcome outcome = eval(loss, {1, 6, 6, 2}, bad, "/");
      CHECK(outcome.code == 3);
      CHECK_MESSAGE(contains(outcome.err, "le.h5: spacing must be 2 positive numbers"), outcome.err);
    }
  const Outcome beside = eval("dice", {1, 6, 6, 2}, {1}, "/labels");
  CHECK_MESSAGE(contains(beside.err, "dataset /labels of le.h5: spacing must be"), beside.err);
  for (const Shape& shape : {Shape{1, 0, 6, 2}, Shape{0, 6, 6, 2}, Shape{1, 6, 6, 0}}) {
    const Outcome outcome = eval("dice", shape, {}, "/");
    CHECK(outcome.code == 3);
    CHECK_MESSAGE(contains(outcome.err, text("dataset /logits of le.h5: its extents are ", shape)), outcome.err);
  }
}

// Folders of the Decathlon and of nnU-Net, also with descriptions that somebody made wrong.
#include "engine/random.h"
#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::discover;
using Names = std::vector<std::string>;

namespace {

// The name and the labels of the files, for one folder of a task.
void write_task(const Folder& folder, const std::string& json, const std::vector<std::string>& files) {
  for (const std::string& name : files) write_bytes(made(folder.file(name)), "x");
  if (!json.empty()) write_bytes(folder.file("dataset.json"), json);
}

const char* const kDecathlon = R"({"modality": {"0": "CT"}, "licence": "CC0", "reference": "somewhere",
  "labels": {"0": "background", "1": "liver", "4": "tumour"}, "numTraining": 2,
  "training": [{"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b.nii.gz"},
               {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
  "test": ["./imagesTs/c.nii.gz"]})";
const Names kFiles{"imagesTr/a.nii.gz", "imagesTr/b.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz",
                   "imagesTs/c.nii.gz"};

std::string task_refusal(const std::string& json, const std::vector<std::string>& files = kFiles) {
  const Folder folder;
  write_task(folder, json, files);
  return error_of([&] { discover({folder.file("")}); });
}

// A task of nnU-Net with one case and these labels.
std::string refusal_of_labels(const std::string& labels) {
  return task_refusal(R"({"channel_names": {"0": "T1"}, "file_ending": ".nii.gz", "labels": )" + labels + "}",
                      {"imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"});
}

}  // namespace

TEST_CASE("a task of the Decathlon: cases, classes with gaps, attributes; test images have no labels") {
  const Folder folder;
  write_task(folder, kDecathlon, kFiles);
  const data::Discovery found = discover({folder.file("")});
  CHECK(ids_of(found) == Names({"a", "b"}));
  CHECK(found.cases[0].images == Names{folder.file("imagesTr/a.nii.gz")});
  CHECK(found.cases[0].labels == Names{folder.file("labelsTr/a.nii.gz")});
  CHECK(found.cases[0].split.empty());
  CHECK(found.class_names == Names({"background", "liver", "tumour"}));
  CHECK(found.label_map == std::map<int, int>({{0, 0}, {1, 1}, {4, 2}}));
  CHECK(found.attributes.at("modality") == "CT");
  CHECK(found.attributes.at("license") == "CC0");
  CHECK(found.attributes.at("source") == "somewhere");
  CHECK(contains(notes_of(found.notes), "1 test images without labels are left out (c.nii.gz)"));
  data::DiscoverOptions options;
  options.labels = false;
  CHECK(ids_of(discover({folder.file("")}, options)) == Names({"a", "b", "c"}));
}

TEST_CASE("nnU-Net: channels, labels by name, a label to ignore, labels of the test set") {
  const Folder folder;
  write_task(folder, R"({"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "x": 1, "ignore": 2},
                         "numTraining": 1, "file_ending": ".nii.gz"})",
             {"imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz", "imagesTs/t_0000.nii.gz",
              "imagesTs/t_0001.nii.gz", "labelsTs/t.nii.gz"});
  const data::Discovery found = discover({folder.file("")});
  CHECK(ids_of(found) == Names({"a", "t"}));
  CHECK(found.cases[0].images == Names({folder.file("imagesTr/a_0000.nii.gz"), folder.file("imagesTr/a_0001.nii.gz")}));
  CHECK(found.cases[0].split == "train");
  CHECK(found.cases[1].split == "test");
  CHECK(found.class_names == Names({"background", "x"}));
  CHECK(found.label_map == std::map<int, int>({{0, 0}, {1, 1}, {2, 255}}));
  CHECK(found.channel_names == Names({"T1", "T2"}));
  CHECK(found.attributes.at("modality") == "T1, T2");
}

TEST_CASE("nnU-Net of the first version lists images without the numbers of their channels") {
  const Folder folder;
  write_task(folder, R"({"modality": {"0": "MR", "1": "PET"}, "labels": {"0": "background", "1": "x"},
                         "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]})",
             {"imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz"});
  const data::Discovery found = discover({folder.file("")});
  CHECK(found.cases[0].id == "a");
  CHECK(found.cases[0].images.size() == 2);
}

TEST_CASE("nnU-Net may name the files of every case itself") {
  const Folder folder;
  write_task(folder, R"({"labels": {"background": 0, "x": 1}, "channel_names": {"0": "grey"},
                         "dataset": {"one": {"images": ["p/i.png"], "label": "p/l.png"}}})",
             {"p/i.png", "p/l.png"});
  const data::Discovery found = discover({folder.file("")});
  CHECK(ids_of(found) == Names{"one"});
  CHECK(found.cases[0].labels == Names{folder.file("p/l.png")});
}

TEST_CASE("a name of a case that is longer than any file's is refused") {
  const Folder folder;
  const std::string id = "patient" + std::string(1'000'000, '1');  // std::regex calls itself for each letter
  write_task(
      folder,
      R"({"labels": {"background": 0, "x": 1}, "dataset": {")" + id + R"(": {"images": ["i.png"], "label": "l.png"}}})",
      {"i.png", "l.png"});
  const std::string error = error_of([&] { discover({folder.file("")}); });
  CHECK_MESSAGE(contains(error, "the name of a case has 1000007 bytes"), error);
}

TEST_CASE("without a description the folders are enough") {
  const Folder folder;
  write_task(folder, "", {"imagesTr/a_0000.png", "labelsTr/a.png"});
  const data::Discovery found = discover({folder.file("")});
  CHECK(ids_of(found) == Names{"a"});
  CHECK(found.label_map.empty());
}

TEST_CASE("labels that are no classes are refused") {
  CHECK(refusal_of_labels(R"({"background": 0, "x": 1})").empty());
  const std::string regions = refusal_of_labels(R"({"background": 0, "whole": [1, 2], "core": [2]})");
  CHECK_MESSAGE(contains(regions, "\"whole\" is a region of several labels"), regions);
  CHECK(contains(regions, "hint: describe each value as a class"));
  CHECK(contains(refusal_of_labels(R"({"x": 1})"), "no class has the value 0"));
  CHECK(contains(refusal_of_labels(R"({"background": 0, "x": -1})"), "no whole number"));
  CHECK(contains(refusal_of_labels(R"({"background": 0, "x": 1.5})"), "no whole number"));
  CHECK(contains(refusal_of_labels(R"({"background": 0, "x": 0})"), "two names have the value 0"));
  CHECK(contains(refusal_of_labels("[0, 1]"), "\"labels\" is no object"));
  CHECK(contains(refusal_of_labels(R"({"background": 0, "ignore": 1})"), "no class but the background"));
  CHECK(
      contains(refusal_of_labels(R"({"background": 0, "a\u001b[31m": 1})"), "the name of the value 1 is no printable"));
  std::string many = R"({"background": 0)";
  for (int i = 1; i < 256; ++i) many += text(", \"c", i, "\": ", i);
  CHECK(contains(refusal_of_labels(many + "}"), "256 classes, at most 255"));
}

TEST_CASE("files that are not there or lead out of the folder are refused") {
  const auto task = [](const std::string& image, const std::string& label) {
    return R"({"labels": {"0": "b", "1": "x"}, "training": [{"image": ")" + image + R"(", "label": ")" + label +
           "\"}]}";
  };
  CHECK(task_refusal(task("imagesTr/a.nii.gz", "labelsTr/a.nii.gz")).empty());
  CHECK(contains(task_refusal(task("imagesTr/z.nii.gz", "labelsTr/a.nii.gz")), "z.nii.gz, which is not there"));
  CHECK(contains(task_refusal(task("imagesTr/a.nii.gz", "labelsTr/z.nii.gz")), "names the label"));
  CHECK(contains(task_refusal(task("/etc/passwd", "labelsTr/a.nii.gz")), "not below its folder"));
  CHECK(contains(task_refusal(task("imagesTr/../../a.nii.gz", "labelsTr/a.nii.gz")), "not below its folder"));
  CHECK(contains(task_refusal(task("", "labelsTr/a.nii.gz")), "not below its folder"));
}

TEST_CASE("a channel or a label that is missing is named") {
  CHECK(contains(task_refusal("", {"imagesTr/a_0000.png", "imagesTr/a_0001.png", "imagesTr/b_0000.png",
                                   "labelsTr/a.png", "labelsTr/b.png"}),
                 "case b has 1 channels, others have 2"));
  CHECK(contains(task_refusal("", {"imagesTr/a_0000.png", "imagesTr/b_0000.png", "labelsTr/a.png"}),
                 "the training case b has no label"));
  CHECK(contains(task_refusal("", {"imagesTr/a_0000.png", "labelsTr/a.png", "labelsTr/b.png"}), "1 labels in"));
}

TEST_CASE("images alone need no labels, neither good ones nor those that are there") {
  const Folder folder;
  data::DiscoverOptions options;
  options.labels = false;
  write_task(folder, kDecathlon, {"imagesTr/a.nii.gz", "imagesTr/b.nii.gz", "imagesTs/c.nii.gz"});
  CHECK(ids_of(discover({folder.file("")}, options)) == Names({"a", "b", "c"}));
  write_bytes(folder.file("dataset.json"),
              R"({"labels": {"background": 0, "whole": [1, 2]}, "file_ending": ".nii.gz"})");
  write_bytes(made(folder.file("labelsTr/other.nii.gz")), "x");
  const data::Discovery found = discover({folder.file("")}, options);
  CHECK(ids_of(found) == Names({"a", "b", "c"}));
  for (const data::Source& source : found.cases) CHECK(source.labels.empty());
}

TEST_CASE("test images that were not downloaded are left out, training images are missed") {
  const Folder folder;
  write_task(folder, kDecathlon, {"imagesTr/a.nii.gz", "imagesTr/b.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz"});
  const data::Discovery found = discover({folder.file("")});
  CHECK(ids_of(found) == Names({"a", "b"}));
  CHECK_MESSAGE(contains(notes_of(found.notes), "1 test images that " + folder.file("dataset.json") +
                                                    " names are not there and left out, as ./imagesTs/c.nii.gz."),
                notes_of(found.notes));
  std::filesystem::remove(folder.file("imagesTr/b.nii.gz"));
  CHECK(contains(error_of([&] { discover({folder.file("")}); }), "b.nii.gz, which is not there"));
}

TEST_CASE("a damaged description is an Error(data) or reads as something, never anything else") {
  const std::string good = kDecathlon;
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    std::string json = good;
    for (int k = 0; k < 3; ++k) {
      const auto at = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(json.size())));
      if (random.below(3) == 0)
        json.erase(at, 1 + static_cast<std::size_t>(random.below(20)));
      else
        json[at] = "{}[]\",:0a\\"[random.below(10)];
    }
    CHECK(!contains(task_refusal(json), "internal"));
  }
  CHECK(contains(task_refusal(good.substr(0, 100)), "dataset.json: "));
  CHECK(contains(task_refusal("[1]"), "is no JSON object"));
}

TEST_CASE("a byte order mark before a description is skipped; the background cannot be ignored") {
  const Folder folder;
  write_task(folder, std::string("\xEF\xBB\xBF") + kDecathlon, kFiles);
  CHECK(discover({folder.file("")}).class_names == Names({"background", "liver", "tumour"}));
  CHECK(contains(refusal_of_labels(R"({"ignore": 0, "x": 1})"), "the value 0 is \"ignore\""));
}

TEST_CASE("training cases without a label, and labels without an image, are left out if the options say so") {
  const Folder folder;
  write_task(folder, "",
             {"imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz", "labelsTr/a.nii.gz", "labelsTr/c.nii.gz"});
  CHECK(contains(error_of([&] { discover({folder.file("")}); }), "leave out what has no partner"));
  data::DiscoverOptions skip;
  skip.skip_unpaired = true;
  const data::Discovery found = discover({folder.file("")}, skip);
  CHECK(ids_of(found) == Names{"a"});
  const std::string notes = notes_of(found.notes);
  CHECK_MESSAGE(contains(notes, "1 training images without labels are left out (b_0000.nii.gz)"), notes);
  CHECK(contains(notes, "have no image (c)"));
}

TEST_CASE("a case whose label a description names in vain is left out if the options say so, and counted") {
  const Folder folder;
  write_task(folder, kDecathlon, kFiles);
  std::filesystem::remove(folder.file("labelsTr/b.nii.gz"));
  const std::string message = error_of([&] { discover({folder.file("")}); });
  CHECK_MESSAGE(contains(message, "labelsTr/b.nii.gz, which is not there"), message);
  CHECK(contains(message, "leave out what has no partner"));
  data::DiscoverOptions skip;
  skip.skip_unpaired = true;
  const data::Discovery found = discover({folder.file("")}, skip);
  CHECK(ids_of(found) == Names{"a"});
  CHECK_MESSAGE(contains(notes_of(found.notes), "1 training images without labels are left out (b.nii.gz)"),
                notes_of(found.notes));
}

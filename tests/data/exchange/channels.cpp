// Images whose channels are files of their own.
#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::discover;
using Names = std::vector<std::string>;

namespace {

void write_patients(const Folder& folder, const Names& endings, const std::string& kind = ".nii.gz") {
  for (const char* patient : {"B_001", "B_002"})
    for (const std::string& ending : endings)
      write_bytes(made(folder.file(std::string(patient) + "/" + patient + "_" + ending + kind)), "x");
}

data::DiscoverOptions without_masks() {
  data::DiscoverOptions options;
  options.labels = false;
  return options;
}

}  // namespace

TEST_CASE("BraTS: every folder is a case, its channels are called by their endings") {
  const Folder folder;
  write_patients(folder, {"t1", "flair", "seg"});
  const data::Discovery found = discover({folder.file("")});
  CHECK(ids_of(found) == Names({"B_001", "B_002"}));
  CHECK(found.channel_names == Names({"flair", "t1"}));
  CHECK(found.cases[1].images ==
        Names({folder.file("B_002/B_002_flair.nii.gz"), folder.file("B_002/B_002_t1.nii.gz")}));
  CHECK(found.cases[1].labels == Names{folder.file("B_002/B_002_seg.nii.gz")});
  CHECK(contains(notes_of(found.notes), "channels flair, t1"));
  const data::Discovery images = discover({folder.file("")}, without_masks());
  CHECK(images.cases[1].images == found.cases[1].images);
  CHECK(images.cases[1].labels.empty());
}

TEST_CASE("a patient without one of the channels makes folders no cases") {
  const Folder folder;
  write_patients(folder, {"t1", "flair", "seg"});
  std::filesystem::remove(folder.file("B_002/B_002_t1.nii.gz"));
  CHECK(contains(error_of([&] { discover({folder.file("")}); }), "have no mask"));
}

TEST_CASE("a mask with a name of its own is that of its folder; a folder that is not as most is named") {
  const Folder folder;
  write_patients(folder, {"t1", "flair", "seg"});
  for (const char* file : {"B_355/B_355_t1.nii", "B_355/B_355_flair.nii", "B_355/W39_1998.09.19_Segm.nii"})
    write_bytes(made(folder.file(file)), "x");
  const data::Discovery found = discover({folder.file("")});
  CHECK(ids_of(found) == Names({"B_001", "B_002", "B_355"}));
  CHECK(found.channel_names == Names({"flair", "t1"}));
  CHECK(found.cases[2].labels == Names{folder.file("B_355/W39_1998.09.19_Segm.nii")});
  CHECK(discover({folder.file("")}, without_masks()).cases.size() == 3);
  std::filesystem::remove(folder.file("B_355/B_355_t1.nii"));
  const std::string message = error_of([&] { discover({folder.file("")}); });
  CHECK_MESSAGE(contains(message,
                         "2 folders are cases with a mask and the channels flair, t1, but not 1 folder, as B_355 with "
                         "B_355_flair.nii, W39_1998.09.19_Segm.nii"),
                message);
  data::DiscoverOptions skip;
  skip.skip_unpaired = true;
  CHECK(ids_of(discover({folder.file("")}, skip)) == Names({"B_001", "B_002"}));
}

TEST_CASE("numbered files and pictures in a folder are cases of their own") {
  const Folder numbers, pictures;
  write_patients(numbers, {"1", "2"});
  write_patients(pictures, {"left", "right"}, ".png");
  CHECK(discover({numbers.file("")}, without_masks()).cases.size() == 4);
  CHECK(discover({pictures.file("")}, without_masks()).cases.size() == 4);
}

TEST_CASE("a folder of images, or of a split, is no case") {
  for (const char* name : {"images", "test"}) {
    const Folder folder;
    for (const char* file : {"sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"})
      write_bytes(made(folder.file(std::string(name) + "/" + file)), "x");
    CHECK(ids_of(discover({folder.file("")}, without_masks())) == Names({"sub-01_T1w", "sub-02_T1w"}));
  }
}

TEST_CASE("four digits are channels where every name has as many from 0000 on, and else they number the cases") {
  const auto images_of = [](const std::string& kind, const std::vector<std::pair<std::string, int>>& names, int from,
                            std::int64_t wanted) {
    const Folder folder;
    for (const auto& [name, count] : names)
      for (int i = from; i < from + count; ++i)
        write_bytes(made(folder.file(name + "_" + std::to_string(10000 + i).substr(1) + kind)), "x");
    data::DiscoverOptions options = without_masks();
    options.channels = wanted;
    return ids_of(discover({folder.file("")}, options)).size();
  };
  for (const std::int64_t wanted : {0, 1, 2}) CHECK(images_of(".nii.gz", {{"a", 2}, {"b", 2}}, 0, wanted) == 2);
  for (const std::int64_t wanted : {0, 1}) {
    CHECK(images_of(".nii.gz", {{"scan", 1}}, 1, wanted) == 1);
    CHECK(images_of(".nii.gz", {{"vol", 50}}, 1, wanted) == 50);
    CHECK(images_of(".nii.gz", {{"vol", 50}}, 0, wanted) == 50);
    CHECK(images_of(".png", {{"a", 2}, {"b", 2}}, 0, wanted) == 4);
  }
  CHECK(images_of(".nii.gz", {{"a", 2}, {"b", 3}}, 0, 1) == 5);
  CHECK(contains(error_of([&] {
                   images_of(".nii.gz", {{"a", 2}, {"b", 3}}, 0, 0);
                 }),
                 "a has 2 channels, others have 3"));
  CHECK(images_of(".nii.gz", {{"a", 3}}, 0, 0) == 1);  // what nnU-Net predicts
  CHECK(images_of(".nii.gz", {{"a", 3}}, 0, 1) == 3);
  CHECK(images_of(".nii.gz", {{"vol", 50}}, 0, 50) == 1);
  CHECK(images_of(".png", {{"a", 3}, {"b", 3}}, 0, 3) == 2);
  CHECK(images_of(".png", {{"frame", 50}}, 0, 3) == 50);
  CHECK(contains(error_of([&] { images_of(".png", {{"a", 3}, {"b", 2}}, 0, 3); }), "b has 2 channels, others have 3"));
}

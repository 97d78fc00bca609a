// What all layouts share: names of cases, groups, and folders in which something is wrong.
#include <unistd.h>

#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::discover;
using Names = std::vector<std::string>;

namespace {

data::DiscoverOptions without_labels() {
  data::DiscoverOptions options;
  options.labels = false;
  return options;
}

void touch(const Folder& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) write_bytes(made(folder.file(name)), "x");
}

}  // namespace

TEST_CASE("hidden files and what systems leave behind do not count") {
  const Folder folder;
  touch(folder,
        {"a.png", ".hidden.png", "._a.png", ".DS_Store", "Thumbs.db", "__MACOSX/a.png", ".git/b.png", "notes.txt"});
  CHECK(ids_of(discover({folder.file("")}, without_labels())) == Names{"a"});
}

TEST_CASE("a path that is not there, an empty folder, and kinds that are not read are named") {
  const Folder folder;
  CHECK(contains(error_of([&] { discover({folder.file("none")}); }), "cannot open " + folder.file("none")));
  CHECK(contains(error_of([&] { discover({}); }), "no files or folders"));
  CHECK(contains(error_of([&] { discover({folder.file("")}, without_labels()); }), "no images in "));
  touch(folder, {"a.dcm", "b.dcm", "c.txt"});
  const std::string message = error_of([&] { discover({folder.file("")}, without_labels()); });
  CHECK_MESSAGE(contains(message, "2 files .dcm, 1 file .txt"), message);
  CHECK(contains(message, "dcm2niix"));
  const Folder promise, jsrt;
  touch(promise, {"Case00.mhd", "Case00.raw", "Case00_segmentation.mhd", "Case00_segmentation.raw"});
  touch(jsrt, {"JPCLN001.IMG"});
  const std::string volumes = error_of([&] { discover({promise.file("")}); });
  CHECK_MESSAGE(contains(volumes, "to NIfTI, for example with SimpleITK"), volumes);
  CHECK(contains(error_of([&] { discover({jsrt.file("")}); }), "numpy.fromfile reads them"));
}

TEST_CASE("of a folder without pairs the sub-folder that has them is named, and kinds that are not read are counted") {
  const Folder dsb, slides;
  touch(dsb, {"stage1_train/a/images/a.png", "stage1_train/a/masks/1.png", "stage1_test/b/images/b.png", "labels.csv"});
  const std::string message = error_of([&] { discover({dsb.file("")}); });
  CHECK_MESSAGE(contains(message, "give the folder " + dsb.file("") + "stage1_train, where images have masks; else "),
                message);
  CHECK(ids_of(discover({dsb.file("stage1_train")})) == Names{"a"});
  touch(slides, {"Tissue Images/a.tif", "Annotations/a.xml"});
  const std::string xml = error_of([&] { discover({slides.file("")}); });
  CHECK_MESSAGE(contains(xml, "1 image (Tissue Images/a.tif) and 0 masks"), xml);
  CHECK(contains(xml, "Of the kind .xml, which is not read, 1 file is left alone"));
}

TEST_CASE("a folder of one case is not named as one that has images with masks") {
  const Folder brats, kits;
  for (const char* name : {"B_1", "B_2", "B_3"})
    for (const char* ending : {"_t1.nii.gz", "_t2.nii.gz", "_seg.nii.gz"})
      touch(brats, {std::string(name) + "/" + name + ending});
  touch(kits, {"c1/imaging.nii.gz", "c1/segmentation.nii.gz", "c2/imaging.nii.gz"});
  std::filesystem::remove(brats.file("B_2/B_2_t2.nii.gz"));
  for (const Folder* folder : {&brats, &kits}) {
    const std::string message = error_of([&] { discover({folder->file("")}); });
    CHECK_MESSAGE(!contains(message, "where images have masks"), message);
    CHECK(contains(message, "leave out what has no partner"));
  }
  std::filesystem::remove_all(brats.file("B_3"));  // none of two is as most
  CHECK(!contains(error_of([&] { discover({brats.file("")}); }), "where images have masks"));
}

TEST_CASE("a folder of masks that is not there is an error, also where it may be a place in HDF5 files") {
  const Folder folder;
  touch(folder, {"in/images/a.png", "in/masks/a.png", "task/imagesTr/a.nii.gz", "task/labelsTr/a.nii.gz"});
  data::DiscoverOptions options;
  options.mask_folder = folder.file("mask");
  for (const char* path : {"in", "task", "in/images/a.png"}) {
    const std::string message = error_of([&] { discover({folder.file(path)}, options); });
    CHECK_MESSAGE(contains(message, folder.file("mask") + ": there is no such folder of masks"), message);
  }
  CHECK(contains(error_of([&] {
                   discover({folder.file("in/images"), folder.file("in/masks")}, options);
                 }),
                 "no such folder of masks"));
}

TEST_CASE("links to folders are followed once, links to nothing are errors") {
  const Folder folder, elsewhere;
  touch(elsewhere, {"b.png"});
  touch(folder, {"a.png"});
  std::filesystem::create_directory_symlink(folder.file(""), folder.file("loop"));
  std::filesystem::create_directory_symlink(elsewhere.file(""), folder.file("other"));
  CHECK(ids_of(discover({folder.file("")}, without_labels())) == Names({"a", "b"}));
  std::filesystem::create_symlink(folder.file("gone.png"), folder.file("dead.png"));
  CHECK(contains(error_of([&] { discover({folder.file("")}, without_labels()); }), "dead.png cannot be read"));
}

TEST_CASE("images of kinds that are not read are counted in a note, whatever the layout") {
  const Folder folder;
  touch(folder, {"images/a.png", "images/b.webp", "images/c.WEBP", "masks/a.png", "masks/b.mha", "masks/notes.txt"});
  const std::string pairs = notes_of(discover({folder.file("")}).notes);
  CHECK_MESSAGE(contains(pairs, "Of the kind .webp, which is not read, 2 files are left alone in"), pairs);
  CHECK(contains(pairs, "Of the kind .mha, which is not read, 1 file is left alone in"));
  CHECK(!contains(pairs, ".txt"));
  data::DiscoverOptions options;
  options.mask_folder = folder.file("masks");
  CHECK(contains(notes_of(discover({folder.file("images")}, options).notes), ".mha, which is not read"));
  CHECK(contains(notes_of(discover({folder.file("images")}, without_labels()).notes), ".webp, which is not read"));
  const Folder task;
  touch(task, {"imagesTr/a_0000.mha", "labelsTr/a.mha"});
  const std::string message = error_of([&] { discover({task.file("")}); });
  CHECK_MESSAGE(contains(message, "no images in " + task.file("imagesTr") + ": there is 1 file .mha"), message);
  touch(task, {"imagesTr/b_0000.png", "labelsTr/b.png"});
  CHECK(contains(notes_of(discover({task.file("")}).notes), "Of the kind .mha, which is not read, 2 files"));
}

TEST_CASE("a folder that may not be read is an Error(io)") {
  const Folder folder;
  touch(folder, {"locked/a.png"});
  std::filesystem::permissions(folder.file("locked"), std::filesystem::perms::none);
  const bool root = ::geteuid() == 0;  // who may read every folder
  if (root && (::chown(folder.file("").c_str(), 65534, 65534) != 0 || ::seteuid(65534) != 0)) {
    CHECK(true);
    MESSAGE("skipped: root may read every folder, and cannot be another user here");
    return;
  }
  const std::string message = error_of([&] { discover({folder.file("")}, without_labels()); });
  if (root) REQUIRE(::seteuid(0) == 0);
  CHECK_MESSAGE(contains(message, "cannot list the folder"), message);
  std::filesystem::permissions(folder.file("locked"), std::filesystem::perms::all);
}

TEST_CASE("names of cases are printable, whatever the files are called") {
  const Folder folder;
  touch(folder, {"a b.png", "c\nd.png",
                 "e\xff"
                 "f.png",
                 "g\"<h>.png", "\xc3\xa4.png"});
  CHECK(ids_of(discover({folder.file("")}, without_labels())) == Names({"a b", "c_d", "e_f", "g\"<h>", "\xc3\xa4"}));
}

TEST_CASE("groups come from a regular expression, and a habit is only proposed") {
  const Folder folder;
  touch(folder, {"p1_1.png", "p1_2.png", "p2_1.png", "p2_2.png"});
  data::DiscoverOptions options = without_labels();
  data::Discovery found = discover({folder.file("")}, options);
  CHECK(found.cases[0].group.empty());
  CHECK_MESSAGE(contains(notes_of(found.notes), "2 patients, as p1; use the groups"), notes_of(found.notes));
  options.groups = "^(p[0-9]+)_";
  found = discover({folder.file("")}, options);
  CHECK(found.cases[1].group == "p1");
  CHECK(found.cases[2].group == "p2");
  options.groups = "^(q)";
  CHECK(contains(error_of([&] { discover({folder.file("")}, options); }), "does not fit the case p1_1"));
  options.groups = "p1";
  CHECK(contains(error_of([&] { discover({folder.file("")}, options); }), "no part in parentheses"));
  options.groups = "(" + std::string(200, 'a') + ")";
  CHECK(contains(error_of([&] { discover({folder.file("")}, options); }), "202 characters, at most 200"));
  options.groups = "(";
  CHECK(contains(error_of([&] { discover({folder.file("")}, options); }), "no regular expression"));
}

TEST_CASE("where two cases have one name, all have their folders in front, so that groups stay whole") {
  const Folder folder;
  touch(folder, {"A/slice_1.png", "A/slice_2.png", "A/slice_9.png", "B/slice_1.png", "B/slice_2.png"});
  data::DiscoverOptions options = without_labels();
  data::Discovery found = discover({folder.file("")}, options);
  CHECK(ids_of(found) == Names({"A_slice_1", "A_slice_2", "A_slice_9", "B_slice_1", "B_slice_2"}));
  CHECK_MESSAGE(contains(notes_of(found.notes), "2 patients, as A_slice; use the groups '^(.+)_[0-9]+$'"),
                notes_of(found.notes));
  options.groups = "^(.+)_[0-9]+$";
  found = discover({folder.file("")}, options);
  CHECK(found.cases[2].group == "A_slice");
  CHECK(found.cases[3].group == "B_slice");
}

TEST_CASE("groups of some cases alone are refused") {
  const Folder folder;
  for (const char* name : {"patient001_frame01.h5", "patient002_frame01.h5"}) {
    data::h5::Writer out(made(folder.file(std::string("slices/") + name)));
    add_array(out, "/image", {4, 5}, 100);
    add_array(out, "/label", {4, 5}, 2);
    out.save();
  }
  touch(folder, {"a.png", "a_mask.png"});
  const std::vector<std::string> paths{folder.file("slices"), folder.file("a.png"), folder.file("a_mask.png")};
  const std::string message = error_of([&] { discover(paths); });
  CHECK_MESSAGE(contains(message, "the case patient001_frame01 has the group patient001, the case a has none"),
                message);
  data::DiscoverOptions options;
  options.groups = "^(patient[0-9]+|.+)";
  CHECK(discover(paths, options).cases[0].group == "a");
}

TEST_CASE("numbers that only count the cases propose no groups") {
  const Folder folder;
  touch(folder, {"cell_1.png", "cell_2.png", "cell_3.png", "cell_4.png"});
  CHECK(!contains(notes_of(discover({folder.file("")}, without_labels()).notes), "groups"));
  const Folder other;  // the expression that is proposed would not fit these
  touch(other, {"p1-1.png", "p1-2.png", "p2-1.png", "p2-2.png"});
  CHECK(!contains(notes_of(discover({other.file("")}, without_labels()).notes), "groups"));
}

TEST_CASE("frames of one patient are a group, whatever their kind") {
  const Folder folder;
  for (const char* frame : {"patient001_frame01", "patient001_frame12", "patient002_frame01"}) {
    const std::string path = "in/" + std::string(frame).substr(0, 10) + "/" + frame;
    touch(folder, {path + ".nii.gz", path + "_gt.nii.gz"});
  }
  data::Discovery found = discover({folder.file("in")});
  CHECK(found.cases[0].group == "patient001");
  CHECK(found.cases[1].group == "patient001");
  CHECK(found.cases[2].group == "patient002");
  CHECK(contains(notes_of(found.notes), "Cases of one patient are a group"));
  data::DiscoverOptions options;
  options.groups = "^(.+)_frame01|^(.+)$";  // what is given goes first
  CHECK(
      contains(error_of([&] { discover({folder.file("in")}, options); }), "does not fit the case patient001_frame12"));
  touch(folder, {"in/patient001/patient001_4d.nii.gz"});  // of all times, without a mask
  data::DiscoverOptions skip;
  skip.skip_unpaired = true;
  CHECK(discover({folder.file("in")}, skip).cases[2].group == "patient002");
  std::filesystem::remove(folder.file("in/patient001/patient001_4d.nii.gz"));
  touch(folder, {"in/x.nii.gz", "in/x_gt.nii.gz"});
  found = discover({folder.file("in")});
  for (const data::Source& source : found.cases) CHECK(source.group.empty());
}

TEST_CASE("names make groups of all cases of an import, or of none") {
  const Folder folder;
  for (const char* name :
       {"acdc/patient001_frame01", "acdc/patient001_frame12", "mnms/A0S9V9", "more/patient002_frame01"})
    touch(folder, {std::string(name) + ".nii.gz", std::string(name) + "_gt.nii.gz"});
  const data::Discovery mixed = discover({folder.file("acdc"), folder.file("mnms")});
  CHECK(mixed.cases.size() == 3);
  for (const data::Source& source : mixed.cases) CHECK(source.group.empty());
  CHECK(!contains(notes_of(mixed.notes), "are a group"));
  CHECK(discover({folder.file("acdc"), folder.file("more")}).cases[2].group == "patient002");
}

TEST_CASE("a patient in two splits is refused when its cases are found") {
  const Folder folder;
  for (const char* name : {"train/patient001_frame01", "val/patient001_frame12", "val/patient002_frame01"})
    touch(folder, {std::string(name) + ".nii.gz", std::string(name) + "_gt.nii.gz"});
  const std::string message = error_of([&] { discover({folder.file("")}); });
  CHECK_MESSAGE(contains(message, "groups: patient001 is in train and in val"), message);
  CHECK(contains(message, "move the cases of one group into one split, or use the groups '^(.+)$'"));
  data::DiscoverOptions options;
  options.groups = "^(.+)$";
  CHECK(discover({folder.file("")}, options).cases.size() == 3);
  CHECK(discover({folder.file("")}, without_labels()).cases.size() == 3);  // a prediction keeps nothing apart
}

TEST_CASE("groups are proposed for numbers behind a word, and not for the parts of a benchmark") {
  const Folder frames, parts;
  touch(frames, {"p1_frame01.png", "p1_frame02.png", "p2_frame01.png", "p2_frame02.png"});
  data::DiscoverOptions options = without_labels();
  CHECK(contains(notes_of(discover({frames.file("")}, options).notes),
                 "2 patients, as p1; use the groups '^(.+)_[A-Za-z]*[0-9]+$' to keep"));
  options.groups = "^(.+)_[A-Za-z]*[0-9]+$";
  CHECK(discover({frames.file("")}, options).cases[3].group == "p2");
  touch(parts, {"train_1.png", "train_2.png", "testA_1.png", "testA_2.png"});
  CHECK(!contains(notes_of(discover({parts.file("")}, without_labels()).notes), "groups"));
  touch(frames, {"valve_1.png", "valve_2.png"});  // begins with val, but is no split
  CHECK(contains(notes_of(discover({frames.file("")}, without_labels()).notes), "3 patients, as p1"));
}

TEST_CASE("two folders of cases in sub-folders are two of them, and no images and masks") {
  const Folder folder;
  for (const char* name : {"A/ID0", "A/ID1", "B/ID0", "B/ID1"}) {
    data::h5::Writer out(made(folder.file(std::string("sites/") + name + "/scan.h5")));
    add_array(out, "/image", {4, 5}, 100);
    add_array(out, "/label", {4, 5}, 2);
    out.save();
  }
  const data::Discovery sites = discover({folder.file("sites/A"), folder.file("sites/B")});
  CHECK(sites.cases.size() == 4);
  for (const data::Source& source : sites.cases)
    CHECK(data::file_of(source.labels[0]) == data::file_of(source.images[0]));
  for (const char* name : {"b18/HGG/B_1", "b18/HGG/B_2", "b18/LGG/B_3", "b18/LGG/B_4"})
    for (const char* ending : {"_t1.nii.gz", "_flair.nii.gz", "_seg.nii.gz"})
      touch(folder, {std::string(name) + std::string(name).substr(7) + ending});
  CHECK(ids_of(discover({folder.file("b18/HGG"), folder.file("b18/LGG")})) == Names({"B_1", "B_2", "B_3", "B_4"}));
  for (const char* name : {"training/patient001/patient001_frame01", "testing/patient101/patient101_frame01"})
    touch(folder, {std::string("acdc/") + name + ".nii.gz", std::string("acdc/") + name + "_gt.nii.gz"});
  const data::Discovery acdc = discover({folder.file("acdc/training"), folder.file("acdc/testing/")});
  CHECK(ids_of(acdc) == Names({"patient001_frame01", "patient101_frame01"}));
  CHECK(acdc.cases[0].split == "train");
  CHECK(acdc.cases[1].split == "test");
  const data::Discovery mixed = discover({folder.file("acdc/training"), folder.file("b18/HGG")});
  CHECK(mixed.cases[0].split.empty());  // B_1, which an import of labelled cases refuses beside a split
  CHECK(mixed.cases[2].split == "train");
}

TEST_CASE("links that make more paths than there are folders are refused before all are walked") {
  const Folder folder;
  const auto level = [&](int i) { return folder.file(text("d", 10 + i)); };
  for (int i = 0; i < 22; ++i) {  // 4 million paths
    std::filesystem::create_directories(level(i));
    if (i > 0)
      for (const char* link : {"/a", "/b"}) std::filesystem::create_directory_symlink(level(i), level(i - 1) + link);
  }
  touch(folder, {"d31/x.png"});
  const std::string message = error_of([&] { discover({level(0)}, without_labels()); });
  CHECK_MESSAGE(contains(message, "links lead to "), message);
}

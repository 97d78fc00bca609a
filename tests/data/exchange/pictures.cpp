// Folders of pictures as people keep them: which images and masks are found to belong together.
#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::discover;
using Names = std::vector<std::string>;

namespace {

void write_pairs(const Folder& folder, const std::vector<std::string>& images, const std::vector<std::string>& masks) {
  for (const std::string& name : images) write_bytes(made(folder.file(name)), "image");
  for (const std::string& name : masks) write_bytes(made(folder.file(name)), "mask");
}

// The last part of the label of each case, "x -> y".
Names pairs_in(const std::string& path, const data::DiscoverOptions& options = {}) {
  Names pairs;
  for (const data::Source& source : discover({path}, options).cases) {
    std::string pair = source.id + " ->";
    for (const std::string& label : source.labels) pair += " " + std::filesystem::path(label).filename().string();
    pairs.push_back(pair);
  }
  return pairs;
}

}  // namespace

TEST_CASE("folders of images and of masks are known by their usual names, in any case of letters") {
  for (const auto& [images, masks] :
       std::vector<std::pair<std::string, std::string>>{{"images", "masks"},
                                                        {"image", "label"},
                                                        {"imgs", "annotations"},
                                                        {"x", "y"},
                                                        {"Images", "Labels"},
                                                        {"raw", "ground_truth"},
                                                        {"input", "target"},
                                                        {"img", "segmentations"},
                                                        {"JPEGImages", "SegmentationClass"}}) {
    const Folder folder;
    write_pairs(folder, {images + "/b.png", images + "/a.png"}, {masks + "/a.png", masks + "/b.png"});
    const std::string where = images;
    CHECK_MESSAGE(pairs_in(folder.file("")) == Names({"a -> a.png", "b -> b.png"}), where);
  }
}

TEST_CASE("the mask of an OME-TIFF has its name without both endings") {
  const Folder folder;
  write_pairs(folder, {"images/x.ome.tif", "images/y.ome.tiff"}, {"masks/x.png", "masks/y.tif"});
  CHECK(pairs_in(folder.file("")) == Names({"x -> x.png", "y -> y.tif"}));
}

TEST_CASE("the mask of an image has its name, or a word or leading zeros more") {
  for (const auto& [image, mask] : std::vector<std::pair<std::string, std::string>>{{"scan", "scan"},
                                                                                    {"scan", "scan_mask"},
                                                                                    {"scan", "scan-label"},
                                                                                    {"scan", "scan.seg"},
                                                                                    {"scan", "mask_scan"},
                                                                                    {"scan", "lbl_scan"},
                                                                                    {"img_01", "mask_01"},
                                                                                    {"image7", "label007"},
                                                                                    {"img_scan", "scan_gt"},
                                                                                    {"volume-10", "segmentation-10"},
                                                                                    {"vol_3", "label_03"},
                                                                                    {"Scan", "scan_segmentation"},
                                                                                    {"scan_image", "scan_mask"}}) {
    const Folder folder;
    write_pairs(folder, {"images/" + image + ".png", "images/zz.png"}, {"masks/" + mask + ".png", "masks/zz.png"});
    const std::string names = image + " " + mask;
    CHECK_MESSAGE(error_of([&] { pairs_in(folder.file("")); }).empty(), names);
    CHECK(pairs_in(folder.file(""))[0] == image + " -> " + mask + ".png");
  }
}

TEST_CASE("images and masks that each end with a word of their own are pairs") {
  const Folder folder;
  write_pairs(folder, {"images/patient0_ct.png", "images/patient1_ct.png"},
              {"labels/patient0_organs.png", "labels/patient1_organs.png"});
  CHECK(pairs_in(folder.file("")) ==
        Names({"patient0_ct -> patient0_organs.png", "patient1_ct -> patient1_organs.png"}));
  const Folder other;  // two words for the masks: nothing says which is meant
  write_pairs(other, {"images/p0_ct.png", "images/p1_ct.png"}, {"labels/p0_a.png", "labels/p1_b.png"});
  CHECK(contains(error_of([&] { pairs_in(other.file("")); }), "no mask"));
}

TEST_CASE("masks that end with the same words are those of the images without these") {
  const Folder folder;
  write_pairs(folder, {"images/IMD003.bmp", "images/IMD003_b.bmp"},
              {"masks/IMD003_lesion.bmp", "masks/IMD003_b_lesion.bmp"});
  CHECK(pairs_in(folder.file("")) == Names({"IMD003 -> IMD003_lesion.bmp", "IMD003_b -> IMD003_b_lesion.bmp"}));
  const Folder two;  // images whose last words differ, and words that no habit knows
  write_pairs(two, {"slides/TCGA-1.tif", "slides/TCGA-2.tif"},
              {"drawn/TCGA-1_bin_mask.png", "drawn/TCGA-2_bin_mask.png"});
  data::DiscoverOptions options;
  options.mask_folder = two.file("drawn");
  CHECK(pairs_in(two.file("slides"), options) ==
        Names({"TCGA-1 -> TCGA-1_bin_mask.png", "TCGA-2 -> TCGA-2_bin_mask.png"}));
  const Folder unclear;  // the mask of a, or that of a_b
  write_pairs(unclear, {"images/a.png", "images/a_b.png"}, {"masks/a_b_c.png"});
  CHECK(contains(error_of([&] { pairs_in(unclear.file("")); }), "a.png"));
}

TEST_CASE("JPEGs are images, so what is called after them is their masks; of two experts one must be chosen") {
  const Folder folder;
  write_pairs(folder, {"Image_01L.jpg", "Image_01R.jpg"}, {"Image_01L_1stHO.png", "Image_01R_1stHO.png"});
  CHECK(pairs_in(folder.file("")) == Names({"Image_01L -> Image_01L_1stHO.png", "Image_01R -> Image_01R_1stHO.png"}));
  write_pairs(folder, {}, {"Image_01L_2ndHO.png", "Image_01R_2ndHO.png"});
  const std::string message = error_of([&] { pairs_in(folder.file("")); });
  CHECK_MESSAGE(contains(message, "Image_01L.jpg: 2 masks fit: Image_01L_1stHO.png, Image_01L_2ndHO.png"), message);
  CHECK(contains(message, "leave only the masks of one kind there, as those that end with _1stHO"));
  const Folder pictures;  // either of the two may be the mask
  write_pairs(pictures, {"a.png", "b.png"}, {"a_x.png", "b_x.png"});
  CHECK(contains(error_of([&] { pairs_in(pictures.file("")); }), "and 0 masks"));
}

TEST_CASE("a folder of masks inside that of the images, and what lies beside masks, are no images") {
  const Folder folder;
  write_pairs(folder, {"a.png", "b.png", "b_overlay.png", "a_probabilities.png", "b_probabilities_1_x.png"},
              {"painted/a.png", "painted/b.png"});
  data::DiscoverOptions options;
  options.mask_folder = folder.file("painted");
  CHECK(pairs_in(folder.file(""), options) == Names({"a -> a.png", "b -> b.png"}));
}

TEST_CASE("in one folder the names tell masks from images; kinds may differ") {
  const Folder folder;
  write_pairs(folder, {"a.jpg", "b.jpg"}, {"a_segmentation.png", "b_segmentation.png"});
  CHECK(pairs_in(folder.file("")) == Names({"a -> a_segmentation.png", "b -> b_segmentation.png"}));
}

TEST_CASE("a folder for each case: the folder is the name") {
  const Folder folder;
  write_pairs(folder, {"p1/image.nii.gz", "p2/image.nii.gz"}, {"p1/mask.nii.gz", "p2/mask.nii.gz"});
  CHECK(pairs_in(folder.file("")) == Names({"p1 -> mask.nii.gz", "p2 -> mask.nii.gz"}));
  write_pairs(folder, {"kits/c1/imaging.nii.gz", "kits/c2/imaging.nii.gz"},
              {"kits/c1/segmentation.nii.gz", "kits/c2/segmentation.nii.gz"});
  CHECK(pairs_in(folder.file("kits")) == Names({"c1 -> segmentation.nii.gz", "c2 -> segmentation.nii.gz"}));
  write_pairs(folder, {"alone/volume.nii", "two/p/scan.nii", "two/p/volume.nii"}, {});
  data::DiscoverOptions options;
  options.labels = false;
  CHECK(ids_of(discover({folder.file("alone")}, options)) == Names{"volume"});
  CHECK(ids_of(discover({folder.file("two")}, options)) == Names({"scan", "volume"}));
}

TEST_CASE("images and masks in one folder that begin with their words, as in LiTS") {
  const Folder folder;
  write_pairs(folder, {"volume-0.nii", "volume-1.nii", "volume-10.nii"},
              {"segmentation-0.nii", "segmentation-1.nii", "segmentation-10.nii"});
  CHECK(pairs_in(folder.file("")) == Names({"volume-0 -> segmentation-0.nii", "volume-1 -> segmentation-1.nii",
                                            "volume-10 -> segmentation-10.nii"}));
}

TEST_CASE("two folders are images and masks; a folder of masks can be named") {
  const Folder folder;
  write_pairs(folder, {"scans/a.png"}, {"drawn/a.png"});
  CHECK(discover({folder.file("scans"), folder.file("drawn")}).cases[0].labels == Names{folder.file("drawn/a.png")});
  data::DiscoverOptions options;
  options.mask_folder = folder.file("drawn");
  CHECK(discover({folder.file("scans")}, options).cases[0].labels == Names{folder.file("drawn/a.png")});
}

TEST_CASE("two folders that hold images with their masks are two of them, and no images and masks") {
  const Folder folder;
  write_pairs(folder, {"one/images/a.png", "two/images/a.png", "two/images/b.png"},
              {"one/masks/a.png", "two/masks/a.png", "two/masks/b.png"});
  const data::Discovery found = discover({folder.file("one"), folder.file("two")});
  CHECK(ids_of(found) == Names({"one_a", "two_a", "two_b"}));
  CHECK(found.cases[0].labels == Names{folder.file("one/masks/a.png")});
  CHECK(ids_of(discover({folder.file("one/"), folder.file("two/")})) == Names({"one_a", "two_a", "two_b"}));
}

TEST_CASE("train, val and test are splits, above or below the folders of images and masks") {
  const Folder folder;
  write_pairs(folder, {"one/train/images/a.png", "one/val/images/a.png", "one/test/images/b.png"},
              {"one/train/masks/a.png", "one/val/masks/a.png", "one/test/masks/b.png"});
  write_pairs(folder, {"two/images/train/a.png", "two/images/test/b.png"},
              {"two/masks/train/a.png", "two/masks/test/b.png"});
  const data::Discovery one = discover({folder.file("one")}), two = discover({folder.file("two")});
  CHECK(ids_of(one) == Names({"test_b", "train_a", "val_a"}));  // two are called a
  CHECK(one.cases[0].split == "test");
  CHECK(one.cases[1].split == "train");
  CHECK(one.cases[2].split == "val");
  CHECK(ids_of(two) == Names({"a", "b"}));
  CHECK(two.cases[0].split == "train");
  CHECK(two.cases[1].split == "test");
}

TEST_CASE("one mask for each object: folders of cases as in DSB 2018, or folders of masks called as the images") {
  const Folder folder;
  write_pairs(folder, {"dsb/c1/images/c1.png", "dsb/c2/images/c2.png"},
              {"dsb/c1/masks/u.png", "dsb/c1/masks/v.png", "dsb/c2/masks/w.png"});
  write_pairs(folder, {"sub/images/c1.png", "sub/images/c2.png"},
              {"sub/masks/c1/1.png", "sub/masks/c1/2.png", "sub/masks/c2/1.png"});
  CHECK(pairs_in(folder.file("dsb")) == Names({"c1 -> u.png v.png", "c2 -> w.png"}));
  CHECK(pairs_in(folder.file("sub")) == Names({"c1 -> 1.png 2.png", "c2 -> 1.png"}));
  CHECK(discover({folder.file("dsb")}).cases[1].instances);
  for (const std::string& note : discover({folder.file("dsb")}).notes) CHECK(!contains(note, "left alone"));
  write_pairs(folder, {"both/images/a.png", "both/train/images/b.png"}, {"both/masks/a.png", "both/train/masks/b.png"});
  const data::Discovery both = discover({folder.file("both")});
  CHECK(both.cases.size() == 1);
  CHECK(contains(both.notes.back(), "The folder train beside images and masks is left alone."));
  CHECK(discover({folder.file("sub")}).cases[1].instances);
}

TEST_CASE("masks that most cases call by the same words are objects only if the caller says so") {
  const Folder folder;
  write_pairs(folder, {"organs/images/s1.png", "organs/images/s2.png"},
              {"organs/masks/s1/liver.png", "organs/masks/s1/rib_1.png", "organs/masks/s1/spleen.png",
               "organs/masks/s2/liver.png", "organs/masks/s2/spleen.png"});
  write_pairs(folder, {"cells/images/s1.png", "cells/images/s2.png"},
              {"cells/masks/s1/cell_1.png", "cells/masks/s1/cell_2.png", "cells/masks/s1/whole.png",
               "cells/masks/s2/cell_1.png", "cells/masks/s2/cell_2.png", "cells/masks/s2/whole.png"});
  const std::string message = error_of([&] { discover({folder.file("organs")}); });
  CHECK_MESSAGE(contains(message, "called liver, spleen: they may be classes, which one foreground would lose\nhint: "),
                message);
  CHECK(contains(message, "use the option instances if they are parts of one foreground"));
  data::DiscoverOptions options;
  options.instances = true;
  const data::Discovery organs = discover({folder.file("organs")}, options);
  CHECK(organs.cases[0].labels.size() == 3);
  CHECK(organs.cases[1].instances);
  CHECK(discover({folder.file("cells")}).cases[1].instances);
}

TEST_CASE("a folder with one mask for each case says nothing of objects") {
  const Folder folder;
  write_pairs(folder, {"one/p1/images/a.nii.gz", "one/p2/images/a.nii.gz"},
              {"one/p1/labels/seg.nii.gz", "one/p2/labels/seg.nii.gz"});
  write_pairs(folder, {"two/images/c1.nii.gz"}, {"two/masks/c1/seg.nii.gz"});
  write_pairs(folder, {"three/c1.png"}, {"three/masks/c1/seg.png"});
  for (const char* layout : {"one", "two", "three"}) {
    const data::Discovery found = discover({folder.file(layout)});
    for (const data::Source& source : found.cases) CHECK(!source.instances);
    CHECK_MESSAGE(!contains(notes_of(found.notes), "for each object"), std::string(layout));
  }
  CHECK(pairs_in(folder.file("one")) == Names({"p1 -> seg.nii.gz", "p2 -> seg.nii.gz"}));
}

TEST_CASE("a folder mask beside one that was drawn by hand has fields of view") {
  const Folder folder;
  write_pairs(folder,
              {"hrf/images/01_dr.tif", "drive/training/images/21_training.tif", "drive/test/images/01_test.tif"},
              {"hrf/manual1/01_dr.tif", "hrf/mask/01_dr_mask.tif", "drive/training/1st_manual/21_manual1.gif",
               "drive/training/mask/21_training_mask.gif", "drive/test/mask/01_test_mask.gif"});
  const data::Discovery found = discover({folder.file("hrf")});
  CHECK(found.cases[0].labels == Names{folder.file("hrf/manual1/01_dr.tif")});
  CHECK_MESSAGE(contains(notes_of(found.notes), "The folder mask is left alone: beside manual1"),
                notes_of(found.notes));
  CHECK(pairs_in(folder.file("drive/training")) == Names{"21_training -> 21_manual1.gif"});
  const std::string message = error_of([&] { pairs_in(folder.file("drive")); });
  CHECK_MESSAGE(
      contains(message, "the masks of test are in the folder mask, those of training in the folder 1st_manual"),
      message);
  CHECK(contains(message, "give one of the folders alone"));
}

TEST_CASE("masks in one sub-folder are those of the images; in several, the caller says that they are one foreground") {
  const Folder folder;
  write_pairs(folder, {"cxr/a.png", "cxr/b.png"},
              {"one/mask/a_mask.png", "one/mask/b_mask.png", "two/left/a.png", "two/left/b.png", "two/right/a.png",
               "two/right/b.png", "half/left/a.png", "half/left/b.png", "half/right/b.png"});
  data::DiscoverOptions options;
  options.mask_folder = folder.file("one");
  CHECK(pairs_in(folder.file("cxr"), options) == Names({"a -> a_mask.png", "b -> b_mask.png"}));
  options.mask_folder = folder.file("two");
  const std::string message = error_of([&] { pairs_in(folder.file("cxr"), options); });
  CHECK_MESSAGE(contains(message, "the sub-folders left, right each have a mask for every image"), message);
  CHECK(contains(message, "use the option instances if they are parts of one foreground"));
  options.instances = true;
  const data::Discovery found = discover({folder.file("cxr")}, options);
  CHECK(found.cases[1].labels == Names({folder.file("two/left/b.png"), folder.file("two/right/b.png")}));
  CHECK(found.cases[1].instances);
  CHECK(contains(notes_of(found.notes), "The masks in left, right are put together for each image"));
  options.mask_folder = folder.file("half");
  CHECK(
      contains(error_of([&] { pairs_in(folder.file("cxr"), options); }), "the sub-folder right has no mask for a.png"));
}

TEST_CASE("what has no partner is counted and named") {
  const Folder folder;
  write_pairs(folder, {"images/a.png", "images/b.png", "images/c.png", "images/d.png", "images/e.png"},
              {"masks/e.png", "masks/f.png"});
  const std::string message = error_of([&] { pairs_in(folder.file("")); });
  CHECK_MESSAGE(
      contains(message, "4 images have no mask (a.png, b.png, c.png, d.png), and 1 mask has no image (f.png)"),
      message);
  CHECK(contains(message, folder.file("images") + ", " + folder.file("masks") + ": 4 images"));
  CHECK(contains(message, "leave out what has no partner"));
  CHECK(contains(message, "hint: "));
}

TEST_CASE("what has no partner is left out if the options say so, and a note counts it") {
  data::DiscoverOptions skip;
  skip.skip_unpaired = true;
  const Folder folder;
  write_pairs(folder, {"in/images/a.png", "in/images/b.png", "in/images/c.png"}, {"in/masks/a.png", "in/masks/z.png"});
  write_pairs(folder, {"none/images/a.png"}, {"none/masks/z.png"});
  write_pairs(folder, {"objects/images/a.png", "objects/images/b.png"},
              {"objects/masks/a/1.png", "objects/masks/a/2.png"});
  write_pairs(folder, {"dsb/c1/images/x.png", "dsb/c2/images/y.png"}, {"dsb/c1/masks/1.png"});
  std::filesystem::create_directories(folder.file("dsb/c2/masks"));
  const data::Discovery found = discover({folder.file("in")}, skip);
  CHECK(ids_of(found) == Names{"a"});
  CHECK_MESSAGE(contains(notes_of(found.notes),
                         "Left out: 2 images have no mask (b.png, c.png), and 1 mask has no image (z.png)."),
                notes_of(found.notes));
  CHECK(contains(error_of([&] { discover({folder.file("none")}, skip); }), "1 image has no mask"));
  for (const char* name : {"objects", "dsb"}) {
    CHECK(!error_of([&] { discover({folder.file(name)}); }).empty());
    const data::Discovery objects = discover({folder.file(name)}, skip);
    CHECK(objects.cases.size() == 1);
    CHECK_MESSAGE(contains(notes_of(objects.notes), "Left out: 1 image"), std::string(name));
  }
}

TEST_CASE("test images without any mask are left out beside a training that has masks, others are missed") {
  const Folder folder;
  write_pairs(folder, {"one/train/images/a.png", "one/test/b.png", "two/images/train/a.png", "two/images/test/b.png"},
              {"one/train/masks/a.png", "two/masks/train/a.png"});
  for (const char* name : {"one", "two"}) {
    const data::Discovery found = discover({folder.file(name)});
    CHECK(ids_of(found) == Names{"a"});
    CHECK(found.cases[0].split == "train");
    CHECK_MESSAGE(contains(notes_of(found.notes), "Left out: 1 image for the test without masks ("), std::string(name));
  }
  write_pairs(folder, {"one/val/c.png"}, {});
  const std::string message = error_of([&] { discover({folder.file("one")}); });
  CHECK_MESSAGE(contains(message, folder.file("one/val") + ": there is 1 image (c.png) and 0 masks"), message);
  write_pairs(folder, {"three/test/c.png"}, {});
  CHECK(contains(error_of([&] { discover({folder.file("three")}); }), "and 0 masks"));
}

TEST_CASE("a test whose masks may have unknown names is not left out") {
  for (const char* mask : {"GT_masks/p3.png", "images/p3_lesion.png"}) {
    const Folder folder;
    write_pairs(folder, {"train/images/p1.png", "test/images/p3.png"},
                {"train/masks/p1.png", std::string("test/") + mask});
    const std::string message = error_of([&] { pairs_in(folder.file("")); });
    CHECK_MESSAGE(contains(message, "2 images ("), message);
  }
  const Folder folder;  // numbers and files of other kinds are no masks
  write_pairs(folder, {"train/images/p1.png", "test/images/p3.png", "test/images/p3_1.png", "test/about/notes.txt"},
              {"train/masks/p1.png"});
  CHECK(pairs_in(folder.file("")) == Names{"p1 -> p1.png"});
}

TEST_CASE("what is ambiguous is refused with the candidates") {
  const Folder folder;
  write_pairs(folder, {"two/images/a.png"}, {"two/masks/a_mask.png", "two/masks/a_label.png"});
  std::string message = error_of([&] { pairs_in(folder.file("two")); });
  CHECK_MESSAGE(contains(message, "2 masks fit: a_label.png, a_mask.png"), message);
  write_pairs(folder, {"same/images/a.png", "same/images/a.jpg"}, {"same/masks/a.png"});
  message = error_of([&] { pairs_in(folder.file("same")); });
  CHECK_MESSAGE(contains(message, "2 images fit: a.jpg, a.png"), message);
  write_pairs(folder, {"which/images/a.png"}, {"which/masks/a.png", "which/labels/a.png"});
  message = error_of([&] { pairs_in(folder.file("which")); });
  CHECK_MESSAGE(contains(message, "several folders may hold images (images) or masks (labels, masks)"), message);
}

TEST_CASE("JPEG masks are refused, and the reason is given") {
  const Folder folder;
  write_pairs(folder, {"images/a.jpg"}, {"masks/a.jpg"});
  CHECK(contains(error_of([&] { pairs_in(folder.file("")); }), "a mask cannot be a JPEG, which changes values"));
}

TEST_CASE("images alone: sub-folders are walked in order, masks left alone, equal names told apart") {
  const Folder folder;
  write_pairs(folder, {"b/x.png", "a/x.png", "a/y.tif", "c.nii.gz", "d.png"}, {"masks/x.png", "d_mask.png"});
  data::DiscoverOptions options;
  options.labels = false;
  const data::Discovery found = discover({folder.file("")}, options);
  CHECK(ids_of(found) == Names({"a_x", "a_y", "b_x", "c", "d"}));
  for (const data::Source& source : found.cases) CHECK(source.labels.empty());
  CHECK(ids_of(discover({folder.file("a/x.png"), folder.file("b/x.png")}, options)) == Names({"a_x", "b_x"}));
  write_pairs(folder, {"a/y.png"}, {});
  CHECK(contains(error_of([&] { discover({folder.file("")}, options); }), "would both be the case"));
}

TEST_CASE("folders that are too deep are refused, and not left out") {
  const Folder folder;
  std::string deep = "images/";
  for (int i = 0; i < 40; ++i) deep += "s/";
  write_pairs(folder, {"images/a.png", deep + "b.png"}, {});
  data::DiscoverOptions options;
  options.labels = false;
  CHECK(contains(error_of([&] { discover({folder.file("images")}, options); }), "lies more than 32 folders deep"));
}

TEST_CASE("images of nnU-Net alone are cases with channels") {
  const Folder folder;
  write_pairs(folder, {"p1_0000.nii.gz", "p1_0001.nii.gz", "p2_0000.nii.gz", "p2_0001.nii.gz"}, {});
  data::DiscoverOptions options;
  options.labels = false;
  const data::Discovery found = discover({folder.file("")}, options);
  CHECK(ids_of(found) == Names({"p1", "p2"}));
  CHECK(found.cases[0].images == Names({folder.file("p1_0000.nii.gz"), folder.file("p1_0001.nii.gz")}));
}

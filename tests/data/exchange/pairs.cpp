// What is left where some images and masks are pairs: named, refused, or left out if the options say so.
#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::discover;
using Names = std::vector<std::string>;

namespace {

void write_files(const Folder& folder, const Names& names) {
  for (const std::string& name : names) write_bytes(made(folder.file(name)), "x");
}

data::DiscoverOptions skipping() {
  data::DiscoverOptions options;
  options.skip_unpaired = true;
  return options;
}

}  // namespace

TEST_CASE("what is left beside pairs is no pair because its name goes on") {
  for (const char* other : {"p_3", "p_2_b"}) {
    const Folder folder;
    write_files(folder, {"images/p.png", "images/p_1.png", "images/p_2.png", "masks/p_1.png", "masks/p_2.png",
                         std::string("masks/") + other + ".png"});
    const std::string message = error_of([&] { discover({folder.file("")}); });
    CHECK_MESSAGE(contains(message, std::string(other) + ".png"), message);
  }
}

TEST_CASE("last words make pairs only where no other names do, and numbers never") {
  struct Files {
    Names images, masks;
    std::string no_mask, no_image;
  };
  for (const Files& files :
       {Files{{"p1_1", "p1_2", "p1_3"}, {"p1_1", "p1_2", "p1_4"}, "p1_3.png", "p1_4.png"},
        Files{{"a_left", "a_right", "b_left"}, {"a_left", "a_right", "b_right"}, "b_left.png", "b_right.png"},
        Files{{"a_1", "b_1"}, {"a_2", "b_2"}, "a_1.png, b_1.png", "a_2.png, b_2.png"}}) {
    const Folder folder;
    for (const std::string& name : files.images) write_files(folder, {"images/" + name + ".png"});
    for (const std::string& name : files.masks) write_files(folder, {"masks/" + name + ".png"});
    const std::string message = error_of([&] { discover({folder.file("")}); });
    CHECK_MESSAGE(contains(message, "no mask (" + files.no_mask + ")"), message);
    CHECK(contains(message, "no image (" + files.no_image + ")"));
  }
}

TEST_CASE("a further mask of an image is refused, also where what has no partner is left out") {
  const Folder folder;
  write_files(folder, {"busi/benign (1).png", "busi/benign (1)_mask.png", "busi/benign (2).png",
                       "busi/benign (2)_mask.png", "busi/benign (2)_mask_1.png"});
  write_files(folder,
              {"two/images/p1.png", "two/images/p2.png", "two/masks/p1.png", "two/masks/p2.png", "two/masks/p2_2.png"});
  for (const auto& options : {data::DiscoverOptions{}, skipping()}) {
    const std::string one = error_of([&] { discover({folder.file("busi")}, options); });
    CHECK_MESSAGE(contains(one, folder.file("busi/benign (2).png") + ": " + folder.file("busi/benign (2)_mask_1.png") +
                                    " is called as a further mask of it"),
                  one);
    const std::string two = error_of([&] { discover({folder.file("two")}, options); });
    CHECK_MESSAGE(contains(two, "masks/p2_2.png is called as a further mask of it"), two);
    CHECK(contains(two, "put the masks of an image into a folder of its own"));
  }
  // What is called after an image is none, and neither is a volume of all times.
  write_files(folder, {"isic/images/I_1.jpg", "isic/images/I_1_superpixels.png", "isic/images/I_2.jpg",
                       "isic/images/I_2_superpixels.png", "isic/masks/I_1.png", "isic/masks/I_2.png"});
  for (const char* name : {"4d", "frame01", "frame01_gt", "frame12", "frame12_gt"})
    write_files(folder, {std::string("acdc/patient001/patient001_") + name + ".nii.gz"});
  CHECK(ids_of(discover({folder.file("isic")}, skipping())) == Names({"I_1", "I_2"}));
  CHECK(ids_of(discover({folder.file("acdc")}, skipping())) == Names({"patient001_frame01", "patient001_frame12"}));
}

TEST_CASE("an image that one of several sub-folders of masks lacks is named, or left out") {
  const Folder folder;
  write_files(folder, {"cxr/a.png", "cxr/b.png", "cxr/c.png"});
  write_files(folder, {"masks/left/a.png", "masks/left/b.png", "masks/left/c.png", "masks/right/a.png",
                       "masks/right/b.png", "apart/left/a.png", "apart/right/b.png"});
  data::DiscoverOptions options;
  options.mask_folder = folder.file("masks");
  options.instances = true;
  const std::string message = error_of([&] { discover({folder.file("cxr")}, options); });
  CHECK_MESSAGE(contains(message, "masks: the sub-folder right has no mask for c.png"), message);
  CHECK(contains(message, "leave out what has no partner"));
  options.skip_unpaired = true;
  const data::Discovery found = discover({folder.file("cxr")}, options);
  CHECK(ids_of(found) == Names({"a", "b"}));
  CHECK(found.cases[1].labels == Names({folder.file("masks/left/b.png"), folder.file("masks/right/b.png")}));
  CHECK_MESSAGE(contains(notes_of(found.notes), "Left out: the sub-folder right has no mask for c.png."),
                notes_of(found.notes));
  options.instances = false;
  CHECK(contains(error_of([&] { discover({folder.file("cxr")}, options); }), "each have masks for the same images"));
  options.mask_folder = folder.file("apart");  // no parts of one foreground
  CHECK(contains(error_of([&] { discover({folder.file("cxr")}, options); }), "3 images have no mask"));
}

TEST_CASE("of files in sub-folders, whose names are long, three are named") {
  const Folder folder;
  write_files(folder, {"images/a.png", "masks/a.png"});
  for (const char* name : {"b", "c", "d", "e"}) write_files(folder, {std::string("images/") + name + ".png"});
  CHECK(contains(error_of([&] { discover({folder.file("")}); }), "(b.png, c.png, d.png, e.png)"));
  for (const char* name : {"b", "c", "d", "e"}) {
    std::filesystem::remove(folder.file(std::string("images/") + name + ".png"));
    write_files(folder, {std::string("images/far/") + name + ".png"});
  }
  const std::string message = error_of([&] { discover({folder.file("")}); });
  CHECK_MESSAGE(contains(message, "(far/b.png, far/c.png, far/d.png and 1 more)"), message);
}

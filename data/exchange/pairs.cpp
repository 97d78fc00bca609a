// Images and masks that belong together by their names, and what is left without a partner.
#include <algorithm>
#include <filesystem>
#include <set>

#include "data/exchange/layouts_detail.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::data::exchange {
namespace {

// What is left when the pairs are taken out.
Entries unpaired(const Entries& files, const std::vector<std::pair<std::size_t, std::size_t>>& pairs, bool masks) {
  std::vector<bool> done(files.size());
  for (const auto& [image, mask] : pairs) done[masks ? mask : image] = true;
  Entries rest;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!done[i]) rest.push_back(files[i]);
  return rest;
}

// "4 images have no mask (a.png, b.png, c.png, d.png), and 1 mask has no image (f.png)".
// Names with folders are long, so there are few of them.
std::string lonely_text(const Entries& images, const Entries& masks, std::size_t most) {
  const auto has_folder = [](const Entry& file) { return !file.folder.empty(); };
  const bool long_names = std::ranges::any_of(images, has_folder) || std::ranges::any_of(masks, has_folder);
  const std::size_t named = long_names ? std::min<std::size_t>(most, 3) : most;
  std::string problem;
  if (!images.empty())
    problem = text(images.size(), images.size() == 1 ? " image has" : " images have", " no mask (",
                   some_of(images, named), ")");
  if (!masks.empty())
    problem += text(problem.empty() ? "" : ", and ", masks.size(), masks.size() == 1 ? " mask has" : " masks have",
                    " no image (", some_of(masks, named), ")");
  return problem;
}

// A file beside a pair that is called after its mask, x_mask_1 beside x_mask, is a further mask: without it, its
// objects would be background. In a folder of images, only a name with a word for masks tells it from an image.
void refuse_further_masks(const Entries& images, const Entries& masks,
                          const std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
  std::map<std::string, std::size_t> images_of_masks;
  for (const auto& [image, mask] : pairs) images_of_masks.emplace(inside(masks[mask].folder, masks[mask].stem), image);
  const auto check_file = [&](const Entry& file, bool is_mask) {
    for (std::size_t at = file.stem.find_first_of("_-. "); at != std::string::npos;
         at = file.stem.find_first_of("_-. ", at + 1)) {
      const std::string mask = file.stem.substr(0, at);
      const auto found = images_of_masks.find(inside(file.folder, mask));
      if (found == images_of_masks.end() || (!is_mask && !has_mask_word(mask))) continue;
      throw Error(ErrorKind::data,
                  text(images[found->second].path, ": ", file.path, " is called as a further mask of it"),
                  "put the masks of an image into a folder of its own, as masks/x/1.png and masks/x/2.png, or merge "
                  "them; if it is something else, move it away");
    }
  };
  for (const Entry& file : unpaired(images, pairs, false)) check_file(file, false);
  for (const Entry& file : unpaired(masks, pairs, true)) check_file(file, true);
}

bool is_of_test(const Entry& file) { return split_in(file.folder) == "test"; }

// Masks that no word tells from images, as Image_01L_1stHO.png beside Image_01L.jpg: a mask is no JPEG, so these are
// the images, and the others the masks if all of them are called after a JPEG, with words more.
void move_named_after_jpegs(Entries& images, Entries& masks) {
  std::set<std::string> jpegs;
  for (const Entry& file : images)
    if (file.kind == Kind::jpeg) jpegs.insert(inside(file.folder, file.stem));
  const auto is_after = [&](const Entry& file) {
    const std::string stem = inside(file.folder, file.stem);
    for (std::size_t at = stem.find_first_of("_-. "); at != std::string::npos; at = stem.find_first_of("_-. ", at + 1))
      if (jpegs.contains(stem.substr(0, at))) return true;
    return false;
  };
  if (!std::ranges::all_of(images, [&](const Entry& file) { return file.kind == Kind::jpeg || is_after(file); }))
    return;
  const auto first =
      std::stable_partition(images.begin(), images.end(), [](const Entry& file) { return file.kind == Kind::jpeg; });
  masks.assign(first, images.end());
  images.erase(first, images.end());
}

// Masks in a folder for each image: masks/x/1.png and masks/x/2.png belong to images/x.png. The folders are named as
// the images, all of them unless what has no partner is left out; else nothing is returned.
Discovery objects_of(const Entries& images, const Entries& masks, bool skip_unpaired) {
  std::map<std::string, Entries> by_folder;
  for (const Entry& mask : masks) by_folder[mask.folder].push_back(mask);
  Discovery found;
  Entries lonely_images, lonely_masks;
  for (const Entry& image : images) {
    const auto at = by_folder.find(inside(image.folder, image.stem));
    if (at == by_folder.end()) {
      lonely_images.push_back(image);
      continue;
    }
    Source& source = found.cases.emplace_back(source_of(image, {}));
    source.folder_of_masks = true;
    for (const Entry& mask : at->second) source.labels.push_back(mask.path);
    by_folder.erase(at);
  }
  for (const auto& [folder, rest] : by_folder) lonely_masks.insert(lonely_masks.end(), rest.begin(), rest.end());
  if (lonely_images.empty() && lonely_masks.empty()) return found;
  if (found.cases.empty() || !skip_unpaired) return {};
  found.notes.push_back("Left out: " + lonely_text(lonely_images, lonely_masks, 3) + ".");
  return found;
}

Discovery pair(const Entries& images, const Entries& masks, const std::string& where, const DiscoverOptions& options) {
  constexpr std::size_t kNamed = 20;  // enough to find what they have in common
  const auto pairs = pairs_of(images, masks);
  Entries lonely_images = unpaired(images, pairs, false);
  const Entries lonely_masks = unpaired(masks, pairs, true);
  require_one_ending(lonely_images, lonely_masks);
  refuse_further_masks(images, masks, pairs);
  Discovery found;
  for (const auto& [image, mask] : pairs) found.cases.push_back(source_of(images[image], {masks[mask].path}));
  if (!pairs.empty() && std::ranges::none_of(masks, is_of_test)) {  // those of a challenge are kept secret
    const auto of_test = std::ranges::count_if(lonely_images, is_of_test);
    std::erase_if(lonely_images, is_of_test);
    if (of_test > 0) found.notes.push_back(left_out_of_test(of_test, where));
  }
  if (lonely_images.empty() && lonely_masks.empty()) return found;
  if (pairs.empty() || !options.skip_unpaired)
    throw Error(
        ErrorKind::data, text(where, where.empty() ? "" : ": ", lonely_text(lonely_images, lonely_masks, kNamed)),
        text("a mask is called as its image, or has a word more: x.png and x_mask.png; name the folder of masks "
             "if they are elsewhere",
             pairs.empty() ? "" : ", or leave out what has no partner"));
  found.notes.push_back("Left out: " + lonely_text(lonely_images, lonely_masks, 3) + ".");
  return found;
}

// The masks by the sub-folder that they lie in, without it, where they all lie in some and the images in none.
std::map<std::string, Entries> parts_of(const Entries& images, const Entries& masks) {
  std::map<std::string, Entries> parts;
  const auto is_below = [](const Entry& file) { return !file.folder.empty(); };
  if (std::ranges::any_of(images, is_below) || !std::ranges::all_of(masks, is_below)) return parts;
  for (Entry mask : masks) {
    Entries& part = parts[mask.folder];
    mask.folder.clear();
    part.push_back(std::move(mask));
  }
  return parts;
}

// Several sub-folders that each have a mask for every image, as left and right lungs. They may be objects, classes or
// the words of several experts, so the caller says that they are objects. No case if they are something else, where no
// image has a mask in each of them.
Discovery merge_parts(const Entries& images, const std::map<std::string, Entries>& parts, const std::string& masks,
                      const DiscoverOptions& options) {
  Discovery found;
  for (const Entry& image : images) found.cases.push_back(source_of(image, {}));
  std::vector<std::string> names, missing;
  for (const auto& [name, part] : parts) {
    const auto pairs = pairs_of(images, part);
    refuse_further_masks(images, part, pairs);
    for (const auto& [image, mask] : pairs) found.cases[image].labels.push_back(part[mask].path);
    if (const Entries bare = unpaired(images, pairs, false); !bare.empty())
      missing.push_back("the sub-folder " + name + " has no mask for " + some_of(bare));
    if (const Entries rest = unpaired(part, pairs, true); !rest.empty())
      missing.push_back("the sub-folder " + name + " has masks without an image: " + some_of(rest));
    names.push_back(name);
  }
  std::erase_if(found.cases, [&](const Source& source) { return source.labels.size() < parts.size(); });
  if (found.cases.empty()) return {};
  if (!missing.empty() && !options.skip_unpaired)
    throw Error(ErrorKind::data, masks + ": " + join(missing, ", "), "leave out what has no partner");
  if (!options.instances)
    throw Error(ErrorKind::data,
                text(masks, ": the sub-folders ", join(names, ", "),
                     missing.empty() ? " each have a mask for every image" : " each have masks for the same images"),
                "use the option instances if they are parts of one foreground; if one of them is meant, move the "
                "others away");
  for (Source& source : found.cases) source.instances = true;
  if (!missing.empty()) found.notes.push_back("Left out: " + join(missing, ", ") + ".");
  found.notes.push_back("The masks in " + join(names, ", ") +
                        " are put together for each image, as objects of one foreground.");
  return found;
}

bool has_several_masks(const Source& source) { return source.folder_of_masks && source.labels.size() > 1; }

// Names that most cases give to their masks are those of classes, or of parts; objects have numbers, or names that no
// other case has.
void refuse_named_masks(const std::vector<Source>& cases) {
  std::size_t several = 0;
  std::map<std::string, std::size_t> counts;  // of the cases that have a mask of this name
  for (const Source& source : cases) {
    if (!has_several_masks(source)) continue;
    ++several;
    std::set<std::string> stems;
    for (const std::string& mask : source.labels) stems.insert(stem_of(mask));
    for (const std::string& stem : stems)
      if (stem.find_first_of("0123456789") == std::string::npos) ++counts[stem];
  }
  std::vector<std::string> names;
  for (const auto& [stem, count] : counts)
    if (count >= 2 && 2 * count > several) names.push_back(stem);
  if (names.size() < 2) return;
  constexpr std::size_t kNamed = 5;
  const bool more = names.size() > kNamed;
  if (more) names.resize(kNamed);
  throw Error(ErrorKind::data,
              text("the masks of most cases are called ", join(names, ", "), more ? ", .." : "",
                   ": they may be classes, which one foreground would lose"),
              "use the option instances if they are parts of one foreground, else store one value per voxel");
}

}  // namespace

std::string left_out_of_test(std::int64_t images, const std::string& where) {
  return text("Left out: ", images, images == 1 ? " image" : " images", " for the test without masks (", where, ").");
}

std::string inside(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

std::string split_in(const std::string& folder) {
  for (const std::filesystem::path& part : std::filesystem::path(folder))
    if (const std::string split = split_of_folder(part.string()); !split.empty()) return split;
  return "";
}

Source source_of(const Entry& image, std::vector<std::string> labels) {
  Source source;
  source.id = !image.folder.empty() && is_image_word(image.stem) ? image.folder : inside(image.folder, image.stem);
  source.split = split_in(image.folder);
  source.images = {image.path};
  source.labels = std::move(labels);
  return source;
}

void tell_apart(const Entries& files, Entries& images, Entries& masks) {
  for (const Entry& file : files) (has_mask_word(file.stem) ? masks : images).push_back(file);
  if (masks.empty()) move_named_after_jpegs(images, masks);
}

Discovery pair_files(const Entries& files, const std::string& where, const DiscoverOptions& options) {
  Entries images, masks;
  tell_apart(files, images, masks);
  if (masks.empty() || images.empty()) {
    const auto counted = [](const Entries& some, const char* what) {
      return text(some.size(), " ", what, some.size() == 1 ? "" : "s", some.empty() ? "" : " (" + some_of(some) + ")");
    };
    throw Error(
        ErrorKind::data,
        text(where, where.empty() ? "" : ": ", images.size() == 1 ? "there is " : "there are ",
             counted(images, "image"), " and ", counted(masks, "mask")),
        "name the folder of masks, or keep images and masks in folders images and masks, or call them x.png and "
        "x_mask.png");
  }
  return pair(images, masks, where, options);
}

Discovery pair_listed(const Entries& images, const Entries& masks, const std::string& image_folder,
                      const std::string& mask_folder, const DiscoverOptions& options) {
  Discovery found = objects_of(images, masks, options.skip_unpaired);
  if (!found.cases.empty()) return found;
  const std::string where = image_folder + ", " + mask_folder;
  const std::map<std::string, Entries> parts = parts_of(images, masks);
  if (parts.size() == 1) return pair(images, parts.begin()->second, where, options);
  if (parts.size() > 1) found = merge_parts(images, parts, mask_folder, options);
  return found.cases.empty() ? pair(images, masks, where, options) : found;
}

Discovery pair_folders(const std::string& images, const std::string& masks, const DiscoverOptions& options) {
  Listing image_list = walk(images);
  const Listing mask_list = walk(masks);
  // The folder of masks may lie in that of the images.
  std::set<std::string> known;
  for (const Entry& mask : mask_list.files) known.insert(std::filesystem::weakly_canonical(mask.path).string());
  std::erase_if(image_list.files, [&](const Entry& image) {
    return known.contains(std::filesystem::weakly_canonical(image.path).string());
  });
  if (image_list.files.empty()) fail_empty(images, image_list);
  if (mask_list.files.empty()) fail_empty(masks, mask_list);
  Discovery found = pair_listed(image_list.files, mask_list.files, images, masks, options);
  found.notes.push_back("Images are in " + images + ", masks in " + masks + ".");
  return found;
}

void find_objects(Discovery& found, const DiscoverOptions& options) {
  if (std::ranges::none_of(found.cases, has_several_masks)) return;
  if (!options.instances) refuse_named_masks(found.cases);
  for (Source& source : found.cases) source.instances = source.instances || source.folder_of_masks;
  found.notes.push_back("A case has one mask for each object; they are put together.");
}

}  // namespace voxgrad::data::exchange

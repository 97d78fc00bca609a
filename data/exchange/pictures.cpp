// Folders of pictures or volumes with their masks, and of images alone.
#include <algorithm>
#include <filesystem>
#include <set>

#include "data/exchange/layouts_detail.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::data::exchange {
namespace {

std::string inside(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

// What is left when the pairs are taken out.
Entries unpaired(const Entries& files, const std::vector<std::pair<std::size_t, std::size_t>>& pairs, bool masks) {
  std::vector<bool> done(files.size());
  for (const auto& [image, mask] : pairs) done[masks ? mask : image] = true;
  Entries rest;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!done[i]) rest.push_back(files[i]);
  return rest;
}

void require_all_paired(const Entries& images, const Entries& masks) {
  if (images.empty() && masks.empty()) return;
  std::string problem;
  if (!images.empty())
    problem =
        text(images.size(), images.size() == 1 ? " image has" : " images have", " no mask (", some_of(images), ")");
  if (!masks.empty())
    problem += text(problem.empty() ? "" : ", and ", masks.size(), masks.size() == 1 ? " mask has" : " masks have",
                    " no image (", some_of(masks), ")");
  throw Error(ErrorKind::data, problem,
              "a mask is called as its image, or has a word more: x.png and x_mask.png; name the folder of masks if "
              "they are elsewhere, or move what has no partner away");
}

// The name of the split that a case is in: masks and images are in folders train/.. or ../train.
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

Discovery pair(const Entries& images, const Entries& masks) {
  const auto pairs = pairs_of(images, masks);
  const Entries lonely_images = unpaired(images, pairs, false), lonely_masks = unpaired(masks, pairs, true);
  require_one_ending(lonely_images, lonely_masks);
  require_all_paired(lonely_images, lonely_masks);
  Discovery found;
  for (const auto& [image, mask] : pairs) found.cases.push_back(source_of(images[image], {masks[mask].path}));
  return found;
}

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
// the images, all of them; else nothing is returned.
std::vector<Source> objects_of(const Entries& images, const Entries& masks) {
  std::map<std::string, std::vector<std::string>> by_folder;
  for (const Entry& mask : masks) by_folder[mask.folder].push_back(mask.path);
  std::vector<Source> sources;
  for (const Entry& image : images)
    if (const auto at = by_folder.find(inside(image.folder, image.stem)); at != by_folder.end()) {
      sources.push_back(source_of(image, std::move(at->second)));
      by_folder.erase(at);
    }
  if (sources.size() != images.size() || !by_folder.empty()) sources.clear();
  return sources;
}

struct Halves {
  std::vector<std::string> images, masks;  // names of sub-folders
};
Halves halves_of(const std::vector<std::string>& folders) {
  Halves halves;
  for (const std::string& name : folders) {
    if (is_image_folder(name)) halves.images.push_back(name);
    if (is_mask_folder(name)) halves.masks.push_back(name);
  }
  return halves;
}

// DSB 2018: every sub-folder is a case, ID/images/ID.png with ID/masks/*.png, one mask per object. Nothing is returned
// for another layout.
std::vector<Source> find_folders_of_cases(const std::string& folder, const std::vector<std::string>& folders) {
  std::vector<Source> sources;
  for (const std::string& name : folders) {
    const Halves halves = halves_of(list(below(folder, name)).folders);
    if (halves.images.size() != 1 || halves.masks.size() != 1) return {};
    const Entries images = list(below(below(folder, name), halves.images[0])).files;
    const Entries masks = list(below(below(folder, name), halves.masks[0])).files;
    if (images.size() != 1) return {};
    if (masks.empty())
      throw Error(ErrorKind::data, images[0].path + ": there is no mask of an object in the folder " + halves.masks[0]);
    Source& source = sources.emplace_back();
    source.id = name;
    source.images = {images[0].path};
    for (const Entry& mask : masks) source.labels.push_back(mask.path);
  }
  return sources;
}

void note_folders_of_masks(Discovery& found) {
  for (Source& source : found.cases) source.folder_of_masks = true;
}

// Sub-folders train, val and test, each with pairs of its own.
Discovery find_split_folders(const std::string& folder, const std::vector<std::string>& folders) {
  Discovery found;
  std::vector<std::string> others;
  for (const std::string& name : folders) {
    const std::string split = split_of_folder(name);
    if (split.empty()) {
      others.push_back(name);
      continue;
    }
    Discovery part = find_pictures(below(folder, name));
    for (Source& source : part.cases) {
      source.split = split;
      source.id = inside(name, source.id);
      found.cases.push_back(std::move(source));
    }
    for (const std::string& note : part.notes) found.notes.push_back(name + ": " + note);
  }
  constexpr std::size_t kNamed = 5;
  const std::string more = others.size() > kNamed ? text(" and ", others.size() - kNamed, " more") : "";
  if (others.size() > kNamed) others.resize(kNamed);
  if (!others.empty() && !found.cases.empty())
    found.notes.push_back("These folders are no train, val or test and are left alone: " + join(others, ", ") + more +
                          ".");
  return found;
}

}  // namespace

Discovery pair_folders(const std::string& images, const std::string& masks) {
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
  Discovery found;
  found.cases = objects_of(image_list.files, mask_list.files);
  if (found.cases.empty())
    found = pair(image_list.files, mask_list.files);
  else
    note_folders_of_masks(found);
  found.notes.push_back("Images are in " + images + ", masks in " + masks + ".");
  return found;
}

Discovery pair_files(const Entries& files) {
  Entries images, masks;
  for (const Entry& file : files) (has_mask_word(file.stem) ? masks : images).push_back(file);
  if (masks.empty()) move_named_after_jpegs(images, masks);
  if (masks.empty() || images.empty())
    throw Error(
        ErrorKind::data,
        text("there are ", images.size(), " images (", some_of(images), ") and ", masks.size(), " masks"),
        "name the folder of masks, or keep images and masks in folders images and masks, or call them x.png and "
        "x_mask.png");
  return pair(images, masks);
}

Discovery find_pictures(const std::string& folder) {
  const Listing top = list(folder);
  const Halves halves = halves_of(top.folders);
  if (halves.images.size() == 1 && halves.masks.size() == 1) {
    Discovery found = pair_folders(below(folder, halves.images[0]), below(folder, halves.masks[0]));
    for (const std::string& other : top.folders)
      if (!split_of_folder(other).empty())
        found.notes.push_back(
            text("The folder ", other, " beside ", halves.images[0], " and ", halves.masks[0], " is left alone."));
    return found;
  }
  if (!halves.images.empty() && !halves.masks.empty())
    throw Error(ErrorKind::data,
                text(folder, ": several folders may hold images (", join(halves.images, ", "), ") or masks (",
                     join(halves.masks, ", "), ")"),
                "give the folder of images, and name the folder of masks");
  if (halves.masks.size() == 1 && !top.files.empty() &&
      top.folders.size() == 1) {  // images beside their folder of masks
    Discovery found;
    const Listing masks = walk(below(folder, halves.masks[0]));
    found.cases = objects_of(top.files, masks.files);
    if (found.cases.empty()) return pair(top.files, masks.files);
    note_folders_of_masks(found);
    return found;
  }
  Discovery found;
  if (top.files.empty()) {
    found = find_split_folders(folder, top.folders);
    if (!found.cases.empty()) return found;
    found.cases = find_folders_of_cases(folder, top.folders);
    if (!found.cases.empty()) {
      note_folders_of_masks(found);
      return found;
    }
  }
  const Listing all = walk(folder);
  if (all.files.empty()) fail_empty(folder, all);
  found = cases_of_folders(all.files, true);
  if (!found.cases.empty()) return found;
  found = pair_files(all.files);
  found.notes.push_back("The names of the files in " + folder + " tell images and masks apart.");
  return found;
}

Discovery find_images(const std::string& folder, std::int64_t channels) {
  const Listing all = walk(folder, false);
  if (all.files.empty()) fail_empty(folder, all);
  Discovery found = cases_of_folders(all.files, false);
  if (!found.cases.empty()) return found;
  if (are_channels(all.files, channels)) {
    found.cases = cases_of_channels(all.files);
    found.notes.push_back("The last four digits of the names in " + folder + " are the channels of a case.");
    return found;
  }
  if (std::ranges::all_of(all.files, [](const Entry& f) { return f.kind == Kind::nifti && channel_of(f.stem); }))
    found.notes.push_back("The last four digits of the names in " + folder +
                          " are numbers of cases; as channels, every name would have as many of them, from 0000 on.");
  // A file that is called as the mask of another one is no image.
  Entries images, masks;
  for (const Entry& file : all.files) (has_mask_word(file.stem) ? masks : images).push_back(file);
  std::set<std::size_t> partners;
  for (const auto& [image, mask] : pairs_of(images, masks)) partners.insert(mask);
  for (std::size_t i = 0; i < masks.size(); ++i)
    if (!partners.contains(i)) images.push_back(masks[i]);
  std::map<std::string, int> named_by_folder;  // two images of one folder need names of their own
  for (const Entry& image : images) named_by_folder[image.folder] += is_image_word(image.stem) ? 1 : 0;
  for (const Entry& image : images) {
    found.cases.push_back(source_of(image, {}));
    if (named_by_folder[image.folder] > 1) found.cases.back().id = inside(image.folder, image.stem);
  }
  if (!partners.empty())
    found.notes.push_back(text(partners.size(), " files are masks by their names and left alone."));
  return found;
}

}  // namespace voxgrad::data::exchange

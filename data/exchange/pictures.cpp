// Folders of pictures or volumes with their masks, and of images alone.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <string_view>

#include "data/exchange/layouts_detail.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::data::exchange {
namespace {

struct Halves {
  std::vector<std::string> images, masks;  // names of sub-folders
  std::string field_of_view;               // of one that looks like masks, "" if there is none
};
Halves halves_of(const std::vector<std::string>& folders) {
  Halves halves;
  for (const std::string& name : folders) {
    if (is_image_folder(name)) halves.images.push_back(name);
    if (is_mask_folder(name)) halves.masks.push_back(name);
  }
  halves.field_of_view = without_field_of_view(halves.masks);
  return halves;
}

// The masks of one split may be fields of view, and those of another drawings of the vessels: DRIVE's test has no
// other.
void require_one_name(const std::string& folder, const std::map<std::string, std::string>& masks_of_splits) {
  const auto& [first, expected] = *masks_of_splits.begin();
  const auto small = [](std::string name) {
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name;
  };
  for (const auto& [split, masks] : masks_of_splits)
    if (small(masks) != small(expected))
      throw Error(ErrorKind::data,
                  text(folder, ": the masks of ", first, " are in the folder ", expected, ", those of ", split,
                       " in the folder ", masks, ", which may be of something else"),
                  "give one of the folders alone, or give the folders of masks one name if all of them are the same");
}

// Whether masks of unknown names may be among the images of a test: in a folder beside images, or called after an
// image, p3_lesion beside p3.
bool may_hold_masks(const std::string& folder) {
  const std::vector<std::string> folders = list(folder).folders;
  const auto is_other = [&](const std::string& name) {
    return !is_image_folder(name) && !walk(below(folder, name)).files.empty();
  };
  if (std::ranges::any_of(folders, is_image_folder) && std::ranges::any_of(folders, is_other)) return true;
  const Entries files = walk(folder).files;
  std::set<std::string> stems;
  for (const Entry& file : files) stems.insert(inside(file.folder, file.stem));
  return std::ranges::any_of(files, [&](const Entry& file) {
    for (std::size_t at = 0; at + 1 < file.stem.size(); ++at)
      if (std::string_view("_-. ").find(file.stem[at]) != std::string_view::npos &&
          std::isalpha(static_cast<unsigned char>(file.stem[at + 1])) != 0 &&
          stems.contains(inside(file.folder, file.stem.substr(0, at))))
        return true;
    return false;
  });
}

// Sub-folders train, val and test, each with pairs of its own.
Discovery find_split_folders(const std::string& folder, const std::vector<std::string>& folders,
                             const DiscoverOptions& options) {
  Discovery found;
  std::vector<std::string> others, left_out;
  std::map<std::string, std::string> masks_of_splits;
  for (const std::string& name : folders) {
    const std::string split = split_of_folder(name);
    if (split.empty()) {
      others.push_back(name);
      continue;
    }
    // The masks of a test are often kept secret; those of other splits are missed.
    if (const std::int64_t bare = split == "test" ? images_without_masks(below(folder, name)) : 0;
        bare > 0 && !may_hold_masks(below(folder, name))) {
      left_out.push_back(left_out_of_test(bare, below(folder, name)));
      continue;
    }
    if (const Halves halves = halves_of(list(below(folder, name)).folders); halves.masks.size() == 1)
      masks_of_splits[name] = halves.masks[0];
    Discovery part = find_pictures(below(folder, name), options);
    for (Source& source : part.cases) {
      source.split = split;
      source.id = inside(name, source.id);
      found.cases.push_back(std::move(source));
    }
    for (const std::string& note : part.notes) found.notes.push_back(name + ": " + note);
  }
  if (found.cases.empty()) return found;
  if (!masks_of_splits.empty()) require_one_name(folder, masks_of_splits);
  found.notes.insert(found.notes.end(), left_out.begin(), left_out.end());
  constexpr std::size_t kNamed = 5;
  const std::string more = others.size() > kNamed ? text(" and ", others.size() - kNamed, " more") : "";
  if (others.size() > kNamed) others.resize(kNamed);
  if (!others.empty())
    found.notes.push_back("These folders are no train, val or test and are left alone: " + join(others, ", ") + more +
                          ".");
  return found;
}

}  // namespace

Discovery find_folders_of_cases(const std::string& folder, const std::vector<std::string>& folders,
                                bool skip_unpaired) {
  Discovery found;
  Entries lonely;
  for (const std::string& name : folders) {
    const Halves halves = halves_of(list(below(folder, name)).folders);
    if (halves.images.size() != 1 || halves.masks.size() != 1) return {};
    const Entries images = list(below(below(folder, name), halves.images[0])).files;
    const Entries masks = list(below(below(folder, name), halves.masks[0])).files;
    if (images.size() != 1) return {};
    if (masks.empty() && !skip_unpaired)
      throw Error(ErrorKind::data, images[0].path + ": there is no mask of an object in the folder " + halves.masks[0],
                  "leave out what has no partner");
    if (masks.empty()) {
      lonely.push_back(images[0]);
      continue;
    }
    Source& source = found.cases.emplace_back();
    source.id = name;
    source.images = {images[0].path};
    source.folder_of_masks = true;
    for (const Entry& mask : masks) source.labels.push_back(mask.path);
  }
  if (!lonely.empty() && !found.cases.empty())
    found.notes.push_back(text("Left out: ", lonely.size(), lonely.size() == 1 ? " image" : " images",
                               " without a mask (", some_of(lonely), ")."));
  return found;
}

std::int64_t images_without_masks(const std::string& folder) {
  const Entries files = walk(folder).files;
  Entries images, masks;
  tell_apart(files, images, masks);
  const auto is_below_masks = [](const Entry& file) {
    const std::filesystem::path parts(file.folder);
    return std::any_of(parts.begin(), parts.end(), [](const auto& part) { return is_mask_folder(part.string()); });
  };
  return masks.empty() && std::none_of(files.begin(), files.end(), is_below_masks) ? std::ssize(files) : 0;
}

Discovery find_pictures(const std::string& folder, const DiscoverOptions& options) {
  const Listing top = list(folder);
  const Halves halves = halves_of(top.folders);
  if (halves.images.size() == 1 && halves.masks.size() == 1) {
    Discovery found = pair_folders(below(folder, halves.images[0]), below(folder, halves.masks[0]), options);
    if (!halves.field_of_view.empty())
      found.notes.push_back(text("The folder ", halves.field_of_view, " is left alone: beside ", halves.masks[0],
                                 ", its masks are taken for fields of view."));
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
    const std::string masks = below(folder, halves.masks[0]);
    return pair_listed(top.files, walk(masks).files, folder, masks, options);
  }
  Discovery found;
  if (top.files.empty()) {
    found = find_split_folders(folder, top.folders, options);
    if (found.cases.empty()) found = find_folders_of_cases(folder, top.folders, options.skip_unpaired);
    if (!found.cases.empty()) return found;
  }
  const Listing all = walk(folder);
  if (all.files.empty()) fail_empty(folder, all);
  found = cases_of_folders(all.files, options);
  if (!found.cases.empty()) return found;
  found = pair_files(all.files, folder, options);
  found.notes.push_back("The names of the files in " + folder + " tell images and masks apart.");
  return found;
}

Discovery find_images(const std::string& folder, const DiscoverOptions& options) {
  const Listing all = walk(folder, false);
  if (all.files.empty()) fail_empty(folder, all);
  Discovery found = cases_of_folders(all.files, options);
  if (!found.cases.empty()) return found;
  if (are_channels(all.files, options.channels)) {
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
    found.notes.push_back(text(partners.size(),
                               partners.size() == 1 ? " file is a mask by its name" : " files are masks by their names",
                               " and left alone."));
  return found;
}

}  // namespace voxgrad::data::exchange

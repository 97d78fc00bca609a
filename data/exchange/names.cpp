// The habits of names: which folder holds masks, which mask belongs to which image.
#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <regex>
#include <set>
#include <string_view>

#include "data/exchange/layouts_detail.h"
#include "engine/error.h"

namespace voxgrad::data::exchange {
namespace {

using Words = std::vector<std::string>;

const Words kImageFolders{"image", "images", "img", "imgs", "raw", "x", "input", "inputs", "jpegimages"};
const Words kMaskFolders{"mask",         "masks",  "label",        "labels",      "annotation",   "annotations",
                         "gt",           "seg",    "ground_truth", "groundtruth", "segmentation", "segmentations",
                         "ground-truth", "y",      "target",       "targets",     "labelstr",     "segmentationclass",
                         "labelsts",     "manual", "1st_manual",   "2nd_manual",  "manual1",      "manual2"};
const Words kMaskWords{"mask",        "masks",        "label", "labels",       "lbl",         "seg",
                       "segm",        "segmentation", "gt",    "ground_truth", "groundtruth", "annotation",
                       "annotations", "target",       "ann",   "anno"};
const Words kImageWords{"image",    "images", "img",    "im",  "raw",     "input", "orig",
                        "original", "sat",    "volume", "vol", "imaging", "scan"};

std::string lower(std::string word) {
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

bool one_of(const std::string& name, const Words& words) {
  return std::find(words.begin(), words.end(), lower(name)) != words.end();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool separates(char c) { return c == '_' || c == '-' || c == '.' || c == ' '; }

// What remains of a stem without one of the words at its beginning or its end: "x_mask", "mask-x", "mask7", "mask".
Words without(const std::string& stem, const Words& words) {
  Words rests;
  const std::string small = lower(stem);
  for (const std::string& word : words) {
    if (small == word) rests.emplace_back();
    if (small.size() <= word.size()) continue;
    std::string head = stem.substr(0, stem.size() - word.size()), tail = stem.substr(word.size());
    if (small.ends_with(word) && (separates(head.back()) || is_digit(head.back()))) {
      while (!head.empty() && separates(head.back())) head.pop_back();
      rests.push_back(head);
    }
    if (small.starts_with(word) && (separates(tail.front()) || is_digit(tail.front()))) {
      while (!tail.empty() && separates(tail.front())) tail.erase(0, 1);
      rests.push_back(tail);
    }
  }
  return rests;
}

// Small letters, one kind of separator, numbers without leading zeros.
std::string plain(const std::string& stem) {
  std::string result;
  for (std::size_t i = 0; i < stem.size(); ++i) {
    const bool leading = stem[i] == '0' && (i == 0 || !is_digit(stem[i - 1]));
    if (leading) {
      while (i + 1 < stem.size() && stem[i] == '0' && is_digit(stem[i + 1])) ++i;
    }
    result += separates(stem[i]) ? '_' : stem[i];
  }
  return lower(result);
}

// The names under which a file is looked for, from the strictest comparison (level 0) to the loosest.
std::set<std::string> keys_of(const Entry& file, bool mask, int level) {
  Words stems{file.stem};
  if ((mask && level >= 1) || level >= 2)
    for (const std::string& rest : without(file.stem, mask ? kMaskWords : kImageWords)) stems.push_back(rest);
  std::set<std::string> keys;
  for (const std::string& stem : stems) keys.insert(file.folder + "/" + (level == 3 ? plain(stem) : stem));
  return keys;
}

using ByKey = std::map<std::string, std::set<std::size_t>>;

ByKey index_of(const Entries& files, const std::vector<bool>& done, bool masks, int level) {
  ByKey index;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!done[i])
      for (const std::string& key : keys_of(files[i], masks, level)) index[key].insert(i);
  return index;
}

std::set<std::size_t> found(const ByKey& index, const std::set<std::string>& keys) {
  std::set<std::size_t> result;
  for (const std::string& key : keys)
    if (const auto at = index.find(key); at != index.end()) result.insert(at->second.begin(), at->second.end());
  return result;
}

// The last word of a stem and what stands before it: "patient0_ct" is ("patient0", "ct").
std::pair<std::string, std::string> last_word(const std::string& stem) {
  std::size_t at = stem.size();
  while (at > 0 && !separates(stem[at - 1])) --at;
  if (at < 2) return {"", stem};
  return {stem.substr(0, at - 1), stem.substr(at)};
}

// Pairs patient0_ct with patient0_seg: all images end with one word, and all masks with another. Two numbers are no
// kinds of files: a_1 and a_2 are two slices.
void pair_by_last_word(const Entries& images, std::vector<bool>& image_done, const Entries& masks,
                       std::vector<bool>& mask_done, std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
  std::set<std::string> image_words, mask_words;
  std::map<std::string, std::size_t> by_head;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    if (mask_done[i]) continue;
    const auto [head, word] = last_word(masks[i].stem);
    mask_words.insert(word);
    if (head.empty() || !by_head.emplace(masks[i].folder + "/" + head, i).second) return;
  }
  for (std::size_t i = 0; i < images.size(); ++i)
    if (!image_done[i]) image_words.insert(last_word(images[i].stem).second);
  if (image_words.size() != 1 || mask_words.size() != 1) return;
  if (std::ranges::all_of(*image_words.begin(), is_digit) && std::ranges::all_of(*mask_words.begin(), is_digit)) return;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto mask = by_head.find(images[i].folder + "/" + last_word(images[i].stem).first);
    if (image_done[i] || mask == by_head.end() || mask_done[mask->second]) continue;
    image_done[i] = mask_done[mask->second] = true;
    pairs.emplace_back(i, mask->second);
  }
}

// The images that a mask may be called after, with words more at its end: IMD003 of IMD003_bin_mask. By the words.
std::map<std::string, std::size_t> heads_of(const Entry& mask, const std::map<std::string, std::size_t>& images) {
  std::map<std::string, std::size_t> heads;
  for (std::size_t at = 1; at + 1 < mask.stem.size(); ++at) {
    const auto image = images.find(mask.folder + "/" + mask.stem.substr(0, at));
    if (separates(mask.stem[at]) && image != images.end()) heads.emplace(mask.stem.substr(at), image->second);
  }
  return heads;
}

// The files that are left, by folder and stem; two of one stem are told apart by nothing.
std::map<std::string, std::size_t> by_stem(const Entries& files, const std::vector<bool>& done) {
  std::map<std::string, std::size_t> stems;
  std::set<std::string> twice;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (const std::string stem = files[i].folder + "/" + files[i].stem; !done[i] && !stems.emplace(stem, i).second)
      twice.insert(stem);
  for (const std::string& stem : twice) stems.erase(stem);
  return stems;
}

// Pairs IMD003 with IMD003_lesion: all masks end with the same words, whatever these mean.
void pair_by_ending(const Entries& images, std::vector<bool>& image_done, const Entries& masks,
                    std::vector<bool>& mask_done, std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
  const std::map<std::string, std::size_t> stems = by_stem(images, image_done);
  const std::map<std::string, std::size_t> mask_stems = by_stem(masks, mask_done);
  std::map<std::string, std::vector<std::pair<std::size_t, std::size_t>>> by_words;
  for (const auto& [stem, mask] : mask_stems)
    for (const auto& [words, image] : heads_of(masks[mask], stems)) by_words[words].emplace_back(image, mask);
  for (std::size_t i = 0; i < masks.size(); ++i)
    if (!mask_done[i])
      std::erase_if(by_words, [&](const auto& found) { return !masks[i].stem.ends_with(found.first); });
  if (by_words.size() != 1) return;
  for (const auto& [image, mask] : by_words.begin()->second) {
    image_done[image] = mask_done[mask] = true;
    pairs.emplace_back(image, mask);
  }
}

[[noreturn]] void fail_ambiguous(const Entry& one, const char* what, const Entries& files,
                                 const std::set<std::size_t>& fitting) {
  Entries several;
  for (const std::size_t i : fitting) several.push_back(files[i]);
  throw Error(ErrorKind::data, text(one.path, ": ", several.size(), " ", what, " fit: ", some_of(several)),
              "leave only those in the folder that belong together");
}

}  // namespace

void require_one_ending(const Entries& images, const Entries& masks) {
  const std::map<std::string, std::size_t> stems = by_stem(images, std::vector<bool>(images.size()));
  std::map<std::size_t, std::map<std::string, Entry>> of_image;  // by the words
  for (const Entry& mask : masks)
    for (const auto& [words, image] : heads_of(mask, stems)) of_image[image].emplace(words, mask);
  for (const auto& [image, found] : of_image) {
    if (found.size() < 2) continue;
    Entries several;
    for (const auto& [words, mask] : found) several.push_back(mask);
    throw Error(ErrorKind::data, text(images[image].path, ": ", several.size(), " masks fit: ", some_of(several)),
                "leave only the masks of one kind there, as those that end with " + found.begin()->first +
                    ", and move the others away");
  }
}

std::string without_field_of_view(std::vector<std::string>& mask_folders) {
  const auto is_manual = [](const std::string& name) { return lower(name).find("manual") != std::string::npos; };
  const auto field = std::ranges::find(mask_folders, "mask", lower);
  if (field == mask_folders.end() || std::ranges::none_of(mask_folders, is_manual)) return "";
  const std::string name = *field;
  mask_folders.erase(field);
  return name;
}

bool is_image_folder(const std::string& name) { return one_of(name, kImageFolders); }
bool is_mask_folder(const std::string& name) { return one_of(name, kMaskFolders); }
bool is_image_word(const std::string& stem) { return one_of(stem, kImageWords); }
bool has_mask_word(const std::string& stem) { return !without(stem, kMaskWords).empty(); }

std::string patient_of(const std::string& stem) {
  static const std::regex kPatient("^(patient[0-9]+)_frame[0-9]+(_slice_[0-9]+)?$");
  std::smatch match;
  return std::regex_match(stem, match, kPatient) ? match[1].str() : "";
}

bool begins_with_split(const std::string& name) {
  const std::string small = lower(name);
  for (const std::string_view word : {"train", "training", "val", "valid", "validation", "test", "testing"})
    if (small.starts_with(word) && (name.size() == word.size() || name[word.size()] != small[word.size()] ||
                                    !std::isalpha(static_cast<unsigned char>(name[word.size()]))))
      return true;
  return false;
}

std::string split_of_folder(const std::string& name) {
  if (one_of(name, {"train", "training", "train_set"})) return "train";
  if (one_of(name, {"val", "valid", "validation", "val_set"})) return "val";
  return one_of(name, {"test", "testing", "test_set"}) ? "test" : "";
}

std::vector<std::pair<std::size_t, std::size_t>> pairs_of(const Entries& images, const Entries& masks) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  std::vector<bool> image_done(images.size()), mask_done(masks.size());
  for (int level = 0; level <= 3; ++level) {
    const ByKey image_index = index_of(images, image_done, false, level);
    const ByKey mask_index = index_of(masks, mask_done, true, level);
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (image_done[i]) continue;
      const std::set<std::size_t> fitting = found(mask_index, keys_of(images[i], false, level));
      if (fitting.empty()) continue;
      if (fitting.size() > 1) fail_ambiguous(images[i], "masks", masks, fitting);
      const std::size_t mask = *fitting.begin();
      const std::set<std::size_t> rivals = found(image_index, keys_of(masks[mask], true, level));
      if (rivals.size() > 1) fail_ambiguous(masks[mask], "images", images, rivals);
      image_done[i] = mask_done[mask] = true;
      pairs.emplace_back(i, mask);
    }
  }
  // Beside pairs, what is left may belong to an image or a mask that is not there.
  if (pairs.empty()) pair_by_ending(images, image_done, masks, mask_done, pairs);
  if (pairs.empty()) pair_by_last_word(images, image_done, masks, mask_done, pairs);
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

}  // namespace voxgrad::data::exchange

namespace voxgrad::data {

NamedGroups groups_in_names(const std::vector<std::string>& names) {
  const auto end_of = [](const std::string& name, std::size_t end, int (*is_part)(int)) {
    while (end > 0 && is_part(static_cast<unsigned char>(name[end - 1])) != 0) --end;
    return end;
  };
  NamedGroups found;
  bool letters = false;
  for (const std::string& name : names) {
    const std::size_t number = end_of(name, name.size(), std::isdigit), word = end_of(name, number, std::isalpha);
    if (number == name.size() || word < 2 || name[word - 1] != '_') return {};
    found.of.push_back(name.substr(0, word - 1));
    if (exchange::begins_with_split(found.of.back())) return {};
    letters = letters || word < number;
  }
  const std::size_t groups = std::set<std::string>(found.of.begin(), found.of.end()).size();
  if (groups < 2 || names.size() < 2 * groups) return {};
  found.pattern = std::string("^(.+)_") + (letters ? "[A-Za-z]*" : "") + "[0-9]+$";
  return found;
}

}  // namespace voxgrad::data

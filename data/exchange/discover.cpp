// Which layout a path has, and what all of them share: short names, groups, sorted cases.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <regex>
#include <set>
#include <string_view>

#include "data/exchange/layouts_detail.h"
#include "data/format.h"
#include "engine/error.h"
#include "engine/io/file_rules.h"
#include "engine/io/json.h"
#include "engine/names.h"

namespace voxgrad::data {
namespace {

using namespace exchange;

constexpr std::size_t kLongestExpression = 200;

void require_there(const std::string& path) {
  std::error_code code;
  if (std::filesystem::exists(h5_place(path).path, code)) return;
  throw Error(ErrorKind::io, "cannot open " + path + ": " + (code ? code.message() : "No such file or directory"));
}

bool all_h5(const Entries& files) {
  return !files.empty() && std::all_of(files.begin(), files.end(), [](const Entry& f) { return f.kind == Kind::hdf5; });
}

// A place of masks is for HDF5 files alone; for others it is a folder, which is not there.
void require_no_place(const DiscoverOptions& options) {
  if (!options.labels || options.mask_folder.empty()) return;
  throw Error(ErrorKind::io, options.mask_folder + ": there is no such folder of masks",
              "a place inside of files, as /label, needs paths that hold HDF5 files alone");
}

// Whether files in sub-folders are cases with their masks: ID/scan.h5, or those of ACDC and BraTS.
bool holds_cases(const Entries& files) {
  if (all_h5(files))
    return std::ranges::any_of(files, [](const Entry& file) { return holds_labelled_image(file.path); });
  Entries images, masks;
  for (const Entry& file : files) (has_mask_word(file.stem) ? masks : images).push_back(file);
  if (images.empty() || masks.empty()) return false;
  DiscoverOptions most;
  most.skip_unpaired = true;
  return !pairs_of(images, masks).empty() || !cases_of_folders(files, most).cases.empty();
}

// Whether a folder holds images with their masks, so that one beside it holds more of them.
bool is_complete(const std::string& folder) {
  if (is_task(folder)) return true;
  const Listing top = list(folder);
  const auto has = [&](bool (*habit)(const std::string&)) {
    return std::any_of(top.folders.begin(), top.folders.end(), habit);
  };
  const auto is_complete_part = [&](const std::string& name) {
    return !split_of_folder(name).empty() && is_complete(below(folder, name));
  };
  Entries images, masks;
  for (const Entry& file : top.files) (has_mask_word(file.stem) ? masks : images).push_back(file);
  if (top.files.empty() && holds_cases(walk(folder).files)) return true;
  return (has(is_image_folder) && has(is_mask_folder)) ||
         std::any_of(top.folders.begin(), top.folders.end(), is_complete_part) || !pairs_of(images, masks).empty() ||
         (top.files.empty() && !find_folders_of_cases(folder, top.folders, true).cases.empty()) ||
         (all_h5(top.files) && std::any_of(top.files.begin(), top.files.end(),
                                           [](const Entry& file) { return holds_labelled_image(file.path); }));
}

// A patient's folder, B_001/B_001_t1.nii.gz and B_001_seg.nii.gz, is no folder of cases.
bool is_one_case(const std::string& folder) {
  return std::ranges::count_if(list(folder).files, [](const Entry& file) { return has_mask_word(file.stem); }) == 1;
}

// Sub-folders that hold images with their masks, where the folder does not: stage1_train of DSB 2018.
std::vector<std::string> complete_below(const std::string& folder) {
  std::vector<std::string> complete;
  for (const std::string& name : list(folder).folders) {
    if (!split_of_folder(name).empty()) return {};  // what is wrong with it has been said
    try {
      if (!is_one_case(below(folder, name)) && is_complete(below(folder, name)))
        complete.push_back(below(folder, name));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data) throw;
    }
  }
  if (complete.size() > 3) complete.resize(3);  // as examples
  return complete;
}

// Reads the folder, or says what else is in it.
Discovery find_pictures_or_explain(const std::string& folder, const DiscoverOptions& options) {
  try {
    return find_pictures(folder, options);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;
    std::vector<std::string> complete;  // what is wrong with one case of many has been said
    if (error.hint().find("leave out what has no partner") == std::string::npos) complete = complete_below(folder);
    std::vector<std::string> unread;
    if (!walk(folder).files.empty()) note_unread(folder, unread);  // else they have been counted
    if (complete.empty() && unread.empty()) throw;
    std::string hint = error.hint();
    if (!complete.empty())
      hint = text("give ", complete.size() == 1 ? "the folder " : "one of the folders ", join(complete, ", "),
                  ", where images have masks", hint.empty() ? "" : "; else ", hint);
    throw Error(ErrorKind::data, error.message(),
                hint + (hint.empty() || unread.empty() ? "" : ". ") + join(unread, " "));
  }
}

// Leaves out files of a test without labels, which are often kept secret, beside others. The note, or "".
std::string leave_out_bare_test(Entries& files, const std::string& folder) {
  const auto lies_in_test = [](const Entry& file) { return split_in(file.folder) == "test"; };
  const auto count = std::ranges::count_if(files, lies_in_test);
  if (count == std::ssize(files) || std::ranges::any_of(files, [&](const Entry& file) {
        return lies_in_test(file) && holds_labelled_image(file.path);
      }))
    return "";
  std::erase_if(files, lies_in_test);
  return count > 0 ? left_out_of_test(count, folder) : "";
}

Discovery discover_folder(const std::string& folder, const DiscoverOptions& options) {
  if (is_task(folder)) {
    require_no_place(options);
    return find_task(folder, options);
  }
  const Listing top = list(folder);
  if (all_h5(top.files) && (options.labels || top.folders.empty())) {
    Discovery found = find_h5(top.files, options);
    if (!top.folders.empty()) found.notes.push_back("The sub-folders of " + folder + " are left alone.");
    return found;
  }
  if (Entries all = options.labels && top.files.empty() ? walk(folder).files : Entries{};
      all_h5(all) && images_without_masks(folder) > 0) {  // ID/scan.h5, each with its label
    // At a place that the caller names, find_h5 says which file has no label.
    const std::string note = options.mask_folder.empty() ? leave_out_bare_test(all, folder) : "";
    Discovery found = find_h5(all, options);
    if (!note.empty()) found.notes.push_back(note);
    for (Source& source : found.cases) source.split = split_in(std::filesystem::path(source.id).parent_path().string());
    return found;
  }
  require_no_place(options);
  return options.labels ? find_pictures_or_explain(folder, options) : find_images(folder, options);
}

Discovery discover_files(const std::vector<std::string>& paths, const DiscoverOptions& options) {
  Entries files;
  for (const std::string& path : paths) {
    const H5Place place = h5_place(path);
    files.push_back(entry_of(place.path));
    files.back().path = path;
  }
  if (all_h5(files)) {
    for (Entry& file : files)  // the folder tells equal names apart
      file.folder = std::filesystem::path(h5_place(file.path).path).parent_path().filename().string();
    return find_h5(files, options);
  }
  require_no_place(options);
  if (options.labels) return pair_files(files, "", options);
  Discovery found;
  for (const Entry& file : files) {  // so it does here
    const std::string parent = std::filesystem::path(file.path).parent_path().filename().string();
    found.cases.push_back({parent.empty() ? file.stem : parent + "/" + file.stem, "", "", {file.path}, {}});
  }
  return found;
}

// Frames of one heart in two splits make a test worthless, too. A layout that knows its patients has said so; names
// alone make groups of all other cases, or of none.
void group_patients(Discovery& found, const DiscoverOptions& options) {
  const auto name_of = [](const Source& source) { return source.id.substr(source.id.rfind('/') + 1); };
  const auto has_none = [](const Source& source) { return source.group.empty(); };
  if (!options.groups.empty() || std::ranges::none_of(found.cases, has_none)) return;
  for (const Source& source : found.cases)
    if (has_none(source) && patient_of(name_of(source)).empty()) return;
  for (Source& source : found.cases)
    if (has_none(source)) source.group = patient_of(name_of(source));
  if (std::ranges::find(found.notes, kNoteOfPatients) == found.notes.end()) found.notes.emplace_back(kNoteOfPatients);
}

// Takes over what another path says. Two descriptions of the classes must be one.
void merge(Discovery& all, Discovery part, const std::string& path) {
  if (!all.cases.empty() && (all.class_names != part.class_names || all.label_map != part.label_map))
    throw Error(ErrorKind::data, path + ": its classes are not those of the paths before",
                "import each into a file of its own");
  all.class_names = std::move(part.class_names);
  all.label_map = std::move(part.label_map);
  if (all.channel_names.empty()) all.channel_names = std::move(part.channel_names);
  all.attributes.merge(part.attributes);
  std::move(part.cases.begin(), part.cases.end(), std::back_inserter(all.cases));
  std::move(part.notes.begin(), part.notes.end(), std::back_inserter(all.notes));
}

// Control characters and what is no UTF-8 would make names that nobody can type or print.
std::string printable_id(const std::string& id) {
  std::string result;
  for (std::string_view rest = id; !rest.empty();) {
    const std::size_t length = character_length(rest);
    const bool odd = length == 0 || rest[0] == '/' || !is_printable(rest.substr(0, length));
    result += odd ? "_" : rest.substr(0, length);
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  if (result.empty() || result == "." || result == "..") result = "case" + result;
  return result;
}

// The name of a file is the id. Where two are equal, the folders are part of all ids: if they were part of some alone,
// one expression would make two groups of a patient.
void name_cases(Discovery& found) {
  const auto last = [](const std::string& id) { return id.substr(id.rfind('/') + 1); };
  std::set<std::string> names;
  for (const Source& source : found.cases) names.insert(printable_id(last(source.id)));
  const bool with_folders = names.size() < found.cases.size();
  std::map<std::string, std::string> owner;
  for (Source& source : found.cases) {
    source.id = printable_id(with_folders ? source.id : last(source.id));
    const auto [at, is_new] = owner.emplace(source.id, source.images[0]);
    if (!is_new)
      throw Error(ErrorKind::data,
                  text(at->second, " and ", source.images[0], " would both be the case \"", source.id, "\""),
                  "rename one of them, or move it away");
  }
  std::sort(found.cases.begin(), found.cases.end(), [](const Source& a, const Source& b) { return a.id < b.id; });
}

void apply_groups(Discovery& found, const std::string& expression) {
  if (expression.size() > kLongestExpression)  // the search is recursive and would exhaust the stack
    throw Error(ErrorKind::usage,
                text("groups: the expression has ", expression.size(), " characters, at most ", kLongestExpression,
                     " are read"),
                "as in ^(.+)_[0-9]+$");
  std::regex regex;
  try {
    regex = std::regex(expression);
  } catch (const std::regex_error&) {
    throw Error(ErrorKind::usage, "groups: \"" + expression + "\" is no regular expression", "as in ^(.+)_[0-9]+$");
  }
  if (regex.mark_count() < 1)
    throw Error(ErrorKind::usage, "groups: \"" + expression + "\" has no part in parentheses, which would be the group",
                "as in ^(.+)_[0-9]+$");
  for (Source& source : found.cases) {
    std::smatch match;
    if (!std::regex_search(source.id, match, regex) || match.length(1) == 0)
      throw Error(ErrorKind::data, text("groups: \"", expression, "\" does not fit the case ", source.id),
                  "the expression must match the name of every case");
    source.group = match[1];
  }
}

// With the groups of some cases alone, those of the others would be spread over the splits.
void require_groups(const std::vector<Source>& cases) {
  const auto has = [](const Source& source) { return !source.group.empty(); };
  const auto with = std::find_if(cases.begin(), cases.end(), has);
  const auto without = std::find_if_not(cases.begin(), cases.end(), has);
  if (with == cases.end() || without == cases.end()) return;
  throw Error(ErrorKind::data,
              text("groups: the case ", with->id, " has the group ", with->group, ", the case ", without->id,
                   " has none; all cases need one, or none may have one"),
              "use the groups '^(patient[0-9]+|.+)' or others that fit all cases, or import each path into a file of "
              "its own");
}

// A dataset keeps the cases of a group in one split. Images alone may be those of a prediction, which has no splits.
void require_one_split(const std::vector<Source>& cases) {
  std::map<std::string, std::string> splits;
  for (const Source& source : cases) {
    if (source.group.empty() || source.split.empty()) continue;
    const std::string& split = splits.emplace(source.group, source.split).first->second;
    if (split != source.split)
      throw Error(ErrorKind::data, text("groups: ", source.group, " is in ", split, " and in ", source.split),
                  "move the cases of one group into one split, or use the groups '^(.+)$' if each case is independent");
  }
}

// Slices of one patient in two splits make a test worthless.
void propose_groups(Discovery& found) {
  std::vector<std::string> names;
  for (const Source& source : found.cases) {
    if (!source.group.empty()) return;
    names.push_back(source.id);
  }
  const NamedGroups named = groups_in_names(names);
  const std::set<std::string> patients(named.of.begin(), named.of.end());
  if (patients.empty()) return;
  found.notes.push_back(text("The names look like those of slices of ", patients.size(), " patients, as ",
                             *patients.begin(), "; use the groups '", named.pattern,
                             "' to keep a patient in one split."));
}

// The ids of several paths begin with the names of their folders, which say splits as those of folders below them do.
// One name for all of them says nothing.
void split_by_paths(std::vector<Source>& cases) {
  const auto split_of = [](const Source& source) {
    const std::size_t end = source.id.find('/');
    return end == std::string::npos ? "" : split_of_folder(source.id.substr(0, end));
  };
  std::set<std::string> splits;
  for (const Source& source : cases) splits.insert(split_of(source));
  for (Source& source : cases)
    if (splits.size() > 1 && source.split.empty()) source.split = split_of(source);
}

// One case for each page of a TIFF, if the caller says that pages are cases.
void split_pages(Discovery& found, const std::string& axes) {
  if (!pages_are_cases(axes)) return;
  std::vector<Source> cases;
  for (const Source& source : found.cases) {
    const H5Place image = h5_place(source.images[0]);
    const std::int64_t pages = source.images.size() > 1 || image.sample >= 0 ? 1 : pages_of(image.path);
    for (const std::string& label : source.labels)
      if (const H5Place place = h5_place(label); pages > 1 && (place.sample >= 0 || pages_of(place.path) != pages))
        throw Error(ErrorKind::data,
                    text(label, ": is the mask of ", image.path, ", which has ", pages, " pages, each an image"),
                    "store the masks as the pages of one TIFF file, one for each page of the image");
    if (pages == 1) cases.push_back(source);
    const std::size_t digits = std::to_string(pages - 1).size();
    for (std::int64_t page = 0; pages > 1 && page < pages; ++page) {
      const std::string number = std::to_string(page);
      Source& one = cases.emplace_back(source);
      one.id += "_" + std::string(digits - number.size(), '0') + number;
      for (std::string& path : one.images) path += "[" + number + "]";
      for (std::string& path : one.labels) path += "[" + number + "]";
    }
  }
  if (cases.size() > found.cases.size()) found.notes.push_back("Every page of a TIFF is a case.");
  found.cases = std::move(cases);
}

}  // namespace

Discovery discover(const std::vector<std::string>& paths, const DiscoverOptions& options) {
  if (paths.empty()) throw Error(ErrorKind::usage, "no files or folders are given");
  for (const std::string& path : paths) require_there(path);
  Discovery found;
  const bool in_h5 = options.mask_folder.starts_with("/") && !is_folder(options.mask_folder);  // a place in the file
  if (options.labels && !options.mask_folder.empty() && !in_h5) {
    require_there(options.mask_folder);
    if (paths.size() != 1 || !is_folder(paths[0]) || !is_folder(options.mask_folder))
      throw Error(ErrorKind::usage, "a folder of masks needs one folder of images");
    found = pair_folders(paths[0], options.mask_folder, options);
  } else if (options.labels && options.mask_folder.empty() && paths.size() == 2 && is_folder(paths[0]) &&
             is_folder(paths[1]) && !is_complete(paths[0])) {
    found = pair_folders(paths[0], paths[1], options);
  } else {
    std::vector<std::string> files;
    for (const std::string& path : paths) {
      if (!is_folder(path)) {
        files.push_back(path);
        continue;
      }
      Discovery part = discover_folder(path, options);
      if (paths.size() > 1)
        for (Source& source : part.cases) source.id = folder_name(path) + "/" + source.id;
      merge(found, std::move(part), path);
    }
    if (!files.empty()) merge(found, discover_files(files, options), files[0]);
    if (paths.size() > 1) split_by_paths(found.cases);
  }
  group_patients(found, options);
  find_objects(found, options);
  for (const std::string& path : paths) note_unread(path, found.notes);
  if (!options.mask_folder.empty() && !in_h5) note_unread(options.mask_folder, found.notes);
  for (const Source& source : found.cases)
    for (const std::string& label : source.labels) require_no_jpeg(label, kind_of_name(label));
  split_pages(found, options.axes);
  name_cases(found);
  if (!options.groups.empty())
    apply_groups(found, options.groups);
  else
    propose_groups(found);
  require_groups(found.cases);
  if (options.labels) require_one_split(found.cases);
  return found;
}

bool is_dataset(const std::string& path) {
  if (!is_file(path)) return false;
  try {
    if (kind_of_file(path) != Kind::hdf5) return false;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;
    return false;  // whoever reads it says what is wrong
  }
  const h5::File file = h5::File::open(path);  // one that HDF5 cannot open is nothing else either
  try {
    const h5::Group root = file.group("/");
    return root.has_attribute("format") && root.string_attribute("format") == kFormatName;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;  // a disk or a lack of memory says nothing about the file
    return false;
  }
}

}  // namespace voxgrad::data

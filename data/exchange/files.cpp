// Lists of files, without what people do not mean.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <system_error>

#include "data/exchange/layouts_detail.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::data::exchange {
namespace fs = std::filesystem;
namespace {

// Kinds of images that people have and that are not read.
constexpr std::string_view kUnread[]{
    ".webp", ".mha",  ".mhd",  ".nrrd", ".nhdr", ".hdr", ".img", ".mgz", ".npy",
    ".npz",  ".dcm",  ".ima",  ".svs",  ".ndpi", ".czi", ".lsm", ".nd2", ".lif",
    ".jp2",  ".heic", ".avif", ".pgm",  ".ppm",  ".exr", ".mat", ".xml"};  // .xml: outlines
constexpr int kDeepest = 32;     // folders inside each other; links can make circles
constexpr int kMostPaths = 100;  // to one folder: links can make more paths than there are folders

bool is_litter(const std::string& name) {
  return name.starts_with(".") || name == "Thumbs.db" || name == "desktop.ini" || name == "__MACOSX";
}

[[noreturn]] void fail_io(const std::string& what, const std::error_code& code) {
  throw Error(ErrorKind::io, what + ": " + code.message());
}

std::string ending_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  std::string ending = dot == std::string::npos ? "" : name.substr(dot);
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending;
}

// `seen` has the true paths of the folders above: a link to one of them is no new folder. `paths` counts how often each
// was visited.
void collect(const std::string& root, const std::string& relative, bool deep, bool masks, std::set<fs::path> seen,
             std::map<fs::path, int>& paths, Listing& result) {
  const std::string folder = relative.empty() ? root : below(root, relative);
  std::error_code code;
  const fs::path truly = fs::canonical(folder, code);
  if (!seen.insert(truly).second) return;
  if (++paths[truly] > kMostPaths)
    throw Error(ErrorKind::data, text(root, ": links lead to ", truly.string(), " on more than ", kMostPaths, " paths"),
                "give a folder that is nearer to the images");
  if (static_cast<int>(seen.size()) > kDeepest)
    throw Error(ErrorKind::data, text(folder, ": lies more than ", kDeepest, " folders deep"),
                "give a folder that is nearer to the images");
  fs::directory_iterator entries(folder, code);
  if (code) fail_io("cannot list the folder " + folder, code);
  std::vector<std::string> folders;
  const auto first = static_cast<std::ptrdiff_t>(result.files.size());  // of this folder; those before are of others
  for (const fs::directory_iterator end; entries != end; entries.increment(code)) {
    const std::string name = entries->path().filename().string(), path = below(folder, name);
    if (is_litter(name)) continue;
    const fs::file_status status = entries->status(code);
    const std::optional<Kind> kind = kind_of_name(name);
    if (fs::is_directory(status))
      folders.push_back(name);
    else if (!kind || name.ends_with(".cache.h5") || (*kind == Kind::hdf5 && is_dataset(path)))  // what is written here
      ++result.others[ending_of(name)];
    else if (!fs::exists(status))
      throw Error(ErrorKind::io, path + " cannot be read: " + (code ? code.message() : "it is a link to nothing"));
    else if (fs::is_regular_file(status))
      result.files.push_back({path, relative, stem_of(name), *kind});
  }
  if (code) fail_io("cannot list the folder " + folder, code);  // an increment that fails ends the loop
  std::set<std::string> stems;
  for (auto file = result.files.begin() + first; file != result.files.end(); ++file) stems.insert(file->stem);
  // What a prediction has written beside its masks: a picture NAME_overlay, and NAME_probabilities or, for each class,
  // NAME_probabilities_1_liver.
  const auto written = [&](const Entry& file) {
    const auto follows_a_mask = [&](std::string_view suffix, bool may_go_on) {
      const std::size_t at = file.stem.rfind(suffix);
      if (at == std::string::npos || !stems.contains(file.stem.substr(0, at))) return false;
      const std::string rest = file.stem.substr(at + suffix.size());
      return rest.empty() || (may_go_on && rest.front() == '_');
    };
    return follows_a_mask("_overlay", false) || follows_a_mask("_probabilities", true);
  };
  result.files.erase(std::remove_if(result.files.begin() + first, result.files.end(), written), result.files.end());
  std::sort(folders.begin(), folders.end());
  if (!deep) {
    result.folders = std::move(folders);
    return;
  }
  for (const std::string& name : folders)
    if (masks || !is_mask_folder(name))
      collect(root, relative.empty() ? name : below(relative, name), deep, masks, seen, paths, result);
}

Listing collect(const std::string& folder, bool deep, bool masks) {
  Listing result;
  std::map<fs::path, int> paths;
  collect(folder, "", deep, masks, {}, paths, result);
  std::sort(result.files.begin(), result.files.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
  return result;
}

}  // namespace

Listing list(const std::string& folder) { return collect(folder, false, true); }
Listing walk(const std::string& folder, bool masks) { return collect(folder, true, masks); }

std::string below(const std::string& folder, const std::string& name) {
  return folder.ends_with("/") ? folder + name : folder + "/" + name;
}

std::string folder_name(const std::string& path) {
  const fs::path full = fs::absolute(path).lexically_normal();
  return (full.has_filename() ? full : full.parent_path()).filename().string();
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Entry entry_of(const std::string& path) {
  const std::optional<Kind> kind = kind_of_name(path);
  if (kind) return {path, "", stem_of(path), *kind};
  return {path, "", fs::path(path).stem().string(), kind_of_file(path)};
}

std::string some_of(const Entries& files, std::size_t named) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(named, files.size()); ++i)
    names.push_back(inside(files[i].folder, fs::path(files[i].path).filename().string()));
  return join(names, ", ") + (files.size() > named ? text(" and ", files.size() - named, " more") : "");
}

void note_unread(const std::string& folder, std::vector<std::string>& notes) {
  std::map<std::string, int> unread;
  std::error_code ignored;  // a folder that cannot be read is an Error where it is listed
  for (fs::recursive_directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored)) {
    const std::string name = entry->path().filename().string(), ending = ending_of(name);
    if (is_litter(name))
      entry.disable_recursion_pending();
    else if (std::ranges::find(kUnread, ending) != std::end(kUnread))
      ++unread[ending];
  }
  for (const auto& [ending, count] : unread)
    notes.push_back(text("Of the kind ", ending, ", which is not read, ", count, count == 1 ? " file is" : " files are",
                         " left alone in ", folder, "."));
}

void fail_empty(const std::string& folder, const Listing& listing) {
  std::vector<std::string> others;
  for (const auto& [ending, count] : listing.others)
    if (others.size() < 5)
      others.push_back(text(count, count == 1 ? " file " : " files ", ending.empty() ? "without an ending" : ending));
  const auto has = [&](std::initializer_list<const char*> endings) {
    return std::ranges::any_of(endings, [&](const char* ending) { return listing.others.contains(ending); });
  };
  std::string hint = std::string(kKindsRead) + "; convert other kinds to one of them";
  if (has({".h5", ".hdf5", ".hdf"})) hint = "name HDF5 files that are datasets one by one, and not their folder";
  if (has({".img"}))  // without a header nothing says how large it is
    hint = "values without a header, as in .img: numpy.fromfile reads them, write them as TIFF or to an HDF5 file";
  if (has({".mhd", ".mha", ".nrrd", ".nhdr", ".hdr", ".mgz"}))
    hint = "convert volumes of MetaImage, NRRD and other kinds to NIfTI, for example with SimpleITK";
  if (has({".dcm", ".ima"})) hint = "dcm2niix turns series of DICOM into NIfTI, which is read";
  if (has({".xml"})) hint += "; outlines in .xml are no masks: draw them into pictures first";
  if (has({".npy", ".npz"})) hint = "store the arrays in HDF5, as data/README.md describes format 1";
  const char* beginning = others.empty() || !others[0].starts_with("1 ") ? ": there are " : ": there is ";
  throw Error(ErrorKind::data, text("no images in ", folder, others.empty() ? "" : beginning + join(others, ", ")),
              hint);
}

}  // namespace voxgrad::data::exchange

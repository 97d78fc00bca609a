// Folders as the Medical Segmentation Decathlon and nnU-Net lay them out: dataset.json, imagesTr, labelsTr.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>

#include "data/attributes.h"
#include "data/exchange/layouts_detail.h"
#include "data/formats/formats_detail.h"
#include "engine/error.h"
#include "engine/io/file_rules.h"
#include "engine/io/json.h"
#include "engine/names.h"

namespace voxgrad::data::exchange {
namespace {

constexpr int kIgnore = 255;  // the class that means "unknown" in a dataset
constexpr std::size_t kMostClasses = 255;
constexpr std::uintmax_t kMostBytes = 64 << 20;  // of a description
constexpr std::size_t kLongestId = 255;          // bytes, as of a file: the search for groups would exhaust the stack

[[noreturn]] void fail_task(const std::string& path, const std::string& problem, const std::string& hint = {}) {
  throw Error(ErrorKind::data, path + ": " + problem, hint);
}

JsonValue read_description(const std::string& path) {
  const std::uint64_t bytes = detail::file_size(path);
  if (bytes > kMostBytes) fail_task(path, text("has ", bytes, " bytes, which is too much for a description"));
  std::string content = detail::read_bytes(path);
  if (content.starts_with("\xEF\xBB\xBF")) content.erase(0, 3);  // editors put it before UTF-8
  try {
    JsonValue json = parse_json(content);
    if (json.object() == nullptr) fail_task(path, "is no JSON object");
    return json;
  } catch (const Error& error) {
    if (error.message().starts_with(path)) throw;
    fail_task(path, error.message(), "mend it, or move it away: the folders imagesTr and labelsTr are enough");
  }
}

std::optional<std::int64_t> whole_number(const std::string& word) {
  if (word.empty() || word.size() > 9 ||
      !std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  return std::stoll(word);
}

// {"0": "background", "1": "x"} of the Decathlon, or {"background": 0, "x": 1} of nnU-Net: names by value.
std::map<int, std::string> names_by_value(const JsonValue& labels, const std::string& path) {
  const JsonValue::Object* object = labels.object();
  if (object == nullptr) fail_task(path, "\"labels\" is no object");
  std::map<int, std::string> names;
  for (const auto& [key, value] : *object) {
    std::optional<std::int64_t> number = value.integer();
    std::string name = key;
    if (value.array() != nullptr)
      fail_task(path, "\"labels\": \"" + key + "\" is a region of several labels; regions that overlap are no classes",
                "describe each value as a class of its own: {\"background\": 0, \"necrosis\": 1, \"oedema\": 2}");
    if (value.string() != nullptr) {
      number = whole_number(key);
      name = *value.string();
      if (!number) {  // {"background": "0"}
        number = whole_number(name);
        name = key;
      }
    }
    if (!number || *number < 0 || *number > kMostMaskValue)
      fail_task(path, text("\"labels\": \"", key, "\" has no whole number 0..", kMostMaskValue, " as its value"),
                "write {\"background\": 0, \"x\": 1} or {\"0\": \"background\", \"1\": \"x\"}");
    if (!names.emplace(static_cast<int>(*number), name).second)
      fail_task(path, text("\"labels\": two names have the value ", *number));
  }
  if (!names.contains(0)) fail_task(path, "\"labels\": no class has the value 0, the background");
  return names;
}

void read_labels(const JsonValue& labels, const std::string& path, Discovery& found) {
  std::set<std::string> seen;
  for (const auto& [value, name] : names_by_value(labels, path)) {
    if (name == "ignore") {
      if (value == 0) fail_task(path, "\"labels\": the value 0 is \"ignore\", but it is the background");
      found.label_map[value] = kIgnore;
      continue;
    }
    found.label_map[value] = static_cast<int>(found.class_names.size());
    if (!name.empty() && !is_printable(name))
      fail_task(path, text("\"labels\": the name of the value ", value, " is no printable UTF-8"),
                "write another name");
    std::string unique = name.empty() ? text("class_", value) : name;
    if (!seen.insert(unique).second) seen.insert(unique += text("_", value));
    found.class_names.push_back(unique);
  }
  if (found.class_names.size() > kMostClasses)
    fail_task(path,
              text("\"labels\": ", found.class_names.size(), " classes, at most ", kMostClasses, " can be stored"));
}

// Where labels are not asked for, those that cannot be read are as if they were not there.
void read_labels_or_none(const JsonValue& json, const std::string& path, bool asked, Discovery& found) {
  Discovery read;
  try {
    read_labels(json, path, read);
  } catch (const Error& error) {
    if (asked || error.kind() != ErrorKind::data) throw;
    return;
  }
  if (asked || read.class_names.size() > 1) found.class_names = read.class_names;
  if (asked) found.label_map = read.label_map;
}

// The texts of {"0": "T1", "1": "T2"}, by number.
std::vector<std::string> numbered(const JsonValue* json, const std::string& path, const char* key) {
  std::map<std::int64_t, std::string> names;
  if (json == nullptr || json->object() == nullptr) return {};
  for (const auto& [number, name] : *json->object()) {
    const auto index = whole_number(number);
    if (!index || name.string() == nullptr) fail_task(path, text("\"", key, "\" is not of the form {\"0\": \"CT\"}"));
    names[*index] = *name.string();
  }
  std::vector<std::string> result;
  for (const auto& [index, name] : names) result.push_back(name);
  return result;
}

void read_attributes(const JsonValue& json, const std::string& path, Discovery& found) {
  found.channel_names = numbered(json.find("modality"), path, "modality");
  if (found.channel_names.empty()) found.channel_names = numbered(json.find("channel_names"), path, "channel_names");
  if (!found.channel_names.empty()) {
    const std::set<std::string> kinds(found.channel_names.begin(), found.channel_names.end());
    found.attributes["modality"] = join({kinds.begin(), kinds.end()}, ", ");
  }
  const std::pair<const char*, const char*> kKeys[]{
      {"licence", "license"}, {"license", "license"}, {"reference", "source"}, {"citation", "citation"}};
  for (const auto& [key, attribute] : kKeys)
    if (const JsonValue* value = json.find(key);
        value != nullptr && value->string() != nullptr && !value->string()->empty())
      found.attributes[attribute] = *value->string();
}

// A path in a description is relative to its folder and stays below it.
std::string resolve(const std::string& folder, const std::string& relative, const std::string& path) {
  const std::filesystem::path part = std::filesystem::path(relative).lexically_normal();
  if (relative.empty() || part.is_absolute() || *part.begin() == "..")
    fail_task(path, "names the file \"" + relative + "\", which is not below its folder",
              "use paths as imagesTr/x.nii.gz");
  return below(folder, part.string());
}

// The files of an image that a description names: itself, or its channels CASE_0000, CASE_0001 beside it; none if it is
// not there.
std::vector<std::string> image_files(const std::string& image) {
  if (is_file(image)) return {image};
  const std::string name = std::filesystem::path(image).filename().string(), stem = stem_of(image);
  const std::string start = image.substr(0, image.size() - name.size()) + stem, ending = name.substr(stem.size());
  std::vector<std::string> channels;
  for (int channel = 0;; ++channel) {
    const std::string number = std::to_string(channel);
    const std::string file =
        start + "_" + std::string(4 - std::min<std::size_t>(4, number.size()), '0') + number + ending;
    if (!is_file(file)) break;
    channels.push_back(file);
  }
  return channels;
}

std::string case_id(const std::string& image) {
  const std::string stem = stem_of(image);
  const auto channel = channel_of(stem);
  return channel && channel->second == 0 ? channel->first : stem;
}

// One text, or a list of them.
std::vector<std::string> texts_of(const JsonValue* json) {
  std::vector<std::string> result;
  if (json == nullptr) return result;
  if (json->string() != nullptr) return {*json->string()};
  if (json->array() != nullptr)
    for (const JsonValue& entry : *json->array())
      if (entry.string() != nullptr) result.push_back(*entry.string());
  return result;
}

// With `skip_unpaired`, a case whose label is not there has none.
Source read_entry(const JsonValue& image, const JsonValue* label, const std::string& folder, const std::string& path,
                  bool skip_unpaired) {
  Source source;
  for (const std::string& file : texts_of(&image)) {
    const std::string whole = resolve(folder, file, path);
    const std::vector<std::string> channels = image_files(whole);
    if (channels.empty()) fail_task(path, "names the image " + whole + ", which is not there");
    source.images.insert(source.images.end(), channels.begin(), channels.end());
  }
  if (source.images.empty()) fail_task(path, "has a case without an image");
  source.id = case_id(source.images[0]);
  for (const std::string& file : texts_of(label)) {
    source.labels.push_back(resolve(folder, file, path));
    if (is_file(source.labels.back())) continue;
    if (!skip_unpaired)
      fail_task(path, "names the label " + source.labels.back() + ", which is not there",
                "leave out what has no partner");
    source.labels.clear();
    break;
  }
  return source;
}

// "training": [{"image": .., "label": ..}] and "test": [".."]. Test images have no labels as a rule, and people do not
// download what they do not need.
void read_list(const JsonValue& list, const char* split, const std::string& folder, const std::string& path,
               const DiscoverOptions& options, Discovery& found) {
  std::vector<std::string> absent;
  for (const JsonValue& entry : *list.array()) {
    const JsonValue* image = entry.string() != nullptr || entry.array() != nullptr ? &entry : entry.find("image");
    if (image == nullptr) fail_task(path, "has a case without \"image\"");
    const JsonValue* label = entry.find("label");
    const std::vector<std::string> files = texts_of(image);
    const auto is_absent = [&](const std::string& file) { return image_files(resolve(folder, file, path)).empty(); };
    if (std::string_view(split) == "test" && label == nullptr && std::ranges::any_of(files, is_absent)) {
      absent.push_back(files[0]);
      continue;
    }
    found.cases.push_back(read_entry(*image, options.labels ? label : nullptr, folder, path, options.skip_unpaired));
    found.cases.back().split = split;
  }
  if (!absent.empty())
    found.notes.push_back(
        text(absent.size(), " test images that ", path, " names are not there and left out, as ", absent[0], "."));
}

// imagesTr with labelsTr, or imagesTs with labelsTs if there is one.
void read_folders(const std::string& folder, const char* part, const char* split, const DiscoverOptions& options,
                  Discovery& found) {
  const std::string images = below(folder, text("images", part)), labels = below(folder, text("labels", part));
  if (!is_folder(images)) return;
  const Listing listing = list(images);
  if (listing.files.empty() && !listing.others.empty() && std::string_view(split) == "train")
    fail_empty(images, listing);
  if (listing.files.empty()) return;
  const bool channels = std::all_of(listing.files.begin(), listing.files.end(),
                                    [](const Entry& file) { return channel_of(file.stem).has_value(); });
  std::vector<Source> sources;
  if (channels) sources = cases_of_channels(listing.files);
  if (!channels)
    for (const Entry& file : listing.files) sources.push_back({file.stem, "", "", {file.path}, {}});
  std::map<std::string, Entries> masks;
  if (options.labels && is_folder(labels))
    for (const Entry& file : list(labels).files) masks[file.stem].push_back(file);
  for (Source& source : sources) {
    const auto mask = masks.find(source.id);
    if (mask != masks.end() && mask->second.size() > 1)
      throw Error(ErrorKind::data,
                  text("case ", source.id, ": ", mask->second.size(), " labels fit: ", some_of(mask->second)));
    if (mask != masks.end()) source.labels = {mask->second[0].path};
    masks.extract(source.id);
    source.split = split;
    found.cases.push_back(std::move(source));
  }
  if (masks.empty()) return;
  const std::string lonely = text(masks.size(), " labels in ", labels, " have no image (", masks.begin()->first, ")");
  if (!options.skip_unpaired) throw Error(ErrorKind::data, lonely, "leave out what has no partner");
  found.notes.push_back("Left out: " + lonely + ".");
}

void read_cases(const JsonValue& json, const std::string& folder, const std::string& path,
                const DiscoverOptions& options, Discovery& found) {
  if (const JsonValue* dataset = json.find("dataset"); dataset != nullptr && dataset->object() != nullptr) {
    for (const auto& [id, entry] : *dataset->object()) {
      if (id.size() > kLongestId)
        fail_task(path, text("\"dataset\": the name of a case has ", id.size(), " bytes"),
                  text("give it at most ", kLongestId));
      if (entry.find("images") == nullptr) fail_task(path, "\"dataset\": case " + id + " has no \"images\"");
      found.cases.push_back(read_entry(*entry.find("images"), options.labels ? entry.find("label") : nullptr, folder,
                                       path, options.skip_unpaired));
      found.cases.back().id = id;
      found.cases.back().split = "train";
    }
    return;
  }
  const JsonValue* training = json.find("training");
  if (training == nullptr || training->array() == nullptr || training->array()->empty()) {
    read_folders(folder, "Tr", "train", options, found);
    read_folders(folder, "Ts", "test", options, found);
    return;
  }
  read_list(*training, "train", folder, path, options, found);
  if (const JsonValue* test = json.find("test"); test != nullptr && test->array() != nullptr)
    read_list(*test, "test", folder, path, options, found);
}

// Cases without a label do not train; without labels of its own the test set has no meaning as a split.
void keep_labelled(const std::string& folder, bool skip_unpaired, Discovery& found) {
  const auto bare = [](const Source& source) { return source.labels.empty(); };
  Entries of_test, others;
  for (const Source& source : found.cases)
    if (bare(source)) {
      if (source.split != "test" && !skip_unpaired)
        throw Error(ErrorKind::data, folder + ": the training case " + source.id + " has no label",
                    "leave out what has no partner");
      (source.split == "test" ? of_test : others).push_back({source.images[0], "", "", Kind::nifti});
    }
  for (const auto& [files, what] : {std::pair{&of_test, "test"}, std::pair{&others, "training"}})
    if (!files->empty())
      found.notes.push_back(
          text(files->size(), " ", what, " images without labels are left out (", some_of(*files), ")."));
  std::erase_if(found.cases, bare);
}

}  // namespace

bool is_task(const std::string& folder) {
  if (is_folder(below(folder, "imagesTr"))) return true;
  const std::string path = below(folder, "dataset.json");
  if (!is_file(path)) return false;
  const JsonValue json = read_description(path);  // others call their files so, too
  return json.find("training") != nullptr || json.find("dataset") != nullptr;
}

Discovery find_task(const std::string& folder, const DiscoverOptions& options) {
  const bool labels = options.labels;
  Discovery found;
  const std::string path = below(folder, "dataset.json");
  if (is_file(path)) {
    const JsonValue json = read_description(path);
    if (json.find("labels") != nullptr) read_labels_or_none(*json.find("labels"), path, labels, found);
    if (labels && found.class_names.size() == 1)
      fail_task(path, "\"labels\": there is no class but the background",
                "name the foreground, or import images alone");
    read_attributes(json, path, found);
    read_cases(json, folder, path, options, found);
    found.notes.push_back("Classes and cases are those that " + path + " describes.");
  } else {
    read_folders(folder, "Tr", "train", options, found);
    read_folders(folder, "Ts", "test", options, found);
    found.notes.push_back("Images are in imagesTr and labels in labelsTr of " + folder + "; there is no dataset.json.");
  }
  if (labels) keep_labelled(folder, options.skip_unpaired, found);
  if (found.cases.empty()) throw Error(ErrorKind::data, folder + " has no " + (labels ? "labelled " : "") + "cases");
  if (std::none_of(found.cases.begin(), found.cases.end(), [](const Source& s) { return s.split == "test"; }))
    for (Source& source : found.cases) source.split.clear();
  return found;
}

}  // namespace voxgrad::data::exchange

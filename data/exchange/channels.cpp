// Images whose channels are files of their own: CASE_0000 and CASE_0001 of nnU-Net, CASE_t1 and CASE_flair of BraTS.
#include <algorithm>
#include <filesystem>
#include <set>

#include "data/exchange/layouts_detail.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::data::exchange {
namespace {

constexpr std::int64_t kMostChannels = 8;  // of a case that is alone; more files are cases with numbers

// The stems of a folder without what all of them begin with, up to a separator: "t1", "flair" of "B_001_t1",
// "B_001_flair". Empty if they have nothing in common.
std::vector<std::string> endings_of(const std::vector<std::string>& stems) {
  std::size_t common = stems[0].size();
  for (const std::string& stem : stems)
    common = std::min<std::size_t>(
        common, static_cast<std::size_t>(
                    std::mismatch(stem.begin(), stem.end(), stems[0].begin(), stems[0].end()).first - stem.begin()));
  const std::size_t separator = common == 0 ? std::string::npos : stems[0].find_last_of("_-.", common - 1);
  std::vector<std::string> endings;
  if (separator == std::string::npos) return endings;
  for (const std::string& stem : stems) endings.push_back(stem.substr(separator + 1));
  return endings;
}

bool is_number(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The channels of a folder that is a case, and its files. The mask may have a name of its own, W39_Segm beside
// BraTS20_355_t1: what the images have in common counts then.
std::pair<std::vector<std::string>, Source> case_of(const std::string& folder, const Entries& members) {
  std::vector<std::string> stems, channels;
  for (const Entry& file : members) stems.push_back(file.stem);
  const std::vector<std::string> endings = endings_of(stems);
  Source source;
  source.id = folder;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const std::string& name = endings.empty() ? stems[i] : endings[i];
    const bool mask = has_mask_word(name);
    if (!mask) channels.push_back(name);
    (mask ? source.labels : source.images).push_back(members[i].path);
  }
  if (endings.empty() && !channels.empty()) channels = endings_of(channels);
  return {channels, source};
}

}  // namespace

std::optional<std::pair<std::string, int>> channel_of(const std::string& stem) {
  constexpr std::size_t kLength = 5;  // "_0000"
  if (stem.size() <= kLength || stem[stem.size() - kLength] != '_') return std::nullopt;
  const std::string digits = stem.substr(stem.size() - kLength + 1);
  if (!is_number(digits)) return std::nullopt;
  return std::pair{stem.substr(0, stem.size() - kLength), std::stoi(digits)};
}

bool are_channels(const Entries& files, std::int64_t wanted) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> cases;  // how many files, and the largest number
  std::set<std::string> begun;                                         // those that have a 0000
  bool volumes = true;
  for (const Entry& file : files) {
    const auto channel = channel_of(file.stem);
    if (!channel) return false;
    auto& [count, last] = cases[file.folder + "/" + channel->first];
    ++count;
    last = std::max<std::int64_t>(last, channel->second);
    if (channel->second == 0) begun.insert(file.folder + "/" + channel->first);
    volumes = volumes && file.kind == Kind::nifti;
  }
  std::int64_t most = 0, largest = 0;
  bool equal = true;
  for (const auto& [name, numbers] : cases) {
    most = std::max(most, numbers.first);
    largest = std::max(largest, numbers.second);
    equal = equal && numbers == cases.begin()->second;
  }
  if (wanted > 1 && most == wanted && largest == wanted - 1)  // a case that lacks one is an Error,
    return !has_channels(files.front().path, wanted);         // unless each file has all of them
  if (wanted == 0 && volumes && cases.size() > 1 && begun.size() == cases.size() && largest < kMostChannels)
    return true;                                                // so it is here
  if (!volumes || !equal || most != largest + 1) return false;  // pictures are numbered for many reasons
  return cases.size() > 1 || most == 1 || (wanted == 0 && most <= kMostChannels);
}

std::vector<Source> cases_of_channels(const Entries& files) {
  std::map<std::string, std::map<int, std::string>> cases;
  std::size_t channels = 0;
  for (const Entry& file : files) {
    const auto channel = channel_of(file.stem);
    if (!channel)
      throw Error(ErrorKind::data, file.path + ": the name does not end with the number of a channel, as _0000",
                  "every image of this layout is called CASE_CHANNEL, the channel with four digits");
    const std::string id = file.folder.empty() ? channel->first : file.folder + "/" + channel->first;
    const auto [at, is_new] = cases[id].emplace(channel->second, file.path);
    if (!is_new)
      throw Error(ErrorKind::data, text(file.path, " and ", at->second, " are the same channel of one case"));
    channels = std::max(channels, static_cast<std::size_t>(channel->second) + 1);
  }
  std::vector<Source> sources;
  for (const auto& [id, of_case] : cases) {
    Source& source = sources.emplace_back();
    source.id = id;
    for (const auto& [channel, path] : of_case) source.images.push_back(path);
    if (source.images.size() != channels)
      throw Error(ErrorKind::data,
                  text("case ", id, " has ", source.images.size(), " channels, others have ", channels),
                  "every case needs the same channels, _0000, _0001 and so on");
  }
  return sources;
}

Discovery cases_of_folders(const Entries& files, const DiscoverOptions& options) {
  std::map<std::string, Entries> folders;
  for (const Entry& file : files) folders[file.folder].push_back(file);
  std::map<std::vector<std::string>, std::vector<Source>> by_channels;
  std::map<std::string, Entries> others;  // folders with other files
  for (const auto& [folder, members] : folders) {
    const std::string name = std::filesystem::path(folder).filename().string();
    if (is_image_folder(name) || !split_of_folder(name).empty()) return {};  // a folder of cases
    if (std::ranges::any_of(members, [](const Entry& file) { return file.kind != Kind::nifti; })) return {};
    const auto [channels, source] = case_of(folder, members);
    if (std::ranges::any_of(channels, is_number)) return {};  // slices, or points of time
    if (folder.empty() || channels.size() < 2 || source.labels.size() > 1 || (options.labels && source.labels.empty()))
      others.emplace(folder, members);
    else
      by_channels[channels].push_back(source);
  }
  if (by_channels.empty()) return {};
  const auto most = std::ranges::max_element(by_channels, {}, [](const auto& found) { return found.second.size(); });
  Discovery found;
  found.channel_names = most->first;
  found.cases = most->second;
  for (const auto& [channels, sources] : by_channels)
    if (channels != most->first)
      for (const Source& source : sources) others.emplace(source.id, folders[source.id]);
  if (!others.empty()) {
    // Where no masks are wanted, images need not be cases of one kind.
    if (!options.labels || found.cases.size() <= others.size()) return {};
    auto [folder, members] = *others.begin();
    for (Entry& file : members) file.folder.clear();  // it is named once
    const std::string named =
        text(others.size(), others.size() == 1 ? " folder" : " folders", ", as ", folder, " with ", some_of(members));
    if (!options.skip_unpaired)
      throw Error(ErrorKind::data,
                  text(found.cases.size(), " folders are cases with a mask and the channels ",
                       join(found.channel_names, ", "), ", but not ", named),
                  "rename its files as those of the others, or leave out what has no partner");
    found.notes.push_back("Left out: " + named + ".");
  }
  if (!options.labels)
    for (Source& source : found.cases) source.labels.clear();
  found.notes.push_back("Every folder is a case with the channels " + join(found.channel_names, ", ") + ".");
  return found;
}

}  // namespace voxgrad::data::exchange

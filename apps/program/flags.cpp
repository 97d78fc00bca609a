#include "apps/program/flags.h"

#include <vector>

#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kLessMemory = "smaller patches, fewer of them at a time or fewer channels need less";

constexpr Phrase kPhrases[]{
    {ErrorKind::usage, "tf32: device", "--tf32: device"},
    {ErrorKind::usage, "fast: device", "--fast: device"},
    {ErrorKind::usage, "use device cpu", "use --device cpu"},
    {ErrorKind::usage, "use device cuda", "use --device cuda"},
    {ErrorKind::usage, "add terms as 0.5*name+0.5*name",
     "add terms as 0.5*name+0.5*name; `voxgrad losses` lists the names"},
    {ErrorKind::usage, "label map ", "--label-map "},
    {ErrorKind::data, "use the label map OLD", "rename values: --label-map OLD"},
    {ErrorKind::data, "use the label map ", "--label-map "},
    {ErrorKind::data, "use the threshold ", "--threshold "},
    {ErrorKind::data, "use the axes ", "--axes "},
    {ErrorKind::data, "say what the pages are: ", "--axes says what the pages are: "},
    {ErrorKind::data, "use the spacing ", "--spacing "},
    {ErrorKind::data, "say how large its voxels are",
     "say how large its voxels are: voxgrad predict --spacing 3x0.8x0.8, or voxgrad import --spacing 3,0.8,0.8"},
    {ErrorKind::data, "give the modality CT", "give --modality CT"},
    {ErrorKind::data, "use the groups ", "use --groups "},
    {ErrorKind::data, "use the option instances", "use --instances"},
    {ErrorKind::data, "give class names", "give --class-names A,B,.."},
    {ErrorKind::data, "leave out what has no partner", "leave out what has no partner with --skip-unpaired"},
    {ErrorKind::data, "name the folder of masks", "name the folder of masks with --masks"},
    {ErrorKind::data, "the place /label for the masks", "--masks /label"},
    {ErrorKind::data, "make a dataset of the file first", "make a dataset of it first: voxgrad import .. -o DATA.h5"},
    {ErrorKind::io, "make a dataset of the folder first", "make a dataset of it first: voxgrad import .. -o DATA.h5"},
    {ErrorKind::usage, "use the option instances", "--instances"},
    {ErrorKind::memory, kLessMemory, nullptr},
};

constexpr const char* kNoFlag = "end other programs, or take a machine with more memory";
std::string hint_of_verb = kNoFlag;

}  // namespace

void choose_memory_hint(const std::function<bool(const char*)>& has_flag) {
  const bool batches = has_flag("--batch");  // `import --patch` makes nothing smaller
  std::vector<std::string> flags;
  for (const char* flag : {"--patch", "--batch", "--base"})
    if (batches && has_flag(flag)) flags.emplace_back(flag);
  for (const char* flag : {"--cases", "--size", "--shape", "--jobs"})
    if (has_flag(flag)) flags.emplace_back(flag);
  hint_of_verb = kNoFlag;
  if (flags.empty()) return;
  const std::string last = flags.back();
  flags.pop_back();
  hint_of_verb = "a smaller " + join(flags, ", ") + (flags.empty() ? "" : " or ") + last + " needs less" +
                 (batches && has_flag("--dry-run") ? "; --dry-run prints the planned peak" : "");
}

const std::string& memory_hint() { return hint_of_verb; }

std::span<const Phrase> phrases() { return kPhrases; }

std::string with_flags(ErrorKind kind, std::string words) {
  for (const Phrase& phrase : kPhrases) {
    if (phrase.kind != kind) continue;
    const std::string general = phrase.general;
    const std::size_t at = words.find(general);
    if (at != std::string::npos)
      words.replace(at, general.size(), phrase.program != nullptr ? phrase.program : memory_hint());
  }
  return words;
}

}  // namespace voxgrad::apps

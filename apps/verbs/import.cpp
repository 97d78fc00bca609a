// `voxgrad import` makes a dataset of folders of pictures, of NIfTI, of the Decathlon and of nnU-Net, and of HDF5 files
// of others; with --weights it makes a model of weights of others (import_weights.h). What it decided goes to stderr,
// one line each; --json describes the result on stdout.
#include <charconv>
#include <filesystem>
#include <sstream>

#include "apps/program/flags.h"
#include "apps/program/signals.h"
#include "apps/program/words.h"
#include "apps/training/config.h"
#include "apps/verbs/import_weights.h"
#include "apps/verbs/verbs.h"
#include "data/exchange/import.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

struct ImportFlags {
  std::vector<std::string> paths;
  std::string out, label_map, class_names, spacing, axes, groups, masks, modality, threshold;
  WeightsImport weights;
  bool instances = false, border = false, unlabelled = false, skip_unpaired = false, dry_run = false, overwrite = false;
};

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

template <class T>
T read_number(const std::string& word, const char* flag, const char* example) {
  T value{};
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (code != std::errc{} || end != word.data() + word.size())
    throw Error(ErrorKind::usage, text(flag, ": cannot read \"", word, "\""), text("as in ", example));
  return value;
}

// Whole numbers of 32 bits and their classes, "0:0,-1:1", or colours and theirs, "#000000:0,#ff0000:1".
std::map<int, int> parse_map(const std::string& list, bool colours) {
  const char* const example = colours ? "#000000:0,#ff0000:1" : "0:0,255:1";
  std::map<int, int> map;
  for (const std::string& pair : split_list(list)) {
    const std::size_t colon = std::min(pair.find(':'), pair.size());
    const char* const end = pair.data() + colon;
    int value = 0;
    const bool good = colours ? pair.starts_with("#") && colon == 7 && pair.size() > 7 && pair[1] != '-' &&
                                    std::from_chars(pair.data() + 1, end, value, 16).ptr == end
                              : colon < pair.size();
    if (!good)
      throw Error(ErrorKind::usage,
                  text("--label-map: cannot read ", colours ? "the colour in " : "", "\"", pair, "\""),
                  text("as in ", example));
    if (!colours) value = read_number<int>(pair.substr(0, colon), "--label-map", example);
    const int target = read_number<int>(pair.substr(colon + 1), "--label-map", example);
    if (target < 0 || target > 255)
      throw Error(ErrorKind::usage, text("--label-map: class ", target, " outside 0..255"));
    if (!map.emplace(value, target).second)
      throw Error(ErrorKind::usage, text("--label-map: ", pair.substr(0, colon), " is in it twice"),
                  "give each value one class");
  }
  return map;
}

data::LabelWishes wishes_of(const ImportFlags& flags) {
  data::LabelWishes wishes;
  wishes.colours = flags.label_map == "colours" || flags.label_map == "colors";
  wishes.map_of_colours = flags.label_map.starts_with("#");
  if (!wishes.colours) wishes.map = parse_map(flags.label_map, wishes.map_of_colours);
  if (!flags.threshold.empty()) wishes.threshold = read_number<int>(flags.threshold, "--threshold", "--threshold 127");
  wishes.instances = flags.instances;
  wishes.border = flags.border;
  wishes.class_names = split_list(flags.class_names);
  return wishes;
}

data::ImportOptions options_of(const ImportFlags& flags) {
  data::ImportOptions options;
  options.discover = {!flags.unlabelled, flags.masks, flags.groups, flags.axes};
  options.discover.skip_unpaired = flags.skip_unpaired;
  options.discover.instances = flags.instances;
  options.labels = wishes_of(flags);
  for (const std::string& word : split_list(flags.spacing))
    options.spacing.push_back(read_number<double>(word, "--spacing", "--spacing 3,0.8,0.8"));
  if (!flags.modality.empty()) options.attributes["modality"] = flags.modality;
  options.dry_run = flags.dry_run;
  return options;
}

Json json_of(const data::ImportReport& report, const ImportFlags& flags) {
  Json map = Json::object(), splits = Json::object(), spacing = Json::array();
  for (const auto& [from, to] : report.source_label_map) map[std::to_string(from)] = to;
  for (const auto& [name, cases] : report.splits) splits[name] = cases;
  for (const double axis : report.spacing) spacing.push_back(number(axis));
  return {{"out", flags.dry_run ? Json() : Json(flags.out)},
          {"cases", report.cases},
          {"groups", report.groups},
          {"dims", report.dims},
          {"channels", report.channels},
          {"type", data::h5::name_of(report.element)},
          {"smallest", std::vector<std::int64_t>(report.smallest.begin(), report.smallest.end())},
          {"largest", std::vector<std::int64_t>(report.largest.begin(), report.largest.end())},
          {"spacing", spacing},
          {"spacing_unit", report.physical ? "mm" : "px"},
          {"labelled", report.labelled},
          {"classes", report.class_names},
          {"label_map", map},
          {"splits", splits},
          {"notes", report.notes}};
}

std::string summary(const data::ImportReport& report) {
  std::string spacing;
  for (const double axis : report.spacing) spacing += (spacing.empty() ? "" : " x ") + significant(axis);
  return text(count_text(report.cases, "case"), ", ", sizes_text(report.smallest),
              report.smallest == report.largest ? "" : " to " + sizes_text(report.largest), ", ",
              count_text(report.channels, "channel"), " of ", data::h5::name_of(report.element), ", spacing ", spacing,
              report.physical ? " mm" : " pixels",
              report.labelled ? "; classes " + join(report.class_names, ", ") : "; no labels");
}

// A file that cannot be written is refused before the work, which may take hours.
void require_writable(const std::string& out, const char* file) {
  if (std::filesystem::is_directory(out))
    throw Error(ErrorKind::usage, "import: " + out + " is a folder", text("-o ", file));
  if (const std::filesystem::path parent = std::filesystem::path(out).parent_path();
      !parent.empty() && !std::filesystem::is_directory(parent))
    throw Error(ErrorKind::io, "import: -o " + out + ": there is no folder " + parent.string(),
                "make the folder first");
}

void import_verb(const ImportFlags& flags, const Common& common) {
  if (flags.out.empty() && !flags.dry_run)
    throw Error(ErrorKind::usage, "import: no output is named", "-o FILE.h5, or --dry-run to see what would be done");
  if (!flags.dry_run) require_writable(flags.out, flags.weights.kind.empty() ? "FILE.h5" : "FILE.safetensors");
  if (!flags.dry_run && !flags.overwrite && std::filesystem::exists(flags.out))
    throw Error(ErrorKind::usage, "import: " + flags.out + " exists already", "--overwrite replaces it");
  if (!flags.weights.kind.empty())
    return import_weights(flags.weights, flags.paths, flags.dry_run ? "" : flags.out, flags.axes, flags.spacing,
                          split_list(flags.class_names), common);
  if (flags.unlabelled) {
    const std::pair<const char*, bool> of_masks[]{{"--masks", !flags.masks.empty()},
                                                  {"--label-map", !flags.label_map.empty()},
                                                  {"--threshold", !flags.threshold.empty()},
                                                  {"--instances", flags.instances},
                                                  {"--border", flags.border},
                                                  {"--skip-unpaired", flags.skip_unpaired}};
    for (const auto& [flag, given] : of_masks)
      if (given)
        throw Error(ErrorKind::usage, text("import: --unlabelled reads no masks, but ", flag, " is about them"),
                    "leave one of them out");
  }
  data::ImportOptions options = options_of(flags);
  Console console = common.console();
  const SignalGuard guard;
  options.progress = [&](std::int64_t done, std::int64_t all) {
    if (pending_signal() != 0) throw Interrupted{pending_signal()};
    const std::int64_t cases = flags.dry_run ? all : all / 2;  // each is read twice
    console.bar(
        static_cast<double>(done) / static_cast<double>(all),
        done <= cases ? text("reading case ", done, "/", cases) : text("writing case ", done - cases, "/", cases));
  };
  const data::ImportReport report = data::import_dataset(flags.paths, flags.out, options);
  for (const std::string& note : report.notes) console.say(with_flags(ErrorKind::data, note));
  console.say(summary(report));
  if (!flags.dry_run) console.say("wrote " + flags.out);
  if (common.json) print_json(json_of(report, flags));
}

}  // namespace

void add_import(Program& program) {
  const auto flags = std::make_shared<ImportFlags>();
  CLI::App& verb = program.verb("import", "make a dataset of your images, or a model of the weights of another program",
                                [flags, &program] { import_verb(*flags, program.common()); });
  verb.add_option("paths", flags->paths,
                  "a folder with images and masks, two folders (images, masks), or files; with --weights one file")
      ->required();
  verb.add_option("-o,--out", flags->out, "dataset or model file to write");
  verb.add_option("--masks", flags->masks, "folder of the masks; of HDF5 files the array, e.g. /volumes/labels/clefts");
  verb.add_option("--label-map", flags->label_map,
                  "what the values mean, value:class, e.g. 0:0,255:1 (class 255: unknown); `colours`: every colour is "
                  "a class; or #000000:0,#ff0000:1");
  verb.add_option("--threshold", flags->threshold, "values of the masks above this are class 1");
  verb.add_flag("--instances", flags->instances, "all values but 0 are objects of class 1");
  verb.add_flag("--border", flags->border, "objects are class 2 where they touch another one");
  verb.add_option("--class-names", flags->class_names, "names of the classes, e.g. background,nucleus");
  verb.add_option("--spacing", flags->spacing,
                  "millimetres per pixel, y,x or z,y,x, for files that do not say; of --weights: what the images were "
                  "resampled to");
  verb.add_option(
      "--axes", flags->axes,
      "axes of TIFF stacks and of HDF5 arrays that do not name them, e.g. ZYX, or NYX: each page is a case; of the "
      "images of --weights: XYZ");
  verb.add_option("--groups", flags->groups,
                  "patient in the name of a case, as (..) of a regular expression: ^(.+)_[0-9]+$");
  verb.add_option("--modality", flags->modality, "e.g. CT or MRI");
  verb.add_flag("--unlabelled", flags->unlabelled, "images alone, masks are not wanted");
  verb.add_flag("--skip-unpaired", flags->skip_unpaired, "leave out images without a mask and masks without an image");
  verb.add_flag("--overwrite", flags->overwrite, "replace the file if it exists");
  verb.add_flag("--dry-run", flags->dry_run, "look at everything, say what would be written, and stop");
  add_weights_flags(verb, flags->weights);
}

}  // namespace voxgrad::apps

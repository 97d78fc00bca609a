// `voxgrad metrics` compares labels, a prediction and the truth, case by case. They are HDF5 files, masks or folders of
// masks. It prints a table of the metrics per class; with --json the metrics of every case.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>

#include "apps/program/signals.h"
#include "apps/program/words.h"
#include "apps/training/evaluation_text.h"
#include "apps/training/plan.h"
#include "apps/verbs/settings.h"
#include "apps/verbs/verbs.h"
#include "data/exchange/masks.h"
#include "data/h5/h5.h"
#include "data/label_file.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr double kTolerated = 1e-3;  // of the size of a volume, as when a dataset is made

struct MetricsOptions {
  std::string prediction, truth, label_map, prediction_map, axes;
  double tau = 0;
};

// Which case of the truth each case of the prediction is, and the names of those that the prediction lacks.
struct Partners {
  std::vector<std::size_t> truth;
  std::vector<std::string> missing;
};

// Cases belong together by name if both files have names, else by number.
Partners find_partners(const data::LabelFile& prediction, const data::LabelFile& truth) {
  Partners result;
  if (!prediction.has_case_ids() || !truth.has_case_ids()) {
    if (prediction.case_ids().size() != truth.case_ids().size())
      throw Error(ErrorKind::data, text(prediction.path(), " has ", prediction.case_ids().size(), " cases, ",
                                        truth.path(), " ", truth.case_ids().size(), ", and they have no names"));
    for (std::size_t i = 0; i < prediction.case_ids().size(); ++i) result.truth.push_back(i);
    return result;
  }
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < truth.case_ids().size(); ++i) known[truth.case_ids()[i]] = i;
  for (const std::string& id : prediction.case_ids()) {
    const auto found = known.find(id);
    if (found == known.end())
      throw Error(
          ErrorKind::data, prediction.path() + ": case \"" + id + "\" is not in " + truth.path(),
          "masks belong together by the names of their files, cases of datasets by their ids: rename the masks, "
          "or compare with a dataset made by `voxgrad import`, whose cases have the names of the images");
    result.truth.push_back(found->second);
  }
  for (const std::string& id : prediction.case_ids()) known.erase(id);
  for (const std::string& id : truth.case_ids())
    if (known.contains(id)) result.missing.push_back(id);
  return result;
}

std::string missing_text(const Partners& partners, const data::LabelFile& prediction, const data::LabelFile& truth) {
  constexpr std::size_t kNamed = 5;
  std::string names;
  for (std::size_t i = 0; i < std::min(kNamed, partners.missing.size()); ++i)
    names += (i > 0 ? ", " : "") + partners.missing[i];
  if (partners.missing.size() > kNamed) names += ", ..";
  return text(partners.missing.size(), " of the ", truth.case_ids().size(), " cases of ", truth.path(), " are not in ",
              prediction.path(), " and not counted: ", names);
}

// Returns the names of the classes, which both files must agree on. If neither has names, there are as many classes as
// the labels of both need.
std::vector<std::string> find_names(const data::LabelFile& prediction, const data::LabelFile& truth) {
  const std::vector<std::string>&s = prediction.class_names(), &g = truth.class_names();
  if (!s.empty() && !g.empty() && s != g)
    throw Error(ErrorKind::data,
                text("the classes differ: ", prediction.path(), " has ", join(s, ", "), "; ", truth.path(), " has ",
                     join(g, ", ")),
                "labels are compared by their numbers, so they must mean the same in both files");
  if (!s.empty() || !g.empty()) return g.empty() ? s : g;
  std::vector<std::string> names;
  for (std::int64_t label = 0; label < std::max(prediction.classes(), truth.classes()); ++label)
    names.push_back(std::to_string(label));
  return names;
}

// The labels of a case in both files, in the same order of axes, and the spacing, in millimetres if it is physical.
struct Pair {
  Tensor prediction, truth;
  std::vector<double> spacing;
  bool physical = false;
};

// Undoes the turn to RAS of read() if the file says how the labels lie. Masks are in the order of the file that the
// case came from; labels of cases are in the order of the arrays beside them.
void undo_turn(const data::Case& place, bool beside_masks, Tensor& labels, std::vector<double>& spacing) {
  if (place.orientation.empty()) return;
  const std::string& source = place.origin.orientation;
  const data::Turn back = data::turn_to_ras(beside_masks && !source.empty() ? source : place.orientation).inverse();
  labels = back(labels);
  if (!spacing.empty()) spacing = back(spacing);
}

// Of each file `masks` says whether it stands for masks that are images of their own.
Pair read_pair(const data::LabelFile& prediction, std::size_t in_prediction, const data::LabelFile& truth,
               std::size_t in_truth, std::pair<bool, bool> masks) {
  Pair pair{prediction.read(in_prediction), truth.read(in_truth), truth.spacing(in_truth), truth.physical()};
  std::vector<double> spacing = prediction.spacing(in_prediction);
  const data::Case s = prediction.place(in_prediction), g = truth.place(in_truth);
  if (s.orientation.empty() != g.orientation.empty()) {  // only one file says how the volume lies
    undo_turn(s, masks.second, pair.prediction, spacing);
    undo_turn(g, masks.first, pair.truth, pair.spacing);
  }
  if (s.affine && g.affine && data::distance_between(*g.affine, *s.affine, pair.truth.shape()) > kTolerated)
    throw Error(
        ErrorKind::data,
        text("case \"", g.id, "\": the volume of ", prediction.path(), " lies elsewhere than that of ", truth.path()),
        "compare masks of one image; one of the files may have a wrong affine");
  if (pair.prediction.shape() != pair.truth.shape())
    throw Error(ErrorKind::data,
                text("case \"", g.id, "\": prediction ", pair.prediction.shape(), " in ", prediction.path(), ", truth ",
                     pair.truth.shape(), " in ", truth.path()),
                "compare masks of one image");
  const auto near = [](double a, double b) { return std::abs(a - b) <= 1e-3 * b; };  // headers round
  if (spacing.empty()) return pair;
  if (pair.spacing.empty() || (prediction.physical() && !pair.physical)) {  // pictures have pixels, and no lengths
    pair.spacing = spacing;
    pair.physical = prediction.physical();
  }
  if (pair.physical == prediction.physical() && !std::equal(spacing.begin(), spacing.end(), pair.spacing.begin(), near))
    throw Error(ErrorKind::data,
                text("case \"", g.id, "\": the spacing in ", prediction.path(), " is ", spacing_text(spacing),
                     ", that in ", truth.path(), " is ", spacing_text(pair.spacing)),
                "compare masks of one image; one of the files may have a wrong spacing");
  return pair;
}

// Whether a file is a dataset or predictions of one; a mask that is HDF5 is no such file.
bool holds_cases(const std::string& path) {
  if (std::filesystem::is_directory(path) || data::kind_of_file(path) != data::Kind::hdf5) return false;
  const data::h5::File file = data::h5::File::open(path);
  return file.exists("/labels") || file.exists("/cases");
}

void end_if_asked() {
  if (const int signal = pending_signal()) throw Interrupted{signal};
}

// The labels at a path as HDF5. Masks that are images of their own are stored in a temporary file.
class Labels {
 public:
  // `id` names the case of a single mask.
  Labels(const std::string& path, const std::string& id, const std::string& axes) : file_(path) {
    namespace fs = std::filesystem;
    if (holds_cases(path)) return;
    std::string folder = (fs::temp_directory_path() / "voxgrad-masks-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) throw Error(ErrorKind::io, "cannot make the folder " + folder);
    folder_ = folder;
    const fs::path given = fs::absolute(path).lexically_normal();  // errors have its name, also that of masks/
    file_ = (fs::path(folder) / (given.has_filename() ? given : given.parent_path()).filename()).string();
    try {
      data::store_masks(path, file_, id, axes, end_if_asked);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~Labels() { remove(); }
  Labels(const Labels&) = delete;
  Labels& operator=(const Labels&) = delete;
  const std::string& file() const { return file_; }
  bool masks() const { return !folder_.empty(); }

 private:
  void remove() const {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  std::string file_, folder_;
};

// Checks all labels of the prediction. The library knows of one label map; that of the prediction is another flag.
void verify(const data::LabelFile& prediction) {
  try {
    prediction.verify();
  } catch (const Error& error) {
    const std::string flag = "use the label map ", hint = error.hint();
    if (!hint.starts_with(flag)) throw;
    throw Error(error.kind(), error.message(), "--prediction-map " + hint.substr(flag.size()));
  }
}

// Returns the map with which the labels of a model's training were read, if a truth whose values are no classes needs
// it: the prediction says it. Else nothing.
std::map<int, int> map_of_model(const std::string& prediction, const std::string& truth) {
  const data::LabelFile found(prediction), given(truth);
  const std::vector<std::int64_t>& values = found.style().values;
  if (values.empty() || !given.style().values.empty()) return {};
  try {
    data::LabelFile(truth, {{}, found.class_names()}).verify();
    return {};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;
  }
  std::map<int, int> map;
  for (std::size_t c = 0; c < values.size(); ++c) map.emplace(static_cast<int>(values[c]), static_cast<int>(c));
  return map;
}

// The label that means "unknown" is no class of a prediction where the truth is known. `where` names file and case.
void require_classes(const Tensor& prediction, const Tensor& truth, int ignored, std::int64_t classes,
                     const std::string& where) {
  std::int64_t voxels = 0;
  int label = -1;
  for (std::int64_t i = 0; i < truth.numel(); ++i) {
    const int found = prediction.data<std::uint8_t>()[i];
    if (found < classes || truth.data<std::uint8_t>()[i] == ignored) continue;
    label = std::max(label, found);
    ++voxels;
  }
  if (voxels > 0)
    throw Error(ErrorKind::data,
                text(where, ": label ", label, " outside 0..", classes - 1, ", ", count_text(voxels, "voxel"),
                     " where the truth is known"),
                text("--prediction-map ", label, ":CLASS with all other values, or correct the mask"));
}

void metrics(const MetricsOptions& options, const Common& common) {
  Console console = common.console();
  std::map<int, int> map = parse_label_map(options.label_map);
  const std::map<int, int> prediction_map = parse_label_map(options.prediction_map, "--prediction-map");
  // Two single masks belong together whatever their names are.
  const bool single = !std::filesystem::is_directory(options.prediction) && !holds_cases(options.prediction) &&
                      !std::filesystem::is_directory(options.truth) && !holds_cases(options.truth);
  const std::string id = single ? data::stem_of(options.prediction) : "";
  const SignalGuard guard;  // or the temporary files would stay
  const Labels found(options.prediction, id, options.axes), given(options.truth, id, options.axes);
  if (map.empty()) map = map_of_model(found.file(), given.file());
  const std::vector<std::string> names =
      find_names(data::LabelFile(found.file(), {prediction_map, {}, options.prediction}),
                 data::LabelFile(given.file(), {map, {}, options.truth}));
  const data::LabelFile prediction(found.file(), {prediction_map, names, options.prediction}),
      truth(given.file(), {map, names, options.truth});
  verify(prediction);
  const Partners partners = find_partners(prediction, truth);
  if (!partners.missing.empty()) console.warn(missing_text(partners, prediction, truth));
  const int ignored = truth.ignore_label() >= 0 ? truth.ignore_label() : 255;
  bool physical = true;
  std::size_t with_spacing = 0;
  std::vector<CaseResult> results;
  for (std::size_t i = 0; i < partners.truth.size(); ++i) {
    end_if_asked();
    const Pair pair = read_pair(prediction, i, truth, partners.truth[i], {found.masks(), given.masks()});
    if (!pair.spacing.empty())
      ++with_spacing;
    else if (i == with_spacing)  // the first one
      console.warn(text("case \"", prediction.case_ids()[i],
                        "\": no `spacing` in either file: distances are in voxels, not in millimetres"));
    physical = physical && pair.physical;
    require_classes(pair.prediction, pair.truth, ignored, std::ssize(names),
                    text(options.prediction, ": case \"", prediction.case_ids()[i], '"'));
    results.push_back(
        compare_labels(prediction.case_ids()[i], pair.prediction, pair.truth,
                       {.classes = std::ssize(names), .ignore = ignored, .spacing = pair.spacing, .tau = options.tau}));
    console.bar(static_cast<double>(i + 1) / static_cast<double>(partners.truth.size()), text("case ", i + 1));
  }
  const std::string unit = with_spacing == 0               ? "voxels"
                           : with_spacing < results.size() ? "mixed units"
                           : physical                      ? "mm"
                                                           : "px";
  if (!common.json) return print_text(table(results, names, unit));
  Json json = to_json(results, names);
  json["unit"] = unit;
  json["missing"] = partners.missing;
  print_json(json);
}

}  // namespace

void add_metrics(Program& program) {
  const auto options = std::make_shared<MetricsOptions>();
  CLI::App& verb = program.verb("metrics", "compare labels with the truth",
                                [options, &program] { metrics(*options, program.common()); });
  verb.add_option("prediction", options->prediction,
                  "HDF5 file of labels, a mask (PNG, TIFF, NIfTI, HDF5) or a folder of masks")
      ->required();
  verb.add_option("truth", options->truth, "the true labels: the same kinds of files, or a dataset")->required();
  verb.add_option("--label-map", options->label_map,
                  "stored label:class pairs of the truth, e.g. 0:0,255:1; the prediction stays as it is");
  verb.add_option("--prediction-map", options->prediction_map, "the same for the prediction");
  verb.add_option("--axes", options->axes,
                  "axes of masks that are TIFF pages or HDF5 arrays and do not name them, e.g. ZYX");
  add_tau(verb, options->tau);
}

}  // namespace voxgrad::apps

// `voxgrad metrics` compares two files of labels, a prediction and the truth, case by case. It prints a table of the
// metrics per class; with --json the metrics of every case.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "apps/training/evaluation_text.h"
#include "apps/verbs/settings.h"
#include "apps/verbs/verbs.h"
#include "data/label_file.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

// Returns for each case of `prediction` the case of `truth` that it is: by name if both have names, else by number.
std::vector<std::size_t> partners(const data::LabelFile& prediction, const data::LabelFile& truth) {
  std::vector<std::size_t> result;
  if (!prediction.has_case_ids() || !truth.has_case_ids()) {
    if (prediction.case_ids().size() != truth.case_ids().size())
      throw Error(ErrorKind::data, text(prediction.path(), " has ", prediction.case_ids().size(), " cases, ",
                                        truth.path(), " ", truth.case_ids().size(), ", and they have no names"));
    for (std::size_t i = 0; i < prediction.case_ids().size(); ++i) result.push_back(i);
    return result;
  }
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < truth.case_ids().size(); ++i) known[truth.case_ids()[i]] = i;
  for (const std::string& id : prediction.case_ids()) {
    const auto found = known.find(id);
    if (found == known.end())
      throw Error(ErrorKind::data, prediction.path() + ": case \"" + id + "\" is not in " + truth.path());
    result.push_back(found->second);
  }
  return result;
}

std::uint8_t largest(const Tensor& labels, int ignore) {
  std::uint8_t most = 0;
  const std::uint8_t* values = labels.data<std::uint8_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    if (values[i] != ignore) most = std::max(most, values[i]);
  return most;
}

// Returns the classes of the truth. If the file has no names, there are as many as the labels of both files need.
std::vector<std::string> class_names(const data::LabelFile& prediction, const data::LabelFile& truth, int ignore) {
  if (!truth.class_names().empty()) return truth.class_names();
  std::uint8_t most = 1;
  for (const data::LabelFile* file : {&prediction, &truth})
    for (std::size_t i = 0; i < file->case_ids().size(); ++i) most = std::max(most, largest(file->read(i), ignore));
  std::vector<std::string> names;
  for (int label = 0; label <= most; ++label) names.push_back(std::to_string(label));
  return names;
}

struct MetricsOptions {
  std::string prediction, truth;
  double tau = 0;
};

// Returns the spacing of the truth, else that of the prediction. If neither file has one, it warns and returns nothing.
class Spacings {
 public:
  Spacings(const data::LabelFile& prediction, const data::LabelFile& truth, Console& console)
      : prediction_(prediction), truth_(truth), console_(console) {}
  std::vector<double> of(std::size_t in_prediction, std::size_t in_truth, int dims) {
    const std::vector<double> s = prediction_.spacing(in_prediction, dims), g = truth_.spacing(in_truth, dims);
    if (s.empty() && g.empty() && !std::exchange(warned_, true))
      console_.warn("no `spacing` in either file: distances are in voxels, not in millimetres");
    const auto near = [](double a, double b) { return std::abs(a - b) <= 1e-3 * b; };  // headers round
    if (!s.empty() && !g.empty() && !std::equal(s.begin(), s.end(), g.begin(), near))
      throw Error(ErrorKind::data, text("case \"", truth_.case_ids()[in_truth], "\": the spacing in ",
                                        prediction_.path(), " is not that in ", truth_.path()));
    return g.empty() ? s : g;
  }

 private:
  const data::LabelFile& prediction_;
  const data::LabelFile& truth_;
  Console& console_;
  bool warned_ = false;
};

void metrics(const MetricsOptions& options, const Common& common) {
  Console console = common.console();
  const data::LabelFile prediction(options.prediction), truth(options.truth);
  const int ignore = truth.ignore_label() >= 0 ? truth.ignore_label() : 255;
  const std::vector<std::size_t> matches = partners(prediction, truth);
  const std::vector<std::string> names = class_names(prediction, truth, ignore);
  Spacings spacings(prediction, truth, console);
  std::vector<CaseResult> results;
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const std::string& id = prediction.case_ids()[i];
    const Tensor s = prediction.read(i), g = truth.read(matches[i]);
    if (s.shape() != g.shape())
      throw Error(ErrorKind::data, text("case \"", id, "\": prediction ", s.shape(), ", truth ", g.shape()));
    results.push_back(compare_labels(id, s, g,
                                     {.classes = std::ssize(names),
                                      .ignore = ignore,
                                      .spacing = spacings.of(i, matches[i], g.dims()),
                                      .tau = options.tau}));
    console.bar(static_cast<double>(i + 1) / static_cast<double>(matches.size()), text("case ", i + 1));
  }
  if (common.json) return print_json(to_json(results, names));
  print_text(table(results, names));
}

}  // namespace

void add_metrics(Program& program) {
  const auto options = std::make_shared<MetricsOptions>();
  CLI::App& verb = program.verb("metrics", "compare two files of labels",
                                [options, &program] { metrics(*options, program.common()); });
  verb.add_option("prediction", options->prediction, "file with /labels or /cases/<id>/label")->required();
  verb.add_option("truth", options->truth, "the same, taken as true; a dataset is one")->required();
  add_tau(verb, options->tau);
}

}  // namespace voxgrad::apps

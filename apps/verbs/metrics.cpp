#include <algorithm>
#include <map>

#include "apps/training/evaluation.h"
#include "apps/training/label_file.h"
#include "apps/verbs/program.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

// Which case of `truth` each case of `prediction` is: by name if both have names, else by number.
std::vector<std::size_t> partners(const LabelFile& prediction, const LabelFile& truth) {
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

// The classes of the truth; of a file without names, as many as its labels and those of the prediction need.
std::vector<std::string> class_names(const LabelFile& prediction, const LabelFile& truth, int ignore) {
  if (!truth.class_names().empty()) return truth.class_names();
  std::uint8_t most = 1;
  for (const LabelFile* file : {&prediction, &truth})
    for (std::size_t i = 0; i < file->case_ids().size(); ++i) most = std::max(most, largest(file->read(i), ignore));
  std::vector<std::string> names;
  for (int label = 0; label <= most; ++label) names.push_back(std::to_string(label));
  return names;
}

void metrics(const std::string& prediction_path, const std::string& truth_path, const Common& common) {
  const LabelFile prediction(prediction_path), truth(truth_path);
  const int ignore = truth.ignore_label() >= 0 ? truth.ignore_label() : 255;
  const std::vector<std::size_t> matches = partners(prediction, truth);
  const std::vector<std::string> names = class_names(prediction, truth, ignore);
  std::vector<CaseResult> results;
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const std::string& id = prediction.case_ids()[i];
    const Tensor s = prediction.read(i), g = truth.read(matches[i]);
    if (s.shape() != g.shape())
      throw Error(ErrorKind::data, text("case \"", id, "\": prediction ", s.shape(), ", truth ", g.shape()));
    results.push_back({id, losses::count_overlap(s, g, static_cast<std::int64_t>(names.size()), ignore)});
  }
  if (common.json) return print_json(to_json(results, names));
  print_text(table(results, names));
}

}  // namespace

void add_metrics(Program& program) {
  const auto files = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App& verb = program.verb("metrics", "compare two files of labels",
                                [files, &program] { metrics(files->first, files->second, program.common()); });
  verb.add_option("prediction", files->first, "file with /labels or /cases/<id>/label")->required();
  verb.add_option("truth", files->second, "the same, taken as true; a dataset is one")->required();
}

}  // namespace voxgrad::apps

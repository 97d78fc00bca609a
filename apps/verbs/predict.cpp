// `voxgrad predict` segments the cases of datasets, with labels or without, and writes the labels that it finds into
// HDF5 files, with --probabilities the class probabilities too. It prints nothing but messages; with --json the names
// of the files.
#include <filesystem>

#include "apps/training/checkpoint.h"
#include "apps/training/plan.h"
#include "apps/verbs/verbs.h"
#include "data/dataset.h"
#include "data/label_file.h"
#include "engine/error.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

struct PredictOptions {
  std::string model, out, split = "all";
  std::vector<std::string> inputs;
  bool probabilities = false;
};

void predict_file(const nn::Model& model, const std::string& input, const std::string& output,
                  const PredictOptions& options, Console& console) {
  const data::Dataset dataset = data::Dataset::open(input);
  const std::vector<std::int64_t> cases = cases_of(dataset, options.split);
  data::PredictionWriter writer(output, dataset, cases, options.probabilities, model.path);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Tensor image = dataset.read(cases[i]).image;
    if (options.probabilities) {
      const nn::Prediction prediction = nn::predict_probabilities(model, image);
      writer.add(i, prediction.labels, prediction.probabilities);
    } else {
      writer.add(i, nn::predict(model, image), {});
    }
    console.bar(static_cast<double>(i + 1) / static_cast<double>(cases.size()),
                text(input, ": case ", i + 1, "/", cases.size()));
  }
  writer.save();
  console.say(text("wrote ", output, ", ", cases.size(), " cases"));
}

void predict(const PredictOptions& options, const Common& common) {
  Console console = common.console();
  const nn::Model model = nn::load_model(model_file(options.model), common.get_device());
  const bool folder = options.inputs.size() > 1 || fs::is_directory(options.out) || options.out.ends_with('/');
  if (folder) fs::create_directories(options.out);
  Json written = Json::array();
  for (const std::string& input : options.inputs) {
    const std::string output = folder ? (fs::path(options.out) / fs::path(input).filename()).string() : options.out;
    if (fs::exists(output) && fs::equivalent(input, output))
      throw Error(ErrorKind::usage, "predict: " + output + " is the input", "choose another file with -o");
    predict_file(model, input, output, options, console);
    written.push_back(output);
  }
  if (common.json) print_json({{"model", model.path}, {"written", written}});
}

}  // namespace

void add_predict(Program& program) {
  const auto options = std::make_shared<PredictOptions>();
  CLI::App& verb = program.verb("predict", "segment cases with a model",
                                [options, &program] { predict(*options, program.common()); });
  verb.add_option("model", options->model, "run directory or checkpoint")->required();
  verb.add_option("input", options->inputs, "dataset files")->required();
  verb.add_option("-o,--out", options->out, "file, or a directory for several inputs")->required();
  verb.add_option("--split", options->split, "all, train, val or test");
  verb.add_flag("--probabilities", options->probabilities, "write the class probabilities too");
}

}  // namespace voxgrad::apps

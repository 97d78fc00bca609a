// `voxgrad predict` segments images: datasets with or without labels, single pictures and volumes, and folders of them.
// Datasets become HDF5 files of labels, images become masks of their own kind and geometry. With --probabilities and
// --overlay there are further files. It prints nothing but messages; with --json the names of the files.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "apps/prediction/jobs.h"
#include "apps/prediction/predictor.h"
#include "apps/program/signals.h"
#include "apps/program/words.h"
#include "apps/report/picture.h"
#include "apps/report/slices.h"
#include "apps/training/checkpoint.h"
#include "apps/training/clean_up_choice.h"
#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "apps/training/suitability.h"
#include "apps/verbs/settings.h"
#include "apps/verbs/verbs.h"
#include "data/attributes.h"
#include "data/formats/image.h"
#include "data/prediction_writer.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/names.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;
using data::ScoresFile;

struct Options {
  std::string model, split = "all";
  std::vector<std::string> inputs;
  std::string spacing;  // of images that do not say theirs
  JobOptions job;
  std::optional<bool> tta;
  bool clean_up = true;
};

class Prediction {
 public:
  Prediction(const Options& options, const Predictor& predictor, Console& console)
      : options_(options), predictor_(predictor), console_(console) {
    for (const nn::Model& model : predictor.models())
      suitabilities_.emplace_back(model.spec, [this](const std::string& words) { warn(words); });
    const nn::TrainingImages& training = predictor.spec().training;
    style_.values = training.class_values;
    if (!training.class_colours.empty())
      style_.colours = data::colours_of(join(training.class_colours, ","), predictor.path());
    scores_ = options.job.logits          ? ScoresFile::logits
              : options.job.probabilities ? ScoresFile::probabilities
                                          : ScoresFile::none;
    if (options.clean_up && !predictor.agrees())
      warn("the models clean up different components, so the mean of them is not cleaned up");
  }

  void dataset(const Job& job);
  void image(const Job& job);
  void finish() {
    for (Suitability& one : suitabilities_) one.finish();
  }
  const Json& written() const { return written_; }
  const Json& warnings() const { return warnings_; }

 private:
  void warn(const std::string& words) {
    if (std::find(warnings_.begin(), warnings_.end(), words) != warnings_.end()) return;  // of another model
    console_.warn(words);
    warnings_.push_back(words);
  }
  data::PredictionHeader header(const std::string& source, bool physical, int ignore) const {
    return {predictor_.spec().class_names, ignore, join(predictor_.paths(), ", "), source, physical, style_, scores_};
  }
  // Returns the labels. An error says which image it was: `name` is its file, or its dataset and its case.
  Tensor segment(const Tensor& image, const data::Case& one, bool physical, const std::string& name,
                 const nn::SlabSink& also) const;
  // A picture is drawn as it was; of a volume there is no second copy, and in grey its normalised values look the same.
  Tensor to_draw(const Tensor& image) const {
    return options_.job.overlay && image.dims() == 3 ? image.clone() : image;
  }
  void draw(const std::string& path, const Tensor& image, const Tensor& labels, const data::Case& one);
  void look_at(const data::Case& one, bool physical) {
    for (Suitability& model : suitabilities_) model.look_at(one, physical);
  }
  void wrote(const std::string& file) { written_.push_back(file); }

  const Options& options_;
  const Predictor& predictor_;
  Console& console_;
  std::vector<Suitability> suitabilities_;  // of each model
  data::MaskStyle style_;
  ScoresFile scores_ = ScoresFile::none;
  Json written_ = Json::array(), warnings_ = Json::array();
  bool told_ = false;  // that --spacing is not taken
};

Tensor Prediction::segment(const Tensor& image, const data::Case& one, bool physical, const std::string& name,
                           const nn::SlabSink& also) const try {
  const bool logits = scores_ == ScoresFile::logits;
  const nn::PredictOptions how{.scores = logits ? nn::Scores::logits : nn::Scores::probabilities,
                               .mirror = options_.tta,
                               .clean_up = options_.clean_up && !logits};
  return predictor_(image, one.spacing, physical, how, also);
} catch (const Error& error) {
  if (error.kind() != ErrorKind::model && error.kind() != ErrorKind::data) throw;
  throw Error(error.kind(), name + ": " + error.message(), error.hint());
}

void Prediction::dataset(const Job& job) {
  // The labels are not looked at, unless the losses are to be evaluated on the file that is written.
  const bool truth = scores_ == ScoresFile::logits;
  const data::Dataset dataset =
      open_dataset(job.input, truth ? label_map_for(job.input, predictor_.first()) : "", truth);
  const data::DatasetInfo& info = dataset.info();
  if (truth) data::require_labels(dataset, "the evaluation of a loss");
  if (info.labelled) require_same_classes(predictor_.first(), info);
  const std::vector<std::int64_t> cases = cases_of(dataset, options_.split);
  const auto same = [&](std::int64_t index) {
    const std::string order = info.orientations.empty() ? "" : nth(info.orientations, index);
    return (order.empty() || order == "RAS") && nth(info.shapes, index) == nth(info.shapes, cases.front()) &&
           nth(info.spacings, index) == nth(info.spacings, cases.front());
  };
  const bool stacked = truth || info.stacked;  // a case with a place and a source keeps them
  if (truth && !std::all_of(cases.begin(), cases.end(), same))
    throw Error(ErrorKind::data,
                "predict: " + job.input + ": its cases differ in size or spacing, or are not stored in the order RAS",
                "logits are written as one array: choose cases that agree, by --split or another file");
  if (options_.job.overlay) fs::create_directories(job.overlay());
  data::PredictionWriter writer(job.output, header(info.path, info.physical, info.ignore_label),
                                stacked ? Shape{std::ssize(cases)} + nth(info.shapes, cases.front()) : Shape());
  std::set<std::string> pictures;  // names of files
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const data::Case one = dataset.read(cases[i]);
    const std::string name = text(job.input, ": case \"", one.id, '"');
    const Tensor image = fit_channels(one.image, predictor_.spec(), name);
    look_at(one, info.physical);
    const Tensor drawn = to_draw(image);
    writer.begin(one, nth(info.shapes, cases[i]));
    const auto put = [&](std::int64_t row, const Tensor& slab) { writer.scores(row, slab); };
    const Tensor labels = segment(image, one, info.physical, name, scores_ == ScoresFile::none ? nn::SlabSink() : put);
    writer.labels(truth ? one.label : labels);
    if (options_.job.overlay) draw(job.overlay() + "/" + file_name(one.id, pictures) + ".png", drawn, labels, one);
    console_.bar(static_cast<double>(i + 1) / static_cast<double>(cases.size()),
                 text(job.input, ": case ", i + 1, "/", cases.size()));
  }
  writer.save();
  wrote(job.output);
  console_.say(text("wrote ", job.output, ", ", count_text(cases.size(), "case")));
}

void Prediction::draw(const std::string& path, const Tensor& image, const Tensor& labels, const data::Case& one) {
  const LabelStyle style = label_style(one, style_.colours, predictor_.spec().net.classes);
  write_text(path, to_png(draw_found(image, labels, predictor_.spec().class_names, style)));
  wrote(path);
}

void Prediction::image(const Job& job) {
  data::SourceImage source = data::read_source_image(*job.source, options_.job.axes, predictor_.spec().net.dims == 3);
  for (const std::string& note : source.image.notes) console_.detail(job.input + ": " + note);
  data::Case one;
  one.id = job.source->id;
  one.image = source.image.values;
  one.spacing = source.image.spacing;
  one.affine = source.image.affine;
  one.origin = source.origin;
  one.orientation = source.origin.orientation;
  std::vector<double> asked;
  if (!options_.spacing.empty()) asked = parse_spacing(options_.spacing, predictor_.spec().net.dims);
  const bool given = !source.image.physical && !asked.empty();
  if (given)
    one.spacing = asked;
  else if (!asked.empty() && spacing_text(one.spacing) != spacing_text(asked) && !std::exchange(told_, true))
    warn(text(job.input, ": its file says that its voxels have ", spacing_text(one.spacing),
              " mm, and that is taken, not --spacing ", options_.spacing, "; correct the file if it is wrong"));
  const bool physical = source.image.physical || given;
  source.image.values = {};
  const Tensor image = fit_channels(one.image, predictor_.spec(), job.input);
  look_at(one, physical);
  const Tensor drawn = to_draw(image);
  one.image = {};

  Tensor labels;
  if (data::kind_of_name(job.output) == data::Kind::hdf5) {
    data::PredictionWriter writer(job.output, header(job.input, physical, -1));
    writer.begin(one, image.shape().without(-1));
    const auto put = [&](std::int64_t row, const Tensor& slab) { writer.scores(row, slab); };
    labels = segment(image, one, physical, job.input, scores_ == ScoresFile::none ? nn::SlabSink() : put);
    writer.labels(labels);
    writer.save();
  } else {
    Tensor all;
    if (options_.job.probabilities) all = empty(image.shape().with(-1, predictor_.spec().net.classes));
    const auto keep = [&](std::int64_t row, const Tensor& slab) {
      const Shape zero = Shape::filled(slab.dims(), 0);
      all.backend().copy_box(slab, zero, all, zero.with(0, row), slab.shape(), false);
    };
    labels = segment(image, one, physical, job.input, all.defined() ? nn::SlabSink(keep) : nn::SlabSink());
    data::write_mask(job.output, labels, one, physical, style_);
    if (all.defined()) {
      data::write_probabilities(job.output, all, one, physical, predictor_.spec().class_names);
      for (const std::string& file : data::probability_files(job.output, predictor_.spec().class_names)) wrote(file);
    }
  }
  wrote(job.output);
  if (options_.job.overlay) draw(job.overlay(), drawn, labels, one);
  console_.detail("wrote " + job.output);
}

// Returns whether a word of the command line names a model and not an image.
bool is_model(const std::string& path) {
  return path.ends_with(".safetensors") || fs::exists(fs::path(path) / "best.safetensors") ||
         fs::exists(fs::path(path) / "last.safetensors");
}

// Returns the files of the models that a word of the command line names: of a run or a checkpoint, or of all runs in a
// folder that has nothing but runs (folds, seeds); none if it names something else.
std::vector<std::string> models_in(const std::string& path) {
  if (is_model(path)) return {model_file(path)};
  std::vector<std::string> files;
  std::set<std::string> rates;  // of compare --tune
  std::error_code unreadable;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, unreadable)) {
    if (!entry.is_directory() || !is_model(entry.path().string())) return {};
    if (!fs::exists(entry.path() / "best.safetensors"))
      throw Error(ErrorKind::data,
                  entry.path().string() + ": has no best.safetensors: its training has not come to a validation",
                  "name the runs that are to be averaged");
    files.push_back(model_file(entry.path().string()));
    if (const std::string name = entry.path().filename().string(); name.starts_with("lr_"))
      rates.insert(name.substr(0, name.find('_', 3)));
  }
  if (rates.size() > 1)
    throw Error(ErrorKind::usage,
                path + ": it has the trainings of every rate that --tune tried: " +
                    join(std::vector<std::string>(rates.begin(), rates.end()), ", "),
                "name the runs that are to be averaged; results.json of the comparison has the paths of those it kept");
  std::sort(files.begin(), files.end());
  return files;
}

void predict(const Options& options, const Common& common) {
  Console console = common.console();
  std::vector<std::string> files = models_in(options.model), inputs;
  if (files.empty() && fs::exists(options.model))
    throw Error(ErrorKind::usage, "predict: " + options.model + " is no run and no model",
                "the model comes first: voxgrad predict RUN IMAGE -o MASK");
  if (files.empty()) files.push_back(options.model);
  for (const std::string& word : options.inputs) {
    const std::vector<std::string> more = models_in(word);
    files.insert(files.end(), more.begin(), more.end());
    if (more.empty()) inputs.push_back(word);
  }
  if (inputs.empty()) throw Error(ErrorKind::usage, "predict: no image given", "voxgrad predict RUN IMAGE -o MASK");
  const Predictor predictor(files, common.get_device());
  if (options.tta.value_or(false)) predictor.require_mirrors();
  JobOptions how = options.job;
  how.class_names = predictor.spec().class_names;
  how.channels = predictor.spec().net.in_channels;
  how.dims = predictor.spec().net.dims;
  how.split = options.split;
  how.note = [&](const std::string& words) { console.say("inputs    " + words); };
  const std::vector<Job> jobs = plan_jobs(inputs, files, how);
  if (!options.spacing.empty()) {
    parse_spacing(options.spacing, how.dims);
    if (std::none_of(jobs.begin(), jobs.end(), [](const Job& job) { return job.source.has_value(); }))
      throw Error(ErrorKind::usage, "predict: --spacing is for images, " + inputs.front() + " is a dataset",
                  "leave --spacing out");
  }
  Prediction prediction(options, predictor, console);
  const std::string cleaned = clean_up_text(options.clean_up && !how.logits ? predictor.clean_up() : nn::CleanUp{},
                                            predictor.spec().class_names);
  const bool mirrored = predictor.mirrors(options.tta);
  if (mirrored) console.say("mirrored  the mean over mirrored images (--no-tta: without)");
  if (cleaned != "none") console.say("clean-up  " + cleaned);
  const SignalGuard guard;
  const data::KeepTiffs keep;  // pages that are cases
  std::size_t done = 0, images = 0;
  std::optional<Error> failure;  // of the first image that cannot be segmented; the others are not held up
  for (const Job& job : jobs) {
    if (const int signal = pending_signal()) throw Interrupted{signal};
    try {
      job.source ? prediction.image(job) : prediction.dataset(job);
      images += job.source ? 1 : 0;
    } catch (const Error& error) {
      // The output of a network is not finite if the values of this one image are too large.
      const bool of_one = error.kind() == ErrorKind::data || error.kind() == ErrorKind::model;
      if (jobs.size() == 1 || !of_one) throw;
      console.warn(error.message());
      if (!failure) failure = error;
    }
    console.bar(static_cast<double>(++done) / static_cast<double>(jobs.size()), text(done, "/", jobs.size()));
  }
  prediction.finish();
  if (images == 1 && jobs.size() == 1)
    console.say("wrote " + jobs.front().output);
  else if (images > 0)
    console.say(
        text("wrote ", count_text(images, "mask"), " to ", fs::path(jobs.front().output).parent_path().string()));
  if (common.json)
    print_json({{"model", predictor.path()},
                {"models", predictor.paths()},
                {"tta", mirrored},
                {"clean_up", cleaned},
                {"written", prediction.written()},
                {"warnings", prediction.warnings()}});
  if (failure)
    throw Error(failure->kind(), "predict: not all inputs were segmented, see above; the first: " + failure->message(),
                failure->hint());
}

}  // namespace

void add_predict(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& verb = program.verb("predict", "segment images with a model",
                                [options, &program] { predict(*options, program.common()); });
  verb.add_option("model", options->model,
                  "run directory, checkpoint or folder of runs; of several models the mean is taken")
      ->required();
  verb.add_option("input", options->inputs,
                  "datasets, images (PNG, JPEG, BMP, GIF, TIFF, NIfTI, HDF5) or folders of images; of HDF5 also "
                  "FILE.h5:/array, or one "
                  "sample of it, FILE.h5:/array[5]")
      ->required();
  verb.add_option("-o,--out", options->job.out, "file, whose ending says its kind, or a folder")->required();
  verb.add_option("--split", options->split, "cases of datasets: all, train, val or test");
  verb.add_option(
      "--axes", options->job.axes,
      "the axes of TIFF pages, and of HDF5 arrays of other programs, if the file does not name them, e.g. ZYX");
  verb.add_option("--spacing", options->spacing,
                  "spacing of images that do not say how large their voxels are: 0.5 or 3x1x1");
  CLI::Option* probabilities =
      verb.add_flag("--probabilities", options->job.probabilities, "write the class probabilities too");
  verb.add_flag("--logits", options->job.logits, "HDF5: write logits and true labels, as `losses eval` reads them")
      ->excludes(probabilities);
  add_tta_flag(verb, options->tta);
  add_clean_up_flag(verb, options->clean_up);
  verb.add_flag("--overlay", options->job.overlay,
                "draw what was found over each image, as a PNG beside the mask (of a dataset: in a folder)");
  verb.add_flag("--overwrite", options->job.overwrite, "replace files that are there already");
}

}  // namespace voxgrad::apps

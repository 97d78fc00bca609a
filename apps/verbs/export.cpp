// `voxgrad export` writes what it is given in a form that other programs read. The labels of an HDF5 file, a prediction
// or a dataset, become one image for each case, with the geometry and the values that the masks of the source have. A
// trained model becomes an ONNX file. It prints nothing but messages; with --json the names of the files.
#include <filesystem>
#include <map>

#include "apps/program/signals.h"
#include "apps/program/words.h"
#include "apps/training/cases.h"
#include "apps/training/checkpoint.h"
#include "apps/verbs/verbs.h"
#include "data/exchange/output.h"
#include "data/label_file.h"
#include "engine/error.h"
#include "nn/exchange/onnx.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;
using data::Kind;

struct ExportOptions {
  std::string file, out, as, label_map;
  bool probabilities = false, normalise = false, overwrite = false;
};

constexpr Kind kKinds[]{Kind::png, Kind::tiff, Kind::nifti, Kind::hdf5};

// The kind that was asked for or else that of the source; volumes from HDF5 files become NIfTI.
Kind kind_for(const ExportOptions& options, const data::Case& place, int dims) {
  if (!options.as.empty()) return kKinds[choice("--as: unknown kind", options.as, {"png", "tiff", "nifti", "h5"})];
  if (!place.origin.path.empty() && place.origin.kind != Kind::hdf5) return data::mask_kind(place.origin.kind);
  return dims == 2 ? Kind::png : Kind::nifti;
}

// A case id as the name of a file: letters of all languages stay.
std::string name_of_case(std::string id) {
  for (char& c : id)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '/' || c == '\\' || c == ':') c = '_';
  return id.empty() || id[0] == '.' ? "case" + id : id;
}

bool names_a_model(const std::string& path) {
  return fs::is_directory(path) || fs::path(path).extension() == ".safetensors";
}

void export_model(const ExportOptions& options, const Common& common) {
  if (!options.as.empty())
    throw Error(ErrorKind::usage, "export: --as is about labels, " + options.file + " is a model", "leave it out");
  if (!options.label_map.empty())
    throw Error(ErrorKind::usage, "export: --label-map is about labels, " + options.file + " is a model",
                "leave it out");
  if (fs::path(options.out).extension() != ".onnx")
    throw Error(ErrorKind::usage, "export: a model becomes an ONNX file, -o names " + options.out, "-o model.onnx");
  if (fs::exists(options.out) && !options.overwrite)
    throw Error(ErrorKind::usage, "export: " + options.out + " exists already",
                "choose another name with -o, or replace it with --overwrite");
  const nn::Model model = nn::load_model(model_file(options.file));
  nn::save_onnx(options.out, model, {.probabilities = options.probabilities, .normalise = options.normalise});
  common.console().say("wrote " + options.out);
  if (common.json) print_json({{"file", model.path}, {"written", Json::array({options.out})}});
}

void export_labels(const ExportOptions& options, const Common& common) {
  if (options.normalise)
    throw Error(ErrorKind::usage, "export: --normalise is about models, " + options.file + " has labels",
                "leave it out, or give a run directory or a .safetensors file");
  Console console = common.console();
  const data::LabelFile file(options.file, {parse_label_map(options.label_map), {}, {}});
  const bool probabilities = options.probabilities;
  if (probabilities && !file.has_probabilities())
    throw Error(ErrorKind::data, options.file + ": there are no probabilities in it",
                "write them with `voxgrad predict --probabilities`");
  const data::MaskStyle& style = file.style();
  std::map<std::string, std::string> writer;  // output -> case
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < file.case_ids().size(); ++i) {
    const std::string& id = file.case_ids()[i];
    const Kind kind = kind_for(options, file.place(i), file.extents(i).dims());
    const data::Case place = file.place(i);
    outputs.push_back((fs::path(options.out) / (name_of_case(id) + data::ending_of(kind))).string());
    std::vector<std::string> files{outputs.back()};
    if (probabilities)
      for (const std::string& name : data::probability_files(outputs.back(), file.class_names())) files.push_back(name);
    for (const std::string& name : files) {
      const auto [other, is_new] = writer.emplace(name, id);
      if (!is_new)
        throw Error(ErrorKind::data,
                    text("export: cases \"", other->second, "\" and \"", id, "\" would both be written to ", name));
      std::error_code ignored;
      if (fs::equivalent(name, place.origin.path, ignored) || fs::equivalent(name, options.file, ignored))
        throw Error(ErrorKind::usage, "export: " + name + " is the source", "choose another folder with -o");
      if (fs::exists(name) && !options.overwrite)
        throw Error(ErrorKind::usage, "export: " + name + " exists already",
                    "choose another folder with -o, or replace its files with --overwrite");
    }
  }
  fs::create_directories(options.out);
  const SignalGuard guard;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (const int signal = pending_signal()) throw Interrupted{signal};
    const data::Case place = file.place(i);
    const bool physical = file.physical() && !file.spacing(i).empty();  // a file may not say how large a voxel is
    try {
      data::write_mask(outputs[i], file.read(i), place, physical, style);
      if (probabilities)
        data::write_probabilities(outputs[i], file.read_probabilities(i), place, physical, file.class_names());
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::argument) throw;  // what the file says of its source does not fit its arrays
      throw Error(ErrorKind::data, text(options.file, ": case \"", place.id, "\": ", error.message()), error.hint());
    }
    console.bar(static_cast<double>(i + 1) / static_cast<double>(outputs.size()),
                text("case ", i + 1, "/", outputs.size()));
  }
  console.say(text("wrote ", count_text(outputs.size(), "mask"), " to ", options.out));
  if (!common.json) return;
  Json written = Json::array();
  for (const auto& [name, id] : writer) written.push_back(name);
  print_json({{"file", options.file}, {"written", written}});
}

}  // namespace

void add_export(Program& program) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App& verb = program.verb("export", "write labels as images, or a model as an ONNX file", [options, &program] {
    (names_a_model(options->file) ? export_model : export_labels)(*options, program.common());
  });
  verb.add_option("file", options->file, "predictions, a dataset with labels, a run directory or a .safetensors file")
      ->required();
  verb.add_option("-o,--out", options->out, "folder for images; for a model the file, e.g. model.onnx")->required();
  verb.add_option("--as", options->as,
                  "png, tiff, nifti or h5; default: the kind of each source, for volumes from HDF5 nifti");
  verb.add_option("--label-map", options->label_map, "stored label:class pairs of the file, e.g. 0:0,255:1");
  verb.add_flag("--probabilities", options->probabilities,
                "write the probabilities too; the output of a model is then probabilities, not logits");
  verb.add_flag("--normalise", options->normalise, "the ONNX file normalises the intensities itself");
  verb.add_flag("--overwrite", options->overwrite, "replace files that are there already");
}

}  // namespace voxgrad::apps

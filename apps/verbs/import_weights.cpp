#include "apps/verbs/import_weights.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "apps/program/outputs.h"
#include "apps/program/words.h"
#include "apps/training/config.h"
#include "engine/error.h"
#include "engine/names.h"
#include "nn/exchange/foreign.h"
#include "nn/inference/model.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kNormalisationForms =
    "case, none, mask, rgb, mean:deviation of each channel, as in 99.4:39.2, or mean:deviation:low:high if values are "
    "clipped before that";

double statistic_in(const std::string& word) {
  double value = 0;
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (code != std::errc{} || end != word.data() + word.size())
    throw Error(ErrorKind::usage, "--normalisation: cannot read \"" + word + "\"", kNormalisationForms);
  return value;
}

// A name, or the mean and deviation of all training images for each channel, "99.4:39.2,0:1", and after them the range
// that values are clipped to first, if they are: "99.4:39.2:-17:201".
nn::Normalisation normalisation_in(const std::string& text) {
  using Preparation = nn::Normalisation::Kind;
  nn::Normalisation result;
  for (const Preparation kind :
       {Preparation::zscore_case, Preparation::none, Preparation::zscore_mask, Preparation::rgb}) {
    result.kind = kind;
    if (text == nn::normalisation_names()[static_cast<std::size_t>(kind)]) return result;
  }
  result.kind = Preparation::zscore_dataset;
  std::istringstream stream(text);
  for (std::string channel; std::getline(stream, channel, ',');) {
    std::vector<double> numbers;
    std::istringstream words(channel);
    for (std::string word; std::getline(words, word, ':');) numbers.push_back(statistic_in(word));
    if (numbers.size() != 2 && numbers.size() != 4)
      throw Error(ErrorKind::usage, "--normalisation: cannot read \"" + channel + "\"", kNormalisationForms);
    result.mean.push_back(numbers[0]);
    result.deviation.push_back(numbers[1]);
    if (numbers.size() == 2) continue;
    result.low.push_back(numbers[2]);
    result.high.push_back(numbers[3]);
  }
  return result;
}

// The patch is the window that slides over large images.
Shape patch_for(const WeightsImport& flags, const nn::UNet& net, std::vector<std::string>& notes) {
  const Extents divisor = net.divisor();
  Shape patch;
  if (!flags.patch.empty()) {
    patch = parse_sizes(flags.patch, divisor.dims, "--patch");
    for (int axis = 0; axis < divisor.dims; ++axis)
      if (patch[axis] % divisor[axis] != 0)
        throw Error(ErrorKind::usage, text("--patch ", flags.patch, ": extent ", patch[axis], " along ",
                                           "zyx"[axis + 3 - divisor.dims], " is no multiple of ", divisor[axis]));
    return patch;
  }
  for (int axis = 0; axis < divisor.dims; ++axis) {
    const std::int64_t most = divisor.dims == 2 ? 256 : 96;
    patch.push_back(std::max<std::int64_t>(4, most / divisor[axis]) * divisor[axis]);
  }
  notes.push_back(text("the patch is taken for ", sizes_text(patch), "; --patch names that of the training, along ",
                       divisor.dims == 2 ? "y, x" : "z, y, x"));
  return patch;
}

std::vector<std::string> names_for(std::vector<std::string> names, std::int64_t classes,
                                   std::vector<std::string>& notes) {
  if (!names.empty()) {
    if (std::ssize(names) != classes)
      throw Error(ErrorKind::usage,
                  text("--class-names: ", names.size(), " names, the network has ", classes, " classes"));
    return names;
  }
  names.push_back("background");
  while (std::ssize(names) < classes) names.push_back(text("class ", names.size()));
  notes.push_back("the classes are called " + join(names, ", ") + "; --class-names gives them other names");
  return names;
}

// Readers of MONAI put x first, as the headers of NIfTI do; those of nnU-Net put the first axis that is stored last.
// voxgrad has x last, after the turn to RAS.
bool takes_x_first(nn::Foreign kind, const std::string& axes) {
  return axes.empty() ? kind != nn::Foreign::nnunet : axes.starts_with("X");
}

// How images were prepared beside the normalisation, and mirrored.
void set_preparation(nn::ModelSpec& spec, nn::Foreign kind, const std::string& spacing,
                     std::vector<std::string>& notes) {
  const int dims = spec.net.dims;
  if (!spacing.empty()) {
    spec.preparation.spacing = parse_spacing(spacing, dims);
    spec.training.spacing_unit = "mm";
  } else {
    notes.push_back(text("images are not resampled; if those of the training were, --spacing says to how many ",
                         "millimetres, along ", dims == 2 ? "y, x" : "z, y, x"));
  }
  if (dims == 3)
    notes.push_back(
        "volumes are turned to RAS before the network sees them; readers of nnU-Net, and of MONAI without "
        "Orientationd, take them as they are stored, so it may have learned another order and other directions");
  if (kind != nn::Foreign::nnunet) return;
  spec.preparation.crop = true;
  notes.push_back("images are cropped to the box of their voxels that are not 0, as nnU-Net does");
  spec.mirror_axes.assign(static_cast<std::size_t>(dims), 1);
  notes.push_back(
      "the training is taken to have mirrored along all axes, as in nnU-Net; predict --tta averages over them");
}

}  // namespace

void import_weights(const WeightsImport& flags, const std::vector<std::string>& paths, const std::string& out,
                    const std::string& axes, const std::string& spacing, std::vector<std::string> class_names,
                    const Common& common) {
  const std::size_t kind = choice("--weights: unknown network", flags.kind, nn::foreign_names());
  if (paths.size() != 1)
    throw Error(ErrorKind::usage, text("import: --weights takes one file, ", paths.size(), " are given"));
  require_output("-o", out, ".safetensors", paths);
  nn::Model model{{}, nullptr, paths[0]};
  std::vector<std::string> notes;
  try {
    const bool reversed = takes_x_first(static_cast<nn::Foreign>(kind), axes);
    const nn::ForeignWeights weights =
        nn::translate(load_tensors(paths[0]).tensors, static_cast<nn::Foreign>(kind), flags.slope, reversed);
    if (!weights.misfits.empty())
      throw Error(ErrorKind::model, "does not fit a U-Net of voxgrad:\n  " + join(weights.misfits, "\n  "));
    notes = weights.notes;
    const std::string order = weights.net.dims == 2 ? "XY" : "XYZ", other = weights.net.dims == 2 ? "YX" : "ZYX";
    if (!axes.empty() && axes != order && axes != other)
      throw Error(ErrorKind::usage,
                  text("--axes ", axes, ": the network takes images with ", weights.net.dims, " axes"),
                  "give " + order + " or " + other);
    if (axes.empty())
      notes.push_back(text("the network took its images as ", reversed ? order : other,
                           ", as the readers there give them; ", "--axes ", reversed ? other : order,
                           " says otherwise"));
    model.spec.net = weights.net;
    set_preparation(model.spec, static_cast<nn::Foreign>(kind), spacing, notes);
    model.spec.normalisation = normalisation_in(flags.normalisation);
    model.spec.normalisation.require_valid(weights.net.in_channels);
    model.net = std::make_unique<nn::UNet>(weights.net, Random(common.seed));
    model.net->load_state(weights.state);
    model.spec.window = patch_for(flags, *model.net, notes);
    model.spec.class_names = names_for(std::move(class_names), weights.net.classes, notes);
    static_cast<void>(nn::parse_spec(nn::to_text(model.spec)));  // checks that all of it fits together
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::model) throw;
    throw Error(ErrorKind::model, paths[0] + ": " + error.message(), error.hint());
  }
  if (flags.normalisation == "case")
    notes.push_back("each image is normalised by its own mean and deviation; --normalisation names another way");
  Console console = common.console();
  for (const std::string& note : notes) console.say(note);
  if (!out.empty()) {
    nn::save_model(out, model);
    console.say("wrote " + out);
  }
  if (common.json)
    print_json(
        {{"out", out.empty() ? Json() : Json(out)}, {"model", Json::parse(nn::to_text(model.spec))}, {"notes", notes}});
}

void add_weights_flags(CLI::App& verb, WeightsImport& flags) {
  CLI::Option* weights = verb.add_option(
      "--weights", flags.kind, "the file has weights of " + join(nn::foreign_names(), ", ") + ", and becomes a model");
  for (const char* other : {"--masks", "--label-map", "--threshold", "--instances", "--border", "--groups",
                            "--modality", "--unlabelled", "--skip-unpaired"})
    weights->excludes(verb.get_option(other));
  verb.add_option("--patch", flags.patch,
                  "of weights: size of a training patch along z, y, x, whatever --axes says, 128 or 64x96x96")
      ->needs(weights);
  verb.add_option(
          "--normalisation", flags.normalisation,
          "of weights: how images were normalised. case: by their own mean and deviation; mask: by those of the voxels "
          "that are not 0; rgb: divided by 255; none; mean:deviation of each channel, 99.4:39.2; or "
          "mean:deviation:low:high, clipped first")
      ->needs(weights);
  verb.add_option("--slope", flags.slope,
                  "of weights: factor of the activation below zero, 0 for ReLU; default: that of the network there")
      ->needs(weights);
}

}  // namespace voxgrad::apps

#include "apps/verbs/import_weights.h"

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

double statistic_in(const std::string& word) {
  double value = 0;
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (code != std::errc{} || end != word.data() + word.size())
    throw Error(ErrorKind::usage, "--normalisation: cannot read \"" + word + "\"",
                "case, none, or mean:deviation of each channel, as in 99.4:39.2");
  return value;
}

// "case", "none", or the mean and deviation of all training images for each channel: "99.4:39.2,0:1".
nn::Normalisation normalisation_in(const std::string& text) {
  nn::Normalisation result;
  if (text == "case") return result;
  result.kind = text == "none" ? nn::Normalisation::Kind::none : nn::Normalisation::Kind::zscore_dataset;
  std::istringstream stream(text == "none" ? "" : text);
  for (std::string channel; std::getline(stream, channel, ',');) {
    const std::size_t colon = std::min(channel.find(':'), channel.size());
    result.mean.push_back(statistic_in(channel.substr(0, colon)));
    result.deviation.push_back(statistic_in(channel.substr(std::min(colon + 1, channel.size()))));
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
        throw Error(ErrorKind::usage, text("--patch ", flags.patch, ": extent ", patch[axis], " of axis ", axis,
                                           " is no multiple of ", divisor[axis]));
    return patch;
  }
  for (int axis = 0; axis < divisor.dims; ++axis) {
    const std::int64_t most = divisor.dims == 2 ? 256 : 96;
    patch.push_back(std::max<std::int64_t>(4, most / divisor[axis]) * divisor[axis]);
  }
  notes.push_back("the patch is taken for " + sizes_text(patch) + "; --patch names that of the training");
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

// Readers of MONAI put x first, as the headers of NIfTI do; nnU-Net and voxgrad have it last.
bool takes_x_first(nn::Foreign kind, const std::string& axes) {
  return axes.empty() ? kind != nn::Foreign::nnunet : axes.starts_with("X");
}

}  // namespace

void import_weights(const WeightsImport& flags, const std::vector<std::string>& paths, const std::string& out,
                    const std::string& axes, std::vector<std::string> class_names, const Common& common) {
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
  for (const char* other : {"--masks", "--label-map", "--threshold", "--instances", "--border", "--spacing", "--groups",
                            "--modality", "--unlabelled", "--skip-unpaired"})
    weights->excludes(verb.get_option(other));
  verb.add_option("--patch", flags.patch, "of weights: size of a training patch, 128 or 96x96x64")->needs(weights);
  verb.add_option(
          "--normalisation", flags.normalisation,
          "of weights: how images were prepared. case: by their own mean and deviation; none; or mean:deviation "
          "of each channel, 99.4:39.2")
      ->needs(weights);
  verb.add_option("--slope", flags.slope,
                  "of weights: factor of the activation below zero, 0 for ReLU; default: that of the network there")
      ->needs(weights);
}

}  // namespace voxgrad::apps

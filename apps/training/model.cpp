#include "apps/training/model.h"

#include <algorithm>
#include <filesystem>

#include "apps/training/run_directory.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

// In the order of data::Normalisation::Kind.
const std::vector<std::string> kNormalisations{"case", "dataset", "none"};

// The enumerator with the place of a name in a list.
template <class E>
E value_in(const std::vector<std::string>& names, const std::string& name, const char* what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw Error(ErrorKind::model, text("model: unknown ", what, " \"", name, "\""));
  return static_cast<E>(found - names.begin());
}

}  // namespace

Json to_json(const ModelSpec& spec) {
  const nn::UNetConfig& net = spec.net;
  Json strides = Json::array();
  for (const Extents& stride : net.strides) {
    Json step = Json::array();
    for (int axis = 0; axis < net.dims; ++axis) step.push_back(stride[axis]);
    strides.push_back(step);
  }
  const data::Normalisation& n = spec.normalisation;
  return {
      {"network", "unet"},
      {"dims", net.dims},
      {"in_channels", net.in_channels},
      {"classes", net.classes},
      {"base", net.base},
      {"max_channels", net.max_channels},
      {"depth", net.depth},
      {"norm", nn::name_of(net.norm)},
      {"residual", net.residual},
      {"dropout", net.dropout},
      {"deep_supervision", net.deep_supervision},
      {"strides", strides},
      {"patch", spec.patch},
      {"class_names", spec.class_names},
      {"normalisation",
       {{"kind", kNormalisations[static_cast<std::size_t>(n.kind)]}, {"mean", n.mean}, {"deviation", n.deviation}}}};
}

ModelSpec spec_from_json(const Json& json) try {
  ModelSpec spec;
  nn::UNetConfig& net = spec.net;
  if (json.at("network") != "unet")
    throw Error(ErrorKind::model, "model: unknown network " + json.at("network").dump());
  json.at("dims").get_to(net.dims);
  json.at("in_channels").get_to(net.in_channels);
  json.at("classes").get_to(net.classes);
  json.at("base").get_to(net.base);
  json.at("max_channels").get_to(net.max_channels);
  json.at("depth").get_to(net.depth);
  net.norm = value_in<nn::Norm>(nn::norm_names(), json.at("norm").get<std::string>(), "norm");
  json.at("residual").get_to(net.residual);
  json.at("dropout").get_to(net.dropout);
  json.at("deep_supervision").get_to(net.deep_supervision);
  json.at("patch").get_to(spec.patch);
  json.at("class_names").get_to(spec.class_names);
  const Json& n = json.at("normalisation");
  spec.normalisation.kind =
      value_in<data::Normalisation::Kind>(kNormalisations, n.at("kind").get<std::string>(), "normalisation");
  n.at("mean").get_to(spec.normalisation.mean);
  n.at("deviation").get_to(spec.normalisation.deviation);
  if (net.dims != 2 && net.dims != 3)
    throw Error(ErrorKind::model, text("model: dims ", net.dims, " is neither 2 nor 3"));
  for (const Json& step : json.at("strides")) {
    const auto v = step.get<std::vector<std::int64_t>>();
    if (v.size() != static_cast<std::size_t>(net.dims))
      throw Error(ErrorKind::model, "model: a stride " + step.dump() + " of a network with other dims");
    net.strides.push_back(net.dims == 2 ? Extents{v[0], v[1]} : Extents{v[0], v[1], v[2]});
  }
  if (spec.patch.size() != static_cast<std::size_t>(net.dims) ||
      spec.class_names.size() != static_cast<std::size_t>(net.classes))
    throw Error(ErrorKind::model, "model: patch or class_names do not fit dims and classes");
  return spec;
} catch (const nlohmann::json::exception& error) {
  throw Error(ErrorKind::model, std::string("model: ") + error.what());
}

Json metadata_json(const TensorFile& file, const std::string& key, const std::string& path) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    throw Error(ErrorKind::model, path + ": no `" + key + "` in its metadata",
                "give a checkpoint or a run directory that `voxgrad train` wrote");
  try {
    return Json::parse(found->second);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::model, path + ": metadata `" + key + "`: " + error.what());
  }
}

std::vector<NamedTensor> with_prefix(const TensorFile& file, const std::string& prefix) {
  std::vector<NamedTensor> result;
  for (const NamedTensor& entry : file.tensors)
    if (entry.name.starts_with(prefix)) result.push_back({entry.name.substr(prefix.size()), entry.tensor});
  return result;
}

std::vector<NamedTensor> network_tensors(const TensorFile& file) {
  std::vector<NamedTensor> result;
  for (const NamedTensor& entry : file.tensors)
    if (!entry.name.starts_with("optim.") && !entry.name.starts_with("ema.")) result.push_back(entry);
  return result;
}

Model load_model(const std::string& path, Device device) {
  Model model;
  model.path = path;
  if (fs::is_directory(path)) {
    model.path = path + "/best.safetensors";
    if (!fs::exists(model.path)) model.path = path + "/last.safetensors";
    if (!fs::exists(model.path))
      throw Error(ErrorKind::io, path + ": no best.safetensors and no last.safetensors in it",
                  "give a run directory of `voxgrad train`, or a checkpoint file");
  }
  const TensorFile file = load_tensors(model.path);
  try {
    model.spec = spec_from_json(metadata_json(file, "model", model.path));
    model.net = std::make_unique<nn::UNet>(model.spec.net, Random(0));
    model.net->load_state(network_tensors(file));
  } catch (const Error& error) {
    throw Error(ErrorKind::model, model.path + ": " + error.message(), error.hint());
  }
  model.net->to(device);
  model.net->train(false);
  return model;
}

}  // namespace voxgrad::apps

#include "nn/inference/model.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <tuple>

#include "engine/error.h"
#include "engine/io/file_rules.h"
#include "engine/io/json.h"

namespace voxgrad::nn {
namespace {

constexpr const char* kKey = "model";

// No machine has memory for windows as large as these limits, so a larger one comes from a damaged file.
constexpr std::int64_t kLongestWindow = 65536, kLargestWindow = std::int64_t{1} << 28;

// Checks that network, window and classes fit together. Each field is in its own range already.
void require_consistent(const ModelSpec& spec) {
  const UNetConfig& net = spec.net;
  if (net.classes < 2)
    throw Error(ErrorKind::model, "classes: 1 output channel, a model needs a channel for each class",
                "train with two channels, of which the first one is the background");
  if (std::ssize(spec.class_names) != net.classes)
    throw Error(ErrorKind::model,
                text("class_names: ", spec.class_names.size(), " names for ", net.classes, " classes"));
  if (spec.window.dims() != net.dims)
    throw Error(ErrorKind::model, text("patch: ", spec.window.dims(), " extents for ", net.dims, " axes"));
  if (!net.widths.empty() && std::ssize(net.widths) != net.depth)
    throw Error(ErrorKind::model, text("widths: ", net.widths.size(), " widths for depth ", net.depth));
  if (!net.strides.empty() && std::ssize(net.strides) != net.depth - 1)
    throw Error(ErrorKind::model, text("strides: ", net.strides.size(), " strides for depth ", net.depth));
  if (!net.kernels.empty() && std::ssize(net.kernels) != net.depth)
    throw Error(ErrorKind::model, text("kernels: ", net.kernels.size(), " kernels for depth ", net.depth));
  for (const Extents& kernel : net.kernels)
    for (int axis = 0; axis < net.dims; ++axis)
      if (kernel[axis] != 1 && kernel[axis] != 3)
        throw Error(ErrorKind::model, text("kernels: ", kernel[axis], " along axis ", axis, ", must be 1 or 3"));
  std::int64_t voxels = 1;
  for (int axis = 0; axis < net.dims; ++axis) {
    std::int64_t divisor = 1;
    for (const Extents& stride : net.strides) divisor *= stride[axis];
    const std::int64_t extent = spec.window[axis];
    if (net.strides.empty()) divisor = std::int64_t{1} << (net.depth - 1);
    if (extent % divisor != 0)
      throw Error(ErrorKind::model, text("patch: extent ", extent, " of axis ", axis, " is no multiple of ", divisor,
                                         ", the product of the strides"));
    voxels = std::min(voxels, kLargestWindow + 1) * extent;  // does not overflow
  }
  if (voxels > kLargestWindow) throw Error(ErrorKind::model, text("patch: more than ", kLargestWindow, " voxels"));
  spec.normalisation.require_valid(net.in_channels);
}

// Calls f(key, member, count) for each field; a list has `count` entries or none.
template <class Training, class F>
requires std::is_same_v<std::remove_const_t<Training>, TrainingImages>
void visit_fields(Training& training, const UNetConfig& net, F&& f) {
  f("least_spacing", training.least_spacing, net.dims);
  f("most_spacing", training.most_spacing, net.dims);
  f("spacing_unit", training.spacing_unit, 0);
  f("orientation", training.orientation, 0);
  f("low", training.low, net.in_channels);
  f("high", training.high, net.in_channels);
  f("class_values", training.class_values, net.classes);
  f("class_colours", training.class_colours, net.classes);
}

template <class P, class F>
requires std::is_same_v<std::remove_const_t<P>, Preparation>
void visit_fields(P& preparation, const UNetConfig& net, F&& f) {
  f("crop", preparation.crop);
  f("spacing", preparation.spacing, net.dims);
}

template <class C, class F>
requires std::is_same_v<std::remove_const_t<C>, CleanUp>
void visit_fields(C& clean_up, const UNetConfig& net, F&& f) {
  f("foreground", clean_up.foreground);
  f("classes", clean_up.classes, net.classes);
}

template <class List>
JsonValue list_of(const List& items) {
  JsonValue::Array list;
  for (const auto& item : items) list.emplace_back(item);
  return JsonValue(std::move(list));
}

// ---- writing

class SpecWriter {
 public:
  explicit SpecWriter(int dims) : dims_(dims) {}
  void add(const char* name, JsonValue value) { members_.emplace_back(name, std::move(value)); }
  JsonValue finish() { return JsonValue(std::move(members_)); }

  void operator()(const char* name, bool value) { add(name, JsonValue(value)); }
  void operator()(const char* name, double value) { add(name, JsonValue(value)); }
  void operator()(const char* name, std::int64_t value, const FieldRange&) { add(name, JsonValue(value)); }
  template <class E>
  void operator()(const char* name, const E& value, const std::vector<std::string>& names) {
    add(name, JsonValue(names[static_cast<std::size_t>(value)]));
  }
  void operator()(const char* name, const std::string& value, std::int64_t) { add(name, JsonValue(value)); }
  template <class T>
  void operator()(const char* name, const std::vector<T>& values, std::int64_t) {
    add(name, list_of(values));
  }
  void operator()(const char* name, const std::vector<std::int64_t>& widths) { add(name, list_of(widths)); }
  void operator()(const char* name, const std::vector<Extents>& values) {
    JsonValue::Array list;
    for (const Extents& extents : values) {
      Shape axes;
      for (int axis = 0; axis < dims_; ++axis) axes.push_back(extents[axis]);
      list.push_back(list_of(axes));
    }
    add(name, JsonValue(std::move(list)));
  }

 private:
  int dims_;  // number of spatial axes
  JsonValue::Object members_;
};

// ---- reading

// Reads the members of an object. Every error names the key.
class SpecReader {
 public:
  explicit SpecReader(const JsonValue& object, const std::string& prefix = "") : object_(object), prefix_(prefix) {
    if (object.object() == nullptr) throw Error(ErrorKind::model, prefix_ + "is no object");
  }

  template <class... Parts>
  [[noreturn]] void refuse(const std::string& key, const Parts&... parts) const {
    throw Error(ErrorKind::model, text('"', prefix_, key, "\" ", parts...));
  }
  bool has(const char* key) const { return object_.find(key) != nullptr; }
  const JsonValue& at(const char* key) const {
    const JsonValue* value = object_.find(key);
    if (value == nullptr) refuse(key, "is absent");
    return *value;
  }
  const JsonValue::Array& list(const char* key, const JsonValue& value) const {
    if (value.array() == nullptr) refuse(key, "is no list");
    return *value.array();
  }
  std::string string(const char* key, const JsonValue& value) const {
    if (value.string() == nullptr) refuse(key, "is no text");
    return *value.string();
  }
  std::int64_t whole(const char* key, const JsonValue& value, const FieldRange& range) const {
    const std::optional<std::int64_t> number = value.integer();
    if (!number || *number < range.low || *number > range.high)
      refuse(key, value.number() ? text("is ", *value.number()) : "is no number", ", must be a whole number ",
             range.low, " .. ", range.high);
    return *number;
  }
  double real(const char* key, const JsonValue& value) const {
    if (!value.number()) refuse(key, "is no number");
    return *value.number();
  }
  std::size_t choice(const char* key, const std::vector<std::string>& names) const {
    const std::string name = string(key, at(key));
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) refuse(key, "is unknown: ", json_string(name.substr(0, 40)));
    return static_cast<std::size_t>(found - names.begin());
  }
  template <class List, class F>
  void fill(const char* key, List& out, const F& item) const {
    for (const JsonValue& value : list(key, at(key))) out.push_back(item(value));
  }

  // The fields of a UNetConfig.
  void operator()(const char* key, bool& value) const {
    if (is_later(key)) return;
    const std::optional<bool> flag = at(key).boolean();
    if (!flag) refuse(key, "is neither true nor false");
    value = *flag;
  }
  void operator()(const char* key, double& value) const {
    if (!is_later(key)) value = real(key, at(key));
  }
  template <class T>
  void operator()(const char* key, T& value, const FieldRange& range) const {
    value = static_cast<T>(whole(key, at(key), range));
  }
  template <class E>
  void operator()(const char* key, E& value, const std::vector<std::string>& names) const {
    if (!is_later(key)) value = static_cast<E>(choice(key, names));
  }
  void operator()(const char* key, std::string& value, std::int64_t) const { value = string(key, at(key)); }
  template <class T>
  void operator()(const char* key, std::vector<T>& values, std::int64_t count) const {
    fill(key, values, [&](const JsonValue& x) {
      if constexpr (std::is_same_v<T, std::string>)
        return string(key, x);
      else if constexpr (std::is_same_v<T, std::int64_t>)
        return whole(key, x, {0, 65535});
      else
        return real(key, x);
    });
    if (!values.empty() && std::ssize(values) != count)
      refuse(key, "has ", values.size(), " entries, must have ", count, " or none");
  }
  void operator()(const char* key, std::vector<std::int64_t>& widths) const {
    if (is_later(key)) return;
    fill(key, widths, [&](const JsonValue& x) { return whole(key, x, {1, kMostChannels}); });
  }
  void operator()(const char* key, std::vector<Extents>& values) const {
    if (is_later(key)) return;
    fill(key, values, [&](const JsonValue& entry) {
      Extents extents;
      for (const JsonValue& extent : list(key, entry)) {
        if (extents.dims == 3) refuse(key, "has an entry of more than 3 axes");
        extents[extents.dims++] = whole(key, extent, {1, 6});
      }
      if (extents.dims == 0) refuse(key, "has an entry without axes");
      return extents;
    });
  }

 private:
  // True for a missing key that the first version of the format did not have.
  bool is_later(const std::string& key) const {
    static const std::vector<std::string> kLater{"activation", "upsampling", "transposed", "init",
                                                 "widths",     "slope",      "strided",    "kernels"};
    return !has(key.c_str()) && std::find(kLater.begin(), kLater.end(), key) != kLater.end();
  }

  const JsonValue& object_;
  std::string prefix_;
};

// Lists whose entries have the right type are checked for their meaning. Texts are written into predictions, so they
// are such as a dataset has (data/README.md).
void require_meaning(const ModelSpec& spec, const SpecReader& reader) {
  NameList names;
  for (const std::string& name : spec.class_names)
    if (const std::string problem = names.add(name); !problem.empty())
      reader.refuse("class_names", "is no list of names: name ", problem);
  const TrainingImages& images = spec.training;
  if (!images.spacing_unit.empty() && images.spacing_unit != "mm" && images.spacing_unit != "px")
    reader.refuse("training.spacing_unit", "is ", json_string(images.spacing_unit.substr(0, 20)), ", must be mm or px");
  for (const auto& [key, least, most] :
       {std::tuple{"training.most_spacing", &images.least_spacing, &images.most_spacing},
        std::tuple{"training.high", &images.low, &images.high}})
    if (!std::equal(least->begin(), least->end(), most->begin(), most->end(), std::less_equal{}))
      reader.refuse(key, "must have as many numbers as the lower ends, none below its own");
  const std::string& lies = images.orientation;
  const auto one_of = [&](const char* ends) { return lies.find_first_of(ends) != std::string::npos; };
  if (!lies.empty() && !(lies.size() == 3 && one_of("RL") && one_of("AP") && one_of("SI")))
    reader.refuse("training.orientation", "must be three letters, one each of R or L, A or P, S or I");
  for (const auto& [key, flags] :
       {std::pair{"mirror_axes", &spec.mirror_axes}, std::pair{"clean_up.classes", &spec.clean_up.classes}})
    for (const std::int64_t flag : *flags)
      if (flag > 1) reader.refuse(key, "is ", flag, " in one place, must be 0 or 1");
  const std::set<std::int64_t> values(images.class_values.begin(), images.class_values.end());
  if (values.size() != images.class_values.size())
    reader.refuse("training.class_values", "has a value twice, each class must have one of its own");
  for (const std::string& colour : images.class_colours)
    if (colour.size() != 7 || colour[0] != '#' || colour.find_first_not_of("0123456789abcdefABCDEF", 1) != colour.npos)
      reader.refuse("training.class_colours", "must be colours such as #ff0000");
}

// ---- building

// The network has the weights as f32, so a number that f32 does not hold becomes infinite.
void require_finite(const NamedTensor& entry) {
  if (!is_float(entry.tensor.dtype())) return;
  const Tensor values = entry.tensor.to(DType::f32);
  const float* at = values.data<float>();
  const float* wrong = std::find_if_not(at, at + values.numel(), [](float value) { return std::isfinite(value); });
  if (wrong != at + values.numel())
    throw Error(ErrorKind::model, text('"', entry.name, "\" is ", *wrong, " at element ", wrong - at),
                "the training went wrong after its last good checkpoint: use an earlier one");
}

Model build(const TensorFile& file, const std::string& name, Device device) try {
  const auto described = file.metadata.find(kKey);
  if (described == file.metadata.end())
    throw Error(ErrorKind::model, text("no `", kKey, "` in its metadata"),
                "give the file of a trained model; weights alone do not say which network they belong to");
  Model model{parse_spec(described->second), nullptr, name};
  const std::vector<NamedTensor> tensors = network_tensors(file);
  require_weights(model.spec.net, tensors, false);
  for (const NamedTensor& entry : tensors) require_finite(entry);
  UNetConfig config = model.spec.net;
  config.init = Init::unset;
  model.net = std::make_unique<UNet>(config, Random(0));
  model.net->load_state(tensors);
  if (device != Device::cpu) model.net->to(device);
  model.net->train(false);
  return model;
} catch (const Error& error) {
  if (error.kind() != ErrorKind::model && error.kind() != ErrorKind::usage) throw;
  throw Error(ErrorKind::model, name + ": " + error.message(), error.hint());
}

}  // namespace

void require_weights(const UNetConfig& net, const std::vector<NamedTensor>& tensors, bool encoder_only) {
  std::int64_t there = 0, needed = 0, before = net.in_channels;
  for (const NamedTensor& entry : tensors)
    if (is_float(entry.tensor.dtype())) there += entry.tensor.numel();
  const auto taps = [&](const std::vector<Extents>& windows, int level, std::int64_t usual) {
    std::int64_t product = 1;
    for (int axis = 0; axis < net.dims; ++axis) product *= windows.empty() ? usual : nth(windows, level)[axis];
    return product;
  };
  for (int level = 0; level < net.depth; ++level) {
    const std::int64_t channels = width(net, level);
    needed += (before + channels) * channels * taps(net.kernels, level, 3);
    before = channels;
    if (encoder_only) continue;
    if (level == 0 || (net.deep_supervision && level + 1 < net.depth)) needed += channels * net.classes;  // the head
    if (level + 1 == net.depth) break;
    needed += 3 * channels * channels * taps(net.kernels, level, 3) +
              width(net, level + 1) * channels * (net.transposed ? taps(net.strides, level, 2) : 1);
  }
  if (needed > there)
    throw Error(ErrorKind::model, text("a network of this configuration (base ", net.base, ", depth ", net.depth,
                                       ", ..) has more than ", needed, " weights, the file ", there));
}

std::string to_text(const ModelSpec& spec) {
  SpecWriter normalisation(spec.net.dims), writer(spec.net.dims);
  normalisation.add("kind", JsonValue(normalisation_names()[static_cast<std::size_t>(spec.normalisation.kind)]));
  normalisation.add("mean", list_of(spec.normalisation.mean));
  normalisation.add("deviation", list_of(spec.normalisation.deviation));
  normalisation.add("low", list_of(spec.normalisation.low));
  normalisation.add("high", list_of(spec.normalisation.high));
  writer.add("network", JsonValue(std::string("unet")));
  visit_fields(spec.net, writer);
  writer.add("patch", list_of(spec.window));
  writer.add("class_names", list_of(spec.class_names));
  writer.add("normalisation", normalisation.finish());
  const auto add = [&](const char* key, const auto& part) {
    SpecWriter fields(spec.net.dims);
    visit_fields(part, spec.net, fields);
    writer.add(key, fields.finish());
  };
  add("training", spec.training);
  add("preparation", spec.preparation);
  writer("mirror_axes", spec.mirror_axes, spec.net.dims);
  writer("mirror", spec.mirror);
  add("clean_up", spec.clean_up);
  return to_text(writer.finish());
}

ModelSpec parse_spec(const std::string& json) try {
  ModelSpec spec;
  const JsonValue value = parse_json(json, 8);
  const SpecReader reader(value);
  if (const std::string kind = reader.string("network", reader.at("network")); kind != "unet")
    reader.refuse("network", "is unknown: ", json_string(kind.substr(0, 40)));
  visit_fields(spec.net, reader);
  for (const auto& [key, values] : {std::pair("strides", &spec.net.strides), std::pair("kernels", &spec.net.kernels)})
    for (const Extents& extents : *values)
      if (extents.dims != spec.net.dims) reader.refuse(key, "has an entry of ", extents.dims, " axes");
  reader.fill("patch", spec.window, [&](const JsonValue& x) { return reader.whole("patch", x, {1, kLongestWindow}); });
  reader.fill("class_names", spec.class_names, [&](const JsonValue& x) { return reader.string("class_names", x); });
  const SpecReader inner(reader.at("normalisation"), "normalisation.");
  Normalisation& normalisation = spec.normalisation;
  normalisation.kind = static_cast<Normalisation::Kind>(inner.choice("kind", normalisation_names()));
  inner.fill("mean", normalisation.mean, [&](const JsonValue& x) { return inner.real("mean", x); });
  inner.fill("deviation", normalisation.deviation, [&](const JsonValue& x) { return inner.real("deviation", x); });
  for (const auto& [key, values] : {std::pair{"low", &normalisation.low}, std::pair{"high", &normalisation.high}})
    if (inner.has(key)) inner.fill(key, *values, [&, name = key](const JsonValue& x) { return inner.real(name, x); });
  require_consistent(spec);
  const auto add = [&](const char* key, auto& part) {
    if (reader.has(key)) visit_fields(part, spec.net, SpecReader(reader.at(key), text(key, '.')));
  };
  add("training", spec.training);
  add("preparation", spec.preparation);
  if (reader.has("mirror_axes")) reader("mirror_axes", spec.mirror_axes, spec.net.dims);
  if (reader.has("mirror")) reader("mirror", spec.mirror);
  add("clean_up", spec.clean_up);
  for (const auto& [key, values] : {std::pair{"preparation.spacing", &spec.preparation.spacing},
                                    std::pair{"training.least_spacing", &spec.training.least_spacing},
                                    std::pair{"training.most_spacing", &spec.training.most_spacing}})
    for (const double spacing : *values)
      if (!is_spacing(spacing))
        reader.refuse(key, "has ", spacing, ", must be from ", kLeastSpacing, " to ", kMostSpacing);
  require_meaning(spec, reader);
  return spec;
} catch (const Error& error) {
  throw Error(ErrorKind::model, text("metadata \"", kKey, "\": ", error.message()), error.hint());
}

Model load_model(const std::string& path, Device device) { return build(load_tensors(path), path, device); }

Model parse_model(std::span<const std::byte> bytes, const std::string& name, Device device) {
  return build(parse_tensors(bytes, name), name, device);
}

void save_model(const std::string& path, const Model& model) {
  check(model.net != nullptr, "save_model: the model has no network");
  save_tensors(path, {model.net->state(), {{kKey, to_text(model.spec)}}});
}

std::vector<NamedTensor> network_tensors(const TensorFile& file) {
  std::vector<NamedTensor> result;
  for (const NamedTensor& entry : file.tensors)
    if (!entry.name.starts_with("optim.") && !entry.name.starts_with("ema.")) result.push_back(entry);
  return result;
}

}  // namespace voxgrad::nn

#include "nn/exchange/foreign.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "engine/backend.h"
#include "engine/error.h"
#include "engine/ops.h"
#include "nn/inference/model.h"

namespace voxgrad::nn {
namespace {

// How a name of theirs becomes one of ours. `#` stands for a number. In our name, `#` is the next number of theirs, `+`
// and `-` are this number plus or minus one, and `~` counts from the other end: the first step up is the coarsest one.
// `=` is the coarsest level. What follows the pattern is kept.
struct Rule {
  const char *theirs, *ours;
};

const std::vector<Rule>& rules_of(Foreign kind) {
  static const std::vector<std::vector<Rule>> rules{
      {{"conv_0.conv_#.conv", "encoder.0.conv+"},
       {"conv_0.conv_#.adn.N", "encoder.0.norm+"},
       {"down_#.convs.conv_#.conv", "encoder.#.conv+"},
       {"down_#.convs.conv_#.adn.N", "encoder.#.norm+"},
       {"upcat_#.upsample.deconv", "up.-"},
       {"upcat_#.convs.conv_#.conv", "decoder.-.conv+"},
       {"upcat_#.convs.conv_#.adn.N", "decoder.-.norm+"},
       {"final_conv", "heads.0"}},
      {{"input_block.conv#.conv", "encoder.0.conv#"},
       {"input_block.norm#", "encoder.0.norm#"},
       {"downsamples.#.conv#.conv", "encoder.+.conv#"},
       {"downsamples.#.norm#", "encoder.+.norm#"},
       {"bottleneck.conv#.conv", "encoder.=.conv#"},
       {"bottleneck.norm#", "encoder.=.norm#"},
       {"upsamples.#.transp_conv.conv", "up.~"},
       {"upsamples.#.conv_block.conv#.conv", "decoder.~.conv#"},
       {"upsamples.#.conv_block.norm#", "decoder.~.norm#"},
       {"output_block.conv.conv", "heads.0"},
       {"deep_supervision_heads.#.conv.conv", "heads.+"}},
      {{"encoder.stages.#.0.convs.#.conv", "encoder.#.conv+"},
       {"encoder.stages.#.0.convs.#.norm", "encoder.#.norm+"},
       {"encoder.stages.#.1.convs.#.conv", "encoder.#.conv+"},  // after a pooling
       {"encoder.stages.#.1.convs.#.norm", "encoder.#.norm+"},
       {"decoder.transpconvs.#", "up.~"},
       {"decoder.stages.#.convs.#.conv", "decoder.~.conv+"},
       {"decoder.stages.#.convs.#.norm", "decoder.~.norm+"},
       {"decoder.seg_layers.#", "heads.~"}}};
  return rules[static_cast<std::size_t>(kind)];
}

// Parts of names that tell why a tensor has no place.
struct Cause {
  const char *part, *why;
};
constexpr Cause kCauses[]{{".adn.A.", "an activation with weights (PReLU)"},
                          {".lrelu.", "an activation with weights (PReLU)"},
                          {".upsample.preconv", "an upsampling that aligns the corners"},
                          {".pixelshuffle.", "an upsampling by shuffled channels"},
                          {".conv3.", "a residual block, whose shortcut has a norm"},
                          {".norm3.", "a residual block, whose shortcut has a norm"},
                          {".blocks.", "a residual block, whose shortcut has a norm"},
                          {"encoder.stem.", "a residual encoder, which begins with a stem"}};

constexpr int kMostLevels = 100;

// The numbers in `name` in the places of `#`, if the pattern is a beginning of it; `rest` is what follows.
std::optional<std::vector<int>> match(std::string_view pattern, std::string_view name, std::string& rest) {
  std::vector<int> numbers;
  for (const char c : pattern) {
    if (c != '#') {
      if (!name.starts_with(c)) return std::nullopt;
      name.remove_prefix(1);
      continue;
    }
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), numbers.emplace_back());
    if (code != std::errc{} || numbers.back() < 0 || numbers.back() > kMostLevels) return std::nullopt;
    name.remove_prefix(static_cast<std::size_t>(end - name.data()));
  }
  if (!name.empty() && name[0] != '.') return std::nullopt;
  rest = name;
  return numbers;
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

// The name that a tensor has in its own module; a state_dict has it also under those of other modules that hold it.
std::string own_name(std::string name, Foreign kind, int steps) {
  for (const char* wrapper : {"network.", "module.", "_orig_mod.", "module."})
    if (name.starts_with(wrapper)) name.erase(0, std::string_view(wrapper).size());
  if (kind == Foreign::nnunet) {
    if (name.starts_with("decoder.encoder.")) name.erase(0, 8);
    replace(name, ".all_modules.0.", ".conv.");
    for (const char* place : {".all_modules.1.", ".all_modules.2."}) replace(name, place, ".norm.");
  }
  const std::string skip = "skip_layers.", next = "next_layer.";
  if (kind != Foreign::monai_dynunet || !name.starts_with(skip)) return name;
  int level = 0;
  std::size_t at = skip.size();  // a name may be long, so all of its beginning is erased at once
  for (; name.compare(at, next.size(), next) == 0; ++level) at += next.size();
  name.erase(0, at);
  if (name.starts_with("downsample.")) {
    replace(name, "downsample.", level == 0 ? std::string("input_block.") : text("downsamples.", level - 1, '.'));
  } else if (name.starts_with("upsample.")) {
    replace(name, "upsample.", text("upsamples.", steps - 1 - level, '.'));
  } else if (name.starts_with("super_head.")) {
    replace(name, "super_head.", text("deep_supervision_heads.", level - 1, '.'));
  } else {
    name = "bottleneck." + name;
  }
  return name;
}

// The number of steps from the coarsest level to the finest one.
int count_steps(const std::vector<NamedTensor>& tensors, Foreign kind) {
  int steps = 0;
  std::string rest;
  for (const NamedTensor& entry : tensors) {
    const std::string name = own_name(entry.name, kind, 0);
    for (const auto& [pattern, more] : {std::pair("upsamples.#", 1), {"downsamples.#", 2}, {"encoder.stages.#", 0}})
      if (const auto numbers = match(pattern, name, rest)) steps = std::max(steps, numbers->front() + more);
    int levels = 1;  // down to the step of this name
    for (std::size_t at = 0; (at = entry.name.find("next_layer.", at)) != std::string::npos; ++at) ++levels;
    if (entry.name.find("upsample.") != std::string::npos) steps = std::max(steps, levels);
  }
  return steps;
}

// Our name of one of their tensors; empty if it has none.
std::string our_name(const std::string& name, Foreign kind, int steps) {
  std::string rest;
  for (const Rule& rule : rules_of(kind)) {
    const auto numbers = match(rule.theirs, name, rest);
    if (!numbers) continue;
    std::string ours;
    std::size_t next = 0;
    for (const char* c = rule.ours; *c != '\0'; ++c) {
      const bool is_number = std::string_view("#+-~").find(*c) != std::string_view::npos;
      const int number = is_number ? (*numbers)[next++] : 0;
      if (*c == '=')
        ours += std::to_string(steps);
      else if (!is_number)
        ours += *c;
      else
        ours += std::to_string(*c == '+'   ? number + 1
                               : *c == '-' ? number - 1
                               : *c == '~' ? steps - 1 - number
                                           : number);
    }
    return ours + rest;
  }
  return "";
}

class Translator {
 public:
  Translator(const std::vector<NamedTensor>& tensors, Foreign kind, std::optional<double> slope, bool reversed_axes)
      : kind_(kind), slope_(slope), reversed_axes_(reversed_axes) {
    const int steps = count_steps(tensors, kind);
    for (const NamedTensor& entry : tensors) {
      if (entry.name.ends_with("num_batches_tracked")) continue;
      const std::string theirs = own_name(entry.name, kind, steps), ours = our_name(theirs, kind, steps);
      pooled_ = pooled_ || theirs.starts_with("encoder.stages.1.1.");
      if (ours.empty() || !is_float(entry.tensor.dtype()))
        misfit(cause_of(theirs), theirs);
      else
        add(theirs, ours, entry.tensor.to(Device::cpu).to(DType::f32));
    }
    if (!has("encoder.0.conv1.weight") || !has("heads.0.weight"))
      throw Error(ErrorKind::model,
                  text("among the ", tensors.size(), " tensors are not the first and the last layer of ",
                       foreign_names()[static_cast<std::size_t>(kind)]),
                  misfits_.empty() ? "is it another kind of network?" : misfits()[0]);
  }

  ForeignWeights finish() {
    read_configuration();
    add_background();
    drop_biases();
    fill_kernels();
    if (kind_ != Foreign::monai_basicunet)
      for (int level = 0; level < result_.net.depth - 1; ++level)
        exchange_halves(text("decoder.", level, ".conv1.weight"));
    fit();
    result_.misfits = misfits();
    return std::move(result_);
  }

 private:
  static constexpr const char* kOtherShape = "another shape";
  struct Found {
    std::string theirs;
    Tensor tensor;
  };
  void add(const std::string& theirs, const std::string& ours, const Tensor& tensor) {
    const float* const values = tensor.data<float>();
    const bool finite = std::all_of(values, values + tensor.numel(), [](float value) { return std::isfinite(value); });
    if (!finite) misfit("a value that is NaN or infinite in f32", theirs);
    const bool is_kernel = ours.ends_with(".weight") && ours.find(".norm") == std::string::npos;
    if (is_kernel && tensor.dims() != 4 && tensor.dims() != 5)
      return misfit(kOtherShape, text(theirs, " is ", tensor.shape(), ", must have two or three spatial axes"));
    Tensor own = tensor;
    if (is_kernel && reversed_axes_)
      own = tensor.dims() == 4 ? permute(tensor, {0, 1, 3, 2}) : permute(tensor, {0, 1, 4, 3, 2});
    const auto [at, is_new] = found_.try_emplace(ours, Found{theirs, own});
    if (!is_new && finite && !allclose(at->second.tensor, own, 0, 0)) misfit("a second tensor for one place", theirs);
  }
  bool has(const std::string& ours) const { return found_.contains(ours); }
  std::vector<NamedTensor> list() const {
    std::vector<NamedTensor> all;
    for (const auto& [ours, found] : found_) all.push_back({ours, found.tensor});
    return all;
  }
  const Shape& shape(const std::string& ours) const { return found_.at(ours).tensor.shape(); }
  // The convolutions of a level that were found, with as many axes as the first one has.
  std::vector<std::string> convolutions(int level) const {
    std::vector<std::string> names;
    for (const char* part : {"encoder.", "decoder."})
      for (const char* layer : {".conv1.weight", ".conv2.weight"})
        if (const std::string name = text(part, level, layer);
            has(name) && shape(name).dims() == shape("encoder.0.conv1.weight").dims())
          names.push_back(name);
    return names;
  }

  static std::string cause_of(const std::string& theirs) {
    for (const Cause& cause : kCauses)
      if (theirs.find(cause.part) != std::string::npos) return cause.why;
    return "a layer that is not in a U-Net here";
  }
  void misfit(const std::string& cause, const std::string& what) {
    const auto at =
        std::find_if(misfits_.begin(), misfits_.end(), [&](const auto& entry) { return entry.first == cause; });
    (at == misfits_.end() ? misfits_.emplace_back(cause, std::vector<std::string>()) : *at).second.push_back(what);
  }

  std::vector<std::string> misfits() const {
    constexpr std::size_t kShown = 3;
    std::vector<std::string> lines;
    for (const auto& [cause, names] : misfits_) {
      std::string& line = lines.emplace_back(cause);
      for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) line += (i == 0 ? ": " : "; ") + names[i];
      if (names.size() > kShown) line += text("; and ", names.size() - kShown, " more");
    }
    return lines;
  }

  void read_configuration() {
    UNetConfig& net = result_.net;
    const Shape& first = shape("encoder.0.conv1.weight");
    net.dims = first.dims() - 2;
    net.in_channels = std::min(first[1], kMostChannels + 1);  // more is refused by the network
    net.classes = shape("heads.0.weight")[0];
    net.depth = 0;
    for (std::string name; has(name = text("encoder.", net.depth, ".conv1.weight")); ++net.depth)
      net.widths.push_back(std::min(shape(name)[0], kMostChannels + 1));
    net.base = net.widths.front();  // which others show, and reckon with
    net.max_channels = std::max(net.max_channels, net.base);
    for (int level = 0; level < net.depth - 1; ++level) {
      Extents stride;
      stride.dims = net.dims;
      const std::string name = text("up.", level, ".weight");
      for (int axis = 0; axis < net.dims; ++axis)
        stride[axis] = has(name) && shape(name).dims() == first.dims() ? shape(name)[axis + 2] : 2;
      for (int axis = 0; axis < net.dims; ++axis)
        if (kind_ == Foreign::monai_dynunet && stride[axis] > 2)
          misfit("a stride above 2, for which MONAI pads otherwise", name);
      net.strides.push_back(stride);
    }
    for (int level = 0; level < net.depth; ++level) {
      Extents kernel(1);
      kernel.dims = net.dims;
      for (const std::string& name : convolutions(level))
        for (int axis = 0; axis < net.dims; ++axis)
          if (shape(name)[axis + 2] != 1) kernel[axis] = 3;
      net.kernels.push_back(kernel);
    }
    net.norm = has("encoder.0.norm1.running_mean") ? Norm::batch
               : has("encoder.0.norm1.weight")     ? Norm::instance
                                                   : Norm::none;
    net.strided = kind_ != Foreign::monai_basicunet && !pooled_;
    net.slope = slope_.value_or(kind_ == Foreign::monai_basicunet ? 0.1 : 0.01);
    net.deep_supervision = net.depth > 2 && has(text("heads.", net.depth - 2, ".weight"));
    if (!slope_)
      result_.notes.push_back(text("the slope of the activation is taken for ", net.slope, ", the default there"));
    if (net.norm == Norm::instance)
      result_.notes.push_back("a norm without running statistics is taken for instance norm");
    if (net.norm == Norm::none)
      misfit("no norm has weights", "instance norm without weights and no norm at all cannot be told apart");
    if (pooled_) result_.notes.push_back("poolings have no weights; they are taken for max pooling");
  }

  // One output is the logit of a sigmoid. Beside a background whose logit is 0, softmax gives the same probability.
  void add_background() {
    if (result_.net.classes != 1) {
      result_.notes.push_back("the outputs are taken for the background and classes that exclude each other (softmax)");
      return;
    }
    result_.net.classes = 2;
    for (auto& [ours, found] : found_)
      if (ours.starts_with("heads.") && found.tensor.dims() > 0 && found.tensor.extent(0) == 1)
        found.tensor = concat({zeros_like(found.tensor), found.tensor}, 0);
    result_.notes.push_back("the only output is taken for that of a sigmoid: it becomes a background and one class");
  }

  // A bias before instance norm has no effect. Before batch norm, the running mean has it.
  void drop_biases() {
    if (result_.net.norm == Norm::none) return;
    for (const char* part : {"encoder", "decoder"})
      for (int level = 0; level < result_.net.depth; ++level)
        for (const char* number : {"1", "2"}) {
          const std::string block = text(part, '.', level, '.'), bias = block + "conv" + number + ".bias";
          const auto mean = found_.find(block + "norm" + number + ".running_mean");
          if (!has(bias)) continue;
          if (mean != found_.end() && shape(bias) == mean->second.tensor.shape())
            mean->second.tensor = mean->second.tensor - found_.at(bias).tensor;
          found_.erase(bias);
        }
  }

  void exchange_halves(const std::string& name) {
    if (!has(name) || shape(name)[1] % 2 != 0) return;
    Tensor& weight = found_.at(name).tensor;
    const std::int64_t in = weight.extent(1);
    weight = concat({slice(weight, 1, in / 2, in), slice(weight, 1, 0, in / 2)}, 1);
  }

  // All kernels of a level have the same extents here. Zeros around one do not change what it computes.
  void fill_kernels() {
    int filled = 0;
    for (int level = 0; level < result_.net.depth; ++level)
      for (const std::string& name : convolutions(level)) {
        Tensor& weight = found_.at(name).tensor;
        Shape wanted = weight.shape(), offset = Shape::filled(wanted.dims(), 0);
        for (int axis = 2; axis < wanted.dims(); ++axis)
          if (wanted[axis] == 1 && nth(result_.net.kernels, level)[axis - 2] == 3) {
            wanted[axis] = 3;
            offset[axis] = 1;
          }
        if (wanted == weight.shape()) continue;
        const Tensor kernel = zeros(wanted);
        kernel.backend().copy_box(weight, Shape::filled(wanted.dims(), 0), kernel, offset, weight.shape(), false);
        weight = kernel;
        ++filled;
      }
    if (filled > 0)
      result_.notes.push_back(text(filled, " kernels are filled with zeros to be as large as others of their level"));
  }

  // Compares what was found with the network of this configuration.
  void fit() try {
    require_weights(result_.net, list(), true);  // others that are absent are named
    UNetConfig config = result_.net;
    config.init = Init::unset;
    for (const NamedTensor& place : UNet(config, Random(0)).state()) {
      const Shape& wanted = place.tensor.shape();
      if (!has(place.name)) {
        if (place.name.starts_with("up.") && place.name.ends_with(".bias"))
          result_.state.push_back({place.name, zeros(wanted)});
        else
          misfit("missing", place.name);
        continue;
      }
      const Found& found = found_.at(place.name);
      if (found.tensor.shape() == wanted)
        result_.state.push_back({place.name, found.tensor});
      else
        misfit(kOtherShape, text(found.theirs, " is ", found.tensor.shape(), ", must be ", wanted));
      found_.erase(place.name);
    }
    int heads = 0;
    for (const auto& [ours, found] : found_)
      if (ours.starts_with("heads."))
        ++heads;
      else
        misfit(cause_of(found.theirs), found.theirs);
    if (heads > 0) result_.notes.push_back("the heads of deep supervision are left out: some levels have none");
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage && error.kind() != ErrorKind::model) throw;
    misfit("no such U-Net", error.message());
  }

  Foreign kind_;
  std::optional<double> slope_;
  bool reversed_axes_;
  bool pooled_ = false;                 // whether levels of nnU-Net begin with a pooling
  std::map<std::string, Found> found_;  // by our names
  std::vector<std::pair<std::string, std::vector<std::string>>> misfits_;
  ForeignWeights result_;
};

}  // namespace

const std::vector<std::string>& foreign_names() {
  static const std::vector<std::string> names{"monai-basicunet", "monai-dynunet", "nnunet"};
  return names;
}

ForeignWeights translate(const std::vector<NamedTensor>& tensors, Foreign kind, std::optional<double> slope,
                         bool reversed_axes) {
  return Translator(tensors, kind, slope, reversed_axes).finish();
}

}  // namespace voxgrad::nn

#include "apps/training/transfer.h"

#include <algorithm>
#include <map>

#include "apps/training/preparation.h"
#include "apps/training/suitability.h"
#include "apps/training/trainer.h"
#include "engine/error.h"
#include "engine/names.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

// Copies the rows of a head, [classes, ..], whose classes have the same names. Returns whether there is one.
bool copy_classes(const Tensor& from, const std::vector<std::string>& from_names, const Tensor& to,
                  const std::vector<std::string>& to_names) {
  if (from.dims() != to.dims() || from.numel() / from.extent(0) != to.numel() / to.extent(0)) return false;
  const std::int64_t row = to.numel() / to.extent(0);
  bool any = false;
  for (std::size_t c = 0; c < to_names.size(); ++c) {
    const auto found = std::find(from_names.begin(), from_names.end(), to_names[c]);
    if (found == from_names.end()) continue;
    std::copy_n(from.data<float>() + (found - from_names.begin()) * row, row,
                to.data<float>() + static_cast<std::int64_t>(c) * row);
    any = true;
  }
  return any;
}

std::string range_text(const std::vector<double>& low, const std::vector<double>& high) {
  return low == high ? spacing_text(low) : spacing_text(low) + " .. " + spacing_text(high);
}

// What differs if images are not resampled, and their voxels are much larger or smaller than those of the model.
std::string other_voxels(const nn::ModelSpec& theirs, const nn::ModelSpec& ours) {
  const std::vector<double>& target = theirs.preparation.spacing;
  const std::vector<double>&low = target.empty() ? theirs.training.least_spacing : target,
        &high = target.empty() ? theirs.training.most_spacing : target;
  const nn::TrainingImages& now = ours.training;
  if (!ours.preparation.spacing.empty() || theirs.training.spacing_unit != "mm" || now.spacing_unit != "mm" ||
      low.empty() || low.size() != now.least_spacing.size())
    return "";
  bool other = false;
  for (std::size_t axis = 0; axis < low.size(); ++axis)
    other = other || now.most_spacing[axis] > kOtherSpacing * high[axis] ||
            now.least_spacing[axis] * kOtherSpacing < low[axis];
  if (!other) return "";
  return text("the model knows voxels of ", range_text(low, high), " mm, these have ",
              range_text(now.least_spacing, now.most_spacing), " mm; --spacing ", spacing_text(high),
              " resamples them");
}

}  // namespace

void adopt_settings(TrainConfig& config, const nn::UNetConfig& net,
                    const std::function<bool(const std::string&)>& given) {
  const auto take = [&](const char* name, auto& setting, const auto& value) {
    if (!given(name)) setting = value;
  };
  take("base", config.base, net.base);
  take("depth", config.depth, net.depth);
  take("norm", config.norm, nn::norm_names()[static_cast<std::size_t>(net.norm)]);
  take("residual", config.residual, net.residual);
  take("dropout", config.dropout, net.dropout);
  if (!net.deep_supervision || losses::make_loss(config.loss).fields().empty())  // else a rule leaves it off
    take("deep_supervision", config.deep_supervision, net.deep_supervision);
}

Transfer transfer_weights(const nn::Model& source, const Plan& plan) {
  Transfer result;
  result.file = source.path;
  result.normalisation = same_kind(plan.model, source.spec);
  result.voxels = other_voxels(source.spec, plan.model);
  const std::vector<std::string>&theirs = source.spec.class_names, &ours = plan.model.class_names;
  for (const std::string& name : ours) {
    const bool known = std::find(theirs.begin(), theirs.end(), name) != theirs.end();
    (known ? result.classes : result.drawn_classes).push_back(name);
  }
  std::map<std::string, Tensor> weights;
  for (const NamedTensor& entry : source.net->state()) weights.emplace(entry.name, entry.tensor);
  result.state = fresh_model(plan, Device::cpu).net->state();
  bool encoder = false;
  for (NamedTensor& entry : result.state) {
    const auto found = weights.find(entry.name);
    bool taken = false;
    if (found != weights.end() && entry.name.starts_with("heads.")) {
      taken = copy_classes(found->second, theirs, entry.tensor, ours);
    } else if (found != weights.end() && found->second.shape() == entry.tensor.shape()) {
      entry.tensor = found->second;
      taken = true;
      encoder = encoder || (entry.name.starts_with("encoder.") && entry.tensor.dims() > 1 &&
                            entry.name.find(".shortcut") == std::string::npos);  // which fits whatever the kernels are
    }
    result.taken += taken ? 1 : 0;
    if (!taken) result.drawn.push_back(entry.name);
  }
  if (!encoder && plan.config.dims == 2 && plan.model.net.dims == 3 && source.spec.window[0] > 1)
    throw Error(ErrorKind::usage, text("--from ", source.path, ": its kernels look from slice to slice"),
                "train with --dims 3");
  if (!encoder)
    throw Error(ErrorKind::usage,
                text("--from ", source.path, ": no weight of its encoder fits a network of base ", plan.config.base,
                     ", depth ", plan.config.depth),
                text("its own are --base ", source.spec.net.base, " --depth ", source.spec.net.depth,
                     "; leave them out, and they are taken"));
  return result;
}

Json to_json(const Transfer& transfer) {
  return {{"file", transfer.file},
          {"tensors", transfer.taken},
          {"drawn", transfer.drawn},
          {"classes", transfer.classes},
          {"drawn_classes", transfer.drawn_classes},
          {"normalisation", transfer.normalisation}};
}

std::string transfer_text(const Transfer& transfer) {
  std::string words = text("from      ", transfer.file, ": ", transfer.taken, " of ",
                           transfer.taken + std::ssize(transfer.drawn), " tensors");
  if (!transfer.drawn.empty()) words += "; drawn anew: " + join(transfer.drawn, ", ");
  words += "\n          classes " + (transfer.classes.empty() ? "none" : join(transfer.classes, ", "));
  if (!transfer.drawn_classes.empty()) words += "; drawn anew: " + join(transfer.drawn_classes, ", ");
  words += std::string("\n          normalisation of ") + (transfer.normalisation ? "the model" : "the data");
  return words + (transfer.voxels.empty() ? "" : "\n          " + transfer.voxels) + "\n";
}

}  // namespace voxgrad::apps

// Checks of the loss at outputs that are known, and of one pass through the new network.
#include <algorithm>
#include <cmath>

#include "apps/doctor/training_checks_detail.h"
#include "apps/program/console.h"
#include "apps/training/layers.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/ops.h"
#include "losses/core/grammar.h"

namespace voxgrad::apps {
namespace {

constexpr double kLargeLoss = 1e4, kSmallLoss = 1e-4;  // between a right and a wrong output
constexpr double kTermsApart = 100;
constexpr double kLayersApart = 1e4;    // gradient per weight and the median of all layers
constexpr double kFarFromUniform = 30;  // times what there is to gain; the registry's losses have at most 8
constexpr double kManyDead = 0.5, kSomeDead = 0.1;

std::string value_text(const LossValues& values) {
  return text(significant(values.right), " where the output is right, ", significant(values.uniform),
              " where all classes are equally probable, ", significant(values.wrong), " where it is wrong");
}

}  // namespace

void check_loss_value(Trial& trial, std::vector<Finding>& findings) {
  const std::string& name = trial.plan.config.loss;
  const LossValues values = trial.values_of(name);
  const auto found = [&](bool failure, const std::string& what, const std::string& why, const std::string& remedy) {
    findings.push_back(
        {"loss_value", failure, text("the loss ", name, " ", what), "one of the first batches", why, remedy, ""});
  };
  if (!std::isfinite(values.uniform) || !std::isfinite(values.right) || !std::isfinite(values.wrong))
    return found(true, text("is not finite: ", value_text(values), "."), "the training would stop at once.",
                 "use other parameters or another --loss");
  if (values.gradient == 0)
    return found(true, "has no gradient at an output that prefers no class.",
                 "nothing is learned: no voxel of the batch counts for it.",
                 "see whether its class weights are 0 for the classes that are there, or all voxels are ignored");
  if (!(values.right < values.uniform))
    return found(has_objective(name), text("is not lower where the output is right: ", value_text(values), "."),
                 "the training makes the output wrong.",
                 "see whether the sign of a term or of its parameters is right");
  const double range = values.range();
  if (range <= kLargeLoss && range >= kSmallLoss) return;
  std::string terms;
  for (const losses::TermText& term : losses::parse_terms(name))
    if (term.weight != 1) terms += text(terms.empty() ? "" : ", ", term.name, " has the weight ", term.weight);
  found(true, text("has an unusual size: ", value_text(values), terms.empty() ? "." : "; " + terms + "."),
        range > 1 ? "the clipping of the gradient then decides how far a step goes, and sums may overflow."
                  : "the gradient is then lost beside the weight decay and the smallest numbers of the optimiser.",
        "choose weights so that the loss is between 0.01 and 100");
}

void check_terms(Trial& trial, std::vector<Finding>& findings) {
  const std::vector<std::string> terms = terms_of(trial.plan.config.loss);
  if (terms.size() < 2) return;
  std::vector<LossValues> values;
  for (const std::string& term : terms) values.push_back(trial.values_of(term));
  const auto smaller = [](const LossValues& a, const LossValues& b) { return a.gradient < b.gradient; };
  const auto [least, most] = std::minmax_element(values.begin(), values.end(), smaller);
  if (!(most->gradient > kTermsApart * least->gradient)) return;
  findings.push_back({"loss_terms", false,
                      text("the terms of the loss are far apart: the gradient of ", most->term, " is ",
                           least->gradient > 0 ? significant(most->gradient / least->gradient, 2) + " times that of "
                                               : "everything beside that of ",
                           least->term, " (values ", significant(most->uniform), " and ", significant(least->uniform),
                           " where all classes are equally probable)."),
                      text("term ", least->term), text(least->term, " has hardly any influence on the first steps."),
                      text("change the weights, or leave ", least->term, " out"), ""});
}

void check_gradients(Trial& trial, std::vector<Finding>& findings) {
  nn::UNet& net = *trial.net;
  net.train();
  net.set_step(trial.plan.config.seed, 0);
  net.zero_grad();
  const TrainingBatch& batch = trial.batch();
  const Tensor value = batch_loss(losses::make_loss(trial.plan.config.loss),
                                  net.outputs(batch.images.to(trial.plan.config.amp ? DType::bf16 : DType::f32)),
                                  batch.truths, trial.plan.context);
  const auto found = [&](bool failure, const std::string& what, const std::string& where, const std::string& why,
                         const std::string& remedy) {
    findings.push_back({"gradients", failure, what, where, why, remedy, ""});
  };
  if (!std::isfinite(value.item()))
    return found(true, text("the loss of the new network is ", word_of(value.item()), "."), "one of the first batches",
                 "the training would stop at its first step.", "see what the other checks found");
  const LossValues known = trial.values_of(trial.plan.config.loss);
  if (value.item() - known.uniform > kFarFromUniform * std::abs(known.uniform - known.right))
    found(false,
          text("the loss of the new network is ", significant(value.item()), ", but ", significant(known.uniform),
               " where all classes are equally probable."),
          "one of the first batches", "the network begins with wrong opinions that it has to forget first.",
          "use --norm instance, which keeps the first outputs small");
  value.backward();
  std::vector<std::pair<std::string, double>> sizes;  // of the gradient of one weight, root mean square
  std::vector<std::string> none;
  for (const NamedTensor& parameter : net.parameters()) {
    if (!parameter.name.ends_with(".weight")) continue;
    const double squares = parameter.tensor.backend().sum_of_squares(parameter.tensor.grad());
    if (!std::isfinite(squares))
      return found(true, text("the gradient of ", parameter.name, " is not finite."), parameter.name,
                   "the training would stop at its first step.", "see what the other checks found");
    if (squares == 0)
      none.push_back(parameter.name);
    else
      sizes.emplace_back(parameter.name, std::sqrt(squares / static_cast<double>(parameter.tensor.numel())));
  }
  net.zero_grad();
  if (!none.empty())
    found(true,
          text(none.size(), " of ", none.size() + sizes.size(), " layers get no gradient at all, first ", none[0], "."),
          none[0], "these layers never learn.",
          "see whether the loss counts any voxel, and whether the layers behind them let anything through");
  if (sizes.empty()) return;
  std::vector<double> sorted;
  for (const auto& [name, size] : sizes) sorted.push_back(size);
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[sorted.size() / 2];
  for (const auto& [name, size] : sizes)
    if (size > kLayersApart * median || size * kLayersApart < median)
      found(false,
            text("the gradient of ", name, " is ", significant(size / median, 2), " times the median of all layers."),
            name, "one learning rate cannot suit both.",
            "use --norm instance, and an optimiser that scales: --optimizer adamw");
}

void check_dead_channels(Trial& trial, std::vector<Finding>& findings) {
  std::int64_t dead = 0, all = 0, worst_dead = 0, worst_all = 1;
  std::string worst;
  visit_layers(*trial.net, trial.batch().images, [&](const std::string& layer, const Tensor& map) {
    if (layer.find(".norm") == std::string::npos) return;  // after the activation
    std::vector<int> axes(static_cast<std::size_t>(map.dims() - 1));
    for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
    const std::vector<double> low = min(map, axes).to_vector<double>(), high = max(map, axes).to_vector<double>();
    std::int64_t here = 0;
    for (std::size_t c = 0; c < low.size(); ++c) here += low[c] == high[c] ? 1 : 0;
    dead += here;
    all += std::ssize(low);
    if (here * worst_all > worst_dead * std::ssize(low)) worst = layer, worst_dead = here, worst_all = std::ssize(low);
  });
  const double share = static_cast<double>(worst_dead) / static_cast<double>(worst_all);
  if (share < kSomeDead) return;
  findings.push_back({"dead_channels", share > kManyDead,
                      text(worst_dead, " of ", worst_all, " channels of ", worst, " have one value for a whole batch, ",
                           dead, " of ", all, " in the network."),
                      worst, "a channel that never changes says nothing about the image and learns nothing.",
                      "see whether the images are constant; else use another --norm or --seed", ""});
}

}  // namespace voxgrad::apps

// Checks of what the first batches hold.
#include <algorithm>
#include <cmath>

#include "apps/doctor/training_checks_detail.h"
#include "apps/program/console.h"
#include "data/fingerprint.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr double kFewForeground = 0.1;  // share of the patches; the default centres a third of them on foreground
constexpr double kFarOut = 20;          // in standard deviations, when a case has been normalised by its own
constexpr double kAbsurd = 1000;
constexpr double kManyIgnored = 0.9;

template <class Holds>
std::int64_t count_of(const Trial& trial, Holds&& holds) {
  return std::count_if(trial.patches.begin(), trial.patches.end(), holds);
}

std::string first_patches(const Trial& trial) { return text("the first ", trial.patches.size(), " patches"); }

}  // namespace

void check_foreground(Trial& trial, std::vector<Finding>& findings) {
  const std::int64_t all = std::ssize(trial.patches),
                     with = count_of(trial, [](const PatchFacts&patch) { return patch.foreground > 0; });
  const double share = static_cast<double>(with) / static_cast<double>(all), wish = trial.plan.config.foreground;
  const bool few = share < kFewForeground, fewer = share < wish / 2;
  if (with == 0 || !(few || fewer)) return;  // check_batch_labels says that there is none
  findings.push_back({"foreground_patches", few,
                      text(with, " of ", first_patches(trial), " (", fixed(100 * share, 0),
                           " %) show foreground; at least ", fixed(100 * wish, 0), " % were asked for."),
                      "split train", "a network that sees little else learns that everything is background.",
                      text("use --foreground ", wish < 0.5 ? "0.67" : "1", ", a larger --patch than ",
                           trial.plan.config.patch, ", or leave out the cases that have no foreground"),
                      ""});
}

void check_batch_labels(Trial& trial, std::vector<Finding>& findings) {
  std::vector<std::int64_t> classes;
  std::int64_t ignored = 0, voxels = 0;
  for (std::size_t label = 0; label < 256; ++label) {
    std::int64_t sum = 0;
    for (const PatchFacts& patch : trial.patches) sum += patch.voxels[label];
    voxels += sum;
    if (static_cast<int>(label) == trial.plan.context.ignore)
      ignored = sum;
    else if (sum > 0)
      classes.push_back(static_cast<std::int64_t>(label));
  }
  const double share = static_cast<double>(ignored) / static_cast<double>(voxels);
  if (share > kManyIgnored)
    findings.push_back(
        {"batch_labels", classes.empty(),
         text(fixed(100 * share, 1), " % of the voxels of ", first_patches(trial), " have the label ",
              trial.plan.context.ignore, ", which is ignored."),
         "split train", "the loss sees the other voxels alone, and there is little to learn from them.",
         "see whether this value means \"not labelled\" or a class; --label-map gives it another meaning", ""});
  if (classes.size() != 1) return;
  const std::int64_t label = classes.front();
  // Only few patches were looked at, and the foreground may be in other cases.
  const bool hopeless = label != 0 || std::ssize(data::absent_classes(trial.dataset, trial.plan.loader.cases)) + 1 ==
                                          std::ssize(trial.dataset.info().class_names);
  findings.push_back({"batch_labels", hopeless,
                      text("all voxels of ", first_patches(trial), " that count are of class ", label, " (\"",
                           nth(trial.dataset.info().class_names, label), "\")."),
                      "split train", "every loss is then lowest where the output is this class everywhere.",
                      label == 0
                          ? "see whether the masks are empty; if they are not, use --foreground 1 or a larger --patch"
                          : "see whether the masks cover the whole images, or their values are mixed up",
                      ""});
}

void check_intensities(Trial& trial, std::vector<Finding>& findings) {
  const PatchFacts* farthest = nullptr;
  double most = 0;
  std::int64_t beyond = 0;
  for (const PatchFacts& patch : trial.patches) {
    double largest = 0;
    for (const std::vector<double>* ends : {&patch.low, &patch.high})
      for (const double end : *ends) largest = std::isfinite(end) ? std::max(largest, std::abs(end)) : HUGE_VAL;
    beyond += largest > kFarOut ? 1 : 0;
    if (largest > most) most = largest, farthest = &patch;
  }
  using Kind = nn::Normalisation::Kind;
  const Kind kind = trial.plan.model.normalisation.kind;
  if (most > kFarOut && kind != Kind::none && kind != Kind::rgb)  // the others give standard deviations
    findings.push_back({"batch_intensities", most > kAbsurd,
                        text("after the normalisation, ", beyond, " of ", first_patches(trial), " have values beyond ",
                             kFarOut, " standard deviations, at most ", significant(most), "."),
                        text("case \"", farthest->id, "\""),
                        "a few voxels decide the scale, and all other differences become too small to be seen.",
                        "clip or remove what is no measurement (metal, dead pixels, a wrong fill value)", ""});
  for (std::size_t c = 0; c < trial.patches.front().low.size(); ++c) {
    const std::int64_t flat = count_of(trial, [&](const PatchFacts& patch) { return patch.low[c] == patch.high[c]; });
    if (2 * flat <= std::ssize(trial.patches)) continue;
    findings.push_back({"batch_intensities", flat == std::ssize(trial.patches),
                        text("in ", flat, " of ", first_patches(trial), " all voxels",
                             trial.patches.front().low.size() > 1 ? text(" of channel ", c) : "", " have one value."),
                        trial.patches.front().low.size() > 1 ? text("channel ", c) : "split train",
                        "there is nothing to see in these patches.",
                        "see whether the images are the right ones, and not empty or masks", ""});
  }
}

}  // namespace voxgrad::apps

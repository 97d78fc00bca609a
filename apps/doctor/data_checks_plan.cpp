// Checks of what a training would make of the sizes and shares of the classes.
#include <algorithm>
#include <cmath>

#include "apps/doctor/data_checks_detail.h"
#include "apps/program/console.h"
#include "apps/training/geometry.h"
#include "apps/training/preparation_rules.h"
#include "engine/error.h"
#include "losses/core/grammar.h"
#include "nn/inference/preparation.h"

namespace voxgrad::apps {
namespace {

constexpr double kRare = 0.001;         // the share of a class that a mean over voxels loses
constexpr std::int64_t kFewVoxels = 4;  // per axis: two of them are left after the first pooling
constexpr double kFewPatches = 0.1;

// The training cases, or all if the file has folds alone.
std::vector<const CaseFacts*> training_cases(const Facts& facts) {
  std::vector<const CaseFacts*> cases;
  for (const CaseFacts& one : facts.cases)
    if (!facts.has_splits || one.split == "train") cases.push_back(&one);
  return cases;
}

// Sums over voxels in which each voxel counts the same, so that a rare class is lost.
bool is_plain(const losses::TermText& term) {
  const bool weighted = std::any_of(term.settings.begin(), term.settings.end(), [](const auto& setting) {
    return setting.first == "weights" && setting.second != "none";
  });
  return (term.name == "ce" || term.name == "dpce") && !weighted;
}

}  // namespace

std::string spacing_of_training(const Facts& facts) {
  PreparationFacts stored;
  stored.physical = facts.info.physical;
  for (const CaseFacts* one : training_cases(facts)) {
    stored.shapes.push_back(nth(facts.info.shapes, one->index));
    stored.spacings.push_back(nth(facts.info.spacings, one->index));
  }
  return stored.shapes.empty() ? "none" : choose_spacing(stored).value;
}

DataFindings check_imbalance(const Facts& facts) {
  if (facts.loss.empty()) return {};
  const std::vector<losses::TermText> terms = losses::parse_terms(facts.loss);
  if (!std::all_of(terms.begin(), terms.end(), is_plain)) return {};
  DataFindings findings;
  const auto cases = training_cases(facts);
  for (std::size_t c = 1; c < facts.info.class_names.size(); ++c) {
    double voxels = 0, all = 0;
    for (const CaseFacts* one : cases) {
      voxels += static_cast<double>(one->class_voxels[c]);
      all += static_cast<double>(one->voxels - one->ignored);
    }
    if (voxels == 0 || voxels >= kRare * all) continue;
    findings.push_back(finding_of(
        true,
        text("class ", c, " (\"", facts.info.class_names[c], "\") has ", significant(100 * voxels / all, 3),
             " % of the training voxels, and the loss ", facts.loss,
             " is a mean in which every voxel counts the same."),
        "split train", "\"background everywhere\" is then nearly the best answer, and the prediction stays black.",
        "use --loss dice_ce, dice_topk, tversky or focal_tversky, or give the class more weight: ce:weights=inverse"));
  }
  return findings;
}

DataFindings check_tiny_objects(const Facts& facts) {
  const std::int64_t small = facts.info.dims == 3 ? kFewVoxels * kFewVoxels * kFewVoxels : kFewVoxels * kFewVoxels;
  DataFindings findings;
  const auto cases = training_cases(facts);
  for (std::size_t c = 1; c < facts.info.class_names.size(); ++c) {
    std::vector<std::int64_t> largest;  // -1 for a large class
    for (const CaseFacts* one : cases)
      if (one->class_voxels[c] > 0) largest.push_back(one->largest_object[c]);
    if (largest.empty()) continue;
    const auto is_small = [&](std::int64_t voxels) { return voxels >= 0 && voxels < small; };
    if (2 * std::count_if(largest.begin(), largest.end(), is_small) <= std::ssize(largest)) continue;
    std::sort(largest.begin(), largest.end());
    findings.push_back(finding_of(
        false,
        text("in most cases the largest object of class ", c, " (\"", facts.info.class_names[c], "\") has fewer than ",
             small, " voxels."),
        "split train",
        "after the first pooling it is less than two voxels wide, and overlap measures jump with every voxel.",
        "use images of a finer resolution, do not resample them to a coarser one, and try --depth 2 or 3"));
  }
  return findings;
}

// The shapes are those after the resampling that a training chooses. A crop takes away background only.
DataFindings check_patches(const Facts& facts) {
  const auto cases = training_cases(facts);
  if (cases.empty() || has_no_foreground(facts)) return {};
  std::vector<Shape> stored, shapes;
  std::vector<std::vector<double>> spacings;
  nn::Preparation preparation;
  if (const std::string target = spacing_of_training(facts); target != "none")
    preparation.spacing = parse_spacing(target, facts.info.dims);
  for (const CaseFacts* one : cases) {
    const Shape& shape = stored.emplace_back(nth(facts.info.shapes, one->index));
    const nn::Grid grid = nn::grid_of(preparation, shape, {Shape::filled(shape.dims(), 0), shape}, facts.info.channels,
                                      nth(facts.info.spacings, one->index));
    shapes.push_back(grid.extents);
    spacings.push_back(grid.spacing);
  }
  const Shape patch = plan_geometry(shapes, spacings).patch;
  const double centred = TrainConfig().foreground;
  double hits = 0;
  std::size_t empty = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (cases[i]->foreground == 0) {
      ++empty;
      continue;
    }
    double hit = 1;  // the share of the places of a patch at which it meets the box of the foreground
    for (int axis = 0; axis < patch.dims(); ++axis) {
      const double places = static_cast<double>(std::max<std::int64_t>(shapes[i][axis] - patch[axis], 0) + 1);
      const double box =
          static_cast<double>(cases[i]->foreground_box[axis] * shapes[i][axis]) / static_cast<double>(stored[i][axis]);
      hit *= std::min(1.0, (box + static_cast<double>(patch[axis])) / places);
    }
    hits += centred + (1 - centred) * hit;
  }
  const double share = hits / static_cast<double>(cases.size());
  if (share >= kFewPatches || empty == cases.size()) return {};
  return {finding_of(false,
                     text("about ", significant(100 * share, 2), " % of the training patches will show foreground: ",
                          empty, " of ", cases.size(), " training cases have none."),
                     "split train", "most steps teach nothing but the background, and the network may stay there.",
                     "leave out most of the cases without foreground, or train longer")};
}

}  // namespace voxgrad::apps

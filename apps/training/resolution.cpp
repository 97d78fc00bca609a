#include "apps/training/resolution.h"

#include <algorithm>

#include "apps/program/console.h"
#include "apps/training/preparation.h"
#include "apps/training/validation.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

// Along each axis the one in the middle of the training cases.
std::vector<double> usual_spacing(const Plan& plan, const data::DatasetInfo& info) {
  if (plan.config.spacing != "none") return parse_spacing(plan.config.spacing, info.dims);
  std::vector<double> result;
  for (int axis = 0; axis < info.dims; ++axis) {
    std::vector<double> values;
    for (const std::int64_t index : plan.loader.cases) values.push_back(nth(nth(info.spacings, index), axis));
    const auto middle = values.begin() + std::ssize(values) / 2;
    std::nth_element(values.begin(), middle, values.end());
    result.push_back(*middle);
  }
  return result;
}

bool by_slices(const Plan& plan) { return plan.model.window.dims() == 3 && plan.model.window[0] == 1; }

bool one_window_each(const Plan& plan, const data::DatasetInfo& info, double kept) {
  double windows = 0;
  for (const std::int64_t index : plan.loader.cases)
    windows += by_slices(plan) ? static_cast<double>(resampled_extents(plan.model, info, index)[0]) : 1;
  return kept * window_voxels(plan.model, info, plan.loader.cases) <=
         windows * static_cast<double>(plan.model.window.numel());
}

}  // namespace

double voxels_at_end(const Plan& plan, const data::DatasetInfo& info, double kept) {
  const double val = kept * window_voxels(plan.model, info, plan.val),
               test = kept * window_voxels(plan.model, info, plan.test);
  const std::vector<std::int64_t>& shown = pictured_cases(plan);
  const auto count = static_cast<double>(shown.size());
  const double looked_at = least_validated_share(plan),
               chosen_from = std::min(plan.val.empty() ? count : looked_at * count, double{kMostPictured}),
               pictured = (plan.page_is_known() ? 0 : chosen_from) + std::min(count, 3.0);
  return test + looked_at * val * (plan.chooses_clean_up() ? 2 : 1) +
         (count > 0 ? pictured / count * kept * window_voxels(plan.model, info, shown) : 0);
}

std::optional<Reason> coarsen(Plan& plan, const data::DatasetInfo& info, double kept, double allowed,
                              const std::string& taken, const std::function<Plan(const std::string& spacing)>& make) {
  const auto fits = [&] { return voxels_at_end(plan, info, kept) <= allowed || one_window_each(plan, info, kept); };
  if (fits()) return std::nullopt;
  const std::vector<double> usual = usual_spacing(plan, info);
  const std::ptrdiff_t first = by_slices(plan) ? 1 : 0;  // slices are seen one by one, and none is left out
  const double finest = *std::min_element(usual.begin() + first, usual.end());
  double coarser = 1;
  for (const double factor : {1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0}) {
    std::vector<double> spacing = usual;
    for (std::ptrdiff_t axis = first; axis < std::ssize(spacing); ++axis)
      nth(spacing, axis) = std::max(nth(spacing, axis), factor * finest);
    try {
      plan = make(spacing_text(spacing));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data && error.kind() != ErrorKind::usage) throw;
      break;
    }
    coarser = factor;
    if (fits()) break;
  }
  if (coarser == 1) return std::nullopt;
  return Reason{"spacing", plan.config.spacing,
                text("at ", spacing_text(usual), " the predictions after the last step would take ", taken,
                     ": images are made coarser by a factor of ", significant(coarser, 3),
                     ", their masks are not; thin objects may need `none`")};
}

}  // namespace voxgrad::apps

// Distances and metrics.
#include <algorithm>
#include <limits>

#include "apps/embed/arrays.h"
#include "apps/embed/handles.h"
#include "engine/ops.h"
#include "losses/metrics/metrics.h"

using namespace voxgrad;

namespace {

// The metrics that masks suffice for. The table is in the order of the needs.
std::int64_t count_of_metrics() {
  const std::vector<losses::Metric>& all = losses::metrics();
  return std::count_if(all.begin(), all.end(),
                       [](const losses::Metric& metric) { return metric.needs != losses::Needs::probabilities; });
}

}  // namespace

int voxgrad_distance(voxgrad_context* context, const voxgrad_array* labels, int label, const double* spacing,
                     const voxgrad_array* distances) {
  return embed::run(context, [&] {
    const embed::Array from(labels, "labels"), to = embed::Array::output(distances, "distances");
    check(to.is_float(), "distances: must be f32 or f64");
    check(label >= -1 && label <= 255, "voxgrad_distance: label ", label, ", must be 0 .. 255, or -1");
    to.require_shape(from.shape());
    std::optional<std::int64_t> none;
    const Tensor volume = reshape(from.to_labels(none), Shape{1} + from.shape());
    const DType dtype = to.type() == VOXGRAD_F32 ? DType::f32 : DType::f64;
    const std::vector<int> classes = label < 0 ? std::vector<int>() : std::vector<int>{label};
    to.write(reshape(distance_transform(volume, classes, embed::spacing_of(spacing, from.shape().dims()), dtype),
                     from.shape()));
  });
}

const char* voxgrad_metric_name(int index) {
  try {
    return index >= 0 && index < count_of_metrics() ? nth(losses::metrics(), index).name : nullptr;
  } catch (...) {
    return nullptr;  // no memory for the table
  }
}

int voxgrad_metrics(voxgrad_context* context, const voxgrad_array* prediction, const voxgrad_array* truth,
                    const voxgrad_metric_options* options, double* values, int count) {
  return embed::run(context, [&] {
    const voxgrad_metric_options given = embed::read(options);
    const embed::Array found(prediction, "prediction"), wanted(truth, "truth");
    found.require_shape(wanted.shape());
    check(given.classes >= 2 && given.classes <= 256, "voxgrad_metrics: ", given.classes, " classes, must be 2 .. 256");
    check(values != nullptr && count >= 0 && count <= count_of_metrics(), "voxgrad_metrics: ", count,
          " values of each class, there are ", count_of_metrics(), " metrics");
    std::optional<std::int64_t> ignore;
    if (given.ignore != nullptr) ignore = *given.ignore;
    std::optional<std::int64_t> in_prediction = ignore;  // it may mark the same voxels
    losses::Scoring scoring;
    scoring.classes = given.classes;
    scoring.spacing = embed::spacing_of(given.spacing, wanted.shape().dims());
    scoring.tau = given.tolerance;
    scoring.needs = given.only_counts != 0 ? losses::Needs::counts : losses::Needs::objects;
    const Tensor masks[] = {found.to_labels(in_prediction), wanted.to_labels(ignore)};
    scoring.ignore = static_cast<int>(ignore.value_or(-1));
    const std::vector<losses::ClassScores> scores = losses::score(masks[0], masks[1], scoring);
    for (const losses::ClassScores& one : scores)
      for (int metric = 0; metric < count; ++metric) *values++ = one[static_cast<std::size_t>(metric)];
  });
}

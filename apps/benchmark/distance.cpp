#include "apps/benchmark/benchmark.h"
#include "engine/io/safetensors.h"
#include "engine/ops.h"

namespace voxgrad::apps {

Json bench_distance(const BenchOptions& options, const Shape& extents, std::int64_t classes,
                    const std::vector<double>& spacing) {
  const Tensor labels = smooth_labels(Shape{1} + extents, classes).to(options.device);
  std::vector<int> wanted;
  for (int c = 1; c < classes; ++c) wanted.push_back(c);
  Tensor distance;
  const Timing timing =
      measure(options.device, options.repeats, [&] { distance = distance_transform(labels, wanted, spacing); });
  if (!options.dump.empty())
    save_tensors(options.dump,
                 {{{"bench.labels", labels.to(Device::cpu)}, {"bench.distance", distance.to(Device::cpu)}}, {}});
  Json json = to_json(timing);
  json["voxels_per_s"] = static_cast<double>(labels.numel()) / timing.median_ms * 1000;
  return json;
}

}  // namespace voxgrad::apps

#include "apps/benchmark/benchmark.h"
#include "engine/io/safetensors.h"
#include "engine/ops.h"
#include "engine/random.h"
#include "engine/replay.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

// Measures value and gradient in one piece, as a training records them, on a device that can record.
Json as_one_piece(const BenchOptions& options, const losses::Loss& loss, const Tensor& logits, const Tensor& labels) {
  const Tensor result = zeros({}, DType::f64, options.device);
  Replay replay(options.device);
  const auto work = [&] {
    replay("", [&] {
      Tensor z = logits.detach();
      z.set_requires_grad();
      const Tensor value = loss(z, labels);
      if (value.requires_grad()) value.backward();
      copy_into(result, value);
    });
  };
  measure(options.device, 3, work);  // until it is recorded
  const Timing timing = measure(options.device, options.repeats, work);
  return {{"recorded_ms", timing.median_ms}, {"recorded", replay.size()}, {"refusal", replay.refusal()}};
}

}  // namespace

Json bench_losses(const BenchOptions& options, const std::vector<std::string>& losses, const Shape& shape,
                  std::int64_t classes) {
  Tensor logits = random_normal(shape + Shape{classes}, options.seed, 0, 2).to(options.device);
  logits.set_requires_grad();
  const Tensor labels = smooth_labels(shape, std::max<std::int64_t>(classes, 2)).to(options.device);
  if (!options.dump.empty())
    save_tensors(options.dump,
                 {{{"bench.logits", logits.to(Device::cpu)}, {"bench.labels", labels.to(Device::cpu)}}, {}});
  const double bytes = static_cast<double>(3 * logits.bytes() + 2 * labels.bytes());
  Json rows = Json::array();
  for (const std::string& name : losses) {
    const losses::Loss loss = losses::make_loss(name);
    const std::vector<Timing> stages =
        measure_stages(options.device, options.repeats, [&](const std::function<void()>& stage_done) {
          const Tensor value = loss(logits, labels);
          stage_done();
          logits.set_grad({});
          if (value.requires_grad()) value.backward();
          stage_done();
        });
    const double ms = stages[0].median_ms + stages[1].median_ms;
    rows.push_back({{"loss", name},
                    {"forward_ms", stages[0].median_ms},
                    {"backward_ms", stages[1].median_ms},
                    {"gb_per_s", bytes / ms / 1e6},
                    {"value", number(loss(logits, labels).item())},
                    {"repeats", stages[0].repeats}});
    if (options.device != Device::cpu) rows.back().update(as_one_piece(options, loss, logits, labels));
  }
  return rows;
}

}  // namespace voxgrad::apps

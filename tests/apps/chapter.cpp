// The numbers of the walk in apps/README.md: one batch of a bundled dataset, and the weight that it changes.
#include <cmath>

#include "apps/training/trainer.h"
#include "engine/ops.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

bool close(double a, double b, double tolerance) { return std::fabs(a - b) < tolerance; }

}  // namespace

TEST_CASE("one batch from the file to a changed weight") {
  const data::Dataset dataset = data::Dataset::open(std::string(VOXGRAD_SOURCE_DIR) + "/data/bundled/lesions2d.h5");
  TrainConfig config;
  config.data = dataset.info().path;
  config.base = 8;
  config.depth = 3;
  config.batch = 2;
  config.patch = "64";
  config.steps = 100;
  config.augment = "default";
  config.deep_supervision = false;
  const Plan plan = make_plan(dataset, config);

  Feed feed(dataset, plan, Device::cpu);
  const TrainingBatch& batch = feed.batch(0);
  CHECK(batch.ids == std::vector<std::string>{"case_032", "case_029"});
  CHECK(batch.images.shape() == Shape{2, 64, 64, 1});
  CHECK(close(mean(batch.images).item(), 0.490, 1e-3));
  CHECK(sum(batch.truths[0].labels.to(DType::f32)).item() == 182);

  Trainer trainer(dataset, plan, Device::cpu);
  CHECK(trainer.parameter_count() == 29490);
  const double before = trainer.weights()[0].tensor.at(0, 0, 0, 0);
  const StepReport report = trainer.step();
  CHECK(close(report.loss, 1.36064, 1e-4));
  CHECK(close(report.gradient_norm, 1.173, 1e-2));
  CHECK(close(report.lr, 0.001333, 1e-6));
  const NamedTensor weight = trainer.weights()[0];
  CHECK(weight.name == "encoder.0.conv1.weight");
  const double after = weight.tensor.at(0, 0, 0, 0);
  CHECK(close(before, -0.134686, 1e-6));
  CHECK(close(after, -0.133351, 1e-6));

  // The first step of AdamW: whatever the gradient is, as far as it is far from 0, the rate decides.
  const double decayed = before * (1 - report.lr * plan.optimizer.weight_decay);
  CHECK(close(after, decayed + report.lr, 1e-7));
}

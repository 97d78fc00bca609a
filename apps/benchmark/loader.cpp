// Measures how fast the loader makes batches.
#include <algorithm>

#include "apps/benchmark/benchmark.h"
#include "apps/training/cases.h"
#include "apps/training/plan.h"
#include "data/sampling/loader.h"

namespace voxgrad::apps {
namespace {

constexpr int kBatches = 8;  // for each time that is taken, so that batches made ahead do not count as free

Json row_of(const BenchOptions& options, const data::Dataset& dataset, const data::LoaderOptions& loader_options,
            const std::string& change) {
  data::Loader loader(dataset, loader_options);
  std::int64_t step = 0;
  const auto pass = [&] {
    for (int i = 0; i < kBatches; ++i) loader.batch(step++);
  };
  while (step < loader.steps_per_epoch()) loader.batch(step++);  // reads the cases
  Timing timing = measure(options.device, options.repeats, pass);
  timing.median_ms /= kBatches;
  timing.min_ms /= kBatches;
  Json row{{"change", change}, {"threads", loader_options.prefetch == 0 ? 0 : loader_options.threads}};
  row.update(to_json(timing));
  row["batches_per_s"] = 1000 / timing.median_ms;
  return row;
}

}  // namespace

Json bench_loader(const BenchOptions& options, const std::string& path, const std::string& augment,
                  const std::string& patch, std::int64_t batch, const std::string& label_map) {
  const data::Dataset dataset = open_dataset(path, label_map);
  TrainConfig wish;
  wish.label_map = label_map;
  wish.augment = augment;
  wish.patch = patch;
  wish.batch = batch;
  wish.seed = options.seed;
  wish.fold = only_fold(dataset.info());
  data::LoaderOptions loader = make_plan(dataset, wish).loader;
  Json rows = Json::array();
  for (const int threads : {0, 1, 2}) {
    loader.threads = threads;
    loader.prefetch = std::min(threads, 1) * 2;
    rows.push_back(row_of(options, dataset, loader, augment));
  }
  loader.prefetch = 0;
  for (const std::string& change : data::augment_changes()) {
    loader.augment = data::augment_options(change + "=1", dataset.info().dims);
    rows.push_back(row_of(options, dataset, loader, change + "=1"));
  }
  loader.augment = {};
  rows.push_back(row_of(options, dataset, loader, "none"));
  return rows;
}

}  // namespace voxgrad::apps

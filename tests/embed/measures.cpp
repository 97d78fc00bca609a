// Distances and metrics through the C interface are those of the library.
#include <cmath>
#include <limits>

#include "engine/ops.h"
#include "losses/metrics/metrics.h"
#include "tests/embed/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

Tensor mask_of(const Shape& shape, std::uint64_t key) { return random_uniform(shape, key, 0, 2.6).to(DType::u8); }

}  // namespace

TEST_CASE("distances to the other side of a class, and to any other label") {
  const Context context;
  const Shape shape{9, 12, 7};
  const Tensor labels = mask_of(shape, 1), batch = reshape(labels, {1, 9, 12, 7});
  const double spacing[] = {3, 1, 0.5};
  for (const Order order : {Order::dense, Order::gaps, Order::backwards})
    for (const int label : {-1, 0, 2, 200}) {
      const std::vector<int> classes = label < 0 ? std::vector<int>() : std::vector<int>{label};
      const Elements<std::int32_t> from(shape, labels, order);
      Elements<float> narrow(shape, order, -1);
      Elements<double> wide(shape, order, -1);
      CHECK(voxgrad_distance(context, from, label, spacing, wide) == 0);
      CHECK(wide.values() == distance_transform(batch, classes, {3, 1, 0.5}, DType::f64).to_vector<double>());
      CHECK(voxgrad_distance(context, from, label, nullptr, narrow) == 0);
      CHECK(narrow.values() == distance_transform(batch, classes).to_vector<double>());
      CHECK((max(wide.tensor()).item() > 0) == (label < 200));
    }
}

TEST_CASE("metrics of every class") {
  const Context context;
  const Shape shape{20, 30};
  const Tensor found = mask_of(shape, 2), wanted = mask_of(shape, 3);
  const Elements<std::uint8_t> prediction(shape, found);
  Elements<std::int64_t> truth(shape, wanted, Order::gaps);
  int count = 0;
  while (voxgrad_metric_name(count) != nullptr) ++count;
  CHECK(voxgrad_metric_name(0) == std::string("dice"));
  CHECK(voxgrad_metric_name(-1) == nullptr);
  REQUIRE(count > 10);
  const double spacing[] = {2, 0.5};
  voxgrad_metric_options options{};
  options.size = sizeof options;
  options.classes = 4;  // the last one is in neither mask
  options.spacing = spacing;
  std::vector<double> values(static_cast<std::size_t>(4 * count), -1);
  const auto check_all = [&](const losses::Scoring& scoring, const Tensor& reference) {
    const std::vector<losses::ClassScores> scores = losses::score(found, reference, scoring);
    for (int c = 0; c < 4; ++c)
      for (int m = 0; m < count; ++m) {
        const double a = nth(values, c * count + m), b = nth(scores, c)[static_cast<std::size_t>(m)];
        CHECK_MESSAGE((std::isnan(a) ? std::isnan(b) : a == b), voxgrad_metric_name(m), " of class ", c);
      }
  };
  CHECK(voxgrad_metrics(context, prediction, truth, &options, values.data(), count) == 0);
  check_all({.classes = 4, .spacing = {2, 0.5}}, wanted);
  CHECK(values[static_cast<std::size_t>(count)] > 0);              // the Dice of class 1
  CHECK(std::isnan(values[static_cast<std::size_t>(3 * count)]));  // of class 3
  options.only_counts = 1;
  options.tolerance = 1;
  CHECK(voxgrad_metrics(context, prediction, truth, &options, values.data(), count) == 0);
  check_all({.classes = 4, .spacing = {2, 0.5}, .tau = 1, .needs = losses::Needs::counts}, wanted);
  const Tensor marked = wanted.clone();
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    if (truth.at(i) == 2) truth.at(i) = -1, marked.data<std::uint8_t>()[i] = 255;
  const std::int64_t ignore = -1;
  options.ignore = &ignore;
  options.only_counts = 0;
  CHECK_MESSAGE(voxgrad_metrics(context, prediction, truth, &options, values.data(), count) == 0, context.error());
  check_all({.classes = 4, .ignore = 255, .spacing = {2, 0.5}, .tau = 1}, marked);
  Elements<std::int16_t> same(shape, found);  // a prediction may mark the same voxels
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    if (truth.at(i) == -1) same.at(i) = -1;
  CHECK_MESSAGE(voxgrad_metrics(context, same, truth, &options, values.data(), count) == 0, context.error());
  check_all({.classes = 4, .ignore = 255, .spacing = {2, 0.5}, .tau = 1}, marked);
}

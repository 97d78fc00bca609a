// Identities of the losses that rank voxels or measure distances.
#include "tests/test.h"

#include "tests/losses/identity.h"

using namespace voxgrad;
using losses::make_loss;
using namespace test;

namespace {

Result result_of(const std::string& text, const Sample& sample, const losses::Context& context = {}) {
  return evaluate(make_loss(text), sample.logits, sample.labels, context);
}

}  // namespace

TEST_CASE("topk falls with the share of the voxels, and takes at least one") {
  Random random(71);
  const Sample sample = draw_sample(random, {2, 4, 5, 3});
  double before = losses::kInfinity;
  for (double percent : {0.01, 2.5, 10.0, 35.0, 80.0, 100.0}) {
    const double value = value_of(text("topk:percent=", percent), sample);
    CHECK(value <= before);
    before = value;
  }
  const Tensor l = -1 * log_softmax(sample.logits);
  double most = 0;  // the largest -log p of a true class
  for (std::int64_t i = 0; i < sample.labels.numel(); ++i)
    most = std::max(most, l.data<double>()[i * 3 + sample.labels.data<std::uint8_t>()[i]]);
  CHECK(std::fabs(value_of("topk:percent=0.01", sample) - most) <= 1e-12);
}

TEST_CASE("the threshold is on the probability of the true class") {
  Random random(72);
  const Sample sample = draw_sample(random, {2, 4, 5, 3});
  const Tensor p = softmax(sample.logits);
  double sum = 0, count = 0;
  for (std::int64_t i = 0; i < sample.labels.numel(); ++i) {
    const double truth = p.data<double>()[i * 3 + sample.labels.data<std::uint8_t>()[i]];
    if (truth >= 0.4) continue;
    sum -= std::log(truth);
    count += 1;
  }
  CHECK(std::fabs(value_of("topk_threshold:threshold=0.4", sample) - sum / count) <= 1e-12);
}

TEST_CASE("Lovasz: below the soft Jaccard loss, and equal to it on masks") {
  Random random(73);
  for (int i = 0; i < 30; ++i) {
    const Sample sample = draw_sample(random, {1, 4, 5, 1});
    CHECK(value_of("lovasz_softmax", sample) <= value_of("jaccard:" + kExact, sample) + 1e-12);
    const HardMasks m = draw_masks(random);
    CHECK(std::fabs(value_of("lovasz_softmax", m.sample) - (m.fp + m.fn) / (m.tp + m.fp + m.fn)) <= 1e-12);
  }
  check_equal("lovasz_softmax:per_image=1", "lovasz_softmax", {{1, 4, 5, 2}, {1, 3, 2, 4, 3}});
}

TEST_CASE("the hinge of right voxels with a margin of one is zero") {
  const Tensor logits = from_vector<double>({1, 4, 1}, {1, 3, -1, -7});
  CHECK(make_loss("lovasz_hinge")(logits, from_vector<std::uint8_t>({1, 4}, {1, 1, 0, 0})).item() <= 1e-15);
  // one wrong voxel, margin 1 + 3, alone in its class: the slope of the largest error of one true voxel is 1
  CHECK(make_loss("lovasz_hinge")(logits, from_vector<std::uint8_t>({1, 4}, {0, 0, 0, 1})).item() > 4);
}

TEST_CASE("the share of the boundary loss grows during the training, up to one, and a tenth of the region term stays") {
  Random random(74);
  const Sample sample = draw_sample(random, {2, 4, 5, 2});
  const auto at = [&](const std::string& text, double progress) {
    losses::Context context;
    context.progress = full({}, progress, DType::f64);
    return make_loss(text)(sample.logits, sample.labels, context).item();
  };
  CHECK(std::fabs(at("gd_boundary", 0.09) - at("gd_boundary:alpha=0.1", 0)) <= 1e-12);
  CHECK(at("gd_boundary:growth=0", 0.5) == at("gd_boundary", 0));
  CHECK(value_of("gd_boundary", sample) == at("gd_boundary", 0));
  CHECK(std::fabs(at("gd_boundary", 1) - at("generalized_dice+boundary", 0)) <= 1e-12);
  CHECK(std::fabs(at("gd_boundary:schedule=rebalance", 1) - at("0.1*generalized_dice+boundary", 0)) <= 1e-12);
  CHECK(std::fabs(at("gd_boundary:schedule=rebalance,least=0", 1) - at("boundary", 0)) <= 1e-12);
  CHECK(std::fabs(at("gd_boundary:schedule=rebalance,growth=2", 0.2) -
                  at("gd_boundary:schedule=rebalance,alpha=0.41", 0)) <= 1e-12);
}

TEST_CASE("batch=1 pools the region term of gd_boundary and leaves the boundary term alone") {
  Random random(77);
  Sample sample = draw_sample(random, {2, 4, 5, 2});
  for (std::int64_t i = 0; i < 9; ++i) sample.labels.data<std::uint8_t>()[i] = 255;  // one sample has fewer voxels
  losses::Context context;
  context.ignore = 255;
  const auto value = [&](const std::string& text) {
    return make_loss(text)(sample.logits, sample.labels, context).item();
  };
  CHECK(std::fabs(value("gd_boundary:batch=1,alpha=0.3") - value("generalized_dice:batch=1+0.3*boundary")) <= 1e-12);
}

TEST_CASE("the automatic balance of dice_hd weighs both terms alike and holds the weight constant") {
  Random random(75);
  for (const Shape& shape : {Shape{2, 4, 5, 1}, Shape{2, 3, 2, 4, 3}}) {
    const Sample sample = draw_sample(random, shape);
    const Result both = result_of("dice_hd", sample), dice = result_of("dice:background=0", sample),
                 hd = result_of("hausdorff_dt", sample);
    const double ratio = hd.value / (dice.value + 1e-5);
    CHECK(std::fabs(both.value - (ratio * dice.value + hd.value)) <= 1e-12);
    for (std::size_t i = 0; i < both.gradient.size(); ++i)
      CHECK(std::fabs(both.gradient[i] - (ratio * dice.gradient[i] + hd.gradient[i])) <= 1e-12);
  }
}

// Boundary loss of a mask minus that of the truth: the distances of the voxels on which they differ.
TEST_CASE("on masks the boundary loss is the mismatch weighed by its distance") {
  Random random(76);
  for (int i = 0; i < 20; ++i) {
    const HardMasks m = draw_masks(random);
    const Tensor d = distance_transform(m.sample.labels, {1}, {}, DType::f64);
    double mismatch = 0, cubes = 0;
    for (std::int64_t v = 0; v < d.numel(); ++v)
      if ((m.sample.logits.data<double>()[v] > 0) != (m.sample.labels.data<std::uint8_t>()[v] == 1)) {
        mismatch += d.data<double>()[v] / static_cast<double>(d.numel());
        cubes += std::pow(d.data<double>()[v], 3) / static_cast<double>(d.numel());
      }
    Sample truth = m.sample;
    truth.logits = (2 * m.sample.labels.to(DType::f64) - 1) * 1000.0;
    truth.logits = reshape(truth.logits, m.sample.logits.shape());
    const double gap = value_of("boundary:sdf=plain", m.sample) - value_of("boundary:sdf=plain", truth);
    CHECK(std::fabs(gap - mismatch) <= 1e-12 * std::max(1.0, mismatch));
    // on masks (p - t)^2 is the mismatch
    CHECK(std::fabs(value_of("hausdorff_dt:one_sided=1,alpha=1", m.sample) - mismatch) <= 1e-12);
    CHECK(std::fabs(value_of("hausdorff_dt:one_sided=1,alpha=3", m.sample) - cubes) <= 1e-12 * std::max(1.0, cubes));
  }
}

TEST_CASE("without a border nothing is weighed") {
  Random random(77);
  Sample sample = draw_sample(random, {1, 4, 5, 2});
  sample.labels = zeros(sample.labels.shape(), DType::u8);
  CHECK(std::fabs(value_of("dpce", sample) - value_of("ce", sample)) <= 1e-12);
  CHECK(value_of("boundary", sample) == 0);
}

TEST_CASE("spacing scales distances in mm") {
  Random random(78);
  const Sample sample = draw_sample(random, {2, 4, 5, 2});
  losses::Context twice;
  twice.spacing = {2, 2};
  for (const auto& loss : {std::pair("boundary:sdf=plain,unit=mm", 2.0), std::pair("hausdorff_dt:unit=mm", 4.0)}) {
    const double value = make_loss(loss.first)(sample.logits, sample.labels, twice).item();
    const double expected = loss.second * value_of(loss.first, sample);
    CHECK_MESSAGE(std::fabs(value - expected) <= 1e-12 * std::fabs(value), loss.first);
  }
  CHECK(std::fabs(result_of("dpce", sample, twice).value - value_of("dpce", sample)) <= 1e-12);
}

TEST_CASE("a slice of a volume has the loss of the picture, however thick it is") {
  Random random(79);
  const Sample sample = draw_sample(random, {2, 12, 16, 3});
  const Tensor logits = reshape(sample.logits, {2, 1, 12, 16, 3}), labels = reshape(sample.labels, {2, 1, 12, 16});
  losses::Context flat, deep;
  flat.spacing = {1, 1};
  deep.spacing = {10, 1, 1};
  for (const char* name : {"nacl", "nacl:reach=2", "surface_dice", "cldice"}) {
    const double picture = make_loss(name)(sample.logits, sample.labels, flat).item(),
                 slice_of_volume = make_loss(name)(logits, labels, deep).item();
    CHECK_MESSAGE(std::fabs(slice_of_volume - picture) <= 1e-12, name);
  }
}

TEST_CASE("Wasserstein Dice takes a square matrix") {
  CHECK_THROWS_AS(value_of("generalized_wasserstein_dice:distances=0/1/1",
                           {zeros({1, 4, 2}, DType::f64), zeros({1, 4}, DType::u8)}),
                  Error);
  Random random(70);
  const Sample two = test::draw_sample(random, {2, 4, 5, 2});  // what stands in the diagonal does not count
  CHECK(value_of("generalized_wasserstein_dice:distances=5/1/1/5", two) ==
        value_of("generalized_wasserstein_dice:distances=0/1/1/0", two));
  CHECK_THROWS_AS(value_of("generalized_wasserstein_dice:distances=1/0/0/1", two), Error);
}

TEST_CASE("generalised Dice: a class without truth has the weight that was asked for, whatever the weighting") {
  const double half = std::log(2);
  const Sample two{from_vector<double>({1, 2, 3}, {half, 0, 0, half, 0, 0}), from_vector<std::uint8_t>({1, 2}, {0, 1})};
  const auto value = [&](const std::string& options) {
    return value_of("generalized_dice:background=1,smooth_nr=0,smooth_dr=1e-12,weighting=uniform,absent=" + options,
                    two);
  };
  CHECK(std::fabs(value("max") - (1 - 1.5 / 4)) < 1e-9);
  CHECK(std::fabs(value("zero") - (1 - 1.5 / 3.5)) < 1e-9);
  CHECK(value("clamp") > 0.9999);
}

TEST_CASE("centreline Dice: zero for the truth, and a gap costs more than a thin wall") {
  std::vector<std::uint8_t> line(9 * 12, 0);
  for (std::size_t y = 3; y < 6; ++y)
    for (std::size_t x = 1; x < 11; ++x) line[y * 12 + x] = 1;
  const Tensor labels = from_vector({1, 9, 12}, line);
  const auto value = [&](const std::vector<std::uint8_t>& mask) {
    std::vector<double> z;
    for (std::uint8_t m : mask) z.push_back(m != 0 ? 1000 : -1000);
    return make_loss("cldice:smooth=1e-6")(from_vector({1, 9, 12, 1}, z), labels).item();
  };
  std::vector<std::uint8_t> gap = line, thin = line;
  for (std::size_t y = 3; y < 6; ++y) gap[y * 12 + 5] = 0;
  for (std::size_t x = 1; x < 11; ++x) thin[3 * 12 + x] = thin[5 * 12 + x] = 0;
  CHECK(std::fabs(value(line)) <= 1e-6);
  CHECK(value(thin) < 0.02);
  CHECK(value(gap) > 0.03);
}

TEST_CASE("a class counts once, whether one voxel has it or many, and one image or all") {
  Random random(71);
  const Sample sample = test::draw_sample(random, {2, 4, 5, 3});
  Tensor some = sample.labels.clone();
  std::uint8_t* values = some.data<std::uint8_t>();
  std::replace(values, values + some.numel(), std::uint8_t{2}, std::uint8_t{1});
  values[0] = 0;
  values[3] = 2;
  const auto loss = [&](const char* classes) {
    return losses::make_loss(std::string("lovasz_softmax:per_image=0,classes=") + classes)(sample.logits, some).item();
  };
  CHECK(std::fabs(loss("present") - loss("all")) <= 1e-12);  // all are present
}

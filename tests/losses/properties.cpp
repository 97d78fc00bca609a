// What every loss of the registry promises, whatever it computes.
#include "tests/test.h"

#include <map>
#include <numeric>

#include "tests/losses/samples.h"

using namespace voxgrad;
using test::Result;
using test::Sample;

namespace {

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {{2, 4, 5, 1}, {2, 4, 5, 2}, {2, 3, 2, 4, 3}};
  return all;
}

bool finite(const Result& result) {
  return std::isfinite(result.value) &&
         std::all_of(result.gradient.begin(), result.gradient.end(), [](double g) { return std::isfinite(g); });
}

// Calls f(text, loss, shape, sample, context) for every loss, with its defaults and with every other choice.
template <class F>
void for_losses(std::uint64_t seed, F&& f) {
  Random random(seed);
  int calls = 0;
  for (const losses::Spec& spec : losses::registry())
    for (const Shape& shape : shapes())
      for (const std::string& text : test::variants(spec, std::max<std::int64_t>(shape[-1], 2))) {
        f(spec, text, losses::make_loss(text), test::draw_sample(random, shape), test::context_for(shape));
        ++calls;
      }
  CHECK(calls > 0);
}

Tensor filled_labels(const Sample& sample, int label) { return full(sample.labels.shape(), label, DType::u8); }

// The rows of `x` (all of its axes but the last `kept`) in another order.
template <class T>
Tensor permuted(const Tensor& x, std::int64_t width, const std::vector<std::int64_t>& order) {
  const std::vector<T> from = x.to_vector<T>();
  std::vector<T> to(from.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    std::copy_n(from.begin() + order[i] * width, width, to.begin() + static_cast<std::int64_t>(i) * width);
  return from_vector(x.shape(), to);
}

}  // namespace

TEST_CASE("logits of +-1e4 give finite values and gradients") {
  for_losses(41, [](const losses::Spec&, const std::string& text, const losses::Loss& loss, const Sample& sample,
                    const losses::Context& context) {
    const std::vector<double> z = sample.logits.to_vector<double>();
    std::vector<double> extreme;
    for (double x : z) extreme.push_back(x > 0 ? 1e4 : x > -0.5 ? -1e4 : 0);
    const Tensor logits = from_vector(sample.logits.shape(), extreme);
    for (DType dtype : {DType::f64, DType::f32})
      CHECK_MESSAGE(finite(test::evaluate(loss, logits.to(dtype), sample.labels, context)), text << " " << dtype);
  });
}

TEST_CASE("empty, full, single-voxel and all-ignored masks give finite values and gradients") {
  for_losses(42, [](const losses::Spec&, const std::string& text, const losses::Loss& loss, const Sample& sample,
                    const losses::Context& context) {
    const int last = static_cast<int>(std::max<std::int64_t>(sample.logits.extent(-1), 2)) - 1;
    Tensor single = filled_labels(sample, 0);
    single.data<std::uint8_t>()[7] = static_cast<std::uint8_t>(last);
    for (double scale : {1.0, 30.0, 1000.0})  // unsure, sure, saturated
      for (const Tensor& labels : {filled_labels(sample, 0), filled_labels(sample, last), single})
        CHECK_MESSAGE(finite(test::evaluate(loss, sample.logits * scale, labels, context)), text << " " << scale);
    losses::Context ignoring = context;
    ignoring.ignore = last;
    if (test::contains(text, "ignore=")) return;  // then the text decides
    const Result nothing = test::evaluate(loss, sample.logits, filled_labels(sample, last), ignoring);
    CHECK_MESSAGE(finite(nothing), text);
    CHECK_MESSAGE(test::largest(nothing.gradient) == 0, text << ": a gradient without any voxel that counts");
  });
}

TEST_CASE("volumes of one voxel work") {
  Random random(43);
  for (const losses::Spec& spec : losses::registry())
    for (const Shape& shape : {Shape{1, 1, 1}, Shape{1, 1, 1, 2}, Shape{1, 1, 1, 1, 3}}) {
      const Sample sample = test::draw_sample(random, shape);
      const Result result =
          test::evaluate(losses::make_loss(spec.name), sample.logits, sample.labels, test::context_for(shape));
      CHECK_MESSAGE(finite(result), spec.name << " " << shape);
    }
}

TEST_CASE("the order of the samples does not matter, nor that of the voxels unless the loss is geometric") {
  Random random(44);
  for_losses(44, [&](const losses::Spec& spec, const std::string& text, const losses::Loss& loss, const Sample& sample,
                     const losses::Context& context) {
    const std::int64_t voxels = sample.logits.shape().spatial_numel(), samples = sample.logits.extent(0);
    std::vector<std::int64_t> order(static_cast<std::size_t>(voxels));
    std::iota(order.begin(), order.end(), 0);
    if (!spec.geometric) random.shuffle(order);
    std::vector<std::int64_t> rows;  // samples from the last to the first, the same voxels of each
    for (std::int64_t n = samples - 1; n >= 0; --n)
      for (std::int64_t v : order) rows.push_back(n * voxels + v);
    const std::int64_t channels = sample.logits.extent(-1);
    const Result plain = test::evaluate(loss, sample.logits, sample.labels, context);
    const Result moved = test::evaluate(loss, permuted<double>(sample.logits, channels, rows),
                                        permuted<std::uint8_t>(sample.labels, 1, rows), context);
    CHECK_MESSAGE(std::fabs(plain.value - moved.value) <= 1e-12 * std::max(1.0, std::fabs(plain.value)), text);
    const Tensor gradient = from_vector(sample.logits.shape(), plain.gradient);
    CHECK_MESSAGE(test::largest_difference(permuted<double>(gradient, channels, rows).to_vector<double>(),
                                           moved.gradient) <= 1e-12 * std::max(1.0, test::largest(plain.gradient)),
                  text);
  });
}

TEST_CASE("ignored voxels influence neither value nor gradient") {
  Random random(45);
  for_losses(45, [&](const losses::Spec&, const std::string& text, const losses::Loss& loss, const Sample& sample,
                     losses::Context context) {
    if (test::contains(text, "ignore=")) return;
    context.ignore = 200;
    std::vector<std::uint8_t> labels = sample.labels.to_vector<std::uint8_t>();
    std::vector<double> z = sample.logits.to_vector<double>(), other = z;
    const auto channels = static_cast<std::size_t>(sample.logits.extent(-1));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (!random.chance(0.3)) continue;
      labels[i] = 200;
      for (std::size_t c = 0; c < channels; ++c) other[i * channels + c] += 10 * random.normal();
    }
    const Tensor truth = from_vector(sample.labels.shape(), labels);
    const Result a = test::evaluate(loss, from_vector(sample.logits.shape(), z), truth, context);
    const Result b = test::evaluate(loss, from_vector(sample.logits.shape(), other), truth, context);
    CHECK_MESSAGE(a.value == b.value, text);
    CHECK_MESSAGE(a.gradient == b.gradient, text);
    for (std::size_t i = 0; i < labels.size(); ++i)
      for (std::size_t c = 0; c < channels; ++c)
        if (labels[i] == 200) CHECK_MESSAGE(a.gradient[i * channels + c] == 0, text << " voxel " << i);
  });
}

TEST_CASE("the first class can be what is ignored, as a label beyond the classes can") {
  for_losses(48, [](const losses::Spec&, const std::string& text, const losses::Loss& loss, const Sample& sample,
                    losses::Context context) {
    if (test::contains(text, "ignore=") || sample.logits.extent(-1) == 1) return;
    std::vector<std::uint8_t> beyond = sample.labels.to_vector<std::uint8_t>();
    std::replace(beyond.begin(), beyond.end(), std::uint8_t{0}, std::uint8_t{200});
    context.ignore = 0;
    const Result a = test::evaluate(loss, sample.logits, sample.labels, context);
    context.ignore = 200;
    const Result b = test::evaluate(loss, sample.logits, from_vector(sample.labels.shape(), beyond), context);
    CHECK_MESSAGE(a.value == b.value, text);
    CHECK_MESSAGE(a.gradient == b.gradient, text);
  });
}

TEST_CASE("the label to ignore may stand in the text or come with the data") {
  Random random(46);
  for (const losses::Spec& spec : losses::registry()) {
    Sample sample = test::draw_sample(random, {2, 4, 5, 2});
    for (std::int64_t i : {3, 8, 21}) sample.labels.data<std::uint8_t>()[i] = 255;
    losses::Context context = test::context_for(sample.logits.shape());
    const Result text =
        test::evaluate(losses::make_loss(spec.name + ":ignore=255"), sample.logits, sample.labels, context);
    context.ignore = 255;
    const Result data = test::evaluate(losses::make_loss(spec.name), sample.logits, sample.labels, context);
    CHECK_MESSAGE(text.value == data.value, spec.name);
    CHECK_MESSAGE(text.gradient == data.gradient, spec.name);
  }
}

TEST_CASE("steps against the gradient make the value smaller") {
  for_losses(47, [](const losses::Spec& spec, const std::string& text, const losses::Loss& loss, const Sample& sample,
                    const losses::Context& context) {
    Tensor z = sample.logits;
    const Result first = test::evaluate(loss, z, sample.labels, context);
    Result now = first;
    // A predicted mask that changes moves the distances to it: one step, too short for that.
    const bool careful = spec.geometric || spec.jumps;
    const int steps = careful ? 1 : 10;
    const double length = spec.jumps ? 1e-6 : careful ? 1e-4 : 0.05;
    for (int step = 0; step < steps; ++step) {
      const double longest = test::largest(now.gradient);
      if (longest == 0) break;
      z = z - from_vector(z.shape(), now.gradient) * (length / longest);
      now = test::evaluate(loss, z, sample.labels, context);
    }
    const bool constant = test::largest(first.gradient) == 0;
    CHECK_MESSAGE((constant ? now.value == first.value : now.value < first.value),
                  text << ": " << first.value << " became " << now.value);
  });
}

TEST_CASE("f32 logits give the value of f64 to 1e-6") {
  for_losses(48, [](const losses::Spec&, const std::string& text, const losses::Loss& loss, const Sample& sample,
                    const losses::Context& context) {
    const Tensor narrow = sample.logits.to(DType::f32);
    const double f32 = loss(narrow, sample.labels, context).item();
    const double f64 = loss(narrow.to(DType::f64), sample.labels, context).item();
    CHECK_MESSAGE(std::fabs(f32 - f64) <= 1e-6 * std::max(1.0, std::fabs(f64)), text << ": " << f32 << " " << f64);
  });
}

// Of a mask that fills the image, or leaves it empty, a term that should vanish must not be a difference of large ones.
TEST_CASE("f32 logits give the gradient of f64 to 1e-4, for every mask") {
  for_losses(54, [](const losses::Spec&, const std::string& text, const losses::Loss& loss, const Sample& sample,
                    const losses::Context& context) {
    const int last = static_cast<int>(std::max<std::int64_t>(sample.logits.extent(-1), 2)) - 1;
    const Tensor narrow = sample.logits.to(DType::f32);
    for (const Tensor& labels : {sample.labels, filled_labels(sample, 0), filled_labels(sample, last)}) {
      const Result f32 = test::evaluate(loss, narrow, labels, context);
      const Result f64 = test::evaluate(loss, narrow.to(DType::f64), labels, context);
      const double error = test::largest_difference(f32.gradient, f64.gradient), most = test::largest(f64.gradient);
      CHECK_MESSAGE(error <= 1e-4 * most + 1e-9,
                    voxgrad::text(text, " ", sample.logits.shape(), ": ", error, " of ", most));
    }
  });
}

TEST_CASE("the same constant added to all logits of a voxel changes nothing") {
  for_losses(49, [](const losses::Spec& spec, const std::string& text, const losses::Loss& loss, const Sample& sample,
                    const losses::Context& context) {
    if (sample.logits.extent(-1) == 1 || spec.reads_logits) return;
    const Tensor shift = random_normal(sample.logits.shape().with(-1, 1), 5, 0, 3, DType::f64);
    const Result a = test::evaluate(loss, sample.logits, sample.labels, context);
    const Result b = test::evaluate(loss, sample.logits + shift, sample.labels, context);
    CHECK_MESSAGE(std::fabs(a.value - b.value) <= 1e-11 * std::max(1.0, std::fabs(a.value)), text);
    CHECK_MESSAGE(test::largest_difference(a.gradient, b.gradient) <= 1e-11 * std::max(1.0, test::largest(a.gradient)),
                  text);
  });
}

TEST_CASE("the unit of length means nothing, unless a loss is told to measure in mm") {
  int geometric = 0;
  for_losses(50, [&](const losses::Spec& spec, const std::string& text, const losses::Loss& loss, const Sample& sample,
                     const losses::Context& context) {
    if (test::contains(text, "unit=mm")) return;
    geometric += spec.geometric;
    const Result first = test::evaluate(loss, sample.logits, sample.labels, context);
    for (const double unit : {0.01, 0.05, 0.3, 3.0, 100.0}) {
      losses::Context scaled = context;
      for (double& along : scaled.spacing) along *= unit;
      const Result other = test::evaluate(loss, sample.logits, sample.labels, scaled);
      CHECK_MESSAGE(std::fabs(other.value - first.value) <= 1e-12 * std::max(1.0, std::fabs(first.value)),
                    text << " unit " << unit << ": " << first.value << " became " << other.value);
      CHECK_MESSAGE(test::largest_difference(other.gradient, first.gradient) <= 1e-12 * test::largest(first.gradient),
                    text << " unit " << unit);
    }
  });
  CHECK(geometric > 50);
}

// The value may be a sum of terms with and without distances, a + b u^p for the unit u; with log=1 it is that of 1 + L.
// The power p is told by three units, so that the test knows no formula.
TEST_CASE("in mm another unit of length multiplies a distance term by a power of it, or changes nothing") {
  std::map<std::string, double> powers;
  Random random(51);
  for (const losses::Spec& spec : losses::registry()) {
    const bool measures = std::any_of(spec.parameters.begin(), spec.parameters.end(),
                                      [](const losses::Parameter& p) { return p.name == "unit"; });
    for (const std::string& variant : test::variants(spec, 3)) {
      if (!measures || test::contains(variant, "unit=") || spec.name == "surface_dice")
        continue;  // surface_dice counts the voxels within a tolerance
      const std::string text = variant + (test::contains(variant, ":") ? "," : ":") + "unit=mm";
      const losses::Loss loss = losses::make_loss(text);
      const Sample sample = test::draw_sample(random, {2, 3, 2, 4, 3});
      const auto value_in = [&](double unit) {
        losses::Context scaled = test::context_for(sample.logits.shape());
        for (double& along : scaled.spacing) along *= unit;
        const double value = loss(sample.logits, sample.labels, scaled).item();
        return test::contains(text, "log=1") ? std::expm1(value) : value;
      };
      const double one = value_in(1);
      const bool constant = std::fabs(value_in(8) - one) <= 1e-12 * std::fabs(one);
      const double step = value_in(2) - one, power = constant ? 0 : std::log2((value_in(4) - value_in(2)) / step);
      const double slope = constant ? 0 : step / (std::exp2(power) - 1);
      for (const double unit : {1e-3, 0.01, 0.05, 3.0, 100.0, 1e3}) {
        const double expected = one + slope * (std::pow(unit, power) - 1);
        CHECK_MESSAGE(std::fabs(value_in(unit) - expected) <=
                          1e-9 * (std::fabs(one) + std::fabs(slope) * (1 + std::pow(unit, power))),
                      text << " unit " << unit << ": " << value_in(unit) << ", expected " << expected);
      }
      powers[variant] = power;
    }
  }
  const std::map<std::string, double> known{{"boundary", 1},     {"boundary:sdf=plain", 1},   {"gd_boundary", 1},
                                            {"hausdorff_dt", 2}, {"hausdorff_dt:alpha=1", 1}, {"dice_hd", 2},
                                            {"dpce", 0},         {"dpce:normalize=none", 1}};
  for (const auto& entry : known) {
    const std::string& name = entry.first;
    REQUIRE(powers.contains(name));
    CHECK_MESSAGE(std::fabs(powers[name] - entry.second) <= 1e-6, name << ": " << powers[name]);
  }
}

TEST_CASE("a batch of samples with different spacings has the loss of its samples") {
  Random random(52);
  for (const losses::Spec& spec : losses::registry()) {
    if (!spec.geometric) continue;
    for (const std::string& text : test::variants(spec, 2)) {
      const losses::Loss loss = losses::make_loss(text);
      if (test::contains(loss.text(), "batch=1") || test::contains(text, "log=1") || test::contains(text, "pool") ||
          spec.name == "dice_hd")
        continue;  // these are no mean over the samples
      const Sample both = test::draw_sample(random, {2, 4, 5, 2});
      double mean = 0;
      for (std::int64_t n = 0; n < 2; ++n) {
        losses::Context one = test::context_for(both.logits.shape());
        one.spacing = n == 0 ? std::vector<double>{3, 1} : std::vector<double>{0.5, 0.5};
        mean += 0.5 * loss(slice(both.logits, 0, n, n + 1), slice(both.labels, 0, n, n + 1), one).item();
      }
      losses::Context context = test::context_for(both.logits.shape());
      context.spacing = {3, 1, 0.5, 0.5};
      CHECK_MESSAGE(std::fabs(loss(both.logits, both.labels, context).item() - mean) <= 1e-12 * std::max(1.0, mean),
                    text);
    }
  }
}

// An ignored voxel used to be the other side of every class.
TEST_CASE("a distance does not change if a voxel far from the border is ignored") {
  const Tensor labels = from_vector<std::uint8_t>({1, 9}, {0, 0, 1, 1, 1, 1, 1, 0, 0});
  Tensor hidden = labels.clone();
  hidden.data<std::uint8_t>()[4] = 255;
  const Tensor z = from_vector<double>({1, 9, 1}, {-1, 2, 3, 1, 40, 1, -2, 2, -1});
  for (const char* name : {"boundary", "boundary:sdf=zero_inner", "hausdorff_dt"}) {
    losses::Context ignoring;
    ignoring.ignore = 255;
    const losses::Loss loss = losses::make_loss(name);
    const Result a = test::evaluate(loss, z, labels), b = test::evaluate(loss, z, hidden, ignoring);
    for (std::size_t i = 0; i < 9; ++i)  // a mean over nine voxels, and over eight
      if (i != 4) CHECK_MESSAGE(std::fabs(9 * a.gradient[i] - 8 * b.gradient[i]) <= 1e-12, name << " voxel " << i);
  }
}

TEST_CASE("a spacing that is none is refused by every loss, whether it measures or not") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Shape shape{1, 6, 6, 2};
  Random random(8);
  const Sample sample = test::draw_sample(random, shape);
  for (const losses::Spec& spec : losses::registry()) {
    const losses::Loss loss = losses::make_loss(spec.name);
    for (const std::vector<double>& bad : {std::vector<double>{1},
                                           {0, 1},
                                           {nan, 1},
                                           {-1, 1},
                                           {1e-30, 1},
                                           {1e-9, 1},
                                           {1e10, 1e10},
                                           {1, 1, 1},
                                           {1, 1, 1, 1}}) {
      losses::Context context;
      context.spacing = bad;
      try {
        loss(sample.logits, sample.labels, context);
        CHECK_MESSAGE(false, spec.name, " takes ", bad.size(), " spacings, the first is ", bad[0]);
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::argument);
        CHECK_MESSAGE(test::contains(error.what(), "spacing must be 2 positive numbers"), error.what());
      }
    }
  }
}

TEST_CASE("the extremes of a spacing give numbers, and a tolerance beyond the image reaches all of it") {
  Random random(9);
  for (const Shape& shape : {Shape{1, 12, 12, 2}, Shape{1, 6, 6, 12, 2}}) {
    const Sample sample = test::draw_sample(random, shape);
    const Tensor logits = sample.logits.to(DType::f32);
    for (const double finest : {1e-9, 1e3})
      for (const losses::Spec& spec : losses::registry())
        for (const char* unit : {"", ":unit=mm"}) {
          if (*unit != 0 && spec.name != "hausdorff_dt" && spec.name != "surface_dice" && spec.name != "boundary")
            continue;
          losses::Context context;
          context.spacing.assign(static_cast<std::size_t>(shape.dims() - 2), finest * 1e6);
          context.spacing[0] = finest;
          const double value = losses::make_loss(spec.name + std::string(unit))(logits, sample.labels, context).item();
          CHECK_MESSAGE(std::isfinite(value), spec.name, unit, " at ", finest, ": ", value);
        }
    losses::Context fine;
    fine.spacing.assign(static_cast<std::size_t>(shape.dims() - 2), 1e-9);
    const double all = losses::make_loss("surface_dice:tau=1e6,unit=mm")(logits, sample.labels, fine).item();
    CHECK(all == losses::make_loss("surface_dice:tau=100")(logits, sample.labels).item());
  }
}

TEST_CASE("the largest powers of errors and distances are finite, and a threshold of 1 leaves no voxel out") {
  Tensor logits = from_vector<float>({1, 2, 1}, {-1e4F, 0}), labels = from_vector<std::uint8_t>({1, 2}, {1, 1});
  logits = reshape(logits, {1, 1, 2, 1});
  labels = reshape(labels, {1, 1, 2});
  const auto value = [&](const std::string& text) { return losses::make_loss(text)(logits, labels).item(); };
  CHECK(std::fabs(value("exp_log:w_dice=0,w_ce=1,gamma_ce=4,weights=1/1") / 0.5e16 - 1) < 1e-3);
  CHECK(value("exp_log:w_dice=0,w_ce=1,gamma_ce=10,weights=1/1") > 1e29);
  logits.data<float>()[0] = 1e4F;
  CHECK(std::fabs(value("topk_threshold:threshold=1") - value("ce")) < 1e-6);
  const Tensor wide = zeros({1, 1, 8192, 1}), dot = zeros({1, 1, 8192}, DType::u8);
  dot.data<std::uint8_t>()[0] = 1;
  CHECK(std::isfinite(losses::make_loss("hausdorff_dt:alpha=10")(wide, dot).item()));
}

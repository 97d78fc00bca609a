// Losses through the C interface have the values and gradients of the C++ library, for each order of the axes in memory
// and each type of labels.
#include "engine/autograd.h"
#include "engine/ops.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"
#include "tests/embed/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

const Shape kShape{2, 6, 9, 7, 3};

struct Expected {
  double value;
  Tensor gradient;
};

Tensor logits_of(DType dtype) { return random_normal(kShape, 3, 0, 2, dtype); }
Tensor labels_of() { return random_uniform(kShape.without(-1), 4, 0, 2.99).to(DType::u8); }

Expected expected(const std::string& name, DType dtype, const losses::Context& context) {
  Tensor z = logits_of(dtype);
  z.set_requires_grad();
  const Tensor value = losses::make_loss(name)(z, labels_of(), context);
  value.backward();
  return {value.item(), z.grad()};
}

class Loss {
 public:
  Loss(voxgrad_context* context, const std::string& text) {
    REQUIRE(voxgrad_loss_new(context, text.c_str(), &loss_) == 0);
  }
  ~Loss() { voxgrad_loss_free(loss_); }
  Loss(const Loss&) = delete;
  Loss& operator=(const Loss&) = delete;
  operator const voxgrad_loss*() const { return loss_; }

 private:
  voxgrad_loss* loss_ = nullptr;
};

template <class T, class L>
void check_loss(voxgrad_context* context, const std::string& name, Order order) {
  const Loss loss(context, name);
  const DType dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
  losses::Context anisotropic;
  anisotropic.spacing = {2, 1, 1};
  const Expected wanted = expected(name, dtype, anisotropic);
  const Elements<T> logits(kShape, logits_of(dtype), order);
  const Elements<L> labels(kShape.without(-1), labels_of(), order == Order::channels_first ? Order::dense : order);
  Elements<T> gradient(kShape, order, T{-7});
  const double spacing[] = {2, 1, 1};
  voxgrad_loss_options options{};
  options.size = sizeof options;
  options.spacing = spacing;
  double value = 0, alone = 0;
  CHECK_MESSAGE(voxgrad_loss_evaluate(context, loss, logits, labels, &options, 1, &value, gradient) == 0,
                voxgrad_error(context));
  CHECK(value == wanted.value);
  CHECK(gradient.values() == wanted.gradient.to_vector<double>());
  CHECK(voxgrad_loss_evaluate(context, loss, logits, labels, &options, 1, &alone, nullptr) == 0);
  CHECK(alone == wanted.value);
  CHECK(voxgrad_loss_evaluate(context, loss, logits, labels, &options, -4, nullptr, gradient) == 0);
  const Tensor scaled = gradient.tensor(), all = wanted.gradient.to(DType::f64) * -4;
  CHECK(allclose(scaled, all, sizeof(T) == 4 ? 1e-5 : 1e-12, 1e-12));
  CHECK(max(abs(scaled)).item() > 0);
  Elements<T> both(kShape, logits_of(dtype), order);
  CHECK(voxgrad_loss_evaluate(context, loss, both, labels, &options, 1, &value, both) == 0);
  CHECK(value == wanted.value);
  CHECK(both.values() == wanted.gradient.to_vector<double>());
}

}  // namespace

TEST_CASE("values and gradients are those of the library, in any memory order") {
  const Context context;
  for (const Order order : {Order::dense, Order::channels_first, Order::gaps, Order::backwards}) {
    check_loss<float, std::uint8_t>(context, "dice_ce", order);
    check_loss<double, std::int64_t>(context, "0.5*focal+0.5*boundary", order);
    check_loss<float, std::int32_t>(context, "lovasz_softmax", order);
  }
}

TEST_CASE("every loss can be made and evaluated") {
  const Context context;
  int count = 0;
  for (; voxgrad_loss_name(count) != nullptr; ++count)
    check_loss<double, std::uint8_t>(context, voxgrad_loss_name(count), Order::dense);
  CHECK(count == std::ssize(losses::registry()));
  CHECK(voxgrad_loss_name(-1) == nullptr);
  const Loss loss(context, "dice");
  CHECK(voxgrad_loss_text(loss) == losses::make_loss("dice").text());
}

TEST_CASE("the ignored label may be any number, as -100 in PyTorch") {
  const Context context;
  const Loss loss(context, "dice_ce");
  Tensor z = logits_of(DType::f64);
  z.set_requires_grad();
  losses::Context without_one;
  without_one.ignore = 1;
  const Tensor value = losses::make_loss("dice_ce")(z, labels_of(), without_one);
  value.backward();
  const Elements<double> logits(kShape, z.detach());
  for (const std::int64_t marker : {std::int64_t{-100}, std::int64_t{1} << 40, std::int64_t{255}, std::int64_t{17}}) {
    Elements<std::int64_t> labels(kShape.without(-1), labels_of());
    for (std::int64_t i = 0; i < kShape.without(-1).numel(); ++i)
      if (labels.at(i) == 1) labels.at(i) = marker;
    voxgrad_loss_options options{};
    options.size = sizeof options;
    options.ignore = &marker;
    double got = 0;
    Elements<double> gradient(kShape);
    CHECK_MESSAGE(voxgrad_loss_evaluate(context, loss, logits, labels, &options, 1, &got, gradient) == 0,
                  context.error());
    CHECK(got == value.item());
    CHECK(gradient.values() == z.grad().to_vector<double>());
    CHECK(voxgrad_loss_evaluate(context, loss, logits, labels, nullptr, 1, &got, nullptr) == VOXGRAD_DATA);
  }
}

TEST_CASE("class fractions, the progress, soft labels and a single channel arrive") {
  const Context context;
  voxgrad_loss_options options{};
  options.size = sizeof options;
  const double fractions[] = {0.7, 0.2, 0.1};
  options.class_fractions = fractions;
  options.progress = 0.25;
  const Elements<double> logits(kShape, logits_of(DType::f64));
  const Elements<std::uint8_t> labels(kShape.without(-1), labels_of());
  for (const std::string name : {"ce:weights=inverse", "gd_boundary"}) {
    double value = 0;
    CHECK(voxgrad_loss_evaluate(context, Loss(context, name), logits, labels, &options, 1, &value, nullptr) == 0);
    losses::Context wanted;
    wanted.class_fractions = {0.7, 0.2, 0.1};
    wanted.progress = full(Shape(), 0.25, DType::f64);
    CHECK(value == expected(name, DType::f64, wanted).value);
  }
  const Tensor soft = softmax(random_normal(kShape, 9, 0, 1, DType::f64));
  const Elements<double> shares(kShape, soft);
  double value = 0;
  CHECK(voxgrad_loss_evaluate(context, Loss(context, "dml"), logits, shares, nullptr, 1, &value, nullptr) == 0);
  CHECK(value == losses::make_loss("dml")(logits_of(DType::f64), soft).item());
  const Tensor single = random_normal({2, 5, 6, 1}, 1), mask = random_uniform({2, 5, 6}, 2, 0, 1.99).to(DType::u8);
  const Elements<float> z({2, 5, 6, 1}, single);
  const Elements<std::uint8_t> y({2, 5, 6}, mask);
  CHECK(voxgrad_loss_evaluate(context, Loss(context, "dice"), z, y, nullptr, 1, &value, nullptr) == 0);
  CHECK(value == losses::make_loss("dice")(single, mask).item());
  options.class_fractions = fractions;  // of a sigmoid those of both labels
  CHECK(voxgrad_loss_evaluate(context, Loss(context, "ce:weights=inverse"), z, y, &options, 1, &value, nullptr) == 0);
  losses::Context both;
  both.class_fractions = {0.7, 0.2};
  CHECK(value == losses::make_loss("ce:weights=inverse")(single, mask, both).item());
}

TEST_CASE("with every voxel ignored the value is finite and the gradient 0") {
  const Context context;
  const Elements<float> logits(kShape, logits_of(DType::f32));
  const Elements<std::uint8_t> labels(kShape.without(-1), Order::dense, 255);
  Elements<float> gradient(kShape, Order::dense, 3);
  const std::int64_t marker = 255;
  voxgrad_loss_options options{};
  options.size = sizeof options;
  options.ignore = &marker;
  double value = 0;
  CHECK(voxgrad_loss_evaluate(context, Loss(context, "ce"), logits, labels, &options, 1, &value, gradient) == 0);
  CHECK(value == 0);
  CHECK(max(abs(gradient.tensor())).item() == 0);
}

TEST_CASE("a gradient that overlaps the logits in part is refused, and nothing is written") {
  const Context context;
  const Loss loss(context, "dice");
  const Elements<std::uint8_t> labels({1, 4, 4}, Order::dense, 1);
  std::vector<float> memory(100, 0.5f);
  const std::int64_t extents[] = {1, 4, 4, 3}, first[] = {192, 16, 4, 64}, backwards[] = {192, -48, 12, 4};
  const auto evaluate = [&](int offset, const std::int64_t* strides) {
    const voxgrad_array logits{memory.data(), VOXGRAD_F32, 4, extents, nullptr};
    const voxgrad_array gradient{memory.data() + offset, VOXGRAD_F32, 4, extents, strides};
    return voxgrad_loss_evaluate(context, loss, &logits, labels, nullptr, 1, nullptr, &gradient);
  };
  for (const int offset : {1, 12, 47}) CHECK(evaluate(offset, nullptr) == VOXGRAD_ARGUMENT);
  CHECK(evaluate(0, first) == VOXGRAD_ARGUMENT);            // the same memory in another order
  CHECK(evaluate(47 + 36, backwards) == VOXGRAD_ARGUMENT);  // its last rows reach back into the logits
  CHECK(context.error().find("gradient: overlaps the memory of logits") != std::string::npos);
  CHECK(std::all_of(memory.begin(), memory.end(), [](float value) { return value == 0.5f; }));
  CHECK(evaluate(48, nullptr) == 0);
  CHECK(evaluate(48 + 36, backwards) == 0);
  CHECK(std::all_of(memory.begin(), memory.begin() + 48, [](float value) { return value == 0.5f; }));
}

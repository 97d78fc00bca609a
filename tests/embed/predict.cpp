// Predictions through the C interface have the bits of nn::predict: for each type and each order in memory, for several
// kinds of threads, and from several threads at once.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <thread>

#include "engine/ops.h"
#include "tests/embed/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// Whole numbers that every type can hold.
Tensor image_of(const Shape& shape, std::uint64_t key) {
  return random_uniform(shape, key, 0, 100).to(DType::u8).to(DType::f32);
}

bool equal(const Tensor& a, const Tensor& b) { return a.to_vector<double>() == b.to_vector<double>(); }

template <class T, class L, class S>
void check_case(voxgrad_context* context, const nn::Model& reference, const voxgrad_model* model, const Shape& shape,
                Order order) {
  const Tensor image = image_of(shape, 5);
  const nn::Prediction expected = nn::predict_probabilities(reference, image);
  Elements<T> pixels(shape, image, order);
  Elements<L> labels(shape.without(-1), order == Order::channels_first ? Order::dense : order, 77);
  Elements<S> scores(shape.with(-1, 3), order);
  CHECK_MESSAGE(voxgrad_predict(context, model, pixels, nullptr, labels, scores) == 0, voxgrad_error(context));
  CHECK(equal(labels.tensor(), expected.labels));
  CHECK(equal(scores.tensor(), expected.probabilities));
  CHECK(equal(pixels.tensor(), image));  // the input is left as it was
  const std::vector<double> found = labels.values();
  for (const int label : {0, 1, 2}) CHECK(std::count(found.begin(), found.end(), label) > 10);
}

struct Opened {
  nn::Model reference;
  voxgrad_model* model;
  Opened(voxgrad_context* context, int dims, std::int64_t channels = 1)
      : reference(random_model(dims, channels)), model(open_model(context, reference)) {}
  ~Opened() { voxgrad_model_free(model); }
};

}  // namespace

TEST_CASE("labels and probabilities of images and volumes have the same bits, whatever their type and strides") {
  const Context context;
  const Opened flat(context, 2), pair(context, 2, 2), solid(context, 3);
  for (const Order order : {Order::dense, Order::channels_first, Order::gaps, Order::backwards}) {
    check_case<float, std::uint8_t, float>(context, flat.reference, flat.model, {70, 45, 1}, order);
    check_case<std::uint8_t, std::int64_t, double>(context, pair.reference, pair.model, {33, 40, 2}, order);
    check_case<std::uint16_t, std::uint16_t, float>(context, solid.reference, solid.model, {19, 9, 21, 1}, order);
  }
  check_case<std::int16_t, std::int16_t, float>(context, flat.reference, flat.model, {9, 17, 1}, Order::dense);
  check_case<std::int32_t, std::int32_t, float>(context, flat.reference, flat.model, {9, 17, 1}, Order::dense);
  check_case<double, std::uint8_t, double>(context, flat.reference, flat.model, {9, 17, 1}, Order::dense);
}

TEST_CASE("the same bits with one thread, several, and those of a host") {
  const Context one(1);
  const Opened flat(one, 2);
  check_case<float, std::uint8_t, float>(one, flat.reference, flat.model, {70, 45, 1}, Order::dense);
  check_case<float, std::uint8_t, float>(Context(3), flat.reference, flat.model, {70, 45, 1}, Order::dense);
  voxgrad_context_options options{};
  options.size = sizeof options;
  std::int64_t blocks = 0;
  options.parallel_user = &blocks;
  options.parallel = [](void* user, std::int64_t count, void (*block)(void*, std::int64_t), void* data) {
    std::thread([&] {
      for (std::int64_t i = count; i-- > 0;) block(data, i);
    }).join();
    *static_cast<std::int64_t*>(user) += count;
  };
  check_case<float, std::uint8_t, float>(Context(options), flat.reference, flat.model, {70, 45, 1}, Order::dense);
  CHECK(blocks > 100);
}

#ifdef __linux__
TEST_CASE("one thread, and the threads of a host, start none; the others end with their context") {
  const auto running = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  const auto settles_at = [&](std::int64_t count) {  // Linux lists a thread for a moment after it was joined
    for (int i = 0; i < 500 && running() != count; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return running() == count;
  };
  nn::predict(random_model(2), image_of({64, 64, 1}, 1));  // starts those of the tests themselves
  const std::int64_t before = running();
  const Elements<float> pixels({64, 64, 1}, image_of({64, 64, 1}, 1));
  const Elements<std::uint8_t> labels({64, 64});
  voxgrad_context_options options{};
  options.size = sizeof options;
  for (const bool host : {false, true}) {
    options.threads = host ? 0 : 1;
    if (host)
      options.parallel = [](void*, std::int64_t count, void (*block)(void*, std::int64_t), void* data) {
        for (std::int64_t i = 0; i < count; ++i) block(data, i);
      };
    const Context context(options);
    const Opened flat(context, 2);
    CHECK(voxgrad_predict(context, flat.model, pixels, nullptr, labels, nullptr) == 0);
    CHECK(running() == before);
  }
  {
    const Context context(3);
    const Opened flat(context, 2);
    CHECK(voxgrad_predict(context, flat.model, pixels, nullptr, labels, nullptr) == 0);
    CHECK(running() == before + 2);
  }
  CHECK(settles_at(before));
}
#endif

TEST_CASE("the axis of a single channel may be left out, and so may labels or scores") {
  const Context context;
  const Opened flat(context, 2);
  const Tensor image = image_of({20, 30, 1}, 1);
  const nn::Prediction expected = nn::predict_probabilities(flat.reference, image);
  Elements<float> pixels({20, 30}, image), scores({20, 30, 3});
  Elements<std::uint8_t> labels({20, 30});
  CHECK(voxgrad_predict(context, flat.model, pixels, nullptr, labels, nullptr) == 0);
  CHECK(equal(labels.tensor(), expected.labels));
  voxgrad_predict_options options{};
  options.size = sizeof options;
  options.logits = 1;
  CHECK(voxgrad_predict(context, flat.model, pixels, &options, nullptr, scores) == 0);
  CHECK(equal(softmax(scores.tensor().to(DType::f32)), expected.probabilities));
}

TEST_CASE("a prediction reports its progress, and ends when it is told to") {
  const Context context;
  const Opened flat(context, 2);
  const Elements<float> pixels({100, 70, 1}, image_of({100, 70, 1}, 2));
  const Elements<std::uint8_t> labels({100, 70});
  voxgrad_predict_options options{};
  options.size = sizeof options;
  std::vector<double> seen;
  options.progress_user = &seen;
  options.progress = [](void* user, double share) {
    static_cast<std::vector<double>*>(user)->push_back(share);
    return 0;
  };
  CHECK(voxgrad_predict(context, flat.model, pixels, &options, labels, nullptr) == 0);
  CHECK(seen.size() == nn::window_starts(100, 32).size() * nn::window_starts(70, 32).size());
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(seen.back() == 1);
  options.progress = [](void* user, double) {
    auto& list = *static_cast<std::vector<double>*>(user);
    list.pop_back();
    return list.size() > 3 ? 0 : 1;
  };
  CHECK(voxgrad_predict(context, flat.model, pixels, &options, labels, nullptr) == VOXGRAD_CANCELLED);
  CHECK(seen.size() == 3);
  CHECK(contains(context.error(), "cancelled"));
}

TEST_CASE("a loss that is evaluated by the progress function of a prediction has its gradient") {
  struct Inner {
    Context context;
    voxgrad_loss* loss = nullptr;
    Elements<double> logits{{1, 4, 5, 2}, image_of({1, 4, 5, 2}, 3)}, gradient{{1, 4, 5, 2}};
    Elements<std::uint8_t> labels{{1, 4, 5}};
    int code = -1;
    int evaluate() { return voxgrad_loss_evaluate(context, loss, logits, labels, nullptr, 1, nullptr, gradient); }
  } inner;
  REQUIRE(voxgrad_loss_new(inner.context, "ce", &inner.loss) == 0);
  REQUIRE(inner.evaluate() == 0);
  const std::vector<double> alone = inner.gradient.values();
  CHECK(alone[0] != 0);
  inner.gradient.at(0) = 0;
  const Context context;
  const Opened flat(context, 2);
  const Elements<float> pixels({30, 30, 1}, image_of({30, 30, 1}, 2));
  const Elements<std::uint8_t> labels({30, 30});
  voxgrad_predict_options options{};
  options.size = sizeof options;
  options.progress_user = &inner;
  options.progress = [](void* user, double) {
    Inner& called = *static_cast<Inner*>(user);
    called.code = called.evaluate();
    return 0;
  };
  CHECK(voxgrad_predict(context, flat.model, pixels, &options, labels, nullptr) == 0);
  CHECK(inner.code == 0);
  CHECK(inner.gradient.values() == alone);
  voxgrad_loss_free(inner.loss);
}

TEST_CASE("one model in several threads, and several models, each with a context, give the same bits") {
  const Context first;
  const Opened flat(first, 2), solid(first, 3);
  std::atomic<int> wrong = 0;
  const auto work = [&wrong](const Opened& opened, const Shape& shape, std::uint64_t key, const Tensor& expected) {
    const Context context(2);
    const Elements<float> pixels(shape, image_of(shape, key));
    for (int round = 0; round < 10; ++round) {
      Elements<std::uint8_t> labels(shape.without(-1));
      wrong += voxgrad_predict(context, opened.model, pixels, nullptr, labels, nullptr) != 0;
      wrong += !equal(labels.tensor(), expected);
    }
  };
  std::vector<std::thread> threads;
  for (const std::uint64_t key : {1u, 2u}) {
    const Shape plane{50, 40, 1}, volume{18, 20, 17, 1};
    threads.emplace_back(work, std::cref(flat), plane, key, nn::predict(flat.reference, image_of(plane, key)));
    threads.emplace_back(work, std::cref(solid), volume, key, nn::predict(solid.reference, image_of(volume, key)));
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a model outlives the context that opened it") {
  const nn::Model reference = random_model(2);
  voxgrad_model* model = nullptr;
  {
    const Context context(1);
    model = open_model(context, reference);
  }
  check_case<float, std::uint8_t, float>(Context(), reference, model, {40, 40, 1}, Order::dense);
  voxgrad_model_free(model);
}

TEST_CASE("what a model says about itself") {
  const Context context;
  nn::Model reference = random_model(3, 2);
  reference.spec.training.least_spacing = {0.5, 0.5, 1};
  reference.spec.training.most_spacing = {0.7, 0.7, 3};
  reference.spec.training.spacing_unit = "mm";
  reference.spec.training.orientation = "RAS";
  reference.spec.training.class_values = {0, 128, 255};
  voxgrad_model* model = open_model(context, reference);
  voxgrad_model_info info{};
  info.size = sizeof info;
  REQUIRE(voxgrad_model_get_info(model, &info) == 0);
  CHECK(info.axes == 3);
  CHECK(info.channels == 2);
  CHECK(info.classes == 3);
  for (int axis = 0; axis < 3; ++axis) {
    CHECK(info.window[axis] == 16);
    CHECK(info.divisor[axis] == 4);
    CHECK(info.spacing[axis] == 0);
    CHECK(info.least_spacing[axis] == (axis < 2 ? 0.5 : 1));
    CHECK(info.most_spacing[axis] == (axis < 2 ? 0.7 : 3));
  }
  CHECK(voxgrad_model_class_name(model, 2) == std::string("lesion"));
  CHECK(voxgrad_model_class_name(model, 3) == nullptr);
  CHECK(voxgrad_model_class_name(model, -1) == nullptr);
  CHECK(voxgrad_model_text(model) == nn::to_text(reference.spec));
  for (const char* part : {R"("spacing_unit":"mm")", R"("orientation":"RAS")", R"("class_values":[0,128,255])"})
    CHECK(contains(voxgrad_model_text(model), part));  // voxgrad.h names them
  voxgrad_model_free(model);
}

TEST_CASE("a spacing that the training never saw is a line of the log") {
  std::vector<std::string> lines;
  voxgrad_context_options options{};
  options.size = sizeof options;
  options.log_user = &lines;
  options.log = [](void* user, int level, const char* line) {
    static_cast<std::vector<std::string>*>(user)->push_back(std::to_string(level) + " " + line);
  };
  const Context context(options);
  nn::Model reference = random_model(2);
  reference.spec.training.least_spacing = {0.5, 0.5};
  reference.spec.training.most_spacing = {0.7, 0.7};
  voxgrad_model* model = open_model(context, reference);
  const Elements<float> pixels({20, 20, 1}, image_of({20, 20, 1}, 3));
  const Elements<std::uint8_t> labels({20, 20});
  voxgrad_predict_options predict{};
  predict.size = sizeof predict;
  const auto run = [&](double row, double column) {
    const double spacing[] = {row, column};
    predict.spacing = spacing;
    CHECK(voxgrad_predict(context, model, pixels, &predict, labels, nullptr) == 0);
  };
  run(0.5, 0.7);
  CHECK(lines.empty());
  run(0.6, 2);
  REQUIRE(lines.size() == 1);
  CHECK(contains(lines[0], "2 predict: spacing 2 of axis 1; the training images had 0.5 to 0.7"));
  voxgrad_model_free(model);
}

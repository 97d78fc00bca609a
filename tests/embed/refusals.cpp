// What is wrong in a call of the C interface is a code and a text, which the log receives as well; nothing is written.
#include <cstring>
#include <limits>

#include "engine/ops.h"
#include "tests/embed/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// A context that remembers the last line of its log.
struct Logged {
  std::string line;
  const Context context{[this] {
    voxgrad_context_options options{};
    options.size = sizeof options;
    options.log_user = &line;
    options.log = [](void* user, int level, const char* text) {
      *static_cast<std::string*>(user) = std::to_string(level) + " " + text;
    };
    return options;
  }()};
  // Expects the code and a part of the text.
  void refused(int code, int got, const std::string& part) {
    CHECK(got == code);
    CHECK_MESSAGE(contains(context.error(), part), context.error(), " has no ", part);
    CHECK(line == "1 " + context.error());
    line.clear();
  }
};

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("contexts with impossible options") {
  voxgrad_context* context = nullptr;
  CHECK(voxgrad_context_new(nullptr, nullptr) == VOXGRAD_ARGUMENT);
  std::string line;
  voxgrad_context_options options{};
  options.size = sizeof options;
  options.log_user = &line;
  options.log = [](void* user, int, const char* text) { *static_cast<std::string*>(user) = text; };
  for (const int threads : {-1, 5000}) {
    options.threads = threads;
    CHECK(voxgrad_context_new(&options, &context) == VOXGRAD_ARGUMENT);
    CHECK(context == nullptr);
    CHECK(contains(line, "1 to 1024, got " + std::to_string(threads)));
  }
  options.threads = 0;
  for (const std::size_t size : {std::size_t{0}, std::size_t{8}, sizeof options + 8}) {
    options.size = size;
    CHECK(voxgrad_context_new(&options, &context) == VOXGRAD_ARGUMENT);
    CHECK(context == nullptr);
  }
  CHECK(voxgrad_error(nullptr) == std::string("there is no context"));
  CHECK(Context().error().empty());
}

TEST_CASE("a log that throws, as one in C++ may, changes no result") {
  voxgrad_context_options options{};
  options.size = sizeof options;
  options.log = [](void*, int, const char*) { throw 1; };
  const Context context(options);
  voxgrad_model* model = nullptr;
  CHECK(voxgrad_model_open(context, "/nowhere/best", &model) == VOXGRAD_IO);
  CHECK(contains(context.error(), "/nowhere/best"));
  nn::Model reference = random_model(2);
  reference.spec.training.least_spacing = reference.spec.training.most_spacing = {1, 1};
  model = open_model(context, reference);
  const double spacing[] = {5, 5};  // a warning
  voxgrad_predict_options predict{};
  predict.size = sizeof predict;
  predict.spacing = spacing;
  const Elements<float> pixels({20, 20, 1});
  const Elements<std::uint8_t> labels({20, 20});
  CHECK(voxgrad_predict(context, model, pixels, &predict, labels, nullptr) == VOXGRAD_OK);
  voxgrad_model_free(model);
  options.threads = -1;
  voxgrad_context* none = nullptr;
  CHECK(voxgrad_context_new(&options, &none) == VOXGRAD_ARGUMENT);
  CHECK(none == nullptr);
}

TEST_CASE("null pointers everywhere") {
  Logged log;
  voxgrad_context* const c = log.context;
  voxgrad_model* model = nullptr;
  voxgrad_loss* loss = nullptr;
  double value = 0;
  CHECK(voxgrad_model_open(nullptr, "a", &model) == VOXGRAD_ARGUMENT);
  log.refused(VOXGRAD_ARGUMENT, voxgrad_model_open(c, nullptr, &model), "voxgrad_model_open: a null pointer");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_model_open(c, "a", nullptr), "voxgrad_model_open: a null pointer");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_model_parse(c, nullptr, 9, nullptr, &model), "voxgrad_model_parse: a null");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_model_parse(c, "a", 1, nullptr, nullptr), "voxgrad_model_parse: a null");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_predict(c, nullptr, nullptr, nullptr, nullptr, nullptr), "no model");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_loss_new(c, nullptr, &loss), "voxgrad_loss_new: a null pointer");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_loss_new(c, "dice", nullptr), "voxgrad_loss_new: a null pointer");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_loss_evaluate(c, nullptr, nullptr, nullptr, nullptr, 1, &value, nullptr),
              "no loss");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_distance(c, nullptr, 1, nullptr, nullptr), "labels: a null pointer");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_metrics(c, nullptr, nullptr, nullptr, nullptr, 0), "prediction: a null");
  voxgrad_model_free(nullptr);
  voxgrad_loss_free(nullptr);
  voxgrad_context_free(nullptr);
  CHECK(voxgrad_model_get_info(nullptr, nullptr) == VOXGRAD_ARGUMENT);
  CHECK(voxgrad_model_class_name(nullptr, 0) == nullptr);
  CHECK(voxgrad_model_text(nullptr) == nullptr);
  CHECK(voxgrad_loss_text(nullptr) == nullptr);
}

TEST_CASE("files that are no model, and damaged ones") {
  Logged log;
  voxgrad_model* model = nullptr;
  log.refused(VOXGRAD_IO, voxgrad_model_open(log.context, "/nowhere/best", &model), "/nowhere/best");
  const Folder folder;
  nn::save_model(folder.file("model"), random_model(2));
  const std::string good = bytes_of(folder.file("model"));
  const auto parse = [&](const std::string& bytes) {
    return voxgrad_model_parse(log.context, bytes.data(), bytes.size(), "mine", &model);
  };
  log.refused(VOXGRAD_MODEL, parse(""), "mine");
  log.refused(VOXGRAD_MODEL, parse(good.substr(0, good.size() / 2)), "mine");
  std::string flipped = good;
  flipped[good.size() - 9] = static_cast<char>(flipped[good.size() - 9] ^ 4);
  log.refused(VOXGRAD_MODEL, parse(flipped), "the file is damaged");
  CHECK(model == nullptr);
  CHECK(parse(good) == 0);
  voxgrad_model_info info{};
  for (const std::size_t size : {std::size_t{0}, sizeof info - 8, sizeof info + 8}) {
    info.size = size;
    CHECK(voxgrad_model_get_info(model, &info) == VOXGRAD_ARGUMENT);
    CHECK(info.axes == 0);
  }
  voxgrad_model_free(model);
}

TEST_CASE("images, labels and scores that do not fit the model") {
  Logged log;
  voxgrad_model* model = open_model(log.context, random_model(2));
  const Elements<float> image({20, 30, 1});
  Elements<std::uint8_t> labels({20, 30}, Order::dense, 9);
  const Elements<float> scores({20, 30, 3});
  const auto predict = [&](const voxgrad_array* from, const voxgrad_array* to, const voxgrad_array* also = nullptr,
                           const voxgrad_predict_options* options = nullptr) {
    return voxgrad_predict(log.context, model, from, options, to, also);
  };
  log.refused(VOXGRAD_ARGUMENT, predict(image, nullptr), "neither labels nor scores");
  log.refused(VOXGRAD_ARGUMENT, predict(nullptr, labels), "image: a null pointer");
  log.refused(VOXGRAD_DATA, predict(Elements<float>({0, 30, 1}), Elements<std::uint8_t>({0, 30})),
              "at least one voxel");
  log.refused(VOXGRAD_DATA, predict(Elements<float>({20, 30, 2}), labels), "image: [20, 30, 2]; the model takes");
  log.refused(VOXGRAD_DATA, predict(Elements<float>({2, 20, 30, 1}), Elements<std::uint8_t>({2, 20, 30})), "2 spatial");
  log.refused(VOXGRAD_DATA, predict(image, Elements<std::uint8_t>({20, 31})), "labels: [20, 31], must be [20, 30]");
  log.refused(VOXGRAD_DATA, predict(image, labels, Elements<float>({20, 30, 2})), "scores: [20, 30, 2], must be");
  log.refused(VOXGRAD_ARGUMENT, predict(image, Elements<float>({20, 30})), "labels: must be of an integer type");
  log.refused(VOXGRAD_ARGUMENT, predict(image, labels, Elements<std::int32_t>({20, 30, 3})), "scores: must be f32");
  log.refused(VOXGRAD_ARGUMENT, predict(Elements<std::int64_t>({20, 30, 1}), labels), "i64 is not a type of images");
  log.refused(VOXGRAD_DATA, predict(Elements<float>({20, 30, 1}, Order::dense, static_cast<float>(kNan)), labels),
              "is nan at element 0");

  const auto with = [&](auto change, bool output) {
    voxgrad_array array = output ? labels.array : image.array;
    std::vector<std::int64_t> extents(array.extents, array.extents + array.axes), strides{30, 1};
    if (!output) strides = {120, 4, 4};
    array.extents = extents.data();
    array.strides = strides.data();
    change(array, extents, strides);
    return output ? predict(image, &array) : predict(&array, labels);
  };
  using Axes = std::vector<std::int64_t>;
  for (const bool output : {false, true}) {
    log.refused(VOXGRAD_ARGUMENT, with([](voxgrad_array& a, Axes&, Axes&) { a.data = nullptr; }, output),
                "a null pointer");
    log.refused(VOXGRAD_ARGUMENT, with([](voxgrad_array& a, Axes&, Axes&) { a.extents = nullptr; }, output),
                "no extents");
    log.refused(VOXGRAD_ARGUMENT, with([](voxgrad_array& a, Axes&, Axes&) { a.type = 99; }, output),
                "there is no type 99");
    log.refused(VOXGRAD_ARGUMENT, with([](voxgrad_array& a, Axes&, Axes&) { a.axes = 0; }, output), "0 axes");
    log.refused(VOXGRAD_ARGUMENT, with([](voxgrad_array& a, Axes&, Axes&) { a.axes = 7; }, output), "7 axes");
    log.refused(VOXGRAD_ARGUMENT, with([](voxgrad_array&, Axes& e, Axes&) { e[1] = -3; }, output),
                "extent -3 of axis 1");
    log.refused(VOXGRAD_MEMORY,
                with([](voxgrad_array&, Axes& e, Axes&) { e[0] = e[1] = std::int64_t{1} << 40; }, output), "");
    for (const std::int64_t stride : {std::numeric_limits<std::int64_t>::min(), std::int64_t{1} << 60})
      log.refused(VOXGRAD_ARGUMENT, with([=](voxgrad_array&, Axes&, Axes& s) { s[0] = stride; }, output),
                  "leaves the address space");
  }
  for (const std::int64_t stride : {0, 1, 29, -29})
    log.refused(VOXGRAD_ARGUMENT, with([=](voxgrad_array&, Axes&, Axes& s) { s[0] = stride; }, true),
                "several elements have one place");

  voxgrad_predict_options options{};
  for (const std::size_t size : {std::size_t{0}, sizeof options + 8}) {
    options.size = size;
    log.refused(VOXGRAD_ARGUMENT, predict(image, labels, nullptr, &options), "this library knows");
  }
  options.size = sizeof options;
  for (const double wrong : {0.0, -1.0, kNan}) {
    const double spacing[] = {1, wrong};
    options.spacing = spacing;
    log.refused(VOXGRAD_ARGUMENT, predict(image, labels, nullptr, &options), "spacing must be");
  }
  for (std::int64_t i = 0; i < 600; ++i) CHECK(labels.at(i) == 9);
  CHECK(predict(image, labels, scores) == 0);
  voxgrad_model_free(model);
}

TEST_CASE("a host that does not run the blocks is an error, and the context works on") {
  voxgrad_context_options options{};
  options.size = sizeof options;
  int calls = 0;
  options.parallel_user = &calls;
  options.parallel = [](void* user, std::int64_t count, void (*block)(void*, std::int64_t), void* data) {
    const bool lazy = ++*static_cast<int*>(user) == 1;
    for (std::int64_t i = lazy ? 1 : 0; i < count; ++i) block(data, i);
  };
  const Context context(options);
  const Elements<std::uint8_t> mask({90, 80, 70}, Order::dense, 1);
  const Elements<float> distances({90, 80, 70});
  CHECK(voxgrad_distance(context, mask, 1, nullptr, distances) == VOXGRAD_ARGUMENT);
  CHECK(contains(context.error(), "the function of the host ran"));
  CHECK(voxgrad_distance(context, mask, 1, nullptr, distances) == 0);
}

TEST_CASE("losses, logits and labels that do not fit") {
  Logged log;
  voxgrad_loss* loss = nullptr;
  log.refused(VOXGRAD_USAGE, voxgrad_loss_new(log.context, "dise", &loss), "dice");
  log.refused(VOXGRAD_USAGE, voxgrad_loss_new(log.context, "dice:smooth_nr=-1", &loss), "smooth_nr");
  CHECK(loss == nullptr);
  REQUIRE(voxgrad_loss_new(log.context, "dice", &loss) == 0);
  const Elements<float> logits({1, 4, 5, 3});
  const Elements<std::uint8_t> labels({1, 4, 5});
  const auto evaluate = [&](const voxgrad_array* z, const voxgrad_array* y, double scale = 1,
                            const voxgrad_array* gradient = nullptr, const voxgrad_loss_options* options = nullptr) {
    double value = 0;
    return voxgrad_loss_evaluate(log.context, loss, z, y, options, scale, &value, gradient);
  };
  log.refused(VOXGRAD_ARGUMENT, evaluate(nullptr, labels), "logits: a null pointer");
  log.refused(VOXGRAD_ARGUMENT, evaluate(logits, nullptr), "labels: a null pointer");
  log.refused(VOXGRAD_ARGUMENT, evaluate(Elements<float>({4, 3}), labels), "must be [N, *S, C]");
  log.refused(VOXGRAD_ARGUMENT, evaluate(Elements<std::uint8_t>({1, 4, 5, 3}), labels), "logits: must be f32 or f64");
  log.refused(VOXGRAD_DATA, evaluate(logits, Elements<std::uint8_t>({1, 4, 6})),
              "labels: [1, 4, 6], must be [1, 4, 5]");
  log.refused(VOXGRAD_DATA, evaluate(logits, Elements<std::uint8_t>({1, 4, 5}, Order::dense, 3)), "label 3");
  log.refused(VOXGRAD_DATA, evaluate(logits, Elements<std::int64_t>({1, 4, 5}, Order::dense, -100)), "label -100");
  log.refused(VOXGRAD_DATA, evaluate(logits, Elements<std::int32_t>({1, 4, 5}, Order::dense, 256)), "label 256");
  voxgrad_loss* ranks = nullptr;
  REQUIRE(voxgrad_loss_new(log.context, "lovasz_softmax", &ranks) == 0);
  double none = 0;
  log.refused(
      VOXGRAD_ARGUMENT,
      voxgrad_loss_evaluate(log.context, ranks, logits, Elements<float>({1, 4, 5, 3}), nullptr, 1, &none, nullptr),
      "needs labels u8");
  voxgrad_loss_free(ranks);
  log.refused(VOXGRAD_ARGUMENT, evaluate(logits, Elements<float>({1, 4, 5, 3}, Order::dense, 3)),
              "soft labels must be 0..1");
  log.refused(VOXGRAD_ARGUMENT, evaluate(logits, labels, kNan), "scale nan");
  log.refused(VOXGRAD_DATA, evaluate(logits, labels, 1, Elements<float>({1, 4, 5, 2})), "gradient: [1, 4, 5, 2]");
  log.refused(VOXGRAD_ARGUMENT, evaluate(logits, labels, 1, Elements<double>({1, 4, 5, 3})), "the type of the logits");
  voxgrad_loss_options options{};
  log.refused(VOXGRAD_ARGUMENT, evaluate(logits, labels, 1, nullptr, &options), "this library knows");
  for (const Shape& shape : {Shape{1, 0, 5, 3}, Shape{0, 4, 5, 3}, Shape{1, 4, 5, 0}}) {
    const int code = evaluate(Elements<float>(shape), Elements<std::uint8_t>(shape.without(-1)));
    CHECK_MESSAGE(code != VOXGRAD_INTERNAL, log.context.error());
  }
  CHECK(evaluate(logits, labels) == 0);
  voxgrad_loss_free(loss);
}

TEST_CASE("distances and metrics of arrays that do not fit") {
  Logged log;
  const Elements<std::uint8_t> a({4, 5}), b({4, 6});
  const Elements<float> to({4, 5});
  log.refused(VOXGRAD_ARGUMENT, voxgrad_distance(log.context, a, 256, nullptr, to), "label 256");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_distance(log.context, a, -2, nullptr, to), "label -2");
  log.refused(VOXGRAD_DATA, voxgrad_distance(log.context, b, 1, nullptr, to), "distances: [4, 5], must be [4, 6]");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_distance(log.context, a, 1, nullptr, a), "distances: must be f32 or f64");
  log.refused(VOXGRAD_ARGUMENT, voxgrad_distance(log.context, to, 1, nullptr, to),
              "labels: must be of an integer type");
  const double spacing[] = {1, 0};
  log.refused(VOXGRAD_ARGUMENT, voxgrad_distance(log.context, a, 1, spacing, to), "spacing must be");
  double values[64];
  voxgrad_metric_options options{};
  options.size = sizeof options;
  options.classes = 2;
  const auto metrics = [&](const voxgrad_array* x, const voxgrad_array* y, int count = 2) {
    return voxgrad_metrics(log.context, x, y, &options, values, count);
  };
  log.refused(VOXGRAD_DATA, metrics(a, b), "prediction: [4, 5], must be [4, 6]");
  log.refused(VOXGRAD_ARGUMENT, metrics(a, a, 99), "99 values of each class");
  log.refused(VOXGRAD_DATA, metrics(a, Elements<std::uint8_t>({4, 5}, Order::dense, 2)), "label 2");
  for (const int classes : {0, 1, 300}) {
    options.classes = classes;
    log.refused(VOXGRAD_ARGUMENT, metrics(a, a), "classes, must be 2 .. 256");
  }
  log.refused(VOXGRAD_ARGUMENT, voxgrad_metrics(log.context, a, a, nullptr, values, 2), "0 classes");
}

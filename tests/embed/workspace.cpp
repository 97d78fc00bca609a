// Contexts that take all memory from a block of the caller.
#include <algorithm>

#include "engine/ops.h"
#include "tests/embed/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct Workspace {
  std::vector<std::byte> memory;
  Context context;
  Workspace(std::size_t bytes, int threads)
      : memory(bytes), context([&] {
          voxgrad_context_options options{};
          options.size = sizeof options;
          options.threads = threads;
          options.workspace = memory.data();
          options.workspace_bytes = bytes;
          return options;
        }()) {}
};

std::size_t bytes_for(int threads, const voxgrad_model* model, const Shape& space, int mirror) {
  const Context context(threads);
  voxgrad_predict_options options{};
  options.size = sizeof options;
  options.mirror = mirror;
  std::size_t bytes = 0;
  CHECK_MESSAGE(voxgrad_predict_bytes(context, model, space.begin(), &options, &bytes) == 0, context.error());
  return bytes;
}

// Predicts with labels and scores, and returns the code.
int predict(voxgrad_context* context, const voxgrad_model* model, const Tensor& image, int mirror,
            const nn::Prediction* expected = nullptr) {
  Elements<float> pixels(image.shape(), image, Order::dense);
  Elements<std::uint8_t> labels(image.shape().without(-1), Order::dense, 77);
  Elements<float> scores(image.shape().with(-1, 3), Order::dense);
  voxgrad_predict_options options{};
  options.size = sizeof options;
  options.mirror = mirror;
  const int code = voxgrad_predict(context, model, pixels, &options, labels, scores);
  if (code == 0 && expected != nullptr) {
    CHECK(labels.tensor().to_vector<double>() == expected->labels.to_vector<double>());
    CHECK(scores.tensor().to_vector<double>() == expected->probabilities.to_vector<double>());
  }
  return code;
}

}  // namespace

TEST_CASE("the size that is named suffices, for any number of threads, and the bits are the same") {
  const Context opener;
  for (const int dims : {2, 3}) {
    nn::Model reference = random_model(dims, 1);
    reference.spec.mirror_axes.assign(static_cast<std::size_t>(dims), 0);
    reference.spec.mirror_axes[0] = 1;
    reference.spec.mirror = dims == 2;
    voxgrad_model* const model = open_model(opener, reference);
    for (const Shape& shape :
         dims == 2 ? std::vector<Shape>{{71, 45, 1}, {130, 200, 1}} : std::vector<Shape>{{19, 9, 33, 1}})
      for (const int mirror : {-1, 0, 1}) {
        const Tensor image = random_uniform(shape, 5, 0, 100).to(DType::f32);
        const nn::Prediction expected =
            nn::predict_probabilities(reference, image, {.mirror = mirror == 0 ? std::optional<bool>() : mirror > 0});
        for (const int threads : {1, 2, 4}) {
          const Shape space(std::span(shape.begin(), shape.end() - 1));
          Workspace own(bytes_for(threads, model, space, mirror), threads);
          for (int again = 0; again < 3; ++again)
            CHECK_MESSAGE(predict(own.context, model, image, mirror, &expected) == 0, own.context.error());
        }
      }
    voxgrad_model_free(model);
  }
}

TEST_CASE("the question for the size calls no progress function, which is about another call") {
  const Context context;
  voxgrad_model* const model = open_model(context, random_model(2, 1));
  voxgrad_predict_options options{};
  options.size = sizeof options;
  options.progress = [](void*, double) { return 1; };  // cancels
  std::size_t bytes = 0;
  CHECK(voxgrad_predict_bytes(context, model, Shape({71, 45}).begin(), &options, &bytes) == 0);
  CHECK(bytes > 0);
  voxgrad_model_free(model);
}

TEST_CASE("the size that is named suffices for a model that cuts out a part of the image") {
  const Context opener;
  nn::Model reference = random_model(2, 4);
  reference.spec.preparation.crop = true;
  voxgrad_model* const model = open_model(opener, reference);
  const Tensor image = random_uniform({2000, 64, 4}, 5, 0, 100).to(DType::f32);
  std::fill_n(image.data<float>(), 64 * 4, 0.0f);  // nearly all of it is left
  const nn::Prediction expected = nn::predict_probabilities(reference, image);
  for (const int threads : {1, 2}) {
    Workspace own(bytes_for(threads, model, {2000, 64}, 0), threads);
    CHECK_MESSAGE(predict(own.context, model, image, 0, &expected) == 0, own.context.error());
  }
  voxgrad_model_free(model);
}

TEST_CASE("a workspace that is too small: a code and a text, and the context stays usable") {
  const Context opener;
  const nn::Model reference = random_model(2, 1);
  voxgrad_model* const model = open_model(opener, reference);
  const Tensor small = random_uniform({9, 17, 1}, 5, 0, 100).to(DType::f32),
               large = random_uniform({300, 400, 1}, 6, 0, 100).to(DType::f32);
  Workspace own(bytes_for(2, model, {9, 17}, 0), 2);
  CHECK(predict(own.context, model, large, 0) == VOXGRAD_MEMORY);
  CHECK_MESSAGE(contains(own.context.error(), "bytes asked for"), own.context.error());
  const nn::Prediction expected = nn::predict_probabilities(reference, small);
  CHECK(predict(own.context, model, small, 0, &expected) == 0);
  voxgrad_model* weights = nullptr;
  const Folder folder;
  nn::save_model(folder.file("model"), reference);
  Workspace tiny(1000, 1);
  CHECK(voxgrad_model_open(tiny.context, folder.file("model").c_str(), &weights) == VOXGRAD_MEMORY);
  CHECK(weights == nullptr);
  voxgrad_context_options broken{};
  broken.size = sizeof broken;
  broken.workspace_bytes = 100;
  voxgrad_context* none = nullptr;
  CHECK(voxgrad_context_new(&broken, &none) == VOXGRAD_ARGUMENT);
  broken.workspace = &broken;  // a size that was never set is not memory of the system without a limit
  broken.workspace_bytes = 0;
  CHECK(voxgrad_context_new(&broken, &none) == VOXGRAD_ARGUMENT);
  const std::int64_t extents[] = {0, 3};
  std::size_t bytes = 0;
  CHECK(voxgrad_predict_bytes(opener, model, extents, nullptr, &bytes) == VOXGRAD_ARGUMENT);
  CHECK(voxgrad_predict_bytes(opener, model, nullptr, nullptr, &bytes) == VOXGRAD_ARGUMENT);
  voxgrad_model_free(model);
}

// Models, and segmentation with them.
#include <algorithm>
#include <cstring>
#include <span>

#include "apps/embed/arrays.h"
#include "apps/embed/handles.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/ops.h"
#include "nn/inference/windows.h"

using namespace voxgrad;

namespace {

// Stores the handle only if nothing was thrown before.
void hand_over(nn::Model model, voxgrad_model** handle) {
  std::string text = nn::to_text(model.spec);
  *handle = new voxgrad_model{Resources::current()->cpu(), std::move(model), std::move(text)};
}

void warn_of_spacing(const voxgrad_context& context, const nn::TrainingImages& training,
                     const std::vector<double>& spacing) {
  constexpr double kTolerance = 0.01;  // rounding of headers
  if (training.least_spacing.empty() || training.most_spacing.empty()) return;
  for (std::size_t axis = 0; axis < spacing.size(); ++axis) {
    const double least = training.least_spacing[axis], most = training.most_spacing[axis];
    if (spacing[axis] < least * (1 - kTolerance) || spacing[axis] > most * (1 + kTolerance))
      context.say(VOXGRAD_WARNING, text("predict: spacing ", spacing[axis], " of axis ", axis,
                                        "; the training images had ", least, " to ", most)
                                       .c_str());
  }
}

nn::PredictOptions options_of(const nn::Model& model, const voxgrad_predict_options& given) {
  nn::PredictOptions options;
  options.spacing = embed::spacing_of(given.spacing, model.spec.net.dims);
  if (given.mirror != 0) options.mirror = given.mirror > 0;
  options.scores = given.logits != 0 ? nn::Scores::logits : nn::Scores::probabilities;
  if (given.progress != nullptr)
    options.progress = [&given](double share) {
      if (given.progress(given.progress_user, share) != 0) throw embed::Cancelled();
    };
  return options;
}

void predict(const voxgrad_context& context, const nn::Model& model, const voxgrad_array* image,
             const voxgrad_predict_options& given, const voxgrad_array* labels, const voxgrad_array* scores) {
  const int axes = model.spec.net.dims;
  const embed::Array from(image, "image");
  Shape shape = from.shape();
  if (shape.dims() == axes && model.spec.net.in_channels == 1) shape.push_back(1);
  // Before the results, whose extents follow from it.
  if (shape.dims() != axes + 1 || shape[-1] != model.spec.net.in_channels)
    throw Error(ErrorKind::data,
                text("image: ", from.shape(), "; the model takes ", axes, " spatial axes of at least one voxel and ",
                     model.spec.net.in_channels, " channels"));
  std::optional<embed::Array> to_labels, to_scores;
  if (labels != nullptr) to_labels = embed::Array::output(labels, "labels");
  if (scores != nullptr) to_scores = embed::Array::output(scores, "scores");
  check(labels != nullptr || scores != nullptr, "predict: neither labels nor scores are asked for");
  if (to_labels) {
    check(!to_labels->is_float(), "labels: must be of an integer type");
    to_labels->require_shape(shape.without(-1));
  }
  if (to_scores) {
    check(to_scores->is_float(), "scores: must be f32 or f64");
    to_scores->require_shape(shape.with(-1, model.spec.net.classes));
  }
  const nn::PredictOptions options = options_of(model, given);
  // Images are brought to the spacing of the training; only pixels cannot be told from lengths.
  if (model.spec.preparation.spacing.empty() || model.spec.training.spacing_unit == "px")
    warn_of_spacing(context, model.spec.training, options.spacing);
  nn::SlabSink sink;
  if (to_scores) sink = [&](std::int64_t row, const Tensor& slab) { to_scores->write(slab, row); };
  const Tensor found = nn::predict_in_place(model, reshape(from.to_f32(), shape), options, sink);
  if (to_labels) to_labels->write(found);
}

// What the pool of a fresh context holds after a prediction whose blocks run one after the other, the scratch memory of
// the other threads in the loop where it is largest, and a third of both.
std::size_t bytes_of_prediction(const nn::Model& model, const std::int64_t* extents,
                                const voxgrad_predict_options& given) {
  const std::int64_t rim = model.spec.preparation.crop ? 1 : 0;  // of zeros: what is cut out lies beside the image
  Shape shape;
  for (int axis = 0; axis < model.spec.net.dims; ++axis) {
    check(extents[axis] >= 1 && extents[axis] < INT64_MAX, "voxgrad_predict_bytes: an extent of ", extents[axis]);
    shape.push_back(extents[axis] + rim);
  }
  shape.push_back(model.spec.net.in_channels);
  const std::int64_t others = threads() - 1;
  std::size_t scratch = 0;
  const Resources trial(2, [&](std::int64_t count, const std::function<void(std::int64_t)>& block) {
    Pool& pool = cpu_backend().pool();
    const std::size_t before = pool.statistics().in_use;
    pool.reset_peak();
    for (std::int64_t i = 0; i < count; ++i) block(i);
    const std::size_t own = pool.statistics().peak - before;
    scratch = std::max(scratch, own * static_cast<std::size_t>(std::min(others, count - 1)));
  });
  const Resources::Use use(&trial);
  Tensor image = full(shape, 1, DType::f32);
  const Shape origin = Shape::filled(shape.dims(), 0);
  for (int axis = 0; rim > 0 && axis < model.spec.net.dims; ++axis)
    image.backend().copy_box(zeros(shape.with(axis, 1)), origin, image, origin, shape.with(axis, 1), false);
  nn::PredictOptions options = options_of(model, given);
  options.progress = {};  // it is about another call
  static_cast<void>(nn::predict_in_place(model, image, options, [](std::int64_t, const Tensor&) {}));
  image = {};  // the pool keeps its memory, as that of all others
  const std::size_t bytes = trial.cpu()->pool().statistics().cached + scratch;
  return bytes + bytes / 3;
}

}  // namespace

int voxgrad_model_open(voxgrad_context* context, const char* path, voxgrad_model** model) {
  return embed::run(context, [&] {
    check(path != nullptr && model != nullptr, "voxgrad_model_open: a null pointer");
    *model = nullptr;
    hand_over(nn::load_model(path), model);
  });
}

int voxgrad_model_parse(voxgrad_context* context, const void* bytes, size_t size, const char* name,
                        voxgrad_model** model) {
  return embed::run(context, [&] {
    check(model != nullptr, "voxgrad_model_parse: a null pointer");
    *model = nullptr;
    check(bytes != nullptr || size == 0, "voxgrad_model_parse: a null pointer");
    const std::span<const std::byte> file(static_cast<const std::byte*>(bytes), size);
    hand_over(nn::parse_model(file, name != nullptr ? name : "a model in memory"), model);
  });
}

void voxgrad_model_free(voxgrad_model* model) { delete model; }

int voxgrad_model_get_info(const voxgrad_model* model, voxgrad_model_info* info) {
  if (model == nullptr || info == nullptr || info->size != sizeof *info) return VOXGRAD_ARGUMENT;
  const nn::ModelSpec& spec = model->model.spec;
  const Extents divisor = model->model.net->divisor();
  *info = {};
  info->size = sizeof *info;
  info->axes = spec.net.dims;
  info->channels = static_cast<int>(spec.net.in_channels);
  info->classes = static_cast<int>(spec.net.classes);
  std::copy(spec.window.begin(), spec.window.end(), info->window);
  std::copy_n(divisor.value.begin(), spec.net.dims, info->divisor);
  const auto copy = [](const std::vector<double>& values, double* to) { std::copy(values.begin(), values.end(), to); };
  copy(spec.preparation.spacing, info->spacing);
  copy(spec.training.least_spacing, info->least_spacing);
  copy(spec.training.most_spacing, info->most_spacing);
  return VOXGRAD_OK;
}

const char* voxgrad_model_class_name(const voxgrad_model* model, int index) {
  if (model == nullptr || index < 0 || index >= std::ssize(model->model.spec.class_names)) return nullptr;
  return nth(model->model.spec.class_names, index).c_str();
}

const char* voxgrad_model_text(const voxgrad_model* model) { return model == nullptr ? nullptr : model->text.c_str(); }

int voxgrad_predict(voxgrad_context* context, const voxgrad_model* model, const voxgrad_array* image,
                    const voxgrad_predict_options* options, const voxgrad_array* labels, const voxgrad_array* scores) {
  return embed::run(context, [&] {
    check(model != nullptr, "voxgrad_predict: no model");
    predict(*context, model->model, image, embed::read(options), labels, scores);
  });
}

int voxgrad_predict_bytes(voxgrad_context* context, const voxgrad_model* model, const int64_t* extents,
                          const voxgrad_predict_options* options, size_t* bytes) {
  return embed::run(context, [&] {
    check(model != nullptr && extents != nullptr && bytes != nullptr, "voxgrad_predict_bytes: a null pointer");
    *bytes = bytes_of_prediction(model->model, extents, embed::read(options));
  });
}

// Losses and their gradients.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>

#include "apps/embed/arrays.h"
#include "apps/embed/handles.h"
#include "engine/autograd.h"
#include "engine/ops.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"

using namespace voxgrad;

struct voxgrad_loss {
  losses::Loss loss;
};

namespace {

void evaluate(const losses::Loss& loss, const voxgrad_array* given_logits, const voxgrad_array* given_labels,
              const voxgrad_loss_options& options, double scale, double* value, const voxgrad_array* gradient) {
  const embed::Array logits(given_logits, "logits"), labels(given_labels, "labels");
  const Shape& shape = logits.shape();
  check(shape.dims() >= 3, "logits: ", shape, ", must be [N, *S, C]");
  check(std::isfinite(scale), "voxgrad_loss_evaluate: scale ", scale);
  std::optional<embed::Array> to_gradient;
  if (gradient != nullptr) {
    to_gradient = embed::Array::output(gradient, "gradient");
    to_gradient->require_shape(shape);
    check(to_gradient->type() == logits.type(), "gradient: must have the type of the logits");
    to_gradient->require_same_or_apart(logits);
  }
  losses::Context context;
  context.spacing = embed::spacing_of(options.spacing, shape.spatial_dims());
  check(options.progress >= 0 && options.progress <= 1, "voxgrad_loss_evaluate: progress ", options.progress,
        ", must be 0 .. 1");
  context.progress = full(Shape(), options.progress, DType::f64);
  if (options.class_fractions != nullptr)
    context.class_fractions.assign(options.class_fractions,
                                   options.class_fractions + std::max<std::int64_t>(shape[-1], 2));
  std::optional<std::int64_t> ignore;
  if (options.ignore != nullptr) ignore = *options.ignore;
  labels.require_shape(labels.is_float() ? shape : shape.without(-1));
  const Tensor truth = labels.is_float() ? labels.to_float() : labels.to_labels(ignore);
  context.ignore = static_cast<int>(ignore.value_or(-1));

  Tensor z = logits.to_float();
  if (gradient == nullptr) {
    const double result = loss(z, truth, context).item();
    if (value != nullptr) *value = result;
    return;
  }
  z.set_requires_grad();
  const Tensor result = loss(z, truth, context);
  if (result.requires_grad()) result.backward(full(result.shape(), scale, result.dtype()));
  to_gradient->write(z.has_grad() ? z.grad() : zeros_like(z));
  if (value != nullptr) *value = result.item();
}

}  // namespace

int voxgrad_loss_new(voxgrad_context* context, const char* text, voxgrad_loss** loss) {
  return embed::run(context, [&] {
    check(text != nullptr && loss != nullptr, "voxgrad_loss_new: a null pointer");
    *loss = nullptr;
    *loss = new voxgrad_loss{losses::make_loss(text)};
  });
}

void voxgrad_loss_free(voxgrad_loss* loss) { delete loss; }

const char* voxgrad_loss_text(const voxgrad_loss* loss) {
  return loss == nullptr ? nullptr : loss->loss.text().c_str();
}

const char* voxgrad_loss_name(int index) {
  try {
    const std::set<losses::Spec>& all = losses::registry();
    return index >= 0 && index < std::ssize(all) ? std::next(all.begin(), index)->name.c_str() : nullptr;
  } catch (...) {
    return nullptr;  // no memory for the table
  }
}

int voxgrad_loss_evaluate(voxgrad_context* context, const voxgrad_loss* loss, const voxgrad_array* logits,
                          const voxgrad_array* labels, const voxgrad_loss_options* options, double scale, double* value,
                          const voxgrad_array* gradient) {
  return embed::run(context, [&] {
    check(loss != nullptr, "voxgrad_loss_evaluate: no loss");
    evaluate(loss->loss, logits, labels, embed::read(options), scale, value, gradient);
  });
}

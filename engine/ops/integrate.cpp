// The integrals of a loss. engine/integrands.h has the functions that are integrated.
#include <cmath>

#include "engine/ops/common.h"

namespace voxgrad {
namespace {

void check_labels(const Tensor& logits, const Tensor& labels, int ignore, const char* op) {
  check(labels.defined(), op, ": labels are undefined");
  const Shape space = logits.shape().without(-1);
  check(labels.dtype() == DType::u8 && labels.shape() == space && labels.device() == logits.device(), op,
        ": labels must be u8 ", space, " on ", logits.device(), " for logits ", logits, ", got ", labels, " on ",
        labels.device());
  labels.backend().check_labels(labels, std::max<std::int64_t>(logits.extent(-1), 2), ignore);
}

bool has_scope_truth(Integrand kind) {
  switch (kind) {
#define VOXGRAD_CASE(name, scope, ...) \
  case Integrand::name: return integrands::Scope::scope == integrands::Scope::truth;
    VOXGRAD_INTEGRAND_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
  throw Error(ErrorKind::argument, text("integrate: there is no integrand ", static_cast<int>(kind)));
}

void check_row(const Tensor& logits, const Integral& row, std::size_t index, const char* op) {
  const std::int64_t channels = logits.extent(-1);
  const Tensor &w = row.weights, &field = row.field;
  static_cast<void>(has_scope_truth(row.kind));  // refuses a number that is no integrand
  check(std::isfinite(row.a), op, ": row ", index, " has the parameter ", row.a);
  const std::int64_t classes = std::max<std::int64_t>(channels, 2);
  if (w.defined())
    check(w.dtype() == DType::f64 && (w.shape() == Shape{classes} || w.shape() == Shape{classes, classes}) &&
              w.device() == logits.device(),
          op, ": weights of row ", index, " must be f64 ", Shape{classes}, " or ", Shape{classes, classes}, " on ",
          logits.device(), ", got ", w, " on ", w.device());
  if (field.defined()) {
    const Shape single = logits.shape().with(-1, 1);
    check((field.shape() == logits.shape() || field.shape() == single) && field.dtype() == logits.dtype() &&
              field.device() == logits.device(),
          op, ": the field of row ", index, " must be ", logits.dtype(), " ", logits.shape(), " or ", single, " on ",
          logits.device(), ", got ", field, " on ", field.device());
  }
}

// Checks all arguments and returns the rows without their graphs, because weights and fields get no gradient.
std::vector<Integral> checked(const Tensor& logits, const Tensor& labels, std::vector<Integral> rows,
                              const IntegrateOptions& options, const char* op) {
  detail::check_feature_map(logits, op);
  check(logits.dtype() != DType::bf16, op, ": takes f32 or f64 logits, got ", logits, "; convert them to f32");
  check(logits.extent(-1) >= 1 && logits.extent(-1) <= 256, op, ": 1 to 256 channels, got ", logits.shape());
  check(options.ignore >= -1 && options.ignore <= 255, op, ": ignore must be -1 (none) or a label 0..255, got ",
        options.ignore);
  check(options.temperature > 0 && std::isfinite(options.temperature), op, ": the temperature must be positive, ",
        "got ", options.temperature);
  check(!rows.empty(), op, ": no rows were asked for");
  check_labels(logits, labels, options.ignore, op);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    check_row(logits, rows[i], i, op);
    rows[i].weights = rows[i].weights.detach();
    rows[i].field = rows[i].field.detach();
  }
  return rows;
}

}  // namespace

Tensor integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                 const IntegrateOptions& options) {
  const std::vector<Integral> saved = checked(logits, labels, rows, options, "integrate");
  Tensor sums = empty({std::ssize(rows), logits.extent(0), logits.extent(-1)}, DType::f64, logits.device());
  const Tensor extra = logits.backend().integrate(logits, labels, saved, options, wants_gradient({&logits}), sums);
  return record("integrate", sums,
                {{logits, [logits = logits.detach(), labels, saved, options, extra](const Tensor& dsums) {
                    Tensor dlogits = empty_like(logits);
                    logits.backend().integrate_gradient(logits, labels, saved, options, extra, dsums, dlogits);
                    return dlogits;
                  }}});
}

Tensor integrand(const Tensor& logits, const Tensor& labels, const Integral& row, const IntegrateOptions& options) {
  const Integral saved = checked(logits, labels, {row}, options, "integrand").front();
  Tensor y =
      empty(has_scope_truth(row.kind) ? logits.shape().with(-1, 1) : logits.shape(), logits.dtype(), logits.device());
  logits.backend().integrand(logits, labels, saved, options, y);
  return record("integrand", y,
                {{logits, [logits = logits.detach(), labels, saved, options](const Tensor& dy) {
                    Integral weighted = saved;
                    weighted.field = saved.field.defined() ? multiply(saved.field, dy) : dy;
                    const Tensor ones = full({1, logits.extent(0), logits.extent(-1)}, 1, DType::f64, logits.device());
                    Tensor dlogits = empty_like(logits);
                    logits.backend().integrate_gradient(logits, labels, {weighted}, options, {}, ones, dlogits);
                    return dlogits;
                  }}});
}

Tensor hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options) {
  checked(logits, labels, {{.kind = Integrand::log_loss}}, options, "hinge_errors");
  const std::int64_t channels = logits.extent(-1);
  Tensor y = empty(logits.shape().with(-1, channels == 2 ? 1 : channels), logits.dtype(), logits.device());
  logits.backend().hinge_errors(logits, labels, options, y);
  return record("hinge_errors", y, {{logits, [logits = logits.detach(), labels, options, y](const Tensor& dy) {
                                       Tensor dlogits = empty_like(logits);
                                       dy.backend().hinge_errors_gradient(logits, labels, options, y, dy, dlogits);
                                       return dlogits;
                                     }}});
}

}  // namespace voxgrad

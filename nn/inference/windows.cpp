#include "nn/inference/windows.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "engine/backend.h"
#include "engine/ops.h"
#include "nn/inference/clean_up.h"
#include "nn/inference/preparation.h"

namespace voxgrad::nn {
namespace {

// A window has at least so many voxels of the coarsest level along each axis. With fewer, instance norm has too few
// values for its statistics (nn/README.md has the measurement).
constexpr std::int64_t kLeastCoarse = 4;

// Is added to a mean probability before its logarithm is taken, which must be finite. It changes no value above 1e-23.
constexpr double kLeastProbability = 1e-30;

void copy_box(const Tensor& x, const Shape& from, const Tensor& y, const Shape& to, const Shape& extents, bool add) {
  x.backend().copy_box(x, from, y, to, extents, add);
}

// The weights [*W, 1] of the voxels of a window. They are 1 at the centre, and nowhere so small that a division by them
// loses digits.
Tensor gaussian(const Shape& window, Device device) {
  Tensor weights = full(Shape(), 1);
  for (const std::int64_t extent : window) {
    std::vector<float> line;
    const double sigma = static_cast<double>(extent) / 8, centre = static_cast<double>(extent - 1) / 2;
    for (std::int64_t i = 0; i < extent; ++i)
      line.push_back(static_cast<float>(std::exp(-std::pow((static_cast<double>(i) - centre) / sigma, 2) / 2)));
    weights = reshape(weights, weights.shape() + Shape{1}) * from_vector<float>({extent}, line);
  }
  return maximum(reshape(weights, window + Shape{1}), full(Shape(), 1e-4)).to(device);
}

// The weighted sums of the logits over the windows, for as many rows as a window has, beginning with row `first_`.
class Slab {
 public:
  Slab(const Shape& rows, Device device)
      : logits_(zeros(rows, DType::f32, device)), weights_(zeros(rows.with(-1, 1), DType::f32, device)) {}

  void add(const Shape& begin, const Tensor& logits, const Tensor& weights) {
    const Shape zero = Shape::filled(begin.dims(), 0);
    Shape at = begin;
    at[0] -= first_;
    copy_box(logits * weights, zero, logits_, at, logits.shape(), true);
    copy_box(weights, zero, weights_, at, weights.shape(), true);
  }

  // Returns the averages [rows, *S', C] of the rows before `row`, which no later window overlaps. The other rows move
  // to the beginning.
  Tensor finish(std::int64_t row) {
    const std::int64_t rows = row - first_, rest = logits_.extent(0) - rows;
    const Tensor mean = slice(logits_, 0, 0, rows) / slice(weights_, 0, 0, rows);
    for (Tensor* sums : {&logits_, &weights_}) {
      const Tensor moved = zeros_like(*sums);
      const Shape zero = Shape::filled(moved.dims(), 0);
      if (rest > 0) copy_box(*sums, zero.with(0, rows), moved, zero, moved.shape().with(0, rest), false);
      *sums = moved;
    }
    first_ = row;
    return mean;
  }

 private:
  Tensor logits_, weights_;  // [W0, *S', C] and [W0, *S', 1]
  std::int64_t first_ = 0;
};

// The positions [*S, 0] of all windows. The position along the first axis changes last.
std::vector<Shape> window_corners(const Shape& extents, const Shape& window) {
  std::vector<Shape> corners{Shape()};
  for (int axis = 0; axis < window.dims(); ++axis) {
    std::vector<Shape> longer;
    for (const Shape& corner : corners)
      for (const std::int64_t start : window_starts(extents[axis], window[axis]))
        longer.push_back(corner + Shape{start});
    corners = std::move(longer);
  }
  for (Shape& corner : corners) corner.push_back(0);
  return corners;
}

// The subsets of the axes along which a window is mirrored, the empty one first.
std::vector<std::vector<int>> views_of(const std::vector<std::int64_t>& mirror_axes) {
  std::vector<std::vector<int>> views{{}};
  for (std::size_t axis = 0; axis < mirror_axes.size(); ++axis) {
    if (mirror_axes[axis] == 0) continue;
    const std::vector<std::vector<int>> without = views;
    for (std::vector<int> view : without) {
      view.push_back(static_cast<int>(axis));
      views.push_back(view);
    }
  }
  return views;
}

// Reverses the order of the voxels of x, f32 [*S, C] on the host, along these axes.
Tensor mirrored(Tensor x, const std::vector<int>& axes) {
  for (const int axis : axes) {
    std::int64_t inner = 1;  // elements that stay together
    for (int behind = axis + 1; behind < x.dims(); ++behind) inner *= x.extent(behind);
    const std::int64_t extent = x.extent(axis), outer = x.numel() / (extent * inner);
    const Tensor y = empty(x.shape());
    const float* from = x.data<float>();
    float* to = y.data<float>();
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < extent; ++i)
        std::copy_n(from + (o * extent + extent - 1 - i) * inner, inner, to + (o * extent + i) * inner);
    x = y;
  }
  return x;
}

// Returns the logits [*W, classes] of a patch [*W, C] on the host; with several views the logarithm of their mean
// probabilities.
Tensor logits_of(UNet& net, const Tensor& patch, const std::vector<std::vector<int>>& views, Device device) {
  const auto run = [&](const Tensor& x) {
    return reshape(net(reshape(x, Shape{1} + x.shape()).to(device)), x.shape().with(-1, net.config().classes));
  };
  if (views.size() == 1) return run(patch);
  Tensor sum = zeros(patch.shape().with(-1, net.config().classes));
  for (const std::vector<int>& view : views)
    sum = sum + mirrored(softmax(run(mirrored(patch, view))).to(Device::cpu), view);
  return log(sum * (1.0 / static_cast<double>(views.size())) + full(Shape(), kLeastProbability)).to(device);
}

void check_window(const UNet& net, const Tensor& image, const Shape& window) {
  check(image.defined() && image.dtype() == DType::f32 && image.device() == Device::cpu && image.dims() >= 2,
        "sliding_window: the image must be f32 [*S, C] on the host, got ", image, " on ", image.device());
  check(window.dims() == image.dims() - 1 && window.numel() > 0 && image.numel() > 0, "sliding_window: the window ",
        window, " does not fit the image ", image);
  check(net.config().classes > 1, "sliding_window: the network has one output channel, needed is one for each class");
  check(!net.training(), "sliding_window: the network is in training mode: call train(false) first");
}

}  // namespace

std::int64_t largest_window(std::int64_t extent, std::int64_t window) {
  return extent <= window + window / 4 ? std::max(extent, window) : window;
}

std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window) {
  std::vector<std::int64_t> starts{0};
  if (extent <= window) return starts;
  const std::int64_t room = extent - window, step = std::max<std::int64_t>(1, window / 2);
  const std::int64_t gaps = (room + step - 1) / step;
  for (std::int64_t i = 1; i <= gaps; ++i) starts.push_back((i * room + gaps / 2) / gaps);
  return starts;
}

void sliding_window(UNet& net, const Tensor& image, const Shape& window, const SlabSink& sink, const Progress& progress,
                    const std::vector<std::int64_t>& mirror_axes) {
  const NoGrad no_grad;
  check_window(net, image, window);
  check(mirror_axes.empty() || std::ssize(mirror_axes) == window.dims(), "sliding_window: ", mirror_axes.size(),
        " mirror axes for ", window.dims(), " spatial axes");
  // An image that is smaller than the window is placed in the middle of zeros, as in training.
  const int dims = window.dims();
  const Shape box = window + Shape{image.extent(-1)};
  Shape padded = image.shape(), offset = Shape::filled(dims + 1, 0);
  for (int axis = 0; axis < dims; ++axis) {
    padded[axis] = std::max(padded[axis], box[axis]);
    offset[axis] = (padded[axis] - image.extent(axis)) / 2;
  }
  Tensor x = image;
  if (padded != image.shape()) {
    x = zeros(padded);
    copy_box(image, Shape::filled(dims + 1, 0), x, offset, image.shape(), false);
  }
  const auto emit = [&](std::int64_t row, const Tensor& logits) {
    const std::int64_t begin = std::max(row, offset[0]),
                       end = std::min(row + logits.extent(0), offset[0] + image.extent(0));
    if (begin >= end) return;
    Tensor inside = slice(logits, 0, begin - row, end - row);
    for (int axis = 1; axis < dims; ++axis)
      if (inside.extent(axis) != image.extent(axis))
        inside = slice(inside, axis, offset[axis], offset[axis] + image.extent(axis));
    sink(begin - offset[0], inside);
  };

  const Device device = net.parameters().front().tensor.device();
  const std::vector<Shape> corners = window_corners(padded, window);
  const std::int64_t classes = net.config().classes;
  const std::vector<std::vector<int>> views = views_of(mirror_axes);
  const Tensor weights = gaussian(window, device);
  Slab slab(padded.with(0, window[0]).with(-1, classes), device);
  std::int64_t done = 0;
  double windows = 0;
  for (const Shape& corner : corners) {
    if (corner[0] > done) {
      emit(done, slab.finish(corner[0]));
      done = corner[0];
    }
    const Tensor patch = empty(box);
    copy_box(x, corner, patch, Shape::filled(dims + 1, 0), box, false);
    slab.add(corner, logits_of(net, patch, views, device), weights);
    if (progress) progress(++windows / static_cast<double>(corners.size()));
  }
  emit(done, slab.finish(padded[0]));
}

namespace {

// Copies a slab to its rows in the whole.
void place(const Tensor& slab, std::int64_t row, const Tensor& whole) {
  const Shape zero = Shape::filled(whole.dims(), 0);
  copy_box(slab, zero, whole, zero.with(0, row), slab.shape(), false);
}

void check_image(const Model& model, const Tensor& image) {
  check(model.net != nullptr, "predict: the model has no network");
  const UNetConfig& net = model.spec.net;
  if (!image.defined() || image.dims() != net.dims + 1 || image.extent(-1) != net.in_channels || image.numel() == 0)
    throw Error(ErrorKind::data, text("predict: image ", image, "; the model takes ", net.dims,
                                      " spatial axes of at least one voxel and ", net.in_channels, " channels"));
}

}  // namespace

Shape window_for(const Model& model, const Shape& image) {
  check(model.net != nullptr, "window_for: the model has no network");
  Shape window = model.spec.window;
  const Extents divisor = model.net->divisor();
  for (int axis = 0; axis < divisor.dims; ++axis) {
    const std::int64_t fitting = (image[axis] + divisor[axis] - 1) / divisor[axis] * divisor[axis];
    window[axis] = std::min(largest_window(fitting, window[axis]), std::max(fitting, kLeastCoarse * divisor[axis]));
  }
  return window;
}

Tensor predict(const Model& model, const Tensor& image, const PredictOptions& options, const SlabSink& also) {
  check_image(model, image);
  const Tensor host = image.detach().to(Device::cpu).to(DType::f32);
  return predict_in_place(model, host.raw() == image.raw() ? host.clone() : host, options, also);
}

Tensor predict_in_place(const Model& model, const Tensor& image, const PredictOptions& options, const SlabSink& also) {
  check_image(model, image);
  check(image.dtype() == DType::f32 && image.device() == Device::cpu, "predict_in_place: ", image, " on ",
        image.device(), " is not f32 on the host");
  const float *first = image.data<float>(), *last = first + image.numel();
  const float* wrong = std::find_if_not(first, last, [](float value) { return std::isfinite(value); });
  if (wrong != last)
    throw Error(ErrorKind::data, text("predict: the image ", image, " is ", *wrong, " at element ", wrong - first),
                "replace what is no number in f32, for instance by the background");
  constexpr std::int64_t kMostOfComponents = std::int64_t{1} << 31;
  const std::int64_t voxels = image.numel() / image.extent(-1);
  if (options.clean_up && model.spec.clean_up != CleanUp{} && voxels >= kMostOfComponents)
    throw Error(ErrorKind::data,
                text("predict: the image ", image, " has ", voxels, " voxels, a clean-up takes fewer than 2^31"),
                "leave the clean-up out, or cut the image");
  const Prepared prepared = prepare(model.spec, image, options.spacing);
  const Tensor &x = prepared.image, labels = zeros(image.shape().without(-1), DType::u8);
  const bool resampled = prepared.grid.resampled(), as_logits = options.scores == Scores::logits;
  const Shape& begin = prepared.grid.box.begin;
  const auto hand_on = [&](std::int64_t row, const Tensor& scores) {
    if (resampled) place(argmax(scores), row, labels);
    if (also) also(row, resampled && as_logits ? logits_of(scores) : scores);
  };
  Restorer restore(prepared.grid, resampled ? Scores::probabilities : options.scores, hand_on);
  const auto take = [&](std::int64_t row, const Tensor& logits) {
    if (!std::isfinite(logits.backend().sum_of_squares(logits)))
      throw Error(ErrorKind::model, "predict: the output of the network is not finite",
                  "the weights are too large, because the training has diverged, or the intensities are");
    if (!resampled) {
      const Tensor found = argmax(logits).to(Device::cpu);
      copy_box(found, Shape::filled(begin.dims(), 0), labels, begin.with(0, begin[0] + row), found.shape(), false);
    }
    if (resampled || also) restore(row, (resampled || !as_logits ? softmax(logits) : logits).to(Device::cpu));
  };
  sliding_window(*model.net, x, window_for(model, x.shape()), take, options.progress,
                 options.mirror.value_or(model.spec.mirror) ? model.spec.mirror_axes : std::vector<std::int64_t>());
  if (options.clean_up) clean_up(labels, model.spec.clean_up, model.spec.net.classes);
  return labels;
}

Prediction predict_probabilities(const Model& model, const Tensor& image, const PredictOptions& options) {
  check_image(model, image);
  const Tensor probabilities = empty(image.shape().with(-1, model.spec.net.classes));
  const Tensor labels =
      predict(model, image, options, [&](std::int64_t row, const Tensor& slab) { place(slab, row, probabilities); });
  return {labels, probabilities};
}

}  // namespace voxgrad::nn

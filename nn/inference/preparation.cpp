#include "nn/inference/preparation.h"

#include <algorithm>
#include <cmath>

#include "engine/backend.h"
#include "engine/error.h"
#include "engine/io/file_rules.h"
#include "engine/names.h"
#include "engine/ops.h"

namespace voxgrad::nn {
namespace {

constexpr double kSame = 1e-3;  // a spacing that differs by less is the same; affines of files are no more exact
constexpr double kMostFactor = 32;
constexpr double kMostValues = 2147483648.0;  // 8 GiB of f32
constexpr double kNever = 1e-30;              // the probability that stands for 0 in logits

void copy_part(const Tensor& x, const Shape& from, const Tensor& y, const Shape& to, const Shape& extents) {
  x.backend().copy_box(x, from, y, to, extents, false);
}

std::string spacing_text(const std::vector<double>& spacing) {
  std::vector<std::string> words;
  for (const double step : spacing) words.push_back(text(step));
  return join(words, " x ");
}

// Returns the part of x, [*S] or [*S, C] like the source, that the grid keeps; x itself if that is all.
Tensor kept(const Grid& grid, const Tensor& x) {
  if (!grid.cropped()) return x;
  const bool channels = x.dims() > grid.source.dims();
  const Shape extents = grid.box.extents + (channels ? Shape{x.extent(-1)} : Shape{});
  const Tensor result = empty(extents, x.dtype());
  copy_part(x, grid.box.begin + (channels ? Shape{0} : Shape{}), result, Shape::filled(extents.dims(), 0), extents);
  return result;
}

void require_spacing(const std::vector<double>& spacing, const std::vector<double>& target) {
  if (spacing.empty())
    throw Error(ErrorKind::data,
                "prepare: the image has no spacing; the model resamples all images to " + spacing_text(target),
                "say how large its voxels are");
  if (const std::string problem = spacing_problem(spacing, std::ssize(target)); !problem.empty())
    throw Error(ErrorKind::data, "prepare: " + problem);
}

}  // namespace

Box nonzero_box(const Tensor& image) {
  const int dims = image.dims() - 1;
  const std::int64_t channels = image.extent(-1), row = image.extent(dims - 1), rows = image.numel() / (row * channels);
  Shape low = image.shape().without(-1), high = Shape::filled(dims, 0);  // of the voxels found; high is one behind
  const float* values = image.data<float>();
  const auto is_set = [](float value) { return value != 0; };
  for (std::int64_t r = 0; r < rows; ++r) {
    const float *begin = values + r * row * channels, *end = begin + row * channels;
    const float* const first = std::find_if(begin, end, is_set);
    if (first == end) continue;
    while (!is_set(end[-1])) --end;
    low[-1] = std::min(low[-1], (first - begin) / channels);
    high[-1] = std::max(high[-1], (end - begin - 1) / channels + 1);
    std::int64_t rest = r;
    for (int axis = dims - 2; axis >= 0; --axis) {
      const std::int64_t at = rest % image.extent(axis);
      low[axis] = std::min(low[axis], at);
      high[axis] = std::max(high[axis], at + 1);
      rest /= image.extent(axis);
    }
  }
  if (high[0] == 0) return {Shape::filled(dims, 0), image.shape().without(-1)};
  for (int axis = 0; axis < dims; ++axis) high[axis] -= low[axis];
  return {low, high};
}

std::vector<Order> Grid::orders(Order order) const {
  std::vector<Order> result(static_cast<std::size_t>(extents.dims()), order);
  if (thick >= 0) nth(result, thick) = Order::nearest;
  return result;
}

Grid grid_of(const Preparation& preparation, const Shape& source, const Box& box, std::int64_t channels,
             const std::vector<double>& spacing) {
  Grid grid{source, box, box.extents, spacing};
  const std::vector<double>& target = preparation.spacing;
  if (target.empty()) return grid;
  require_spacing(spacing, target);
  double values = static_cast<double>(channels);
  for (int axis = 0; axis < box.extents.dims(); ++axis) {
    const std::int64_t extent = box.extents[axis];
    const double factor = nth(spacing, axis) / nth(target, axis);
    if (factor > kMostFactor || factor * kMostFactor < 1)
      throw Error(ErrorKind::data,
                  text("prepare: the spacing of the image is ", spacing_text(spacing), ", that of the model ",
                       spacing_text(target), ": axis ", axis, " would be resampled by a factor of ", factor),
                  "a unit is probably wrong: give the spacing of the image in the unit of the training");
    if (std::abs(factor - 1) > kSame)
      grid.extents[axis] = std::max<std::int64_t>(1, std::llround(static_cast<double>(extent) * factor));
    values *= static_cast<double>(std::max(extent, grid.extents[axis]));
  }
  if (values > kMostValues)
    throw Error(ErrorKind::data,
                text("prepare: an image of ", box.extents, " with ", channels, " channels and the spacing ",
                     spacing_text(spacing), " would be resampled to ", grid.extents, ", more than 2^31 values"),
                "cut the image, or use a model of a larger spacing");
  if (grid.resampled()) grid.spacing = target;
  grid.thick = thick_axis(spacing);
  if (grid.thick < 0) grid.thick = thick_axis(target);
  return grid;
}

Prepared prepare(const ModelSpec& spec, const Tensor& image, const std::vector<double>& spacing) {
  const Shape source = image.shape().without(-1);
  const Box whole{Shape::filled(source.dims(), 0), source};
  const Box box = spec.preparation.crop ? nonzero_box(image) : whole;
  // Pixels without a length are as large as those of the training, if these had none either.
  const bool pixels = spacing.empty() && spec.training.spacing_unit == "px";
  const std::vector<double> ones(static_cast<std::size_t>(source.dims()), 1);
  Prepared result{image, grid_of(spec.preparation, source, box, image.extent(-1), pixels ? ones : spacing)};
  result.image = kept(result.grid, image);
  spec.normalisation.apply(result.image);
  result.image = resample_image(result.image, result.grid.extents, result.grid.orders(Order::cubic));
  return result;
}

Tensor prepare_labels(const Grid& grid, const Tensor& labels, int ignore) {
  check(labels.shape() == grid.source, "prepare_labels: ", labels, " of an image ", grid.source);
  return resample_labels(kept(grid, labels), grid.extents, grid.orders(Order::linear), ignore);
}

Tensor prepare_probabilities(const Grid& grid, const Tensor& probabilities) {
  check(probabilities.shape().without(-1) == grid.source, "prepare_probabilities: ", probabilities, " of an image ",
        grid.source);
  return resample_image(kept(grid, probabilities), grid.extents, grid.orders(Order::linear));
}

Restorer::Restorer(Grid grid, Scores kind, SlabSink sink)
    : grid_(std::move(grid)), kind_(kind), sink_(std::move(sink)) {
  check(!grid_.resampled() || kind == Scores::probabilities, "Restorer: logits cannot be resampled");
}

void Restorer::operator()(std::int64_t row, const Tensor& scores) {
  const std::int64_t rows = scores.extent(0), prepared = grid_.extents[0], whole = grid_.box.extents[0];
  if (row == 0) emit_outside(grid_.box.begin[0], scores);
  std::vector<Order> orders = grid_.orders(Order::linear);
  Tensor inside = scores;
  for (int axis = 1; axis < grid_.extents.dims(); ++axis)
    if (grid_.extents[axis] != grid_.box.extents[axis])
      inside = resample_axis(inside, axis, {grid_.extents[axis], grid_.box.extents[axis]}, nth(orders, axis));
  if (prepared == whole) {
    emit(inside);
  } else {
    held_ = held_.defined() ? concat({held_, inside}, 0) : inside;
    const std::int64_t known = row + rows;  // rows of the prepared image
    Line line{.from = prepared, .to = whole, .begin = made_, .end = made_, .first = first_};
    while (line.begin < whole && highest_source(line, line.begin, orders[0]) < known) {
      while (line.end < whole && line.end < line.begin + rows && highest_source(line, line.end, orders[0]) < known)
        ++line.end;
      emit(resample_axis(held_, 0, line, orders[0]));
      line.begin = line.end;
    }
    const std::int64_t needed = line.begin < whole ? lowest_source(line, line.begin, orders[0]) : known;
    const std::int64_t drop = std::min(needed, known) - first_;
    held_ = first_ + drop < known ? slice(held_, 0, drop, known - first_) : Tensor();
    first_ += drop;
  }
  if (row + rows == prepared) emit_outside(grid_.source[0], scores);
}

void Restorer::emit(const Tensor& rows) {
  Tensor all = rows;
  const Shape zero = Shape::filled(rows.dims(), 0);
  if (grid_.box.extents.with(0, 1) != grid_.source.with(0, 1)) {
    all = outside(rows.extent(0), rows.extent(-1));
    copy_part(rows, zero, all, grid_.box.begin.with(0, 0) + Shape{0}, rows.shape());
  }
  made_ += rows.extent(0);
  sink_(handed_, all);
  handed_ += rows.extent(0);
}

void Restorer::emit_outside(std::int64_t end, const Tensor& like) {
  while (handed_ < end) {
    const std::int64_t rows = std::min(end - handed_, like.extent(0));
    sink_(handed_, outside(rows, like.extent(-1)));
    handed_ += rows;
  }
}

Tensor Restorer::outside(std::int64_t rows, std::int64_t classes) const {
  const bool probabilities = kind_ == Scores::probabilities;
  std::vector<float> values(static_cast<std::size_t>(classes),
                            probabilities ? 0 : static_cast<float>(std::log(kNever)));
  values[0] = probabilities ? 1 : 0;
  return zeros(grid_.source.with(0, rows) + Shape{classes}) + from_vector<float>({classes}, values);
}

Tensor logits_of(const Tensor& probabilities) { return log(clamp(probabilities, kNever, 1)); }

}  // namespace voxgrad::nn

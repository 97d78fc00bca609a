#include "apps/report/gradient_picture.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "apps/report/drawing.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

// The numbers of one slice, row by row.
struct Plane {
  std::int64_t height = 0, width = 0;
  std::vector<double> values;
  double at(std::int64_t y, std::int64_t x) const { return nth(values, y * width + x); }
};

// The slice of one sample and channel of [N, *S, C]; of [N, *S] without a channel.
Plane plane_of(const Tensor& x, std::int64_t sample, std::int64_t slice_index, std::int64_t channel) {
  Tensor cut = slice(x, 0, sample, sample + 1);
  if (x.dims() == 5) cut = slice(cut, 1, slice_index, slice_index + 1);
  const std::int64_t channels = x.extent(-1), height = x.extent(-3), width = x.extent(-2);
  Plane plane{height, width, {}};
  const std::vector<double> all = cut.to_vector<double>();
  for (std::int64_t i = 0; i < height * width; ++i) plane.values.push_back(nth(all, i * channels + channel));
  return plane;
}

// Returns labels [N, *S] as a map [N, *S, 1].
Tensor with_channel(const Tensor& labels) { return reshape(labels, labels.shape() + Shape{1}); }

// The colours of the gradient end at `most`.
struct Range {
  double most = 0, largest = 0;
  explicit Range(const std::vector<Plane>& planes) {
    std::vector<double> all;
    for (const Plane& plane : planes) all.insert(all.end(), plane.values.begin(), plane.values.end());
    for (const double g : all) largest = std::max(largest, std::fabs(g));
    most = colour_end(all);
  }
};

class Layout {
 public:
  Layout(const GradientPicture& what, std::int64_t height, std::int64_t width)
      : scale_(std::clamp<std::int64_t>(280 / std::max(height, width), 1, 40)),
        panel_width_(std::max<std::int64_t>(width * scale_, 230)),
        panel_height_(height * scale_),
        columns_(what.image.defined() ? 4 : 3),
        rows_(what.logits.extent(-1)),
        drawing_(kMargin + columns_ * (panel_width_ + kMargin), kHead + rows_ * (panel_height_ + kRowTitle) + kFoot) {}

  Drawing& drawing() { return drawing_; }
  std::int64_t x(std::int64_t column) const { return kMargin + column * (panel_width_ + kMargin); }
  std::int64_t y(std::int64_t row) const { return kHead + row * (panel_height_ + kRowTitle) + kRowTitle; }
  std::int64_t foot() const { return kHead + rows_ * (panel_height_ + kRowTitle) + kMargin; }
  std::int64_t columns() const { return columns_; }
  std::int64_t panel_width() const { return panel_width_; }

  void panel(std::int64_t column, std::int64_t row, const Plane& plane, const ColourMap& map) {
    const std::int64_t left = x(column), top = y(row);
    drawing_.fill(left - 1, top - 1, plane.width * scale_ + 2, plane.height * scale_ + 2, {120, 120, 120});
    for (std::int64_t j = 0; j < plane.height; ++j)
      for (std::int64_t i = 0; i < plane.width; ++i)
        drawing_.fill(left + i * scale_, top + j * scale_, scale_, scale_, map(plane.at(j, i)));
  }

  // Draws a line between voxels that differ, if there is room for one.
  void outline(std::int64_t column, std::int64_t row, const Plane& plane, Colour colour) {
    if (scale_ < 3) return;
    const std::int64_t left = x(column), top = y(row);
    for (std::int64_t j = 0; j < plane.height; ++j)
      for (std::int64_t i = 0; i < plane.width; ++i) {
        if (i > 0 && plane.at(j, i) != plane.at(j, i - 1))
          drawing_.fill(left + i * scale_, top + j * scale_, 1, scale_ + 1, colour);
        if (j > 0 && plane.at(j, i) != plane.at(j - 1, i))
          drawing_.fill(left + i * scale_, top + j * scale_, scale_ + 1, 1, colour);
      }
  }

 private:
  static constexpr std::int64_t kMargin = 24, kHead = 64, kRowTitle = 36, kFoot = 110;
  std::int64_t scale_, panel_width_, panel_height_, columns_, rows_;
  Drawing drawing_;
};

// Cuts a text where the room ends.
std::string fitting(const std::string& words, std::int64_t width) {
  std::string result = words.substr(0, Drawing::kMostLetters);
  while (Drawing::text_width(result) > width && result.size() > 4) result = result.substr(0, result.size() - 4) + "...";
  return result;
}

void draw_legend(Layout& layout, const Range& range) {
  Drawing& drawing = layout.drawing();
  const std::int64_t top = layout.foot(), width = layout.panel_width();
  const std::int64_t p = layout.columns() - 3, g = layout.columns() - 1;
  drawing.bar(layout.x(p), top, width, 14, grey_map(0, 1));
  drawing.text(layout.x(p), top + 20, "0");
  drawing.text(layout.x(p) + width - Drawing::text_width("1"), top + 20, "1");
  if (range.most == 0) return drawing.text(layout.x(g), top, "no gradient anywhere");
  drawing.bar(layout.x(g), top, width, 14, diverging_map(range.most));
  const std::string end = significant(range.most, 2), low = "-" + end;
  drawing.text(layout.x(g), top + 20, low);
  drawing.text(layout.x(g) + (width - Drawing::text_width("0")) / 2, top + 20, "0");
  drawing.text(layout.x(g) + width - Drawing::text_width(end), top + 20, end);
  const std::string words = "a step: orange raises p, blue lowers p";
  drawing.text(layout.x(layout.columns()) - 24 - Drawing::text_width(words), top + 44, words);
  if (range.largest <= range.most) return;
  const std::string beyond = "a few voxels are beyond: up to " + significant(range.largest, 2);
  drawing.text(layout.x(layout.columns()) - 24 - Drawing::text_width(beyond), top + 66, beyond);
}

std::string row_title(const GradientPicture& what, std::int64_t channel) {
  const std::int64_t label = what.logits.extent(-1) == 1 ? 1 : channel;
  const bool named = label < std::ssize(what.class_names);
  return text("class ", label, named ? ": " + nth(what.class_names, label) : "");
}

std::int64_t slice_of(const GradientPicture& what) {
  const std::int64_t samples = what.logits.extent(0);
  if (what.sample < 0 || what.sample >= samples)
    throw Error(ErrorKind::usage, text("--sample ", what.sample, " outside 0..", samples - 1));
  const bool volume = what.logits.dims() == 5;
  if (what.logits.dims() != 4 && !volume)
    throw Error(ErrorKind::data, text("a picture needs logits [N, Y, X, C] or [N, Z, Y, X, C], not ", what.logits));
  const std::int64_t slices = volume ? what.logits.extent(1) : 1;
  if (what.slice >= slices) throw Error(ErrorKind::usage, text("--slice ", what.slice, " outside 0..", slices - 1));
  return what.slice < 0 ? slices / 2 : what.slice;
}

}  // namespace

double colour_end(const std::vector<double>& gradient) {
  std::vector<double> sizes;
  for (const double g : gradient)
    if (g != 0) sizes.push_back(std::fabs(g));
  if (sizes.empty()) return 0;
  std::sort(sizes.begin(), sizes.end());
  return std::min(sizes.back(), 2 * sizes[static_cast<std::size_t>(0.99 * static_cast<double>(sizes.size() - 1))]);
}

Picture draw(const GradientPicture& what) {
  const std::int64_t at = slice_of(what), channels = what.logits.extent(-1);
  const Tensor p = channels == 1 ? sigmoid(what.logits.detach()) : softmax(what.logits.detach());
  Layout layout(what, p.extent(-3), p.extent(-2));
  Drawing& drawing = layout.drawing();
  const std::int64_t first = layout.columns() - 3, width = drawing.picture().width - 48;
  const std::string where = text(" = ", significant(what.value), "   sample ", what.sample,
                                 what.logits.dims() == 5 ? text(", slice ", at) : "");
  drawing.text(24, 12, fitting(what.loss, width - Drawing::text_width(where)) + where);
  const std::vector<std::string> titles{"image", "p", "truth", "gradient dL/dz"};
  for (std::int64_t column = 0; column < layout.columns(); ++column)
    drawing.text(layout.x(column), 42, nth(titles, column + 1 - first));
  std::vector<Plane> gradients;
  for (std::int64_t c = 0; c < channels; ++c) gradients.push_back(plane_of(what.gradient, what.sample, at, c));
  const Range range(gradients);
  for (std::int64_t c = 0; c < channels; ++c) {
    Plane truth = plane_of(with_channel(what.labels), what.sample, at, 0);
    for (double& t : truth.values) t = t == static_cast<double>(channels == 1 ? 1 : c) ? 1 : 0;
    drawing.text(layout.x(0), layout.y(c) - 24, row_title(what, c), {70, 70, 70});
    if (first == 1) {
      const Plane image = plane_of(what.image, what.sample, at, 0);
      const auto [low, high] = std::minmax_element(image.values.begin(), image.values.end());
      layout.panel(0, c, image, grey_map(*low, std::max(*high, std::nextafter(*low, HUGE_VAL))));
    }
    layout.panel(first, c, plane_of(p, what.sample, at, c), grey_map(0, 1));
    layout.outline(first, c, truth, {230, 60, 60});
    layout.panel(first + 1, c, truth, grey_map(0, 1));
    layout.panel(first + 2, c, nth(gradients, c), diverging_map(std::max(range.most, 1e-300)));
    layout.outline(first + 2, c, truth, {0, 0, 0});
  }
  draw_legend(layout, range);
  return drawing.picture();
}

}  // namespace voxgrad::apps

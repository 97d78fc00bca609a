#include "apps/doctor/facts_borders.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/names.h"
#include "engine/parallel.h"

namespace voxgrad::apps {
namespace {

using Voxel = std::array<std::int64_t, 3>;  // z, y, x

constexpr std::int64_t kMostVoxels = std::int64_t{1} << 21;  // of a case that are looked at
constexpr std::size_t kMostPoints = 500;                     // of a border
constexpr std::size_t kFewestPoints = 12;
constexpr std::int64_t kFarthest2 = 16, kFarthest3 = 6;  // the longest shift along an axis
constexpr std::array<int, 4> kOthers{1, 2, 5, 9};        // how many cases before this one the other masks are

struct Placed {  // a point of a border, and the normal there
  Voxel at;
  std::array<float, 3> normal;
};

Voxel voxel_extents(const Shape& shape) { return {shape.dims() == 3 ? shape[0] : 1, shape[-2], shape[-1]}; }

// A grid of values with three axes. Neighbours outside of it are the nearest inside.
template <class Value>
struct Grid {
  Voxel extents{};
  std::vector<Value> values;
  std::int64_t at(std::int64_t z, std::int64_t y, std::int64_t x) const {
    return (z * extents[1] + y) * extents[2] + x;
  }
};

template <class Value>
Grid<float> channel_of(const Value* values, const Voxel& from, const Voxel& stride, std::int64_t channels,
                       std::int64_t channel) {
  Grid<float> grid;
  for (std::size_t k = 0; k < 3; ++k) grid.extents[k] = (from[k] + stride[k] - 1) / stride[k];
  grid.values.reserve(static_cast<std::size_t>(grid.extents[0] * grid.extents[1] * grid.extents[2]));
  for (std::int64_t z = 0; z < from[0]; z += stride[0])
    for (std::int64_t y = 0; y < from[1]; y += stride[1])
      for (std::int64_t x = 0; x < from[2]; x += stride[2])
        grid.values.push_back(static_cast<float>(values[((z * from[1] + y) * from[2] + x) * channels + channel]));
  return grid;
}

std::int64_t stride_of_axis(const Voxel& extents, std::size_t axis) {
  return axis == 2 ? 1 : axis == 1 ? extents[2] : extents[1] * extents[2];
}

// Calls row(first, length, stride) for every line of voxels along an axis.
template <class F>
void for_lines(const Voxel& extents, std::size_t axis, F&& row) {
  const std::int64_t stride = stride_of_axis(extents, axis), length = extents[axis];
  const std::int64_t lines = extents[0] * extents[1] * extents[2] / length;
  for (std::int64_t line = 0; line < lines; ++line)
    row(line / stride * stride * length + line % stride, length, stride);
}

// Replaces each value by (before + 2 here + after) / 4, against noise.
void smooth(Grid<float>& grid, std::size_t axis) {
  for_lines(grid.extents, axis, [&](std::int64_t first, std::int64_t length, std::int64_t stride) {
    float before = nth(grid.values, first);
    for (std::int64_t i = 0; i < length; ++i) {
      float& here = nth(grid.values, first + i * stride);
      const float after = i + 1 < length ? nth(grid.values, first + (i + 1) * stride) : here;
      const float sum = 0.25f * (before + 2 * here + after);
      before = here;
      here = sum;
    }
  });
}

// The differences between the neighbours on both sides, with three components per voxel.
std::vector<std::array<float, 3>> gradient_of(const Grid<float>& grid) {
  std::vector<std::array<float, 3>> gradient(grid.values.size());
  for (std::size_t axis = 0; axis < 3; ++axis)
    for_lines(grid.extents, axis, [&](std::int64_t first, std::int64_t length, std::int64_t stride) {
      for (std::int64_t i = 1; i + 1 < length; ++i)
        nth(gradient, first + i * stride)[axis] =
            nth(grid.values, first + (i + 1) * stride) - nth(grid.values, first + (i - 1) * stride);
    });
  return gradient;
}

// The cases may have different extents; a move has to fit all of them.
std::vector<Move> moves_for(const data::DatasetInfo& info, const Voxel& stride) {
  Voxel least = voxel_extents(info.shapes.front());
  for (const Shape& shape : info.shapes)
    for (std::size_t k = 0; k < 3; ++k) least[k] = std::min(least[k], voxel_extents(shape)[k]);
  const std::int64_t farthest = info.dims == 3 ? kFarthest3 : kFarthest2;
  Voxel most{};
  for (std::size_t k = 0; k < 3; ++k) most[k] = std::min(farthest, least[k] / stride[k] / 4);
  std::vector<Move> moves;
  Move move;
  for (move.shift[0] = -most[0]; move.shift[0] <= most[0]; ++move.shift[0])
    for (move.shift[1] = -most[1]; move.shift[1] <= most[1]; ++move.shift[1])
      for (move.shift[2] = -most[2]; move.shift[2] <= most[2]; ++move.shift[2]) moves.push_back(move);
  move.shift = {};
  do {
    const bool fits = std::all_of(info.shapes.begin(), info.shapes.end(), [&](const Shape& shape) {
      const Voxel extents = voxel_extents(shape);
      for (std::size_t k = 0; k < 3; ++k)
        if (nth(extents, move.axis[k]) != extents[k]) return false;
      return info.dims == 3 || move.axis[0] == 0;
    });
    for (int flips = 0; fits && flips < (info.dims == 3 ? 8 : 4); ++flips) {
      for (int k = 0; k < 3; ++k) move.backwards[static_cast<std::size_t>(2 - k)] = (flips >> k & 1) != 0;
      if (!move.is_shift()) moves.push_back(move);
    }
  } while (std::next_permutation(move.axis.begin(), move.axis.end()));
  return moves;
}

}  // namespace

BorderSurvey::BorderSurvey(const data::DatasetInfo& info, std::int64_t cases) {
  std::int64_t largest = 0, step = 1;
  Voxel longest{};
  for (const Shape& shape : info.shapes) {
    largest = std::max(largest, shape.numel());
    for (std::size_t k = 0; k < 3; ++k) longest[k] = std::max(longest[k], voxel_extents(shape)[k]);
  }
  const auto looked_at = [&] { return largest / (info.dims == 3 ? step * step * step : step * step); };
  while (looked_at() > kMostVoxels) ++step;
  for (std::size_t k = 0; k < 3; ++k) stride_[k] = longest[k] >= 16 * step ? step : 1;  // a thin axis stays whole
  moves_ = searched_ = moves_for(info, stride_);
  for (Move& move : moves_)
    for (std::size_t k = 0; k < 3; ++k) move.shift[k] *= stride_[k];
  scores_.reserve(static_cast<std::size_t>(cases));
}

void BorderSurvey::add(std::int64_t index, const data::Case& one, int ignored) {
  const Voxel full = voxel_extents(one.label.shape());
  const Grid<float> mask = channel_of(one.label.data<std::uint8_t>(), full, stride_, 1, 0);
  const Voxel extents = mask.extents;
  Outline outline{extents, {}, one.group};
  // The normal points to where more of the neighbours have the label of the voxel.
  for (std::int64_t z = 0; z < extents[0]; ++z)
    for (std::int64_t y = 0; y < extents[1]; ++y)
      for (std::int64_t x = 0; x < extents[2]; ++x) {
        const float label = nth(mask.values, mask.at(z, y, x));
        if (label == 0 || label == static_cast<float>(ignored)) continue;
        bool border = false;
        std::array<float, 3> normal{};
        for (std::int64_t dz = -1; dz <= 1; ++dz)
          for (std::int64_t dy = -1; dy <= 1; ++dy)
            for (std::int64_t dx = -1; dx <= 1; ++dx) {
              const std::int64_t w = z + dz, v = y + dy, u = x + dx;
              if (w < 0 || v < 0 || u < 0 || w >= extents[0] || v >= extents[1] || u >= extents[2]) continue;
              const float other = nth(mask.values, mask.at(w, v, u));
              if (other == label || other == static_cast<float>(ignored)) continue;
              border = border || std::abs(dz) + std::abs(dy) + std::abs(dx) == 1;
              normal[0] += static_cast<float>(dz);
              normal[1] += static_cast<float>(dy);
              normal[2] += static_cast<float>(dx);
            }
        const float length = std::hypot(normal[0], normal[1], normal[2]);
        if (!border || length == 0) continue;
        for (float& n : normal) n /= length;
        outline.points.push_back({{static_cast<float>(z), static_cast<float>(y), static_cast<float>(x)}, normal});
      }
  if (outline.points.size() > kMostPoints) {  // evenly spread
    for (std::size_t i = 0; i < kMostPoints; ++i)
      outline.points[i] = outline.points[i * outline.points.size() / kMostPoints];
    outline.points.resize(kMostPoints);
  }
  if (outline.points.size() < kFewestPoints) return;

  // The masks that are laid over this image.
  std::vector<const Outline*> outlines{&outline};
  for (const int back : kOthers)
    if (const std::int64_t other = std::ssize(outlines_) - back; other >= 0)
      if (outline.group.empty() || nth(outlines_, other).group != outline.group)
        outlines.push_back(&nth(outlines_, other));

  // Where a move without its shift puts the points of a border: most moves are shifts of the same points.
  const auto placed = [&](const Outline& from, const Move& move) {
    std::vector<Placed> points;
    points.reserve(from.points.size());
    for (const Point& point : from.points) {
      Placed& to = points.emplace_back();
      for (std::size_t k = 0; k < 3; ++k) {
        const std::size_t axis = static_cast<std::size_t>(move.axis[k]);
        const float scale =
            from.extents == extents ? 1.0f : static_cast<float>(extents[axis]) / static_cast<float>(from.extents[axis]);
        const std::int64_t place = static_cast<std::int64_t>(point.at[axis] * scale);
        to.at[k] = move.backwards[k] ? extents[axis] - 1 - place : place;
        to.normal[k] = move.backwards[k] ? -point.normal[axis] : point.normal[axis];
      }
    }
    return points;
  };
  const std::vector<Placed> in_place = placed(outline, {});

  BorderScores scores;
  scores.index = index;
  scores.moved.assign(moves_.size(), 0);
  scores.others.assign(outlines.size() - 1, 0);
  const std::int64_t channels = one.image.extent(-1);
  double own = 0;
  for (std::int64_t c = 0; c < channels; ++c) {
    Grid<float> image = channel_of(one.image.data<float>(), full, stride_, channels, c);
    for (std::size_t axis = 0; axis < 3; ++axis) smooth(image, axis);
    const std::vector<std::array<float, 3>> gradient = gradient_of(image);
    double sum = 0;
    for (const auto& g : gradient) sum += static_cast<double>(std::hypot(g[0], g[1], g[2]));
    const float usual = static_cast<float>(sum / static_cast<double>(gradient.size()));
    if (usual == 0) continue;
    // Strong edges count little more than clear ones, or a few bones would decide.
    const auto fit = [&](const std::vector<Placed>& points, const Voxel& shift) {
      double total = 0;
      std::int64_t inside = 0;
      for (const auto& [at, normal] : points) {
        const std::int64_t z = at[0] + shift[0], y = at[1] + shift[1], x = at[2] + shift[2];
        if (z < 0 || y < 0 || x < 0 || z >= extents[0] || y >= extents[1] || x >= extents[2]) continue;
        ++inside;
        const auto& g = nth(gradient, image.at(z, y, x));
        const float along = std::abs(g[0] * normal[0] + g[1] * normal[1] + g[2] * normal[2]);
        total += static_cast<double>(along / (along + usual));
      }
      if (2 * inside < std::ssize(points)) return std::numeric_limits<double>::quiet_NaN();
      return total / static_cast<double>(inside) / static_cast<double>(channels);
    };
    parallel_for(std::ssize(moves_), 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Move& move = nth(searched_, i);
        const double score = move.is_shift() ? fit(in_place, move.shift) : fit(placed(outline, move), move.shift);
        nth(scores.moved, i) += static_cast<float>(score);
      }
    });
    own += fit(in_place, {});
    for (std::size_t i = 1; i < outlines.size(); ++i)
      scores.others[i - 1] += static_cast<float>(fit(placed(*outlines[i], {}), {}));
  }
  double sum = 0, squares = 0;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < moves_.size(); ++i) {
    const double score = static_cast<double>(scores.moved[i]);
    if (!moves_[i].is_shift() || std::isnan(score)) continue;
    sum += score;
    squares += score * score;
    ++count;
  }
  scores.own = own;
  if (count > 0) scores.mean = sum / static_cast<double>(count);
  if (count > 0)
    scores.spread = std::sqrt(std::max(0.0, squares / static_cast<double>(count) - scores.mean * scores.mean));
  scores_.push_back(std::move(scores));
  outlines_.push_back(std::move(outline));
}

Tensor moved(const Tensor& mask, const Move& move) {
  const Voxel extents = voxel_extents(mask.shape());
  const Tensor result = zeros(mask.shape(), DType::u8);
  const std::uint8_t* from = mask.data<std::uint8_t>();
  std::uint8_t* to = result.data<std::uint8_t>();
  const auto index = [&](const Voxel& v) { return (v[0] * extents[1] + v[1]) * extents[2] + v[2]; };
  Voxel v{};
  for (v[0] = 0; v[0] < extents[0]; ++v[0])
    for (v[1] = 0; v[1] < extents[1]; ++v[1])
      for (v[2] = 0; v[2] < extents[2]; ++v[2]) {
        Voxel target{};
        bool inside = true;
        for (std::size_t k = 0; k < 3; ++k) {
          const std::int64_t place = nth(v, move.axis[k]), extent = nth(extents, move.axis[k]);
          target[k] = (move.backwards[k] ? extent - 1 - place : place) + move.shift[k];
          inside = inside && target[k] >= 0 && target[k] < extents[k];
        }
        if (inside) to[index(target)] = from[index(v)];
      }
  return result;
}

std::string words_of(const Move& move, int dims) {
  constexpr std::array<const char*, 3> kAxes{"z", "y", "x"};
  std::vector<std::string> parts, order, exchanged, flipped;
  for (std::size_t k = dims == 3 ? 0 : 1; k < 3; ++k) {
    order.emplace_back(nth(kAxes, move.axis[k]));
    if (nth(kAxes, move.axis[k]) != kAxes[k]) exchanged.emplace_back(kAxes[k]);
    if (move.backwards[k]) flipped.emplace_back(kAxes[k]);
  }
  if (exchanged.size() == 2) parts.push_back("with " + join(exchanged, " and ") + " exchanged");
  if (exchanged.size() == 3) parts.push_back("with their axes in the order " + join(order, ", "));
  if (!flipped.empty()) parts.push_back("flipped along " + join(flipped, " and "));
  for (std::size_t k = 0; k < 3; ++k)
    if (move.shift[k] != 0) parts.push_back(text("shifted by ", move.shift[k], " along ", kAxes[k]));
  return join(parts, ", ");
}

}  // namespace voxgrad::apps
